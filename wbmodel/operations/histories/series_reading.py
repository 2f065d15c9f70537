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
from wbmodel.operations.histories.joined import NoStep, Series, joined, series_of
from wbmodel.operations.histories.key_info import info_of, logged
from wbmodel.operations.histories.pieces import Head
from wbmodel.operations.histories.rows import STEP

__all__ = ["PATIENCE", "Asked", "Piece", "SeriesReading"]

_BITE = 5000
"""A history with no more rows is read whole where a range is asked: then the counts prove it."""

_LARGE = 450
"""Larger answers are divided first: servers thin to 500 rows by default."""

_MOST_PIECES = 4096

PATIENCE = 3
"""How often in a row pieces are divided although it brings nothing new: halves of a step range may be thinned alike."""


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
    """The values of one key (its place among those asked) between two steps; None: not there yet.

    ``idle``: how often in a row dividing brought nothing new.
    """

    key: int
    low: int | None
    high: int | None
    series: Series | None = None
    idle: int = 0

    def spec(self, asked: Asked) -> str:
        """The spec that asks for it."""
        return spec_of(asked.specs[self.key], self.low, self.high)

    @property
    def rows(self) -> int:
        """How many values are there."""
        return 0 if self.series is None else len(self.series.steps)

    def halves(self) -> tuple[Piece, Piece] | None:
        """The piece in two, at the middle of its rows; None if they are of one step."""
        steps = [] if self.series is None else self.series.steps
        if not steps or steps[0] == steps[-1]:
            return None
        at = steps[len(steps) // 2]
        if at == steps[-1]:
            at = steps[bisect_left(steps, at) - 1]
        return Piece(self.key, self.low, at), Piece(self.key, at + 1, self.high)


class SeriesReading:
    """The values of one run."""

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
        self._divided: dict[int, list[tuple[Piece, Piece, Piece]]] = {}
        """For each key the pieces that were divided last, each with its halves."""
        self.is_odd = False
        """Whether some values belong to no step."""
        self.gained = False
        """Whether dividing brought anything new."""

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
            try:
                piece.series = series_of(rows, self.asked.specs[piece.key])
            except NoStep:
                self.is_odd = True
        self.waiting -= len(pieces)
        if self.keys is None:
            self.keys = keys

    def more(self, patience: int = PATIENCE) -> list[Piece]:
        """What is to be asked besides, now that all answers are there; nothing if all is there, or no more will be.
        ``patience``: see :data:`PATIENCE`."""
        entries = logged(self.keys)
        self.counts = [self._count(name, entries) for name in self.asked.specs]
        asks: list[Piece] = []
        self.unsure = []
        for at, count in enumerate(self.counts):
            rows = self.rows(at)
            if count is not None and rows >= count:
                continue
            self.unsure.append(at)
            if self.is_odd:
                continue
            if count is not None or not self.whole_range:
                asks += self._halved(at, patience)
        self.waiting = len(asks)
        return asks

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

    def _halved(self, key: int, patience: int) -> list[Piece]:
        """Divide the pieces of a key that may have been thinned: those that had more rows in halves than as a whole,
        and the largest first."""
        for piece, left, right in self._divided.pop(key, ()):
            gained = left.rows + right.rows > piece.rows
            left.idle = right.idle = 0 if gained else piece.idle + 1
            self.gained = self.gained or gained
        # Of a range, nothing tells how many values there are.
        patience = patience if self.whole_range or self.is_cut else 1
        pieces = self.pieces[key]
        open_ = [piece for piece in pieces if piece.rows and piece.idle < patience]
        chosen = [piece for piece in open_ if piece.rows > _LARGE] or open_
        if len(pieces) + len(chosen) > _MOST_PIECES:
            return []
        divided = {id(piece): halves for piece in chosen if (halves := piece.halves()) is not None}
        self._divided[key] = [(piece, *divided[id(piece)]) for piece in chosen if id(piece) in divided]
        self.pieces[key] = list(chain.from_iterable(divided.get(id(piece), (piece,)) for piece in pieces))
        return list(chain.from_iterable(divided.values()))

    # -- results -----------------------------------------------------------------------------------

    def is_empty(self, key: int) -> bool:
        """Whether the run never logged a key, as far as is known."""
        return self.rows(key) == 0 and self.counts[key] in (0, None)

    @property
    def needs_rows(self) -> bool:
        """Whether whole rows have to say what there is: the counts prove too little, or there are odd steps."""
        if self.error is not None:
            return False
        return self.is_odd or (self.missing != 0 and (self.whole_range or self.is_cut))

    @property
    def missing(self) -> int | None:
        """How many values of a key are missing; None if nothing proves that all are there."""
        found = 0
        for at in self.unsure:
            count = self.counts[at]
            if not (self.whole_range or self.is_cut):
                if any(piece.rows > _LARGE for piece in self.pieces[at]):
                    return None
                continue  # so few are not thinned, and halves of them had no more
            if count is None:
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
