"""Rows of a history as they come, JSON texts, and what is made of them: rows by step, and columns of these.

A step is an integer: ``5.0`` and ``"5"`` are 5. A row with any other step, or none, is kept; its ``_step`` is None, and
it stands after the others.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, cast

import attrs

from wbmodel.backend.asks import ColumnBatch
from wbmodel.codec import loads_all
from wbmodel.table.flat import flat_row

__all__ = ["STEP", "Decoded", "Packed", "Row", "columns_of", "decode", "load_rows", "step_of"]

STEP = "_step"
Row = dict[str, Any]


@attrs.frozen(slots=True, eq=False)
class Decoded:
    """Rows by step, their ``steps``, and the ``loose`` rows, which have none. ``damaged`` says of each row that could
    not be read where it was, and why."""

    rows: list[Row]
    steps: list[int]
    loose: Sequence[Row] = ()
    damaged: Sequence[str] = ()

    def between(self, low: int | None, high: int | None) -> Decoded:
        """Without the rows that are out of a range of steps."""
        steps = self.steps
        start = 0 if low is None else bisect_left(steps, low)
        stop = len(steps) if high is None else bisect_left(steps, high)
        if start == 0 and stop == len(steps):
            return self
        return attrs.evolve(self, rows=self.rows[start:stop], steps=steps[start:stop])


def decode(texts: Sequence[str | None]) -> Decoded:
    """The rows of JSON texts, by step, and within a step as they came."""
    rows, damaged = load_rows(texts)
    steps: list[Any] = [row.get(STEP) for row in rows]
    loose: list[Row] = []
    if set(map(type, steps)) > {int} or (steps and type(steps[0]) is not int):
        for row in rows:
            row[STEP] = step_of(row.get(STEP))
        loose = [row for row in rows if row[STEP] is None]
        rows = [row for row in rows if row[STEP] is not None]
        steps = [row[STEP] for row in rows]
    if any(map(int.__gt__, steps, steps[1:])):
        rows.sort(key=itemgetter(STEP))
        steps.sort()
    return Decoded(rows, steps, loose, damaged)


def step_of(given: Any) -> int | None:
    """The step that a value stands for; None if it is not one."""
    if type(given) is int:
        return given
    if isinstance(given, float) and given.is_integer():
        return int(given)
    if isinstance(given, str):
        try:
            return int(given)
        except ValueError:
            return None
    return None


def load_rows(texts: Sequence[str | None]) -> tuple[list[Row], list[str]]:
    """The rows of JSON texts as they came, and what is wrong with those that cannot be read."""
    given = [text or "" for text in texts] if None in texts else cast("Sequence[str]", texts)
    rows, wrong = loads_all(given, tokens=True)
    damaged: list[str] = []
    if set(map(type, rows)) - {dict}:
        errors, last, values, rows = dict(wrong), "the start", rows, []
        for at, row in enumerate(values):
            if isinstance(row, dict):
                rows.append(row)
                last = f"step {row.get(STEP)!r}"
            else:
                damaged.append(f"after {last}: {errors.get(at, 'it is not an object')}")
    if "".join(given).count("{") > len(rows):  # faster than a look at each value
        rows = [cast(Row, flat_row(row)) for row in rows]
    return rows, damaged


class Packed:
    """Rows as columns that take little memory: 8 bytes for a number, while the rows of a long history are held until
    all of them are proven to be there."""

    __slots__ = ("_columns",)

    def __init__(self, rows: Sequence[Row]) -> None:
        batch = ColumnBatch.of_rows("", rows)
        self._columns = {name: _packed(values) for name, values in batch.columns.items()}

    def batch(self, run: str, start: int, stop: int) -> ColumnBatch:
        """The columns of the rows between two places, of a run."""
        columns = {name: list(values[start:stop]) for name, values in self._columns.items()}
        return ColumnBatch(run, columns, stop - start)


def _packed(values: Sequence[Any]) -> Sequence[Any]:
    types = set(map(type, values))
    try:
        if types == {float}:
            return array("d", values)
        if types == {int}:
            return array("q", values)
    except OverflowError:
        pass
    return values


def columns_of(run: str, rows: Sequence[Row], names: Iterable[str] = (STEP,)) -> ColumnBatch:
    """The batch of rows; ``names`` are columns that it has in any case."""
    batch = ColumnBatch.of_rows(run, rows)
    missing = {name: [None] * batch.length for name in names if name not in batch.columns}
    return ColumnBatch(run, {**missing, **batch.columns}, batch.length) if missing else batch
