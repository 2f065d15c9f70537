"""Read whole rows of histories by documents, proven by the counts of lines."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.compiler.extras import LINES
from wbmodel.compiler.histories import KEYS_OF_HISTORY
from wbmodel.compiler.target import Target
from wbmodel.errors import DamagedRow, QueryWarning, WbmodelError, warn
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.documents import Asked, Documents
from wbmodel.operations.histories.exports import Exports
from wbmodel.operations.histories.ladder import BITE, KEYS, Ladder
from wbmodel.operations.histories.one_range import range_values, rows_kind
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.rows import STEP, Packed, Row, columns_of, decode
from wbmodel.operations.histories.runs import Runs
from wbmodel.operations.histories.trust import Trust
from wbmodel.table.batch import are_sparse

__all__ = ["read_whole"]


def read_whole(spec: ReadSpec, runs: Runs, target: Target) -> Operation[None]:
    """Emit the parts of each run, and its end."""
    trust = Trust(lines=LINES in target.refusals.known)
    documents = Documents(runs, target, lambda head: WholeRun(head, spec, target, trust), Exports(spec, target))
    yield from documents.read()
    if trust.lines and target.refusals.learn(LINES):
        warn(f"{target.place} {LINES}; {LINES.instead}", QueryWarning)


class WholeRun:
    """The whole rows of one run.

    Rows without a step come last, in a part of their own; they are in no range of steps. Servers that page them send
    them with several ranges, so that what came with one range is not taken from another once more.
    """

    def __init__(self, head: Head, spec: ReadSpec, target: Target, trust: Trust) -> None:
        self.head, self.spec, self.target = head, spec, target
        self.ladder = Ladder(spec.min_step, spec.max_step, head.count, growing=head.growing, trust=trust)
        self.error: WbmodelError | None = None
        self.weight = 0
        self._told: list[str] = []

    @property
    def done(self) -> bool:
        """Whether nothing more is asked."""
        return self.error is not None or self.ladder.done

    def wanted(self) -> list[Asked]:
        """The next ranges."""
        return [] if self.error else list(map(self._asked, self.ladder.wanted()))

    def _asked(self, ask: Any) -> Asked:
        if ask is KEYS:
            return Asked(self, lambda _: (KEYS_OF_HISTORY, frozenset()), lambda _: {}, 10, ask)
        return Asked(self, rows_kind, partial(range_values, ask), ask.expects, ask)

    def take(self, asked: Asked, found: dict[str, Any]) -> int:
        """The rows of a range, or the facts about keys."""
        count = found["historyLineCount"]
        if asked.ask is KEYS:
            self.ladder.take_keys(*_facts(found["historyKeys"]), count)
            return 0
        texts: list[str | None] = found["history"]
        got = decode(texts).between(asked.ask.low, asked.ask.high)
        few = len(texts) <= BITE and self.ladder.is_one
        rows = got.rows if few or are_sparse(got.rows) else Packed(got.rows)
        held = _Held(rows, got.loose, got.damaged)
        self.ladder.take(asked.ask, got.steps, len(got.damaged), count, held, Counter(map(repr, got.loose)))
        self.weight = self.ladder.total
        return len(texts)

    def too_much(self, asked: Asked) -> bool:
        """Ask for smaller ranges."""
        return asked.ask is not KEYS and self.ladder.too_much(asked.ask)

    def failed(self, error: WbmodelError) -> None:
        """The run cannot be read."""
        self.error = error
        self.ladder.give_up()

    def parts(self) -> Iterator[Part | Ended]:
        """The rows, page by page."""
        if self.error is not None:
            yield Ended(self.head, 0, None, self.error)
            return
        ladder, run = self.ladder, self.head.ref.node_id
        pages, missing = ladder.pages, ladder.missing
        low, high = self.spec.min_step, self.spec.max_step
        rows = 0
        seen: Counter[str] = Counter()
        loose: list[Row] = []
        damaged: list[str] = []
        for page in pages:
            held: _Held = page.held
            page.held = None
            start = 0 if low is None else bisect_left(page.steps, low)
            stop = len(page.steps) if high is None else bisect_left(page.steps, high)
            if start < stop:
                rows += stop - start
                yield from (Part(self.head, batch) for batch in held.batches(run, start, stop))
            loose += new_of(held.loose, seen)
            damaged += held.damaged
        if loose and low is None and high is None:
            rows += len(loose)
            yield Part(self.head, columns_of(run, loose))
        self._tell(damaged)
        yield Ended(self.head, rows, None if missing is None else missing + len(damaged))

    def _tell(self, damaged: list[str]) -> None:
        """Warn of rows that cannot be read, once."""
        path, place = self.head.ref.path, self.target.place
        if damaged:
            more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
            warn(
                f"{path}: a row of its history on {place} cannot be read and is left out, {damaged[0]}{more}",
                DamagedRow,
            )


class _Held:
    """What is kept of a page: the rows with a step, those without, and what is said of damaged ones."""

    __slots__ = ("damaged", "loose", "rows")

    def __init__(self, rows: Sequence[Row] | Packed, loose: Sequence[Row], damaged: Sequence[str]) -> None:
        self.rows, self.loose, self.damaged = rows, loose, damaged

    def batches(self, run: str, start: int, stop: int) -> Iterator[ColumnBatch]:
        """The rows between two places."""
        if isinstance(self.rows, Packed):
            yield self.rows.batch(run, start, stop)
        else:
            yield from ColumnBatch.of_sparse_rows(run, self.rows[start:stop])


def new_of(loose: Sequence[Row], seen: Counter[str]) -> list[Row]:
    """The rows of a page that did not come with an earlier one. Two of one page are two."""
    own: Counter[str] = Counter()
    new = []
    for row in loose:
        mark = repr(row)
        own[mark] += 1
        if own[mark] > seen[mark]:
            new.append(row)
    seen |= own
    return new


def _facts(keys: Any) -> tuple[int | None, int | None]:
    """The last step and the number of rows, as ``historyKeys`` tells them."""
    if not isinstance(keys, dict):
        return None, None
    last = keys.get("lastStep")
    try:
        rows = keys["keys"][STEP]["typeCounts"][0]["count"]
    except (KeyError, IndexError, TypeError):
        rows = None
    return (last if isinstance(last, int) else None), (rows if isinstance(rows, int) else None)
