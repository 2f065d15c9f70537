"""The long form of rows: a row per value."""

from __future__ import annotations

from typing import Any

from wbmodel.table.batch import STEP, ColumnBatch

__all__ = ["to_long"]


def to_long(batch: ColumnBatch, run: str | None = None) -> ColumnBatch:
    """The columns ``_step``, ``key`` and ``value`` with a row for each value of a batch, row by row.

    With ``run``, a column ``run`` of it comes first. Cells that are None have no row. ``value`` gets its type as any
    column does: numbers stay numbers where all values are.
    """
    steps = batch.columns.get(STEP) or [None] * batch.length
    names = [name for name in batch.columns if name != STEP]
    cells = [
        (step, name, value)
        for step, row in zip(steps, zip(*(batch.columns[name] for name in names), strict=True), strict=bool(names))
        for name, value in zip(names, row, strict=True)
        if value is not None
    ]
    made: dict[str, Any] = {} if run is None else {"run": [run] * len(cells)}
    made |= dict(
        zip((STEP, "key", "value"), map(list, zip(*cells, strict=True)) if cells else ([], [], []), strict=True)
    )
    return ColumnBatch(batch.run, made, len(cells))
