"""The join of series: the k-th value of each key at a step is in its k-th row, whatever the borders of batches."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.keyed_histories import expected
from wbmodel.backend.asks import ColumnBatch
from wbmodel.operations.histories.joined import NoStep, Regrouping, Series, joined, series_of

CELL = st.sampled_from([None, 0, 1.5, "text"])
ROWS = st.lists(
    st.fixed_dictionaries({"_step": st.integers(-2, 4)}, optional={"a": CELL, "b": CELL, "c": CELL}), max_size=20
)
KEYS = ("b", "a", "c")


def rows_of(steps: Any, columns: Any) -> list[dict[str, Any]]:
    return [
        {"_step": step, **dict(zip(KEYS, cells, strict=True))} for step, *cells in zip(steps, *columns, strict=True)
    ]


@settings(max_examples=deep(60))
@given(ROWS)
def test_key_by_key(rows: list[dict[str, Any]]) -> None:
    rows.sort(key=lambda row: row["_step"])
    series = [series_of([{"_step": row["_step"], key: row[key]} for row in rows if key in row], key) for key in KEYS]
    assert rows_of(*joined(series)) == expected(rows, KEYS, None, None)


@settings(max_examples=deep(60))
@given(ROWS, st.lists(st.integers(0, 20), max_size=5))
def test_batch_by_batch(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    rows.sort(key=lambda row: row["_step"])
    there = [row for row in rows if any(key in row for key in KEYS)]
    regrouping = Regrouping(KEYS)
    borders = [0, *sorted(min(cut, len(there)) for cut in cuts), len(there)]
    made: list[ColumnBatch] = []
    for start, stop in itertools.pairwise(borders):
        part = there[start:stop]
        columns = {name: [row.get(name) for row in part] for name in ("_step", *KEYS)}
        made += regrouping.take(ColumnBatch("run", columns, len(part)))
    made += regrouping.rest()
    got = [row for batch in made for row in rows_of(batch.columns["_step"], [batch.columns[key] for key in KEYS])]
    assert got == expected(rows, KEYS, None, None)


def test_rows_without_a_step_come_last_as_they_are() -> None:
    regrouping = Regrouping(("a",))
    first = regrouping.take(ColumnBatch("run", {"_step": [1, 1, None, None], "a": [1, None, 3, 4]}, 4))
    assert [batch.columns for batch in (*first, *regrouping.rest()) if batch.length] == [
        {"_step": [1], "a": [1]},
        {"_step": [None, None], "a": [3, 4]},
    ]


def test_a_series_in_any_order() -> None:
    rows = [{"_step": at, "a": at} for at in range(50)]
    random.Random(1).shuffle(rows)
    assert series_of(rows, "a").steps == list(range(50))
    kept = series_of([{"_step": 1, "a": "x"}, {"_step": 0, "a": "y"}, {"_step": 1, "a": "z"}], "a")
    assert (kept.steps, kept.values) == ([0, 1, 1], ["y", "x", "z"])


def test_texts_that_stand_for_numbers() -> None:
    got = series_of(
        [{"_step": 0, "a": "Infinity"}, {"_step": 1, "a": ["-Infinity", "nan"]}, {"_step": 2.0, "a": True}], "a"
    )
    assert got.values == [float("inf"), [float("-inf"), "nan"], True]
    assert got.steps == [0, 1, 2]


def test_what_is_not_a_step() -> None:
    assert series_of([{"_step": "5", "a": 1}], "a").steps == [5]
    for step in (None, "text", 1.5, [1]):
        with pytest.raises(NoStep):
            series_of([{"_step": step, "a": 1}], "a")


def test_no_series_shares_what_the_caller_changes() -> None:
    steps, columns = joined([Series([1, 2], [3, 4]), Series([2], [5])])
    assert (steps, columns) == ([1, 2], [[3, 4], [None, 5]])
