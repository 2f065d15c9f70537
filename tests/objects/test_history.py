"""``run.history`` and ``qs.history``: chains and answers against plain lists, and what is said when something is wrong."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backends import WEAK, served
from tests.support.histories import expected, history_store
from wbmodel import Artifact, F, Q, Run
from wbmodel.engine.memory import MemoryStore
from wbmodel.errors import FieldError, IncompleteHistory, KeyWarning, QueryError
from wbmodel.objects.history import HistorySet
from wbmodel.session.session import Session

COLUMNS = attrs.evolve(WEAK, columns=True)
PLACES = ("columns", "documents")
Row = dict[str, Any]


@contextmanager
def at(place: str, store: MemoryStore) -> Iterator[Session]:
    options = {"capabilities": COLUMNS} if place == "columns" else {}
    with served(store, "weak", **options) as session:
        yield session


def plain(rows: list[Row]) -> list[Row]:
    """Rows by step, without empty cells."""
    return [{key: cell for key, cell in row.items() if cell is not None} for row in sorted(rows, key=by_step)]


def by_step(row: Row) -> int:
    return int(row["_step"])


def joined(rows: list[Row], *keys: str) -> list[Row]:
    return [{key: cell for key, cell in row.items() if cell is not None} for row in expected(rows, keys, None, None)]


# -- chains against plain lists --------------------------------------------------------------------

cells = st.none() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["x", True, 2**60, float("inf")])
row_dicts = st.fixed_dictionaries({"_step": st.integers(-2, 6)}, optional={"loss": cells, "acc": cells, "a.b": cells})
histories = st.lists(st.lists(row_dicts, max_size=12), min_size=1, max_size=4)

CONDITIONS: list[tuple[dict[str, Any], Callable[[Row], bool]]] = [
    ({"_step__gte": 1}, lambda row: row["_step"] >= 1),
    ({"step__lt": 4}, lambda row: row["_step"] < 4),
    ({"_step__range": (0, 2.5)}, lambda row: 0 <= row["_step"] <= 2.5),
    ({"_step": 3}, lambda row: row["_step"] == 3),
    ({"_step__in": [1, 4]}, lambda row: row["_step"] in (1, 4)),
    ({"loss__gt": 0}, lambda row: number(row.get("loss")) and row["loss"] > 0),
    ({"acc__isnull": True}, lambda row: row.get("acc") is None),
    ({"acc__exists": True}, lambda row: row.get("acc") is not None),
    ({"loss__ne": 1}, lambda row: not (number(row.get("loss")) and row["loss"] == 1)),
    ({"a__b__gte": 0}, lambda row: number(row.get("a.b")) and row["a.b"] >= 0),
]

STEPS: list[tuple[Callable[[HistorySet], HistorySet], Callable[[list[Row]], list[Row]]]] = [
    (lambda it: it[2:5], lambda rows: rows[2:5]),
    (lambda it: it[1:], lambda rows: rows[1:]),
    (lambda it: it[:0], lambda rows: rows[:0]),
    (lambda it: it[1::3], lambda rows: rows[1::3]),
    (lambda it: it.tail(3), lambda rows: rows[-3:]),
    (lambda it: it.tail(0), lambda rows: []),
    (lambda it: it.sample(10**6), lambda rows: rows),
]


def number(value: Any) -> bool:
    return type(value) in (int, float)


@settings(max_examples=60, deadline=None)
@given(
    histories,
    st.sampled_from([None, ("loss",), ("acc", "loss"), ("a.b", "_step")]),
    st.booleans(),
    st.lists(st.sampled_from(CONDITIONS), max_size=2),
    st.lists(st.sampled_from(STEPS), max_size=3),
    st.booleans(),
)
def test_chains_give_what_plain_lists_give(
    given_rows: list[list[Row]], keys: Any, inner: bool, conditions: Any, steps: Any, negated: bool
) -> None:
    tested = [
        key
        for lookups, _ in conditions
        for key in ("loss", "acc", "a.b")
        if any(key.replace(".", "__") in name for name in lookups)
    ]
    # One run has every key, so that none is misspelt.
    given_rows = [*given_rows, [{"_step": 0, "loss": 1, "acc": 2, "a.b": 3}]]
    wanted = []
    for at_run, rows in enumerate(given_rows):
        found = plain(rows) if keys is None else joined(rows, *keys, *tested)
        for _, test in conditions:
            found = [row for row in found if test(row) is not negated]
        if keys is not None:
            asked = [key for key in keys if key != "_step"]
            some = all if inner else any
            found = [row for row in found if some(row.get(key) is not None for key in asked)]
            found = [{key: row[key] for key in ("_step", *asked) if key in row} for row in found]
        wanted += [{"run": f"h{at_run}", **row} for row in found]
    for _, choose in steps:
        wanted = choose(wanted)
    store = history_store(given_rows)
    for place in PLACES if keys is not None else PLACES[:1]:
        with at(place, store):
            got = Run.objects.history
            for lookups, _ in conditions:
                got = got.filter(~Q(**lookups) if negated else Q(**lookups))
            got = got.values(*keys, how="inner" if inner else "outer") if keys is not None else got
            for apply, _ in steps:
                got = apply(got)
            assert list(got) == wanted
            assert [row for batch in got.chunks(3) for row in batch.rows()] == wanted
            assert got.count() == len(wanted)
