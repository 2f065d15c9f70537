"""Order rows by all keys, given the server's order by one key."""

from __future__ import annotations

import math
import operator
from itertools import islice
from typing import Any

from wbmodel.compiler.physical import Ties
from wbmodel.errors import OrderWarning, warn
from wbmodel.meta import Kind
from wbmodel.meta.state import row_ids
from wbmodel.operations.answer import Operation
from wbmodel.operations.pages import Pages
from wbmodel.query.evaluate import tolerant
from wbmodel.query.order import has_value, sort_key

__all__ = ["MixedOrdered", "TieOrdered"]

TIE_LIMIT = 5000
"""The number of rows that tie on the server's key above which a warning names the cost."""


class TieOrdered:
    """Rows ordered by the server by one key; rows that tie on it are ordered locally by the other keys.

    ``aside`` collects rows that turn out to lack a value for the key (including NaN); they come after all others.
    """

    def __init__(self, step: Ties, pages: Pages) -> None:
        self.key, self.pages = step.key, pages
        self.value = tolerant(step.key.path)
        self.rank = sort_key((step.key,))
        self.inner = sort_key(step.rest)
        self.group: list[Any] = []
        self.group_rank: Any = None
        self.aside: list[Any] = []
        self.started = False
        self.warned = False

    def pull(self) -> Operation[list[Any] | None]:
        """The rows of every tie that is complete."""
        while True:
            rows = yield from self.pages.pull()
            if rows is None:
                last, self.group = self.group, []
                return sorted(last, key=self.inner) if last else None
            out: list[Any] = []
            left = self._take(rows, out)
            if left:
                return (yield from self._all([*out, *self.group, *left]))
            if out:
                self.started = True
                return out

    def _take(self, rows: list[Any], out: list[Any]) -> list[Any]:
        """Add rows to their ties, and complete ties to ``out``.

        If the server's order differs from ours and no rows were returned yet, the remaining rows are given back. It
        does too if a row comes after the one from the far end.
        """
        # Dates have one type and compare directly; other values compare by rank, which separates types.
        dated, down = self.key.path.kind is Kind.TIME, self.key.descending
        end = None if self.started else self._far_end(dated)
        if dated and len(rows) > 1 and self._follow(rows, end, down):
            out += self.group if len(self.group) == 1 else sorted(self.group, key=self.inner)
            out += rows[:-1]
            self.group, self.group_rank = rows[-1:], self.value(rows[-1])
            return []
        for at, row in enumerate(rows):
            value = self.value(row)
            if not has_value(value):
                self.aside.append(row)
                continue
            rank = value if dated else self.rank(row)
            if rank == self.group_rank:
                self.group.append(row)
                continue
            if end is not None and (rank < end if dated and down else end < rank):
                return rows[at:]
            if self.group_rank is not None and (self.group_rank < rank if dated and down else rank < self.group_rank):
                if not self.started:
                    return rows[at:]
                self._say_disorder()
            # Most rows do not tie, and sorting a single one would still compute its key.
            out += self.group if len(self.group) == 1 else sorted(self.group, key=self.inner)
            self.group, self.group_rank = [row], rank
        if len(self.group) > TIE_LIMIT:
            self._say_large()
        return []

    def _far_end(self, dated: bool) -> Any:
        """The value or rank of the row from the far end; None if there is none, or if the last page is here."""
        row = None if self.pages.done or not self.pages.far else self.pages.far[0]
        value = None if row is None else self.value(row)
        if row is None or not self._is_comparable(value):
            return None
        return value if dated else self.rank(row)

    def _is_comparable(self, value: Any) -> bool:
        """Whether the server orders a value as we do."""
        return has_value(value)

    def _follow(self, rows: list[Any], end: Any, down: bool) -> bool:
        """Whether all rows have dates of their own, in order, after the last tie and before the far end: nearly always
        so, and quickly told."""
        dates = list(map(self.value, rows))
        if None in dates:
            return False
        before = operator.gt if down else operator.lt
        if self.group_rank is not None and not before(self.group_rank, dates[0]):
            return False
        if end is not None and before(end, dates[-1]):
            return False
        return all(map(before, dates, islice(dates, 1, None)))

    def _all(self, rows: list[Any]) -> Operation[list[Any] | None]:
        """These rows and all remaining ones, ordered locally."""
        collected, self.group = rows, []
        while (more := (yield from self.pages.pull())) is not None:
            collected += more
        return self._sorted(collected)

    def _sorted(self, rows: list[Any]) -> list[Any] | None:
        """The rows that have a value, in order; the others go to ``aside``."""
        there: list[Any] = []
        for row in dict(zip(row_ids(rows), rows, strict=True)).values():
            (there if has_value(self.value(row)) else self.aside).append(row)
        return sorted(there, key=lambda row: (self.rank(row), self.inner(row))) or None

    def _say_disorder(self) -> None:
        if not self.warned:
            self.warned = True
            warn(
                f"the server orders {self.key.path.dotted} differently (mixed types or infinities under one key?); "
                "sort the rows again after fetching them if this matters",
                OrderWarning,
            )

    def _say_large(self) -> None:
        if not self.warned:
            self.warned = True
            warn(
                f"more than {TIE_LIMIT} rows tie in {self.key.path.dotted}, and the server orders by only one key: all "
                "of them are read to order them by the next key; filter further, or order by a key with more values",
                OrderWarning,
            )


class MixedOrdered(TieOrdered):
    """Like :class:`TieOrdered`, for a key that may hold values of several types.

    A server keeps the finite numbers together and in order. Other values come before them, and are read on the way to
    the first number, or after them, and are read from the other end (``far``).
    """

    def __init__(self, step: Ties, pages: Pages, far: Pages) -> None:
        super().__init__(step, pages)
        self.far = far
        self.opened = self.ended = False
        self.handed: Any = None
        self.ready: list[list[Any]] = []
        self.pending: list[Any] = []
        self.before: set[Any] = set()
        """The marks of rows ordered before the numbers, which the server may return again after them."""
        self.behind: list[Any] = []
        """Rows to return after the numbers."""

    def pull(self) -> Operation[list[Any] | None]:
        """The rows before the numbers, then the numbers tie by tie, then the rows after them."""
        if not self.opened:
            self.opened = True
            yield from self._open()
        while not self.ready:
            if self.ended:
                return None
            yield from self._go_on()
        # Returning the rows before the numbers does not commit to the numbers' order.
        self.started = self.group_rank is not None
        self.handed = self.rank(self.ready[0][-1])
        return self.ready.pop(0)

    def _open(self) -> Operation[None]:
        """Find all rows before the first number in the server's order, and after the last."""
        others: list[Any] = []
        while not self.pending:
            rows = yield from self.pages.pull()
            if rows is None:
                break
            at = next((at for at, row in enumerate(rows) if self._is_number(row)), len(rows))
            others += rows[:at]
            self.pending = rows[at:]
        if not self.pages.done and self._contradicts():
            others += self.pending
            while (more := (yield from self.pages.pull())) is not None:
                others += more
            self.pending = []
        if self.pages.done or not self.pending:
            self._end([*others, *self.pending])
            return
        if not (self.pages.far and self._is_number(self.pages.far[0])):
            others += yield from self._from_the_far_end()
        number = self.rank(self.pending[0])
        there = self._sorted(others) or []
        before = [row for row in there if self.rank(row) < number]
        self.behind = there[len(before) :]
        if before:
            self.ready.append(before)
            self.before = set(row_ids(before))

    def _contradicts(self) -> bool:
        """Whether the row from the far end comes before one of this page: the server ignores the order."""
        far = self.pages.far[:1]
        numbers = [self.rank(row) for row in self.pending if self._is_number(row)]
        return bool(far and numbers and self._is_number(far[0]) and self.rank(far[0]) < max(numbers))

    def _from_the_far_end(self) -> Operation[list[Any]]:
        found: list[Any] = []
        while (rows := (yield from self.far.pull())) is not None:
            at = next((at for at, row in enumerate(rows) if self._is_number(row)), None)
            found += rows[:at]
            if at is not None:
                break
        return found

    def _is_number(self, row: Any) -> bool:
        return self._is_comparable(self.value(row))

    def _is_comparable(self, value: Any) -> bool:
        return value.__class__ is int or (value.__class__ is float and math.isfinite(value))

    def _go_on(self) -> Operation[None]:
        """The next ties of numbers, or the end."""
        rows, self.pending = self.pending, []
        if not rows:
            more = yield from self.pages.pull()
            if more is None:
                self._end([])
                return
            rows = more
        at = next((at for at, row in enumerate(rows) if not self._is_number(row)), len(rows))
        out: list[Any] = []
        left = self._take(rows[:at], out)
        if left or at < len(rows):
            # After the numbers, or out of order: read the rest.
            rest = [*left, *rows[at:]]
            while (more := (yield from self.pages.pull())) is not None:
                rest += more
            self._end([*out, *rest])
        elif out:
            self.ready.append(out)

    def _end(self, rows: list[Any]) -> None:
        """Order the remaining rows: these, the last tie, and the rows after the numbers."""
        left = [row for mark, row in zip(row_ids(rows), rows, strict=True) if mark not in self.before]
        made = self._sorted([*self.group, *left, *self.behind]) or []
        if made and self.handed is not None and self.rank(made[0]) < self.handed:
            self._say_disorder()
        self.group, self.behind, self.ended = [], [], True
        self.ready = [made] if made else []
