"""A world with what is hard to show: markup, control characters, odd numbers, in names, keys and values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from wbmodel import connect
from wbmodel.session.session import Session

__all__ = ["HOSTILE", "Page", "hostile", "many", "odd", "parsed"]

HOSTILE = [
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=1">',
    "</td></table><iframe src='https://example.invalid/'></iframe>",
    "javascript:alert(1)",
    "a & b &lt; c &amp;",
    "tab\there\nnew line\x00\x1b[31mred\x07",
    "turned \u202e text \u2066 around",
    "\ud83d half of a pair",
    "名前 🚀 имя",
    "x" * 5000,
]


def _world(runs: list[dict[str, Any]]) -> dict[str, Any]:
    project = {
        "description": HOSTILE[0],
        "runs": runs,
        "sweeps": {"sw": {"name": HOSTILE[1], "config": {"method": "grid"}}},
    }
    return {
        "viewer": "ada",
        "users": ["ada"],
        "entities": {"acme": {"members": ["ada"], "projects": {"vision": project}}},
    }


@contextmanager
def _on(world: dict[str, Any]) -> Iterator[Session]:
    with connect("fixtures:", world=world, project="acme/vision", name="shown", default=False) as session:
        yield session


@contextmanager
def hostile() -> Iterator[Session]:
    """Ten runs; each of :data:`HOSTILE` is a name, a tag, a note, a key and a value."""
    runs = [
        {
            "id": f"r{index}",
            "name": text,
            "state": "finished",
            "tags": [text],
            "notes": text,
            "created_at": "2024-03-01T10:00:00Z",
            "config": {text[:40]: index, "same": {"below": text}},
            "summary": {"loss": index / 3, f"key {text[:40]}": text},
        }
        for index, text in enumerate(HOSTILE)
        if "\ud83d" not in text
    ]
    with _on(_world(runs)) as session:
        yield session


@contextmanager
def odd() -> Iterator[Session]:
    """Values of every kind, ten thousand keys, and deep nesting."""
    deep: Any = 1
    for _ in range(90):
        deep = {"d": deep}
    values = [1e300, math.nan, math.inf, True, None, 10**40, [1, [2]], {"a": deep}, "", {}, -0.0]
    runs = [
        {"id": f"o{index}", "name": f"odd {index}", "config": {"v": value}, "summary": {"v": value}}
        for index, value in enumerate(values)
    ]
    runs.append(
        {"id": "wide", "name": "wide", "config": {f"k{index}": index for index in range(10_000)}, "summary": {}}
    )
    with _on(_world(runs)) as session:
        yield session


@contextmanager
def many(number: int = 45) -> Iterator[Session]:
    """``number`` plain runs, newest last."""
    runs = [
        {
            "id": f"m{index:02d}",
            "name": f"run {index}",
            "state": "finished",
            "created_at": f"2024-03-01T10:00:{index:02d}Z",
            "config": {"same": 1, "lr": index, "deep": {"er": index % 2}, **({"rare": 1} if index == 44 else {})},
            "summary": {"_step": index, "loss": index / 7, "acc": 0.5},
        }
        for index in range(number)
    ]
    with _on(_world(runs)) as session:
        yield session


class Page(HTMLParser):
    """What a browser would make of it: the tags, their attributes, and the texts of the cells by row."""

    ALLOWED = frozenset({"table", "thead", "tbody", "tr", "th", "td", "p", "a", "wbr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.ALLOWED, tag
        names = {name for name, _ in attrs}
        assert names <= ({"href", "rel"} if tag == "a" else {"style"}), (tag, attrs)
        if tag == "wbr":
            return
        self.links += [value or "" for name, value in attrs if name == "href"]
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "p":
            self.notes.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif "p" in self.open:
            self.notes[-1] += data
        else:
            assert not data.strip(), data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def parsed(html: str | None) -> Page:
    """The page of some HTML, which must be well formed and hold plain tables only."""
    assert html is not None
    html.encode("utf-8")  # half of a surrogate pair would break a notebook when it is saved
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page
