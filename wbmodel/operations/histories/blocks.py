"""Blocks of rows, and what chooses among them: conditions, slices, samples, the last rows. Makes no requests."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import attrs

from wbmodel.operations.cells import cells
from wbmodel.operations.histories.pieces import Head, Part
from wbmodel.query.column_tests import ColumnTest
from wbmodel.query.histories import OCCURRENCE, RUN, STEP, Histories, Key, Long, Sample, Slice, Tail, shown_name

__all__ = ["Block", "Chosen", "Shaping", "chosen"]


@attrs.frozen(slots=True, eq=False)
class Block:
    """Some rows of a run: columns of equal length."""

    head: Head
    columns: Mapping[str, Sequence[Any]]
    length: int

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as dicts, without the cells that are None."""
        names = list(self.columns)
        if not names:
            yield from ({} for _ in range(self.length))
        for row in zip(*self.columns.values(), strict=True):
            yield {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}

    def at(self, places: Sequence[int]) -> Block:
        """The rows at these places."""
        if len(places) == self.length:
            return self
        made = {name: [column[at] for at in places] for name, column in self.columns.items()}
        return Block(self.head, made, len(places))

    def slice(self, start: int, stop: int, step: int = 1) -> Block:
        """The rows in a slice."""
        if start <= 0 and stop >= self.length and step == 1:
            return self
        made = {name: column[start:stop:step] for name, column in self.columns.items()}
        return Block(self.head, made, len(range(start, min(stop, self.length), step)))


# -- parts as blocks -------------------------------------------------------------------------------


class Shaping:
    """Makes blocks with the columns of a plan of the parts of a reading, and drops the rows that do not match."""

    def __init__(self, plan: Histories) -> None:
        self.plan = plan
        self.test: ColumnTest | None = plan.test()
        named = dict.fromkeys([item.key for item in plan.shown_keys] + list(plan.tested_keys))
        self.unmet = [key for key in named if key != STEP]
        """The keys of the plan that no row had so far."""
        self.names: dict[str, None] = {}
        """The keys of the rows so far."""
        self.growing = False
        """Whether one of the runs may still log."""
        self._head: Head | None = None
        self._joined: dict[str, Any] = {}
        self._last: tuple[Any, int] = (None, -1)

    def take(self, part: Part, skipped: int = 0) -> Block | None:
        """The rows of a part, without the first ones, which are ``skipped``; None if there are none left."""
        plan = self.plan
        columns, length = part.batch.columns, part.batch.length
        if part.head is not self._head:
            self._begin(part.head)
        if self.unmet:
            self.unmet = [key for key in self.unmet if not any(v is not None for v in columns.get(key, ()))]
            self.names.update(dict.fromkeys(columns))
        extra: dict[str, Sequence[Any]] = {}
        if plan.occurrence:
            extra[OCCURRENCE] = self._occurrences(columns.get(STEP, ()))
        places = self._places(columns, length)
        if skipped:
            places = [at for at in places if at >= skipped]
        if not places:
            return None
        block = Block(part.head, self._shown(columns, extra, length), length)
        return block.at(places)

    def _begin(self, head: Head) -> None:
        self._head, self._last = head, (None, -1)
        fields = [item for item in self.plan.asked or () if not isinstance(item, Key)]
        found = cells([head.row], [item.path for item in fields], fresh=False)
        self._joined = {item.name: values[0] for item, values in zip(fields, found, strict=True)}

    def _occurrences(self, steps: Sequence[Any]) -> list[int]:
        step, at = self._last
        made = []
        for now in steps:
            at = at + 1 if now == step else 0
            step = now
            made.append(at)
        self._last = (step, at)
        return made

    def _places(self, columns: Mapping[str, Sequence[Any]], length: int) -> Sequence[int]:
        plan = self.plan
        places: Sequence[int] = range(length)
        if self.test is not None:
            places = [at for at, good in enumerate(self.test(columns, length)) if good]
        keys = [item.key for item in plan.shown_keys]
        if not keys:
            return places
        if plan.how == "outer":
            there = [columns[key] for key in keys if key in columns]
            return [at for at in places if any(column[at] is not None for column in there)]
        if any(key not in columns for key in keys):
            return []
        there = [columns[key] for key in keys]
        return [at for at in places if all(column[at] is not None for column in there)]

    def _shown(
        self, columns: Mapping[str, Sequence[Any]], extra: Mapping[str, Sequence[Any]], length: int
    ) -> dict[str, Sequence[Any]]:
        plan, made = self.plan, dict[str, Sequence[Any]]()
        assert self._head is not None
        if plan.many:
            made[RUN] = [self._head.ref.name] * length
        if plan.stream == "history":
            made[STEP] = columns.get(STEP) or [None] * length
        made.update(extra)
        if plan.asked is None:
            made.update((shown_name(key, plan.many), values) for key, values in columns.items() if key != STEP)
            return made
        for item in plan.asked:
            if isinstance(item, Key):
                made[item.name] = columns.get(item.key) or [None] * length
            else:
                made[item.name] = [self._joined[item.name]] * length
        return made


# -- choosing by position --------------------------------------------------------------------------


class Chosen(Protocol):
    """Chooses rows by position among all that it is given."""

    @property
    def is_full(self) -> bool:
        """Whether no further row can be chosen."""
        ...

    def take(self, block: Block) -> Iterator[Block]:
        """Those among the next rows that are chosen, as far as that is known."""
        ...

    def rest(self) -> Iterator[Block]:
        """At the end: those that were held back."""
        ...


def chosen(plan: Histories) -> list[Chosen]:
    """What chooses for each step of a plan."""
    made: list[Chosen] = []
    for step in plan.steps:
        if isinstance(step, Slice):
            made.append(_Sliced(step))
        elif isinstance(step, Tail):
            made.append(_Last(step))
        elif isinstance(step, Sample):
            made.append(_Sampled(step))
        else:
            made.append(_Melted(step, plan))
    return made


class _Sliced:
    def __init__(self, step: Slice) -> None:
        self.start, self.stop, self.step = step.start, step.stop, step.step
        self.at = 0

    @property
    def is_full(self) -> bool:
        return self.stop is not None and self.at >= self.stop

    def take(self, block: Block) -> Iterator[Block]:
        stop = block.length if self.stop is None else min(max(self.stop - self.at, 0), block.length)
        start = self.start - self.at
        if start < 0:  # the next one that the step meets
            start %= self.step
        self.at += block.length
        if start < stop:
            yield block.slice(start, stop, self.step)

    def rest(self) -> Iterator[Block]:
        yield from ()


class _Last:
    def __init__(self, step: Tail) -> None:
        self.count, self.held, self.length = step.count, deque[Block](), 0
        self.is_full = step.count == 0

    def take(self, block: Block) -> Iterator[Block]:
        self.held.append(block)
        self.length += block.length
        while self.length - self.held[0].length >= self.count:
            self.length -= self.held.popleft().length
            if not self.held:
                break
        yield from ()

    def rest(self) -> Iterator[Block]:
        surplus = self.length - self.count
        for block in self.held:
            yield block.slice(max(surplus, 0), block.length)
            surplus = 0


class _Sampled:
    """Algorithm L (Li, 1994), which skips over rows, on all rows but the first and the last: its choice depends on
    their positions alone, never on where blocks end. It holds no more than the chosen rows."""

    is_full = False

    def __init__(self, step: Sample) -> None:
        self.room = max(step.count - 2, 0)
        self.count = step.count
        self.random = random.Random(step.seed)
        self.first: tuple[int, Block] | None = None
        self.last: tuple[int, Block] | None = None
        self.middle: list[tuple[int, Block]] = []
        self.at = 0
        self.weight = 1.0
        self.next: int | None = None

    def take(self, block: Block) -> Iterator[Block]:
        begin, end = self.at, self.at + block.length
        if block.length:
            if self.last is not None:
                self._offer(*self.last)
            if self.first is None:
                self.first = (begin, _copied(block, 0))
            # All others up to the last one of this block, which may be the last of all.
            at = max(begin, 1)
            while self.room and (at := max(at, self.next or 0)) < end - 1:
                self._offer(at, _copied(block, at - begin))
                at += 1
            self.last = (end - 1, _copied(block, block.length - 1)) if end > 1 else None
        self.at = end
        yield from ()

    def _offer(self, at: int, row: Block) -> None:
        if len(self.middle) < self.room:
            self.middle.append((at, row))
            if len(self.middle) == self.room:
                self._skip(at)
        elif at == self.next:
            self.middle[self.random.randrange(self.room)] = (at, row)
            self._skip(at)

    def _skip(self, at: int) -> None:
        self.weight *= math.exp(math.log(1.0 - self.random.random()) / self.room)
        share = math.log1p(-self.weight) if self.weight < 1.0 else -math.inf
        gap = math.log(1.0 - self.random.random()) / share if share else _NEVER
        self.next = at + 1 + math.floor(min(gap, _NEVER))

    def rest(self) -> Iterator[Block]:
        rows = [self.first, *sorted(self.middle, key=lambda item: item[0]), self.last]
        yield from _joined([row for _, row in (item for item in rows if item is not None)][: self.count])


_NEVER = 2.0**62
"""More rows than a stream has."""


def _copied(block: Block, at: int) -> Block:
    """One row by itself, which does not hold the others."""
    return Block(block.head, {name: (column[at],) for name, column in block.columns.items()}, 1)


def _joined(rows: Sequence[Block]) -> Iterator[Block]:
    """Rows of the same run, one after the other, as one block."""
    at = 0
    while at < len(rows):
        end = at
        while end < len(rows) and rows[end].head is rows[at].head:
            end += 1
        some = rows[at:end]
        names = dict.fromkeys(chain.from_iterable(row.columns for row in some))
        columns = {name: [row.columns[name][0] if name in row.columns else None for row in some] for name in names}
        yield Block(rows[at].head, columns, len(some))
        at = end


class _Melted:
    is_full = False

    def __init__(self, step: Long, plan: Histories) -> None:
        self.kept = {RUN} if plan.many else set[str]()
        self.kept |= {STEP, OCCURRENCE} if plan.stream == "history" else set()
        self.kept |= {item.name for item in plan.asked or () if not isinstance(item, Key)}

    def take(self, block: Block) -> Iterator[Block]:
        keys = [name for name in block.columns if name not in self.kept]
        places, names, values = list[int](), list[str](), list[Any]()
        for at in range(block.length):
            for name in keys:
                value = block.columns[name][at]
                if value is not None:
                    places.append(at)
                    names.append(name)
                    values.append(value)
        if not places:
            return
        columns: dict[str, Sequence[Any]] = {
            name: [column[at] for at in places] for name, column in block.columns.items() if name in self.kept
        }
        columns["key"], columns["value"] = names, values
        yield Block(block.head, columns, len(places))

    def rest(self) -> Iterator[Block]:
        yield from ()
