"""Servers of one history that differ in all that is not known of the real one, and what a ladder reads from them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter
from random import Random
from typing import Literal

import attrs

from wbmodel.operations.histories.ladder import KEYS, Ladder, Range

__all__ = ["GUESSES", "SHAPES", "Climbed", "Guess", "HistoryServer", "climb"]

Row = tuple[int | None, int]
"""A step, and the line at which the row was logged, which tells rows of one step apart."""

SHAPES: dict[str, list[int]] = {
    "dense": list(range(11_000)),
    "200": list(range(200)),
    "late start": list(range(61_010, 61_010 + 6_000)),
    "wide steps": list(range(0, 3_000_000, 1000)),
    "sparse far": [*range(6_000), 10**9],
    "negative": list(range(-3_000, 3_000)),
    "repeated": [at // 3 for at in range(6_000)],
    "falling": list(range(2_000, 0, -1)),
    "one step": [7] * 5_000,
    "empty": [],
    "one row": [0],
}
"""The steps of rows as they were logged."""


@attrs.frozen(kw_only=True)
class Guess:
    """What a server may do. ``cap``: the most rows of one answer. ``thin``: how it leaves rows out; ``loose``:
    about as many stay as asked. ``merges``: rows of one step are one. ``count``: right, of the rows a moment ago,
    missing, or of lines, some of which are not rows. ``zero``: an open lower end means 0. ``narrow``: a range of
    one step is empty. ``forked``: rows are thinned per half, so that more may come than asked. ``inclusive``: the
    upper end is part of the range."""

    cap: int | None = None
    thin: Literal["even", "random", "bucket"] = "even"
    loose: bool = False
    merges: bool = False
    count: Literal["right", "late", "null", "lines"] = "right"
    keys: bool = True
    shuffled: bool = False
    zero: bool = False
    narrow: bool = True
    forked: bool = False
    inclusive: bool = False


GUESSES: dict[str, Guess] = {
    "plain": Guess(narrow=False),
    "capped, even": Guess(cap=1000),
    "capped, random": Guess(cap=1000, thin="random", loose=True),
    "capped, buckets": Guess(cap=1000, thin="bucket"),
    "low cap": Guess(cap=500, thin="random"),
    "merges": Guess(merges=True),
    "late": Guess(count="late"),
    "late, capped": Guess(count="late", cap=1000, thin="random"),
    "null": Guess(count="null"),
    "null, no keys, capped": Guess(count="null", keys=False, cap=1000),
    "lines": Guess(count="lines"),
    "lines, capped": Guess(count="lines", cap=1000, thin="random"),
    "shuffled": Guess(shuffled=True, thin="random"),
    "from zero": Guess(zero=True),
    "forked": Guess(forked=True, cap=1000),
    "inclusive": Guess(inclusive=True, cap=1000),
}


class HistoryServer:
    """A server of one history. ``grows``: so many rows of the end come only after the first answers."""

    def __init__(self, steps: Sequence[int | None], guess: Guess, seed: int = 0, grows: int = 0) -> None:
        self.guess, self.random = guess, Random(seed)
        lines = [(step, line) for line, step in enumerate(steps)]
        self.later = lines[len(lines) - grows :] if grows else []
        self.rows: list[Row] = lines[: len(lines) - grows]
        self._sorted: list[tuple[int, int]] | None = None

    @property
    def there(self) -> list[int]:
        """The lines that can be read: of merged rows, the last of each step."""
        if self.guess.merges:
            return sorted(dict(self.rows).values())
        return [line for _, line in self.rows]

    @property
    def count(self) -> int | None:
        lines = len(self.rows)
        counts = {"right": lines, "late": lines - lines // 10, "null": None, "lines": lines + 3}
        return counts[self.guess.count]

    def answer(self, low: int | None, high: int, samples: int) -> list[tuple[int, int]]:
        """The rows of one range."""
        if self.later:
            self.rows += self.later[:100]
            del self.later[:100]
        guess = self.guess
        if guess.narrow and low is not None and high - low < 2:
            return []
        if low is None and guess.zero:
            low = 0
        if self._sorted is None or len(self._sorted) != len(self.rows):
            self._sorted = sorted((line if step is None else step, line) for step, line in self.rows)
        start = 0 if low is None else bisect_left(self._sorted, (low, -1))
        found = self._sorted[start : bisect_left(self._sorted, (high + guess.inclusive, -1))]
        if guess.merges:
            found = sorted({step: (step, line) for step, line in found}.values())
        most = min(samples, guess.cap or samples)
        parts = [found[: len(found) // 2], found[len(found) // 2 :]] if guess.forked else [found]
        kept = [row for part in parts for row in self._thinned(part, most)]
        if guess.shuffled:
            self.random.shuffle(kept)
        return kept

    def _thinned(self, rows: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
        if len(rows) <= most:
            return rows
        if self.guess.loose:
            most = max(1, int(most * self.random.uniform(0.95, 1.05)))
        if self.guess.thin == "random":
            return sorted(self.random.sample(rows, min(most, len(rows))))
        if self.guess.thin == "even":
            return [rows[at * len(rows) // most] for at in range(most)]
        low, width = rows[0][0], rows[-1][0] - rows[0][0] + 1
        return list({(step - low) * most // width: (step, line) for step, line in rows}.values())

    def facts(self) -> tuple[int | None, int | None]:
        """The last step and the number of rows, as the facts about keys tell them."""
        steps = [step if step is not None else line for step, line in self.rows]
        return (max(steps), len(self.there) if self.guess.keys else None) if steps else (None, None)


@attrs.frozen
class Climbed:
    """The lines that were read in order, how many are missing, documents of 20 ranges, and round trips."""

    lines: list[int]
    missing: int | None
    documents: int
    rounds: int


def climb(ladder: Ladder, server: HistoryServer, too_much: int | None = None) -> Climbed:
    """Ask a server for what a ladder wants. Ranges of more rows than ``too_much`` fail."""
    documents = rounds = 0
    while not ladder.done:
        wanted = ladder.wanted()
        assert wanted, "it waits for nothing"
        documents += -(-len(wanted) // 20)
        rounds += 1
        assert rounds < 200
        for ask in wanted:
            if ask is KEYS:
                ladder.take_keys(*server.facts(), server.count)
                continue
            assert isinstance(ask, Range)
            low, high = ask.bounds
            assert low is None or high - low != 1, "a real server answers a range of one step with nothing"
            rows = server.answer(low, high, ask.samples)
            if too_much is not None and len(rows) > too_much:
                assert ladder.too_much(ask)
                continue
            rows = sorted((row for row in rows if _inside(row[0], ask)), key=itemgetter(0))
            steps = [step for step, _ in rows]
            ladder.take(ask, steps, 0, server.count, [line for _, line in rows])
    lines = [line for page in ladder.pages for line in page.held]
    return Climbed(lines, ladder.missing, documents, rounds)


def _inside(step: int, ask: Range) -> bool:
    return (ask.low is None or step >= ask.low) and (ask.high is None or step < ask.high)
