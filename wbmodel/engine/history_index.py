"""``Index``: the rows of a history by step, and what is made of them once for all requests: columns and texts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from wbmodel.codec import strict
from wbmodel.engine.stopping import until_given_up
from wbmodel.engine.streams import Row, flat_row
from wbmodel.engine.text import encode

__all__ = ["Column", "Index", "StrictList", "merged"]


class StrictList(list[Any]):
    """A list whose values are strict JSON already, so that nobody has to walk them again."""


class Column:
    """The values of one key, as strict JSON. ``at`` are the positions of the rows that have it, ascending."""

    def __init__(self, at: Sequence[int], values: list[Any]) -> None:
        self.at = at
        self.values = values

    @cached_property
    def _by_position(self) -> dict[int, Any]:
        return dict(zip(self.at, self.values, strict=True))

    def take(self, at: Sequence[int]) -> list[Any]:
        """The values at these positions, all of which are in :attr:`at`."""
        if isinstance(self.at, range) and isinstance(at, range):
            return self.values[at.start : at.stop]
        found: Any = self.values if isinstance(self.at, range) else self._by_position
        return [found[position] for position in at]


class Index:
    """Rows by step. Columns, texts and flat rows are made on first use; threads that do so at once do it twice."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.steps: list[int] = list(map(itemgetter("_step"), rows))
        self._columns: dict[str, Column] = {}
        self._texts: list[str | None] = [None] * len(rows)

    @property
    def weight(self) -> int:
        """The number of cells."""
        return len(self.rows) + sum(map(len, self.rows))

    @cached_property
    def flat(self) -> list[Row]:
        """The rows with dotted keys."""
        return [flat_row(row) for row in until_given_up(self.rows)]

    def between(self, low: float | None, high: float | None) -> range:
        """The positions of rows with ``low <= _step < high``; None leaves a side open."""
        start = 0 if low is None else bisect_left(self.steps, low)
        return range(start, len(self.rows) if high is None else max(start, bisect_left(self.steps, high)))

    def column(self, key: str) -> Column:
        """A column; empty if no row has the key."""
        found = self._columns.get(key)
        if found is None:
            at: Sequence[int] = [at for at, row in enumerate(until_given_up(self.flat)) if key in row]
            flat = self.flat
            values = [strict(flat[position][key]) for position in at]
            found = self._columns[key] = Column(range(len(flat)) if len(at) == len(flat) else at, values)
        return found

    def having(self, keys: Iterable[str], among: range) -> Sequence[int]:
        """The positions, among these, of rows that have all keys."""
        found: Sequence[int] = among
        for column in sorted(map(self.column, keys), key=lambda column: len(column.at)):
            if isinstance(column.at, range):
                break  # every row has it, and every key after it
            if found is among:
                found = column.at[bisect_left(column.at, among.start) : bisect_left(column.at, among.stop)]
            else:
                there = set(column.at)
                found = [at for at in found if at in there]
        return found

    def parts(self, at: Sequence[int], keys: Sequence[str]) -> StrictList:
        """The rows at these positions, with these keys only; without keys, whole."""
        if not keys:
            return StrictList(strict(self.flat[position]) for position in until_given_up(at))
        columns = [self.column(key).take(at) for key in keys]
        if len(keys) == 2:  # one key and its step: what is asked most, a third of the time of the general way
            one, other = keys
            return StrictList([{one: a, other: b} for a, b in zip(*columns, strict=True)])
        return StrictList([dict(zip(keys, cells, strict=True)) for cells in zip(*columns, strict=True)])

    def text(self, at: int) -> str:
        """The row at this position as JSON text."""
        found = self._texts[at]
        if found is None:
            found = self._texts[at] = encode(self.rows[at])
        return found


def merged(rows: Iterable[Row]) -> list[Row]:
    """Rows by step, those of one step as one."""
    found: dict[int, Row] = {}
    for row in rows:
        step = row["_step"]
        found[step] = {**found[step], **row} if step in found else row
    return list(found.values())
