"""Columns of one event file: the points of each tag, and the rows that they stand in.

A row is one occurrence of a step: the k-th time that a tag says step s goes into row (s, k) of the file. Rows are in
the order in which they were begun.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from typing import Any

import attrs

__all__ = ["Column", "Rows", "Stored"]

_ALWAYS = 2**63
"""Above every step."""


@attrs.frozen(slots=True)
class Stored:
    """A value that stays in its file: number ``index`` in the event at ``offset``, of a ``kind``. ``size`` is about
    that of its bytes."""

    offset: int
    index: int
    kind: str
    size: int


class Column:
    """The points of a tag in one file: row numbers, wall times and values. Values are floats in an ``array`` as long as
    nothing else comes."""

    __slots__ = ("_repeated", "_repeating", "counts", "name", "rows", "top", "values", "walls")

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = array("I")
        self.walls = array("d")
        self.values: Any = array("d")
        self.top = -_ALWAYS
        self._repeating: int | None = None
        self._repeated = 0
        self.counts: Counter[int] | None = None

    @property
    def lane(self) -> tuple[Any, ...]:
        """What a loop over many points needs at hand: the column, and the methods that add to its arrays."""
        return self, self.rows.append, self.walls.append, self.values.append

    def add(self, row: int, wall: float, value: Any) -> bool:
        """Add a point. Whether the values moved to a list, because one is not a float: :attr:`lane` is another then."""
        moved = type(value) is not float and type(self.values) is array
        if moved:
            self.values = list(self.values)
        self.rows.append(row)
        self.walls.append(wall)
        self.values.append(value)
        return moved

    def occurrence(self, step: int, steps: array[int]) -> int:
        """How often the tag said ``step`` before; this is one more time. For steps that are not above ``top``."""
        if self.counts is None:
            if step == self.top:
                self._repeated = self._repeated + 1 if self._repeating == step else 1
                self._repeating = step
                return self._repeated
            self.counts = Counter(map(steps.__getitem__, self.rows))
            self.top = _ALWAYS  # every step comes here from now on
        before = self.counts[step]
        self.counts[step] += 1
        return before


class Rows:
    """The rows of one file: their steps and first wall times. As long as steps never fall, a row is found by bisection;
    then by a dictionary."""

    __slots__ = ("_places", "steps", "walls")

    def __init__(self) -> None:
        self.steps = array("q")
        self.walls = array("d")
        self._places: dict[Any, int] | None = None

    def place(self, step: int, occurrence: int, wall: float) -> int:
        """The number of row (step, occurrence), which is begun if it is not there yet."""
        steps = self.steps
        if self._places is None:
            if not steps or step > steps[-1]:
                return self._begin(step, wall)
            row = bisect_left(steps, step) + occurrence
            if row < len(steps) and steps[row] == step:
                return row
            if step == steps[-1]:
                return self._begin(step, wall)
            self._places = _places(steps)
        key = (step, occurrence) if occurrence else step
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = self._begin(step, wall)
        return found

    def _begin(self, step: int, wall: float) -> int:
        self.steps.append(step)
        self.walls.append(wall)
        return len(self.steps) - 1


def _places(steps: array[int]) -> dict[Any, int]:
    places: dict[Any, int] = {}
    seen: Counter[int] = Counter()
    for row, step in enumerate(steps):
        key: Any = (step, seen[step]) if seen[step] else step
        seen[step] += 1
        places[key] = row
    return places
