"""Join the series of several keys of a run into rows. Pure.

The k-th value of each key at a step goes into the k-th row of that step. What is null gives way: a step has as many
rows as the key with most values there, and one if all are null. So the rows are the same whether a backend answers key
by key or row by row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from operator import itemgetter, le
from typing import Any

import attrs

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.codec import floats_from_tokens
from wbmodel.operations.histories.rows import STEP, step_of

__all__ = ["NoStep", "Regrouping", "Series", "asked_keys", "joined", "regrouped", "series_of"]


class NoStep(Exception):  # not an error of the caller
    """A value belongs to no step. Never leaves the reading of histories."""


@attrs.frozen(slots=True, eq=False)
class Series:
    """The values of one key by step, and within a step as they came."""

    steps: list[int]
    values: list[Any]


def series_of(rows: Sequence[Mapping[str, Any]], key: str) -> Series:
    """The series of a key in rows that all have it, in any order of steps. ``"NaN"`` and the like become floats.

    Raises ``KeyError`` or ``TypeError`` if a row lacks the key, and :class:`NoStep` if what it has is not a step.
    """
    steps: list[Any] = list(map(itemgetter(STEP), rows))
    values = list(map(itemgetter(key), rows))
    if not set(map(type, steps)) <= {int}:
        steps = list(map(step_of, steps))
        if None in steps:
            raise NoStep
    if not all(map(le, steps, islice(steps, 1, None))):
        order = sorted(range(len(steps)), key=steps.__getitem__)
        steps, values = [steps[at] for at in order], [values[at] for at in order]
    if not _PLAIN.issuperset(map(type, values)):
        values = list(map(floats_from_tokens, values))
    return Series(steps, values)


_PLAIN = {int, float, bool, type(None)}


def joined(series: Sequence[Series]) -> tuple[list[int], list[list[Any]]]:
    """The steps of the rows, and a column for each series; None where a row lacks the key."""
    first = series[0]
    if len(series) == 1 or all(other.steps == first.steps for other in series):
        repeats = len(set(first.steps)) < len(first.steps)
        if not (repeats and any(None in item.values for item in series)):
            return first.steps, [item.values for item in series]
    if any(len(set(item.steps)) < len(item.steps) for item in series):
        return _joined_by_place(list(map(_numbered, series)))
    found: set[int] = set()
    steps = sorted(found.union(*(item.steps for item in series)))
    return steps, [list(map(dict(zip(item.steps, item.values, strict=True)).get, steps)) for item in series]


_Numbered = dict[tuple[int, int], Any]
"""The values of a series by step and place within the step."""


def _numbered(series: Series) -> _Numbered:
    found: _Numbered = {}
    seen: Counter[int] = Counter()
    for step, value in zip(series.steps, series.values, strict=True):
        if value is None:
            found.setdefault((step, 0), None)
        else:
            found[step, seen[step]] = value
            seen[step] += 1
    return found


def _joined_by_place(numbered: Sequence[_Numbered]) -> tuple[list[int], list[list[Any]]]:
    places: list[tuple[int, int]] = sorted(set().union(*numbered))
    return [step for step, _ in places], [list(map(item.get, places)) for item in numbered]


def regrouped(steps: Sequence[int], columns: Sequence[Sequence[Any]]) -> tuple[Sequence[int], Sequence[Sequence[Any]]]:
    """The same rows, joined: for rows as they were logged, of which each has one of the keys."""
    if len(columns) == 0 or len(set(steps)) == len(steps):
        return steps, columns
    return _joined_by_place([_numbered(Series(list(steps), list(column))) for column in columns])


def asked_keys(spec: ReadSpec) -> tuple[str, ...]:
    """The keys of a spec, each once, besides ``_step``, which every row has."""
    return tuple(key for key in dict.fromkeys(spec.keys or ()) if key != STEP)


class Regrouping:
    """Joins batches of rows as they were logged, whose borders may divide a step."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys
        self._held: ColumnBatch | None = None

    @classmethod
    def of(cls, spec: ReadSpec) -> Regrouping | None:
        """What a spec needs; None where rows stay as they were logged."""
        keys = asked_keys(spec)
        return cls(keys) if keys and spec.stream == "history" else None

    def take(self, batch: ColumnBatch) -> list[ColumnBatch]:
        """The rows of all steps that are over, joined. Rows without a step, which come last, stay as they are."""
        steps, columns = self._columns(batch)
        if None in steps:
            at = steps.index(None)
            loose = self._batch(batch.run, steps[at:], [column[at:] for column in columns])
            self._held, *made = self._over(batch.run, steps[:at], [column[:at] for column in columns])
            return [*made, *self.rest(), loose]
        self._held, *made = self._over(batch.run, steps, columns)
        return made

    def _over(self, run: str, steps: Sequence[int], columns: list[Sequence[Any]]) -> list[ColumnBatch]:
        """The rows of the last step, which may go on, and those before it."""
        if (held := self._held) is not None:
            steps = [*held.columns[STEP], *steps]
            columns = [[*held.columns[key], *column] for key, column in zip(self.keys, columns, strict=True)]
        cut = bisect_left(steps, steps[-1]) if steps else 0
        last = self._batch(run, steps[cut:], [column[cut:] for column in columns])
        return [last, self._batch(run, *regrouped(steps[:cut], [column[:cut] for column in columns]))]

    def rest(self) -> list[ColumnBatch]:
        """The rows of the last step."""
        held, self._held = self._held, None
        if held is None:
            return []
        return [self._batch(held.run, *regrouped(held.columns[STEP], [held.columns[key] for key in self.keys]))]

    def _columns(self, batch: ColumnBatch) -> tuple[Sequence[int], list[Sequence[Any]]]:
        lacking = [None] * batch.length
        return batch.columns[STEP], [batch.columns.get(key, lacking) for key in self.keys]

    def _batch(self, run: str, steps: Sequence[int], columns: Sequence[Sequence[Any]]) -> ColumnBatch:
        return ColumnBatch(run, {STEP: steps, **dict(zip(self.keys, columns, strict=True))}, len(steps))
