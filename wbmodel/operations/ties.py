"""Rows that a server orders by one key, brought into the order of all keys."""

from __future__ import annotations

import math
from typing import Any

from wbmodel.compiler.physical import Ties
from wbmodel.errors import OrderWarning, warn
from wbmodel.meta import Kind
from wbmodel.operations.answer import Operation
from wbmodel.operations.pages import Pages
from wbmodel.query.evaluate import getter
from wbmodel.query.order import has_value, sort_key

__all__ = ["MixedOrdered", "TieOrdered"]

TIE_LIMIT = 5000
"""Rows that tie in the server's key beyond which a warning says what ordering costs."""


class TieOrdered:
    """Rows that the server ordered by one key, with those that tie in it put into order by the rest.

    ``aside`` collects rows that turn out to have no value for the key (NaN among them); they belong after all others.
    """

    def __init__(self, step: Ties, pages: Pages) -> None:
        self.key, self.pages = step.key, pages
        self.value = getter(step.key.path)
        self.rank = sort_key((step.key,))
        self.inner = sort_key(step.rest)
        self.group: list[Any] = []
        self.group_rank: Any = None
        self.aside: list[Any] = []
        self.started = False
        self.warned = False

    def pull(self) -> Operation[list[Any] | None]:
        """Rows of every tie that is known to be complete."""
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
        """Add the rows to their ties, and to ``out`` those of ties that are complete. When the server's order is not
        ours and nothing was handed out yet, the rows from that one on are given back."""
        # Dates are of one type and compare by themselves; other values by a rank, which keeps types apart.
        dated, down = self.key.path.kind is Kind.TIME, self.key.descending
        for at, row in enumerate(rows):
            value = self.value(row)
            if not has_value(value):
                self.aside.append(row)
                continue
            rank = value if dated else self.rank(row)
            if rank == self.group_rank:
                self.group.append(row)
                continue
            if self.group_rank is not None and (self.group_rank < rank if dated and down else rank < self.group_rank):
                if not self.started:
                    return rows[at:]
                self._say_disorder()
            # Most rows tie with no other, and a sort asks for the key of a single one too.
            out += self.group if len(self.group) == 1 else sorted(self.group, key=self.inner)
            self.group, self.group_rank = [row], rank
        if len(self.group) > TIE_LIMIT:
            self._say_large()
        return []

    def _all(self, rows: list[Any]) -> Operation[list[Any] | None]:
        """These rows and all that are still to come, ordered here."""
        collected, self.group = rows, []
        while (more := (yield from self.pages.pull())) is not None:
            collected += more
        return self._sorted(collected)

    def _sorted(self, rows: list[Any]) -> list[Any] | None:
        """The rows that have a value, in order; the others are put aside."""
        there: list[Any] = []
        for row in {row.node_id: row for row in rows}.values():
            (there if has_value(self.value(row)) else self.aside).append(row)
        return sorted(there, key=lambda row: (self.rank(row), self.inner(row))) or None

    def _say_disorder(self) -> None:
        if not self.warned:
            self.warned = True
            warn(
                f"the server orders {self.key.path.dotted} differently (values of several types, or infinities, under "
                "one key?); order the rows again after fetching them if this matters",
                OrderWarning,
            )

    def _say_large(self) -> None:
        if not self.warned:
            self.warned = True
            warn(
                f"more than {TIE_LIMIT} rows tie in {self.key.path.dotted}, and the server orders by one key only: all "
                "of them are read to order them by the next; filter further, or order by a key with more values",
                OrderWarning,
            )


class MixedOrdered(TieOrdered):
    """The same for a key that may hold values of several types.

    A server keeps the finite numbers together and in order. What else there is stands before them, and is met on the
    way to the first number, or behind them, and is met on the way from the other end (``far``).
    """

    def __init__(self, step: Ties, pages: Pages, far: Pages) -> None:
        super().__init__(step, pages)
        self.far = far
        self.opened = self.ended = False
        self.handed: Any = None
        self.ready: list[list[Any]] = []
        self.pending: list[Any] = []
        self.before: set[str] = set()
        """What belonged before the numbers, by node id: the server may give it once more behind them."""
        self.behind: list[Any] = []
        """What belongs behind the numbers."""

    def pull(self) -> Operation[list[Any] | None]:
        """What belongs before the numbers, the numbers tie by tie, and what belongs behind them."""
        if not self.opened:
            self.opened = True
            yield from self._open()
        while not self.ready:
            if self.ended:
                return None
            yield from self._go_on()
        # What belongs before the numbers says nothing of their order.
        self.started = self.group_rank is not None
        self.handed = self.rank(self.ready[0][-1])
        return self.ready.pop(0)

    def _open(self) -> Operation[None]:
        """Find all that stands before the first number of the server's order, and behind the last."""
        others: list[Any] = []
        while not self.pending:
            rows = yield from self.pages.pull()
            if rows is None:
                break
            at = next((at for at, row in enumerate(rows) if self._is_number(row)), len(rows))
            others += rows[:at]
            self.pending = rows[at:]
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
            self.before = {row.node_id for row in before}

    def _from_the_far_end(self) -> Operation[list[Any]]:
        found: list[Any] = []
        while (rows := (yield from self.far.pull())) is not None:
            at = next((at for at, row in enumerate(rows) if self._is_number(row)), None)
            found += rows[:at]
            if at is not None:
                break
        return found

    def _is_number(self, row: Any) -> bool:
        value = self.value(row)
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
            # Behind the numbers, or not in order at all: read the rest.
            rest = [*left, *rows[at:]]
            while (more := (yield from self.pages.pull())) is not None:
                rest += more
            self._end([*out, *rest])
        elif out:
            self.ready.append(out)

    def _end(self, rows: list[Any]) -> None:
        """Order all that is left: these rows, the last tie, and what belongs behind the numbers."""
        left = [row for row in rows if row.node_id not in self.before]
        made = self._sorted([*self.group, *left, *self.behind]) or []
        if made and self.handed is not None and self.rank(made[0]) < self.handed:
            self._say_disorder()
        self.group, self.behind, self.ended = [], [], True
        self.ready = [made] if made else []
