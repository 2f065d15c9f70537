"""Connections: rows of a parent, filtered, ordered and cut into pages by keyset cursors.

A cursor says where its row stood (the ranks of its order keys and its tie key), so a page goes on at the right place
while rows are added, changed or deleted. What was filtered and sorted is kept per store version: reading 10,000 rows
in pages of 1,000 filters and sorts once.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import attrs

from wbmodel.codec import dumps, loads
from wbmodel.engine.conditions import load_filter, parse_filter
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.evaluate import predicate
from wbmodel.engine.fields import LanguageError
from wbmodel.engine.orders import Order, compile_order, parse_order
from wbmodel.engine.records import Record
from wbmodel.engine.store import Store

__all__ = ["DEFAULT_FIRST", "Connection", "Edge", "Pager", "fixed_order"]

DEFAULT_FIRST = 50
"""Rows of a page when the document does not say."""

_KEPT = 64

Terms = tuple[tuple[str, bool], ...]

_NAMES: dict[str, Callable[[Any], str]] = {
    "User": lambda user: str(user.username),
    "Artifact": lambda membership: str(membership.artifact.id),
}


def _name(record: Any) -> str:
    return str(record.name)


class Edge:
    """One row of a page."""

    __slots__ = ("connection", "node")

    def __init__(self, connection: Connection, node: Any) -> None:
        self.connection = connection
        self.node = node

    @property
    def cursor(self) -> str:
        """Where to go on after this row."""
        return self.connection.cursor(self.node)


@attrs.frozen(slots=True, eq=False)
class Connection:
    """One page: ``rows``, whether more follow, and how many rows there are in all."""

    rows: Sequence[Any]
    has_next: bool
    total: int
    order: Order
    stamp: int

    @property
    def edges(self) -> list[Edge]:
        """The rows as edges."""
        return [Edge(self, row) for row in self.rows]

    def cursor(self, row: Any) -> str:
        """The opaque cursor of a row of this order."""
        text = dumps([self.stamp, *self.order.place(row)])
        return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode()

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last row; None on an empty page."""
        return self.cursor(self.rows[-1]) if self.rows else None


def fixed_order(key: Callable[[Any], tuple[int, str]]) -> Order:
    """An order by one key that documents cannot change."""
    return Order((), False, key)


class Pager:
    """Pages of a store's lists under a dialect, with a small cache of sorted lists."""

    def __init__(self, store: Store, dialect: Dialect) -> None:
        self.store = store
        self.dialect = dialect
        self._version = -1
        self._kept: OrderedDict[Any, Any] = OrderedDict()

    def connection(
        self,
        type_name: str,
        parent: Record | None,
        relation: str,
        rows: Callable[[], Sequence[Any]],
        args: dict[str, Any],
    ) -> Connection:
        """A page of a connection that takes ``filters`` and ``order``. ``rows`` lists it whole, when needed."""
        order, terms = self._order(type_name, args)
        found = self._sorted(type_name, parent, relation, rows, args, order, terms)
        return self._page(found, order, crc32(repr(terms).encode("utf-8", "surrogatepass")), args)

    def listing(self, order: Order, rows: Sequence[Any], args: dict[str, Any]) -> Connection:
        """A page of a list in an order of its own, such as files by name."""
        return self._page(order.settle(rows), order, 0, args)

    def whole(self, order: Order, rows: Sequence[Any]) -> Connection:
        """A list that has no pages."""
        return Connection(order.settle(rows), False, len(rows), order, 0)

    def count(
        self,
        type_name: str,
        parent: Record | None,
        relation: str,
        rows: Callable[[], Sequence[Any]],
        args: dict[str, Any],
    ) -> int:
        """How many rows match ``filters``."""
        order, terms = self._order(type_name, {})
        return len(self._sorted(type_name, parent, relation, rows, args, order, terms))

    # -- inside ------------------------------------------------------------------------------------

    def _order(self, type_name: str, args: dict[str, Any]) -> tuple[Order, Terms]:
        terms = parse_order(args.get("order"), self.dialect)
        if terms == (("created_at", True),) and self.dialect.ties == "newest":
            terms = ()
        self._honours(type_name, "order", args.get("order"))
        key = ("order", type_name, terms)
        order = self._kept.get(key)
        if order is None:
            order = self._keep(key, compile_order(terms, type_name, self.dialect, _NAMES.get(type_name, _name)))
        return order, terms

    def _honours(self, type_name: str, what: str, given: Any) -> None:
        if given and type_name not in self.dialect.filtered:
            raise LanguageError(f"this server takes no {what} on a connection of {type_name}")

    def _sorted(
        self,
        type_name: str,
        parent: Record | None,
        relation: str,
        rows: Callable[[], Sequence[Any]],
        args: dict[str, Any],
        order: Order,
        terms: Terms,
    ) -> list[Any]:
        if self.store.version != self._version:
            self._kept.clear()
            self._version = self.store.version
        text = args.get("filters")
        self._honours(type_name, "filters", text not in (None, "", "{}"))
        place = (type_name, parent.id if parent is not None else None, relation)
        key = (place, text, terms) if isinstance(text, (str, type(None))) else None
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._list(key)
        matches = predicate(parse_filter(load_filter(text), type_name, self.dialect), type_name)
        if place not in self._kept:
            self._keep(place, order.settle(rows()))
        settled = self._list(place)
        found = settled if matches is None else [row for row in settled if matches(row)]
        if order.keys:
            found = order.sort(found)
        if key is not None:
            self._keep(key, found)
        return found

    def _list(self, key: Any) -> list[Any]:
        kept: list[Any] = self._kept[key]
        return kept

    def _keep(self, key: Any, value: Any) -> Any:
        self._kept[key] = value
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return value

    def _page(self, rows: Sequence[Any], order: Order, stamp: int, args: dict[str, Any]) -> Connection:
        first = args.get("first")
        first = DEFAULT_FIRST if first is None else first
        if first < 0:
            raise LanguageError(f"first must not be negative, and it is {first}")
        after = args.get("after")
        start = _start(rows, order, _decode(after, order, stamp)) if after else 0
        stop = start + min(first, self.dialect.max_page)
        return Connection(rows[start:stop], stop < len(rows), len(rows), order, stamp)


def _decode(after: str, order: Order, stamp: int) -> list[Any]:
    try:
        text = base64.b64decode(after, altchars=b"-_", validate=True).decode("utf-8", "surrogatepass")
        cursor = loads(text)
    except (ValueError, binascii.Error, RecursionError):
        cursor = None
    if not isinstance(cursor, list) or not cursor or not order.fits(cursor[1:]):
        raise LanguageError(f"after is no cursor of this connection: {after[:80]!r}")
    if cursor[0] != stamp:
        raise LanguageError("after is a cursor of another order; cursors go with the order that gave them")
    return cursor[1:]


def _start(rows: Sequence[Any], order: Order, place: list[Any]) -> int:
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if order.is_after(rows[middle], place):
            high = middle
        else:
            low = middle + 1
    return low
