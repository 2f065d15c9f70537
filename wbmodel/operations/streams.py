"""Rows in the order that was asked for, from pages in the order that a server gives.

A lane is pulled for its next rows; it answers None at its end. Lanes are stacked: :class:`Ties` orders what ties in the
server's one key, :class:`Chain` puts rows that lack the key after those that have it, :class:`Sorted` orders everything
here, :class:`Merge` joins several parents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from wbmodel.compiler.access import Slot
from wbmodel.compiler.query import CompiledQuery, is_nullable
from wbmodel.errors import OrderWarning, warn
from wbmodel.meta import Kind, Route
from wbmodel.operations.keyset import conjoined
from wbmodel.operations.pages import Operation, Pages, load
from wbmodel.operations.paging import Reading
from wbmodel.query.evaluate import getter
from wbmodel.query.order import OrderKey, has_value, sort_key

__all__ = ["Lane", "ordered", "plain"]

TIE_LIMIT = 5000
"""Rows that tie in the server's key beyond which a warning says what ordering costs."""


class Lane(Protocol):
    """A source of rows."""

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows, in order; None at the end."""
        ...


def plain(
    query: CompiledQuery, route: Route, slot: Slot, limit: int | None = None, reading: Reading | None = None
) -> Pages:
    """Pages in whatever order is best, for when the order does not matter."""
    keep = query.check if query.can_filter(route) else query.whole
    bounded = limit if keep is None else None
    return _unordered(query, route, slot, reading or Reading(query.target.capabilities), keep, bounded, None)


def _unordered(
    query: CompiledQuery,
    route: Route,
    slot: Slot,
    reading: Reading,
    keep: Callable[[Any], bool] | None,
    limit: int | None,
    extra: dict[str, Any] | None,
) -> Pages:
    filters = conjoined(query.filter.wire if query.can_filter(route) else None, extra)
    # Where one page is all that is read, the server need not sort for it.
    order, keyset = query.any_order(route) if limit is None else (None, None)
    return Pages(
        query, route, slot, reading, filters=filters, order=order, limit=limit, keep=keep, keyset=keyset
    )  # fmt: skip


def ordered(
    query: CompiledQuery,
    ways: Sequence[tuple[Route, Slot]],
    limit: int | None,
    reading: Reading | None = None,
) -> Lane:
    """The rows of all ``ways`` in the order of the plan. ``limit``: how many rows will be wanted at most. ``reading``
    is for lanes that are read together."""
    leaves: list[Pages] = []
    reading = reading or Reading(query.target.capabilities)
    lanes = [_lane(query, route, slot, reading, query.keys, limit, None, leaves) for route, slot in ways]
    return lanes[0] if len(lanes) == 1 else Merge(lanes, leaves, sort_key(query.keys))


def _lane(
    query: CompiledQuery,
    route: Route,
    slot: Slot,
    reading: Reading,
    keys: Sequence[OrderKey],
    limit: int | None,
    extra: dict[str, Any] | None,
    leaves: list[Pages],
) -> Lane:
    keep = query.check if query.can_filter(route) else query.whole
    bounded = limit if keep is None else None

    def pages(order: str, more: dict[str, Any] | None, rows: int | None) -> Pages:
        filters = conjoined(conjoined(query.filter.wire if query.can_filter(route) else None, extra), more)
        keyset = query.creation_order(route, keys)
        made = Pages(
            query, route, slot, reading, filters=filters, order=order, limit=rows, keep=keep, keyset=keyset
        )  # fmt: skip
        leaves.append(made)
        return made

    def every() -> Sorted:
        leaves.append(_unordered(query, route, slot, reading, keep, None, extra))
        return Sorted(leaves[-1], sort_key(tuple(keys)))

    complete = query.server_order(route, keys)
    if complete is not None:
        return pages(complete, None, bounded)
    head = query.order_text(keys[0]) if query.can_order(route) else None
    if head is None:
        return every()
    rest = tuple(keys[1:])
    one_more = None if bounded is None else bounded + 1
    if not (is_nullable(keys[0]) and query.can_filter(route)):
        return Ties(pages(head, None, one_more), keys[0], rest)
    name = _filter_name(query, keys[0])
    if name is None:
        return every()
    there = Ties(pages(head, {name: {"$ne": None}}, one_more), keys[0], rest)

    def lacking() -> Lane:
        return _lane(query, route, slot, reading, rest, limit, conjoined(extra, {name: None}), [])

    # Not made before it is needed: most slices end among the rows that have the key.
    return Chain(there, lacking, rest)


def _filter_name(query: CompiledQuery, key: OrderKey) -> str | None:
    from wbmodel.compiler.filters import server_path

    return server_path(key.path, query.target.capabilities)


class Ties:
    """Rows that the server ordered by one key, with those that tie in it put into order by the rest.

    ``aside`` collects rows that turn out to have no value for the key (NaN among them); they belong after all others.
    """

    def __init__(self, pages: Pages, key: OrderKey, rest: tuple[OrderKey, ...]) -> None:
        self.pages, self.key = pages, key
        self.value = getter(key.path)
        self.rank = sort_key((key,))
        self.inner = sort_key(rest)
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
            # Dates are of one type and compare by themselves; other values by a rank, which keeps types apart.
            dated, down = self.key.path.kind is Kind.TIME, self.key.descending
            for row in rows:
                value = self.value(row)
                if not has_value(value):
                    self.aside.append(row)
                    continue
                rank = value if dated else self.rank(row)
                if rank == self.group_rank:
                    self.group.append(row)
                    continue
                if self.group_rank is not None and (
                    self.group_rank < rank if dated and down else rank < self.group_rank
                ):
                    if not (self.started or out):
                        rows_left = yield from self._all(rows[rows.index(row) :])
                        return rows_left
                    self._say_disorder()
                # Most rows tie with no other, and a sort asks for the key of a single one too.
                out += self.group if len(self.group) == 1 else sorted(self.group, key=self.inner)
                self.group, self.group_rank = [row], rank
            if len(self.group) > TIE_LIMIT:
                self._say_large()
            if out:
                self.started = True
                return out

    def _all(self, rows: list[Any]) -> Operation[list[Any] | None]:
        """The server's order is not ours, and nothing was handed out yet: read everything and order it here."""
        collected = [*self.group, *rows]
        while True:
            more = yield from self.pages.pull()
            if more is None:
                break
            collected += more
        self.group = []
        self.aside += [row for row in collected if not has_value(self.value(row))]
        rest = [row for row in collected if has_value(self.value(row))]
        return sorted(rest, key=lambda row: (self.rank(row), self.inner(row))) or None

    def _say_disorder(self) -> None:
        if not self.warned:
            self.warned = True
            warn(
                f"the server orders {self.key.path.dotted} differently (values of several types, or infinities, "
                "under one "
                "key?); order the rows again after fetching them if this matters",
                OrderWarning,
            )

    def _say_large(self) -> None:
        if not self.warned:
            self.warned = True
            warn(
                f"more than {TIE_LIMIT} rows tie in {self.key.path.dotted}, and the server orders by one key "
                "only: all of "
                "them are read to order them by the next; filter further, or order by a key with more values",
                OrderWarning,
            )


class Chain:
    """The rows that have the first key, then those that lack it, in the order of the other keys."""

    def __init__(self, there: Ties, lacking: Callable[[], Lane], rest: tuple[OrderKey, ...]) -> None:
        self.there, self.lacking = there, lacking
        self.inner = sort_key(rest)
        self.tail: Lane | None = None

    def pull(self) -> Operation[list[Any] | None]:
        """Rows of the first part, then of the second."""
        if self.tail is None:
            rows = yield from self.there.pull()
            if rows is not None:
                return rows
            aside = sorted(self.there.aside, key=self.inner)
            # A server that looks into lists for null, or takes null for NaN, may give rows here that were handed out
            # before, or that belong there and were not: the first are told apart by identity, the others must not be
            # lost.
            lacking = self.lacking()
            self.tail = Merge([Given(aside), lacking], [], self.inner) if aside else lacking
        rows = yield from self.tail.pull()
        return rows


class Given:
    """Rows that are here already."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows: list[Any] | None = rows

    def pull(self) -> Operation[list[Any] | None]:
        """All of them, once."""
        rows, self.rows = self.rows, None
        return rows
        yield  # an operation that asks for nothing is still a generator


class Sorted:
    """Everything, ordered here: for keys that the server has no name for."""

    def __init__(self, pages: Lane, key: Callable[[Any], Any]) -> None:
        self.pages, self.key = pages, key
        self.done = False

    def pull(self) -> Operation[list[Any] | None]:
        """All rows at once."""
        if self.done:
            return None
        self.done = True
        collected: dict[Any, Any] = {}
        while True:
            rows = yield from self.pages.pull()
            if rows is None:
                break
            for row in rows:
                collected.setdefault(row.node_id, row)
        return sorted(collected.values(), key=self.key) or None


class Merge:
    """Several ordered lanes as one. The first pages of all are loaded together."""

    def __init__(self, lanes: Sequence[Lane], leaves: Sequence[Pages], key: Callable[[Any], Any]) -> None:
        self.lanes, self.leaves, self.key = list(lanes), leaves, key
        self.heads: list[list[Any]] = [[] for _ in lanes]
        self.keys: list[list[Any]] = [[] for _ in lanes]
        self.started = False

    def pull(self) -> Operation[list[Any] | None]:
        """As many rows as are certain before a lane has to be pulled again."""
        if not self.started:
            self.started = True
            yield from load(self.leaves)
        for index in range(len(self.lanes) - 1, -1, -1):
            while not self.heads[index]:
                rows = yield from self.lanes[index].pull()
                if rows is None:
                    del self.lanes[index], self.heads[index], self.keys[index]
                    break
                self.heads[index] = rows[::-1]
                self.keys[index] = [self.key(row) for row in self.heads[index]]
        if not self.lanes:
            return None
        out = []
        while True:
            best = min(range(len(self.lanes)), key=lambda index: self.keys[index][-1])
            out.append(self.heads[best].pop())
            self.keys[best].pop()
            if not self.heads[best]:
                return out
