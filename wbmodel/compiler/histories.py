"""Documents that ask the same of several objects by aliases: whole rows of their streams.

The text depends only on the route, on what is asked and on the number of aliases, so there is one document for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs

from wbmodel.backend.asks import Document, Request
from wbmodel.compiler.answer_types import Fields, aliased_type, list_of, object_of
from wbmodel.compiler.document import Selection, write
from wbmodel.meta import Arg, Route

__all__ = [
    "CONSOLE",
    "EVENTS",
    "FILES_AND_LIVE",
    "FILES_OF_HISTORY",
    "KEYS_OF_HISTORY",
    "LINES_ONLY",
    "MOST_KEYS",
    "ROWS",
    "ROWS_CUT",
    "Kind",
    "aliased_request",
]

MOST_KEYS = 100_000
"""The ``maxKeyLimit``: how many keys a row may have before a server cuts it."""


@attrs.frozen(slots=True, eq=False)
class Kind:
    """What is asked of one object. ``{0}`` in a selection is the number of its alias, in the names of ``variables``."""

    operation: str
    variables: tuple[tuple[str, str], ...]
    selection: Selection
    answer: Fields


def _rows(more: str) -> Kind:
    return Kind(
        "Histories",
        (("a", "Int64"), ("b", "Int64"), ("s", "Int")),
        (
            ("id", ()),
            ("historyLineCount", ()),
            ("history(minStep: $a{0}, maxStep: $b{0}, samples: $s{0}" + more + ")", ()),
        ),
        {"id": str, "historyLineCount": int | None, "history": list_of(str | None)},
    )


ROWS = _rows(f", maxKeyLimit: {MOST_KEYS}")
"""Rows of a history as texts, of a range of steps, and the number of its lines."""

ROWS_CUT = _rows("")
"""The same of a server that knows no limit of keys."""

KEYS_OF_HISTORY = Kind(
    "HistoryKeys",
    (),
    (("id", ()), ("historyLineCount", ()), ("historyKeys", ())),
    {"id": str, "historyLineCount": int | None, "historyKeys": Any},
)
"""Facts about the keys of a history: the last step, and often the number of rows."""

LINES_ONLY = Kind(
    "HistoryLines",
    (),
    (("id", ()), ("historyLineCount", ())),
    {"id": str, "historyLineCount": int | None},
)
"""The number of lines of a history."""


def _exports(*more: str) -> Kind:
    selection: Selection = tuple((name, ()) for name in ("parquetUrls", *more))
    answer = {"parquetUrls": list_of(str), **dict.fromkeys(more, list_of(Any))}
    return Kind(
        "HistoryExports",
        (),
        (*LINES_ONLY.selection, ('parquetHistory(liveKeys: ["_step"])', selection)),
        {**LINES_ONLY.answer, "parquetHistory": object_of(answer)},
    )


FILES_OF_HISTORY = _exports()
"""The URLs of the Parquet files of a history."""

FILES_AND_LIVE = _exports("liveData")
"""The same, and the steps of the rows that are in none of the files. Without files, these are all."""

EVENTS = Kind(
    "Events",
    (("s", "Int"),),
    (("id", ()), ("eventsLineCount", ()), ("events(samples: $s{0})", ())),
    {"id": str, "eventsLineCount": int | None, "events": list_of(str | None, nullable=True)},
)
"""Rows of system metrics as texts, and the number of their lines."""

_LINE: Fields = {"number": int | None, **dict.fromkeys(("line", "level", "timestamp", "label"), str | None)}

CONSOLE = Kind(
    "Console",
    (("f", "Int"), ("c", "String")),
    (
        ("id", ()),
        ("logLineCount", ()),
        (
            "logLines(first: $f{0}, after: $c{0})",
            (
                ("edges", (("node", tuple((name, ()) for name in _LINE)),)),
                ("pageInfo", (("endCursor", ()), ("hasNextPage", ()))),
            ),
        ),
    ),
    {
        "id": str,
        "logLineCount": int | None,
        "logLines": object_of(
            {
                "edges": list_of(object_of({"node": object_of(_LINE)})),
                "pageInfo": object_of({"endCursor": str | None, "hasNextPage": bool}, nullable=False),
            }
        ),
    },
)
"""A page of console lines, and the number of all."""


def aliased_request(
    kind: Kind, route: Route, parent: Mapping[str, Any], asked: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> Request:
    """The request that asks ``kind`` of several objects of one ``parent``; each is named by the variables of the
    route's last step, and has the values of the variables of ``kind``."""
    variables: dict[str, Any] = {arg.variable: parent.get(arg.variable) for arg in _shared(route)}
    for at, (named, values) in enumerate(asked):
        variables.update((f"{arg.variable}{at}", named[arg.variable]) for arg in route.steps[-1].args)
        variables.update((f"{name}{at}", values[name]) for name, _ in kind.variables)
    return Request(_document(kind, route, len(asked)), variables, kind.operation, divisible=True)


@lru_cache(maxsize=256)
def _document(kind: Kind, route: Route, slots: int) -> Document:
    last = route.steps[-1]
    variables = {arg.variable: arg.type for arg in _shared(route)}
    inside: list[tuple[str, Selection]] = []
    for at in range(slots):
        variables |= {f"{arg.variable}{at}": arg.type for arg in last.args}
        variables |= {f"{name}{at}": of for name, of in kind.variables}
        inside.append((f"r{at}: {last.field}({_given(last.args, str(at))})", _numbered(kind.selection, at)))
    selection: Selection = tuple(inside)
    for step in reversed(route.steps[:-1]):
        selection = ((f"{step.field}({_given(step.args)})" if step.args else step.field, selection),)
    answer = aliased_type(route, [f"r{at}" for at in range(slots)], kind.answer)
    return write(f"query {kind.operation}", variables.items(), selection, answer=answer)


def _shared(route: Route) -> list[Arg]:
    return [arg for step in route.steps[:-1] for arg in step.args]


def _given(args: Sequence[Arg], suffix: str = "") -> str:
    return ", ".join(f"{arg.name}: ${arg.variable}{suffix}" for arg in args)


def _numbered(selection: Selection, at: int) -> Selection:
    return tuple((name.replace("{0}", str(at)), _numbered(inner, at)) for name, inner in selection)
