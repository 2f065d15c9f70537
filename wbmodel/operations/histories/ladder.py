"""Which ranges of steps to ask for, so that every row of a history is read. Pure: it is told the answers.

A server answers ``history`` with at most ``samples`` rows of a range. Whether it has a limit of its own, how it thins
out, and what it does with rows of one step is not known, so neither the number of rows nor their spread proves that
all are there. The count of lines that comes with each answer does. While rows are missing, ranges are split, and the
answers to the smaller ranges *replace* the one they came from: rows have no identity, so they are never merged.

1. Up to 5,000 rows are one range. Of more, the steps of a few rows are read first (a map), and the ranges cut there.
2. Ranges with more than 450 rows are halved at their middle row, until that brings no more rows.
3. Ranges that are not empty are cut into equal widths, down to 1,000 steps, and further while that brings rows.

The count and the rows of an answer need not be of one moment. While a run grows, rows that came after the count make
up for rows that were left out; so once ranges had to be split, the end is read again, and ranges must also be smaller
than those of which rows were left out. A first answer that has as many rows as its count says is taken for whole.

More rows than the count come from forked runs, and from a count that is late: then step 2 shows that it was all.
Without a count, the facts about keys may have one; else pages of 1,000 steps are read, as official clients do, and
are proof where no step repeats.

Of a range of steps the count proves nothing. Up to 5,000 rows, all are read and the range is cut here; beyond, official
pages are read where the range has up to 400,000 steps. Else ranges are halved as long as that brings more rows, and the
result is not proven: ``missing`` is None.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs

from wbmodel.operations.histories.trust import Trust

__all__ = ["BITE", "KEYS", "TOP", "Ladder", "Page", "Range"]

BITE = 5_000
"""Rows that are asked for in one range."""
UNKNOWN = 500
"""Rows that are expected of a run without a count."""
TOP = 2**53 - 1
"""The highest step that a server can be asked for."""
MAP_ROWS = 64
HALVED = 450
"""Rows of a range that may have been thinned out: the official client's default is 500."""
WIDTH = 1_000
"""Steps of an official page."""
OFFICIAL = 400_000
"""Steps up to which official pages are read."""
_SPENT = 400
_IDLE = 6


@attrs.frozen(slots=True, eq=False)
class Range:
    """Ask for at most ``samples`` rows with ``low <= step < high`` (None: open). ``expects`` is the number of rows that
    may come."""

    low: int | None
    high: int | None
    samples: int
    expects: int

    @property
    def bounds(self) -> tuple[int | None, int]:
        """What to send: an open end is the highest step, and a range of one step is asked as two, as a real server
        answered ``[0, 1)`` with nothing. Rows outside of the range are for the reader to leave out."""
        high = TOP if self.high is None else self.high
        return self.low, high if self.low is None else max(high, self.low + 2)


class _Keys:
    __slots__ = ()

    def __repr__(self) -> str:
        return "KEYS"


KEYS = _Keys()
"""Ask for the facts about keys."""

Ask = Range | _Keys


@attrs.define(slots=True, eq=False)
class Page:
    """The answer to a range: the steps of its rows in order, the number of rows that cannot be read, the marks of those
    without a step, and whatever the reader holds."""

    range: Range
    steps: Sequence[int] = ()
    damaged: int = 0
    held: Any = None
    loose: Counter[str] = attrs.field(factory=Counter)
    settled: bool = False
    """Whether smaller ranges are known to bring no more rows."""

    @property
    def rows(self) -> int:
        """The number of rows with a step, and of those that cannot be read."""
        return len(self.steps) + self.damaged

    @property
    def reach(self) -> tuple[int, int]:
        """The first step and the one after the last, where open ends are taken for those of the rows."""
        low, high = self.range.low, self.range.high
        if low is None:
            low = min(self.steps[0], 0) if self.steps else 0
        if high is None:
            high = self.steps[-1] + 1 if self.steps else low + 1
        return low, high


class Ladder:
    """The ranges of one run. :meth:`wanted` gives those to ask for next, and :meth:`take` takes the answers, until
    :attr:`done`; then :attr:`pages` has the rows."""

    def __init__(
        self, low: int | None, high: int | None, count: int | None, *, growing: bool = False, trust: Trust | None = None
    ) -> None:
        is_small = count is not None and count <= BITE
        whole = is_small or (low is None and high is None)
        self.low, self.high = (None, None) if whole else (low, high)
        self.is_bounded = not whole
        self.listed = count
        self.growing = growing
        self.trust = trust or Trust()
        self.count: int | None = None
        """The number of lines, as the answers say."""
        self.pages: list[Page] = []
        self.done = False
        self.is_proven = False
        self._new: list[Ask] = []
        self._open: dict[int, Page | None] = {}  # of ranges in flight; None for a map
        self._splits: list[tuple[int, int, list[Page]]] = []
        self._aims_at = BITE
        self._map: Sequence[int] = ()
        self._is_mapped = self._is_official = self._is_widening = self._looked_below = self._was_asked_again = False
        self._is_thinned = self._has_tried = self._has_split = False
        self._thinned_at = TOP
        """The fewest rows of a range of which the server left some out."""
        self._last: Range | None = None
        self._last_step: int | None = None
        self._has_keys = False
        self._spent = self._idle = self._best = 0
        if count is None or self.is_bounded or count <= BITE:
            self._pages_of([self._range(self.low, self.high, UNKNOWN if count is None else count)])
        else:
            self._ask_map(MAP_ROWS)

    # -- what a reader sees ----------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """The number of rows so far. Those without a step may have come with several ranges."""
        loose: Counter[str] = Counter()
        for page in self.pages:
            loose |= page.loose
        return sum(page.rows for page in self.pages) + sum(loose.values())

    @property
    def is_one(self) -> bool:
        """Whether all is one range so far."""
        return len(self.pages) == 1

    @property
    def missing(self) -> int | None:
        """How many rows are missing; None if nothing proves how many there are."""
        if self.is_proven:
            return 0
        if self.is_bounded or self.count is None or self.count <= self.total:
            return None
        return self.count - self.total

    def wanted(self) -> list[Ask]:
        """What to ask for now: nothing while answers are awaited, or while other runs show what counts are worth."""
        if not self._new and not self._open and not self.done:
            self._decide()
        new, self._new = self._new, []
        return new

    def take(
        self,
        ask: Range,
        steps: Sequence[int],
        damaged: int,
        count: int | None,
        held: Any = None,
        loose: Counter[str] | None = None,
    ) -> None:
        """The answer to a range: a :class:`Page` and the count of lines."""
        page = self._open.pop(id(ask))
        self._counted(count)
        if page is None:
            self._map, self._is_mapped = steps, True
            self._cut(steps, max(self.count or 0, self.listed or 0))
            return
        page.steps, page.damaged, page.held, page.loose = steps, damaged, held, loose or Counter()
        if self._last is not None and not self._open:
            last, self._last = self._last, None
            self._ask(last, self.pages[-1])
        elif not self._open:
            self._decide()

    def take_keys(self, last_step: int | None, rows: int | None, count: int | None) -> None:
        """The facts about keys."""
        self._open.pop(id(KEYS))
        self._counted(count)
        self._last_step = last_step
        if self.count is None and not self.is_bounded:
            self.count = 0 if last_step is None else rows
        self._decide()

    def too_much(self, ask: Range) -> bool:
        """The server failed on a range. Returns whether there are smaller ones."""
        page = self._open.pop(id(ask))
        if page is None:
            if ask.samples < 4:
                return False
            self._ask_map(ask.samples // 4)
            return True
        if not self._is_mapped and len(self.pages) == 1 and ask.expects > 1:
            self._aims_at = max(1, ask.expects // 2)
            self._ask_map(MAP_ROWS)
            return True
        cut = self._middle(page.range)
        if cut is not None:
            self._split(page, [cut], expects=max(1, ask.expects // 2))
        return cut is not None

    def _middle(self, of: Range) -> int | None:
        """Where to cut a range of which no row is known."""
        steps = self._map
        start = 0 if of.low is None else bisect_right(steps, of.low)
        stop = len(steps) if of.high is None else bisect_left(steps, of.high)
        if start + (of.low is None) < stop:
            return steps[(start + stop) // 2]
        first = min([0, *steps[:1]])
        low = of.low if of.low is not None else min(first, of.high or 0) - WIDTH
        # Beyond the last step that is known, each range is an eighth longer than all before it.
        high = of.high if of.high is not None else max(low, *steps[-1:], 0) + max(WIDTH, (low - first) // 4)
        middle = (low + high) // 2
        return middle if low < middle < high else None

    def give_up(self) -> None:
        """The run cannot be read."""
        if not self.done:
            self.done = True
            if self._is_widening:
                self.trust.ended(short=False)

    # -- deciding --------------------------------------------------------------------------------------

    def _counted(self, count: int | None) -> None:
        if count is not None:
            self.count = max(count, self.count or 0)

    def _decide(self) -> None:
        for before, last, pages in self._splits:
            rows = [page.rows for page in pages]
            # What a growing run logs meanwhile comes after the last step that was there.
            there = sum(bisect_right(page.steps, last) for page in pages) if self.growing else sum(rows)
            if there > before > 0:
                self._is_thinned = True
                self._thinned_at = min(self._thinned_at, before)
            if sum(rows) <= before and max(rows) < before:
                for page in pages:
                    page.settled = True
        self._splits = []
        if self.is_bounded and self.count is not None and self.count <= BITE:
            self.low = self.high = None
            self.is_bounded = False
            return self._pages_of([self._range(None, None, self.count)])
        if self.is_bounded or self.count is None:
            return self._without_count(self.count)
        short = self.count - self.total
        if short <= 0 and self._ask_the_end_again():
            return None
        if short == 0 and not (self.growing and self._is_thinned):
            return self._end(proven=True)
        if short > 0 and self._ask_better():
            return None
        if self._halve(self.pages):
            return None
        return self._widen() if short > 0 else self._end(proven=not any(map(self._is_doubtful, self.pages)))

    def _ask_the_end_again(self) -> bool:
        """Ask for the last range of a growing run once more, if ranges were split since.

        Rows that came within an answer, after its count, would make up for rows that a server left out elsewhere.
        """
        if not self.growing or not self._has_split:
            return False
        self._has_split = False
        page = self.pages[-1]
        page.range = self._range(page.range.low, page.range.high, max(page.rows, 1))
        self._ask(page.range, page)
        return True

    def _ask_better(self) -> bool:
        """Ask again what was asked before the count was known, or before more rows came."""
        count = self.count or 0
        if not self._is_mapped and count > BITE:
            self._is_mapped = True
            self._map = self.pages[0].steps
            self._cut(self._map, count)
            return True
        self._look_below()
        again = [page for page in self.pages if page.range.samples < count and page.rows > HALVED]
        if not again and self.growing and not self._was_asked_again:
            self._was_asked_again = True
            again = self.pages[-1:]
        for page in again:
            page.range = self._range(page.range.low, page.range.high, max(page.rows, 1))
            self._ask(page.range, page)
        return bool(again)

    def _look_below(self) -> None:
        """Ask for negative steps by name: perhaps an open end means 0 there."""
        first = self.pages[0]
        if first.range.low is None and not self._looked_below and not (first.steps and first.steps[0] < 0):
            self._looked_below = True
            first.range = attrs.evolve(first.range, low=0)
            below = Page(self._range(-TOP, 0, 0))
            self.pages.insert(0, below)
            self._ask(below.range, below)

    def _is_doubtful(self, page: Page) -> bool:
        """Whether rows of a range may have been left out. The count of a growing run proves less than others do: rows
        that came within an answer, after its count, make up for what is missing. So its ranges must also be smaller
        than those of which the server left rows out."""
        most = min(HALVED, self._thinned_at // 2) if self.growing else HALVED
        return page.rows > most and not page.settled

    def _halve(self, pages: Sequence[Page]) -> bool:
        """Split those of the ranges that may hide rows. Returns whether there are any."""
        for page in filter(self._is_doubtful, list(pages)):
            if cuts := _halves(page):
                self._split(page, cuts)
        return bool(self._open)

    def _widen(self) -> None:
        """Split all ranges that are not empty into equal widths."""
        if not self._is_widening:
            may = self.trust.begin()
            if may is None:
                return
            if not may:
                self._end()
                return
            self._is_widening = True
        total = self.total
        self._idle = 0 if total > self._best else self._idle + 1
        self._best = max(total, self._best)
        wide = [page for page in self.pages if page.rows and _width(page) > (1 if page.rows > HALVED else WIDTH)]
        if not wide and self._idle < 2:
            wide = [page for page in self.pages if page.rows and _width(page) > 1]
        if wide and self._idle < _IDLE and self._spent < _SPENT + (self.count or 0) // 50:
            parts = max(2, min(16, 20 // len(wide)))
            for page in wide:
                low, high = page.reach
                cuts = sorted({low + (high - low) * at // parts for at in range(1, parts)} - {low})
                self._spent += len(cuts) + 1
                self._split(page, cuts)
        if not self._open:
            self._end()

    def _without_count(self, count: int | None) -> None:
        """Go on where no count proves anything."""
        if not self._has_keys and (count is None or self.high is None):
            self._has_keys = True
            self._open[id(KEYS)] = None
            self._new.append(KEYS)
            return None
        high = self.high
        if self._last_step is not None:
            high = min(self._last_step + 1, TOP if high is None else high)
        low = 0 if self.low is None else self.low
        if not self._is_official and high is not None and 0 < high - low <= OFFICIAL:
            self._is_official = self._is_mapped = True
            below = [] if self.low is not None else [self._range(-TOP, 0, 0)]
            cuts = list(range(low, high, WIDTH))
            ranges = [Range(at, after, 10**6, WIDTH) for at, after in zip(cuts, [*cuts[1:], self.high], strict=True)]
            return self._pages_of([*below, *ranges])
        if self._is_official:
            if not self._has_tried:
                self._try_fullest()
            doubtful = [page for page in self.pages if self._is_thinned or not _is_official(page)]
            if self._halve(doubtful):
                return None
            return self._end(proven=not self._is_thinned and not any(map(self._is_doubtful, doubtful)))
        self._look_below()
        return None if self._halve(self.pages) else self._end()

    def _try_fullest(self) -> None:
        """Rows of one step may have been thinned out to one of each: smaller ranges show it."""
        self._has_tried = True
        page = max(self.pages, key=lambda page: len(page.steps))
        steps = page.steps
        if self._is_doubtful(page):
            self._split(page, sorted({steps[len(steps) * at // 8] for at in range(1, 8)} - {steps[0]}))

    def _end(self, *, proven: bool = False) -> None:
        self.done = True
        self.is_proven = proven
        if self._is_widening:
            self.trust.ended(short=not proven)

    # -- ranges ----------------------------------------------------------------------------------------

    def _range(self, low: int | None, high: int | None, expects: int) -> Range:
        known = max(self.count or 0, self.listed or 0)
        is_known = self.count is not None or self.listed is not None
        return Range(low, high, 2 * known + 1000 if is_known else BITE, expects)

    def _ask(self, ask: Range, page: Page | None) -> None:
        self._open[id(ask)] = page
        self._new.append(ask)

    def _ask_map(self, samples: int) -> None:
        self.pages = []
        self._ask(Range(self.low, self.high, samples, samples), None)

    def _pages_of(self, ranges: list[Range]) -> None:
        """Read these ranges. Of a run that grows, the last one is read last: then its count holds for all."""
        self.pages = [Page(one) for one in ranges]
        if self.growing and len(ranges) > 1:
            self._last = ranges.pop()
        for one, page in zip(ranges, self.pages, strict=False):
            self._ask(one, page)

    def _cut(self, steps: Sequence[int], rows: int) -> None:
        """Cut everything into ranges of about :data:`BITE` rows, judging by the steps of a few."""
        parts = -(-rows // self._aims_at)
        places = {steps[len(steps) * at // parts] for at in range(1, min(parts, len(steps)))} if steps else set()
        if parts > len(steps) > 1:
            places = set(steps[1:])
        cuts = sorted(places - {steps[0]}) if steps else []
        expects = rows // (len(cuts) + 1)
        edges = [self.low, *cuts, self.high]
        self._pages_of(
            [self._range(low, high, expects) for low, high in pairwise(edges)],
        )

    def _split(self, page: Page, cuts: Sequence[int], expects: int | None = None) -> None:
        """Replace a page by smaller ones."""
        self._has_split = True
        edges = [page.range.low, *cuts, page.range.high]
        each = page.rows // (len(cuts) + 1) + 1 if expects is None else expects
        pages = [Page(self._range(low, high, each)) for low, high in pairwise(edges)]
        at = self.pages.index(page)
        self.pages[at : at + 1] = pages
        self._splits.append((page.rows, page.steps[-1] if page.steps else -TOP, pages))
        for part in pages:
            self._ask(part.range, part)


def _width(page: Page) -> int:
    low, high = page.reach
    return high - low


def _is_official(page: Page) -> bool:
    low, high = page.range.low, page.range.high
    return low is not None and high is not None and high - low <= WIDTH and len(set(page.steps)) == page.rows


def _halves(page: Page) -> list[int]:
    """Where to cut a page: at its middle row, or around the only step of its rows; the middle of its steps if it has no
    rows. Empty if it has one step."""
    steps, (low, high) = page.steps, page.reach
    if not steps:
        middle = (low + high) // 2
        return [middle] if low < middle < high else []
    middle = steps[len(steps) // 2]
    if middle > steps[0]:
        return [middle]
    after = bisect_right(steps, middle)
    if after < len(steps):
        return [steps[after]]
    return [cut for cut in (middle, middle + 1) if low < cut < high]
