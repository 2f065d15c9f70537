"""Tables are put together row by row, whatever columns they have; a batch of a run's stream is one of them."""

from __future__ import annotations

import copy
import math
import pickle
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from wbmodel import request
from wbmodel.backend import asks
from wbmodel.errors import QueryError
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.build import Builder
from wbmodel.table.column import Column
from wbmodel.table.table import Table

CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
KEYS = st.sampled_from(["_step", "loss", "acc", "é", ""])


@st.composite
def batches(draw: st.DrawFn) -> ColumnBatch:
    length = draw(st.integers(0, 4))
    columns: dict[str, Sequence[Any]] = {}
    for key in draw(st.lists(KEYS, unique=True)):
        columns[key] = draw(st.lists(CELLS, min_size=length, max_size=length))
        if draw(st.booleans()):
            columns[key] = array("d", draw(st.lists(st.floats(), min_size=length, max_size=length)))
    return ColumnBatch("run", columns, length)


@settings(max_examples=deep(100))
@given(st.lists(batches(), max_size=5))
def test_concat_is_the_outer_union_of_the_keys(parts: list[ColumnBatch]) -> None:
    made = Table.concat(parts)
    keys = list(dict.fromkeys(key for part in parts for key in part.columns))
    rows = [row for part in parts for row in part.records()]
    assert list(made.columns) == keys
    assert made.length == len(rows)
    assert repr(made.records()) == repr([{key: row.get(key) for key in keys} for row in rows])


@settings(max_examples=deep(100))
@given(st.lists(st.lists(st.dictionaries(KEYS, CELLS), max_size=4), max_size=4))
def test_rows_and_columns_are_built_alike(parts: list[list[Mapping[str, Any]]]) -> None:
    by_rows, by_columns = Builder(), Builder()
    for rows in parts:
        by_rows.add(rows)
        keys = list(dict.fromkeys(key for row in rows for key in row))
        by_columns.extend(keys, [[row.get(key) for row in rows] for key in keys], len(rows))
    one, other = by_rows.finish(), by_columns.finish()
    assert list(one) == list(other)
    for key, column in one.items():
        assert repr(list(column.values)) == repr(list(other[key].values))
        assert column.classes >= set(map(type, column.values))


def test_floats_stay_in_one_piece_of_memory() -> None:
    halves = [ColumnBatch("run", {"loss": array("d", [0.5, math.nan])}, 2), ColumnBatch("run", {"loss": [0.25]}, 1)]
    assert isinstance(Table.concat(halves).columns["loss"], array)
    with_gap = [*halves, ColumnBatch("run", {}, 1)]
    assert Table.concat(with_gap).columns["loss"][-1] is None


def test_a_batch_compares_by_value() -> None:
    batch = ColumnBatch("r1", {"_step": [0, 1], "loss": [0.5, None]}, 2)
    assert request.ColumnBatch is asks.ColumnBatch is ColumnBatch
    assert batch == ColumnBatch(run="r1", columns={"_step": [0, 1], "loss": [0.5, None]}, length=2)
    assert batch != ColumnBatch("r2", batch.columns, 2)
    assert repr(batch) == "ColumnBatch(run='r1', columns={'_step': [0, 1], 'loss': [0.5, None]}, length=2)"
    assert pickle.loads(pickle.dumps(batch)) == copy.copy(batch) == batch


def test_a_batch_is_a_table() -> None:
    batch = ColumnBatch("r1", {"_step": [0, 1], "loss": [0.5, None], "acc": [1, 0.5]}, 2)
    assert batch.records() == [{"_step": 0, "loss": 0.5, "acc": 1}, {"_step": 1, "loss": None, "acc": 0.5}]
    assert [(column.name, str(column.dtype)) for column in batch.typed()] == [
        ("_step", "int"),
        ("loss", "float"),
        ("acc", "float"),
    ]
    assert batch.to_csv() == "_step,loss,acc\n0,0.5,1.0\n1,,0.5\n"


def test_two_columns_of_one_name_are_refused() -> None:
    column = Column("a", [1])
    with pytest.raises(QueryError, match=r"two columns have the name 'a'"):
        Table([column, column], 1)
