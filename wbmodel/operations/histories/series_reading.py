"""The values of the asked keys of one run: what is still to be asked, and whether all of it is proven to be there.

The number of rows that have a key proves its values. Where fewer came, a server thinned its answer: the steps are
halved, and the values of both halves replace those of the whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain
from typing import Any

import attrs

from wbmodel.backend.asks import ColumnBatch
from wbmodel.compiler.history_specs import spec_of
from wbmodel.errors import WbmodelError
from wbmodel.operations.histories.joined import STEP, Series, joined, series_of
from wbmodel.operations.histories.key_info import info_of, logged
from wbmodel.operations.histories.pieces import Head

__all__ = ["Asked", "Piece", "SeriesReading"]

_BITE = 5000
"""A history with no more rows is read whole where a range is asked: then the counts prove it."""

_THINNED = 450
"""An answer with fewer rows is not taken for a thinned one: servers thin to 500 by default."""

_NARROW = 1000
"""No range is split that has fewer steps."""

_MOST_PIECES = 4096


@attrs.frozen(slots=True)
class Asked:
    """What is asked of each run: keys, between steps that are both included."""

    keys: tuple[str, ...]
    low: int | None = None
    high: int | None = None

    @property
    def specs(self) -> tuple[str, ...]:
        """What the server is asked for: where no key is asked, the rows, for their steps."""
        return self.keys or (STEP,)


@attrs.define(slots=True, eq=False)
class Piece:
    """The values of one key (its place among those asked) between two steps; None: not there yet."""

    key: int
    low: int | None
    high: int | None
    series: Series | None = None

    def spec(self, asked: Asked) -> str:
        """The spec that asks for it."""
        return spec_of(asked.specs[self.key], self.low, self.high)

    @property
    def rows(self) -> int:
        """How many values are there."""
        return 0 if self.series is None else len(self.series.steps)

    def halves(self, lowest: int, highest: int) -> tuple[Piece, Piece] | None:
        """The piece in two, at the middle of its rows or else of its steps; None if it cannot be divided."""
        steps = () if self.series is None else self.series.steps
        low, high = lowest if self.low is None else self.low, highest if self.high is None else self.high
        if len(steps) > _THINNED and steps[0] < steps[-1]:
            at = steps[len(steps) // 2]
            at = at if at < steps[-1] else steps[bisect_left(steps, at) - 1]
        elif high - low >= _NARROW:
            at = (low + high) // 2
        else:
            return None
        return Piece(self.key, self.low, at), Piece(self.key, at + 1, self.high)


class SeriesReading:
    """The values of one run. ``distrust``: the server's counts proved too high before, so that halving is no use."""

    def __init__(self, head: Head, asked: Asked) -> None:
        self.head, self.asked = head, asked
        self.whole_range = asked.low is None and asked.high is None
        low, high = asked.low, asked.high
        if head.count is not None and head.count <= _BITE:
            low = high = None
        self.is_cut = (low, high) != (asked.low, asked.high)
        """Whether more was asked for than is wanted."""
        self.pieces: list[list[Piece]] = [[Piece(at, low, high)] for at in range(len(asked.specs))]
        self.unsure: list[int] = []
        """The keys of which the counts prove nothing, or not enough."""
        self.counts: list[int | None] = []
        self.keys: Any = None
        """What the server says about all keys."""
        self.error: WbmodelError | None = None
        self.waiting = len(asked.specs)
        self._idle = [0] * len(asked.specs)
        self._before = [-1] * len(asked.specs)

    @property
    def is_done(self) -> bool:
        """Whether nothing more is asked of this run."""
        return self.error is not None or self.waiting == 0

    def receive(self, pieces: Sequence[Piece], answers: Sequence[Any], keys: Any) -> None:
        """Take the answers for some pieces, and what came about the keys. Raises ``KeyError``, ``TypeError`` or
        ``ValueError`` for what is not an answer."""
        if len(answers) != len(pieces):
            raise ValueError(f"there are {len(answers)} lists for {len(pieces)} specs")
        for piece, rows in zip(pieces, answers, strict=True):
            name = self.asked.specs[piece.key]
            piece.series = series_of(rows, STEP if name == STEP else name)
        self.waiting -= len(pieces)
        if self.keys is None:
            self.keys = keys

    def more(self, *, halving: bool) -> list[Piece]:
        """What is to be asked besides, now that all answers are there; nothing if all is there, or no more will be."""
        entries = logged(self.keys)
        lowest = min((steps[0] for steps in self._steps() if steps), default=0)
        last = self.keys.get("lastStep") if entries is not None else None
        highest = max((steps[-1] for steps in self._steps() if steps), default=0)
        highest = max(highest, last) if isinstance(last, int) else highest
        self.counts = [self._count(name, entries) for name in self.asked.specs]
        asks: list[Piece] = []
        self.unsure = []
        for at, count in enumerate(self.counts):
            rows = self.rows(at)
            if count is not None and rows >= count:
                continue
            self.unsure.append(at)
            if rows and halving and (count is not None or not self.whole_range):
                asks += self._halved(at, min(lowest, 0), highest)
        self.waiting = len(asks)
        return asks

    def _steps(self) -> list[list[int]]:
        return [piece.series.steps for piece in chain(*self.pieces) if piece.series is not None]

    def rows(self, key: int) -> int:
        """The number of values of a key."""
        return sum(piece.rows for piece in self.pieces[key])

    def _count(self, name: str, entries: Any) -> int | None:
        """The number of rows that have a key."""
        if entries is not None:
            return 0 if name not in entries and name != STEP else info_of(entries.get(name)).count or self._lines(name)
        return self._lines(name)

    def _lines(self, name: str) -> int | None:
        """The number of lines, if it proves a key that every row has."""
        return self.head.count

    def _halved(self, key: int, lowest: int, highest: int) -> list[Piece]:
        """Divide the pieces of a key that may have been thinned."""
        pieces, rows = self.pieces[key], self.rows(key)
        self._idle[key] = 0 if rows > self._before[key] else self._idle[key] + 1
        self._before[key] = rows
        large = [piece for piece in pieces if piece.rows > _THINNED]
        chosen = large if self._idle[key] == 0 else [piece for piece in pieces if piece.rows]
        if self._idle[key] > 2 or len(pieces) > _MOST_PIECES:
            return []
        made: list[Piece] = []
        kept: list[Piece] = []
        for piece in pieces:
            halves = piece.halves(lowest, highest) if piece in chosen else None
            made += halves or ()
            kept += halves or (piece,)
        self.pieces[key] = kept
        return made

    # -- results -----------------------------------------------------------------------------------

    def is_empty(self, key: int) -> bool:
        """Whether the run never logged a key, as far as is known."""
        return self.rows(key) == 0 and self.counts[key] in (0, None)

    @property
    def missing(self) -> int | None:
        """How many values of a key are missing."""
        found = 0
        for at in self.unsure:
            count = self.counts[at]
            if count is None or not (self.whole_range or self.is_cut):
                return None
            found = max(found, count - self.rows(at))
        return found

    def batch(self) -> ColumnBatch:
        """The rows."""
        series = [_together(pieces) for pieces in self.pieces]
        steps, columns = (series[0].steps, []) if not self.asked.keys else joined(series)
        if self.is_cut:
            low, high = self.asked.low, self.asked.high
            start = 0 if low is None else bisect_left(steps, low)
            stop = len(steps) if high is None else bisect_left(steps, high + 1)
            steps, columns = steps[start:stop], [column[start:stop] for column in columns]
        named = dict(zip(self.asked.keys, columns, strict=bool(self.asked.keys)))
        return ColumnBatch(self.head.ref.node_id, {STEP: steps, **named}, len(steps))


def _together(pieces: Sequence[Piece]) -> Series:
    if len(pieces) == 1 and pieces[0].series is not None:
        return pieces[0].series
    there = [piece.series for piece in pieces if piece.series is not None]
    return Series(
        list(chain.from_iterable(item.steps for item in there)),
        list(chain.from_iterable(item.values for item in there)),
    )
