"""A row per value."""

from __future__ import annotations

import math

from wbmodel.table.batch import ColumnBatch
from wbmodel.table.growing import Growing
from wbmodel.table.long import to_long


def test_a_row_per_value_in_the_order_of_the_rows() -> None:
    batch = ColumnBatch("r1", {"loss": [1, None], "_step": [0, 1], "acc": [0.5, math.nan]}, 2)
    made = to_long(batch, "short")
    assert repr(made.records()) == repr(
        [
            {"run": "short", "_step": 0, "key": "loss", "value": 1},
            {"run": "short", "_step": 0, "key": "acc", "value": 0.5},
            {"run": "short", "_step": 1, "key": "acc", "value": math.nan},
        ]
    )
    assert [str(column.dtype) for column in made.typed()] == ["text", "int", "text", "float"]


def test_without_a_run_a_step_or_values() -> None:
    assert to_long(ColumnBatch("r1", {"a": [True]}, 1)).records() == [{"_step": None, "key": "a", "value": True}]
    for columns in ({}, {"_step": [1, 2]}, {"_step": [1, 2], "a": [None, None]}):
        made = to_long(ColumnBatch("r1", columns, 2))
        assert (made.names, made.length) == (("_step", "key", "value"), 0)


def test_types_of_all_chunks_decide() -> None:
    growing = Growing("table")
    for columns in ({"_step": [0], "a": [1]}, {"_step": [1], "a": ["x"]}):
        growing.add_batch(to_long(ColumnBatch("r1", columns, 1)))
    assert growing.finish().columns["value"] == [1, "x"]
