"""Relative links and anchors of every page lead somewhere, and every page can be reached from docs/README.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import docs_markdown
from tools.docs_markdown import ROOT, broken_links, links, pages, slugs


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_markdown, "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# A heading, `code` and more\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[ok](other.md#a-heading-code-and-more) [no file](none.md) [no anchor](other.md#none) [web](https://example.org)\n"
        "```text\n[not a link](nowhere.md)\n```\n",
        encoding="utf-8",
    )
    wrong = broken_links(page)
    assert len(wrong) == 2
    assert "none.md" in wrong[0]
    assert "other.md#none" in wrong[1]


def test_every_page_can_be_reached_from_the_map() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        for target in links(page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                waiting.append((page.parent / target.partition("#")[0]).resolve())
    assert sorted(set((ROOT / "docs").rglob("*.md")) - seen) == []


def test_anchors_are_made_as_on_github() -> None:
    assert slugs("# A b\n## `x_y` [link](to.md), and more!\n# A b\n```\n# not one\n```\n") == {
        "a-b",
        "x_y-link-and-more",
        "a-b-1",
    }
