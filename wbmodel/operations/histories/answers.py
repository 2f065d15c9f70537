"""Answers about histories that need no table: counts, extremes, single rows, keys."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError
from wbmodel.json_values import operand_type
from wbmodel.operations.answer import Operation, passed_on
from wbmodel.operations.histories.blocks import Block
from wbmodel.operations.histories.extremes import by_buckets
from wbmodel.operations.histories.key_info import KeyInfo
from wbmodel.operations.histories.key_names import Source
from wbmodel.operations.histories.keys import history_keys
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.operations.histories.pieces import Ended, Head
from wbmodel.operations.histories.shaped import blocks, source_of
from wbmodel.query.histories import STEP, Histories, Slice, Tail

__all__ = ["Extremes", "as_rows", "at", "best", "count", "extremes", "first", "folded", "keys", "last"]

Row = dict[str, Any]


def folded(
    plan: Histories,
    source: Source,
    target: Target,
    outcome: Outcome,
    take: Callable[[Block], object],
    done: Callable[[], bool] = lambda: False,
) -> Operation[None]:
    """Hand every block of a plan to ``take``, until ``done``."""

    def each(items: Sequence[Block]) -> tuple[()]:
        for block in items:
            take(block)
        return ()

    yield from passed_on(blocks(plan, source, target, outcome), each, done)


# -- rows ------------------------------------------------------------------------------------------


def count(plan: Histories, source: Source, target: Target, outcome: Outcome) -> Operation[int]:
    """The number of rows: of whole histories as the server counts its lines, where it does; else of the rows read."""
    if plan.is_plain and plan.stream == "history" and not target.capabilities.columns:
        counts: list[int | None] = []
        runs = source_of(plan, source, target, fresh=True)
        while (heads := (yield from runs.pull())) is not None:
            counts += [head.count for head in heads]
        known = [count for count in counts if count is not None]
        if len(known) == len(counts):
            return sum(known)
    if plan.asked is None and plan.where is None and not plan.is_long:
        plan = attrs.evolve(plan, asked=())  # only the steps are read
    found = 0

    def take(block: Block) -> None:
        nonlocal found
        found += block.length

    yield from folded(plan, source, target, outcome, take)
    return found


def first(plan: Histories, source: Source, target: Target, outcome: Outcome) -> Operation[Row | None]:
    """The first row, or None."""
    return (yield from _only(plan.with_step(Slice(0, 1)), source, target, outcome))


def last(plan: Histories, source: Source, target: Target, outcome: Outcome) -> Operation[Row | None]:
    """The last row, or None."""
    return (yield from _only(plan.with_step(Tail(1)), source, target, outcome))


def _only(plan: Histories, source: Source, target: Target, outcome: Outcome) -> Operation[Row | None]:
    found: list[Row] = []
    yield from folded(plan, source, target, outcome, lambda block: found.extend(block.rows()))
    return found[0] if found else None


def at(plan: Histories, source: Source, target: Target, outcome: Outcome, step: int) -> Operation[Row | None]:
    """The first of the rows whose step is nearest."""
    near: tuple[int, Block] | None = None

    def take(block: Block) -> None:
        nonlocal near
        steps = block.columns[STEP]
        places = [place for place, value in enumerate(steps) if value is not None]
        if not places:
            return
        place = min(places, key=lambda item: abs(steps[item] - step))
        gap = abs(steps[place] - step)
        if near is None or gap < near[0]:
            near = gap, block.slice(place, place + 1)

    yield from folded(plan, source, target, outcome, take)
    return None if near is None else next(near[1].rows())


def best(
    plan: Histories, source: Source, target: Target, outcome: Outcome, column: str, goal: str
) -> Operation[Row | None]:
    """The first of the rows with the least or the greatest number in a column; None if no row has a number there."""
    found: tuple[int | float, Block] | None = None
    better: Callable[[Any, Any], bool] = (lambda one, other: one < other) if goal == "min" else (lambda a, b: a > b)
    choose: Callable[..., Any] = min if goal == "min" else max

    def take(block: Block) -> None:
        nonlocal found
        values = block.columns.get(column, ())
        places = [place for place, value in enumerate(values) if _is_number(value)]
        if not places:
            return
        place = choose(places, key=values.__getitem__)
        if found is None or better(values[place], found[0]):
            found = values[place], block.slice(place, place + 1)

    yield from folded(plan, source, target, outcome, take)
    return None if found is None else next(found[1].rows())


def keys(plan: Histories, source: Source, target: Target, outcome: Outcome) -> Operation[dict[str, KeyInfo]]:
    """The keys of all rows of the stream, whatever the plan chooses of them. Those of a history are the server's facts;
    those of other streams are counted in their rows."""
    if plan.stream == "history":
        return (yield from history_keys(source_of(plan, source, target), target))
    counts: dict[str, Counter[str]] = {}
    last: dict[str, Any] = {}

    def take(block: Block) -> None:
        for name, values in block.columns.items():
            there = [value for value in values if value is not None]
            counts.setdefault(name, Counter()).update(map(operand_type, there))
            last.update({name: there[-1]} if there else {})

    whole = Histories(meta=plan.meta, stream=plan.stream)
    yield from folded(whole, source, target, outcome, take)
    return {
        name: KeyInfo(tuple(kind for kind, _ in found.most_common()), sum(found.values()), last.get(name))
        for name, found in counts.items()
    }


# -- extremes --------------------------------------------------------------------------------------


class Extremes:
    """The least and the greatest number and the mean of values that come in pieces. Null, NaN and infinities are left
    out, as the server's buckets leave them out."""

    def __init__(self) -> None:
        self.count = 0
        self.least: int | float | None = None
        self.greatest: int | float | None = None
        self.others = 0
        """How many values were not numbers."""
        self._whole = 0
        self._parts: list[float] = []
        self._beyond: list[float] = []

    def add(self, values: Sequence[Any]) -> None:
        """Add values, in any pieces."""
        numbers = [value for value in values if _is_number(value)]
        if len(numbers) < len(values):
            self.others += sum(1 for value in values if value is not None and type(value) not in (int, float))
        if not numbers:
            return
        self.count += len(numbers)
        low, high = min(numbers), max(numbers)
        self.least = low if self.least is None else min(self.least, low)
        self.greatest = high if self.greatest is None else max(self.greatest, high)
        self._whole += sum(value for value in numbers if value.__class__ is int)
        self._add_up([value for value in numbers if value.__class__ is float])

    def _add_up(self, values: list[float]) -> None:
        """Add to the sum, which is held in two parts, so that it does not depend on the pieces."""
        try:
            whole = math.fsum(self._parts + values)
            self._parts = [whole, math.fsum([*self._parts, *values, -whole])]
        except OverflowError:
            self._beyond.append(math.copysign(math.inf, sum(value / 2**64 for value in self._parts + values)))

    @property
    def mean(self) -> float | None:
        """The arithmetic mean; None for no numbers."""
        if not self.count:
            return None
        if self._beyond:
            return sum(self._beyond)
        try:
            return float((Fraction(self._whole) + sum(map(Fraction, self._parts))) / self.count)
        except OverflowError:
            return math.inf if self._whole > 0 else -math.inf


_MOST = sys.float_info.max


def _is_number(value: Any) -> bool:
    """Whether a value is a number within the range of floats."""
    return value.__class__ in (int, float) and -_MOST <= value <= _MOST


def extremes(
    plan: Histories, source: Source, target: Target, outcome: Outcome, column: str, mean: bool = False
) -> Operation[Extremes]:
    """The extremes of a column; its ``mean`` is right only if it was asked for, as all values are read for it. Raises
    :class:`~wbmodel.errors.FieldError` if the column has values, but no numbers."""
    made = Extremes()
    told: list[tuple[Head, float, float]] = []
    if plan.only_key is not None and not (mean or target.capabilities.columns):
        told, source = yield from by_buckets(plan.only_key, source_of(plan, source, target), target)
        for head, *ends in told:
            made.add(ends)
            outcome.take(Ended(head, 0))
    if source or not told:
        try:
            yield from folded(plan, source, target, outcome, lambda block: made.add(block.columns.get(column, ())))
        except FieldError:  # of a key that none of these runs has
            if not told:
                raise
    outcome.settled = True
    if made.others and not made.count:
        raise FieldError(f"{column!r} has no numbers in {plan.stream}, only other values ({made.others} of them)")
    return made


def as_rows(items: Sequence[Block]) -> Iterator[Row]:
    """The rows of blocks."""
    for block in items:
        yield from block.rows()
