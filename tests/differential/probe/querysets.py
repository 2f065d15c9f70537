"""The part ``querysets``: each question at each home, with all that can be seen of its answer."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import wbmodel

from .homes import HOMES, home
from .questions import Question, question
from .recording import Writer, observed
from .world import DAY, START, big_world

__all__ = ["NAMES", "ask", "ask_all", "evaluated"]

NAMES: dict[str, Any] = {
    **{name: getattr(wbmodel, name) for name in wbmodel.__all__},
    "START": START, "DAY": DAY, "datetime": datetime, "date": date, "timedelta": timedelta, "inf": math.inf,
    "nan": math.nan,
}  # fmt: skip


def evaluated(text: str, names: dict[str, Any] | None = None) -> Any:
    """The value of an expression over the library's names; what can be awaited is awaited."""
    value = eval(text, {**NAMES, **(names or {})})
    if inspect.isawaitable(value):
        return asyncio.run(_awaited(value))
    return value


async def _awaited(value: Any) -> Any:
    return await value


def is_rows(value: Any) -> bool:
    """Whether it is a queryset."""
    return hasattr(value, "explain") and hasattr(value, "order_by")


def ask_all(writer: Writer, seeds: Iterable[int], homes: Iterable[str] = HOMES, every: int = 1) -> None:
    """Ask the questions of ``seeds`` at ``homes``; at live ones, only those of every ``every``-th seed."""
    for at, name in enumerate(HOMES):
        if name not in homes:
            continue
        with home(name, big_world()) as session, session.as_current():
            for seed in seeds:
                if not name.startswith("live-") or seed % every == at % every:
                    ask(writer, seed, name)


def ask(writer: Writer, seed: int, name: str) -> None:
    """Ask one question of the current session, and write what came of it."""
    asked = question(seed)
    full = seed % 3 == 0
    record: dict[str, Any] = {"text": asked.text}
    record["made"], made = observed(lambda: _unless_rows(evaluated(asked.text)), full)
    rows = made.rows if isinstance(made, _Unasked) else made
    if is_rows(rows):
        _look(record, rows, asked, full)
    writer.write("querysets", seed, name, record)


def _unless_rows(value: Any) -> Any:
    return _Unasked(value) if is_rows(value) else value


class _Unasked:
    """A queryset that is not to be evaluated by being described."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        return "a queryset"


def _look(record: dict[str, Any], rows: Any, asked: Question, full: bool) -> None:
    record["explain"], told = observed(rows.explain)
    if told is not None:
        record["explain"]["result"] = [str(told), _plain(told.to_dict())]
    record["query"], _ = observed(lambda: str(rows.query))
    record["rows"], found = observed(lambda: list(rows), full)
    if found and asked.reads:
        record["reads"], _ = observed(lambda: [[_read(row, name) for name in asked.reads] for row in found[:3]], False)
    for end in asked.ends:
        # As text of its own, of a queryset that is not evaluated yet.
        record[end], _ = observed(_end(end, rows.all()), full)


def _plain(value: Any) -> Any:
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else repr(value)


def _end(end: str, rows: Any) -> Callable[[], Any]:
    def run() -> Any:
        value = evaluated(f"rows{end}", {"rows": rows})
        if end.startswith(".iterator"):
            return list(value)
        return str(value) if end in (".query", ".explain(analyze=True)", ".aexplain()") else value

    return run


def _read(row: Any, names: str) -> Any:
    try:
        for name in names.split("."):
            row = getattr(row, name)
        return list(row) if is_rows(row) else row
    except Exception as error:
        return f"{type(error).__name__}: {error}"
