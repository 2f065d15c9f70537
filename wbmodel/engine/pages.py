"""Connections: turns the arguments of a document into a :class:`Select`, and its page into edges with cursors.

A cursor holds the position of its row (the ranks of its order keys and its tie key), so the next page continues at the
right position while rows are added, changed or deleted.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import attrs

from wbmodel.codec import dumps, loads
from wbmodel.engine.conditions import All, Condition, all_of, load_filter, parse_filter
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.fields import LanguageError, TooMuch, path_of
from wbmodel.engine.orders import fits
from wbmodel.engine.paths import split_order
from wbmodel.engine.select import RELATIONS, Collation, Page, Place, Select, Term
from wbmodel.weighted_cache import WeightedCache

__all__ = ["DEFAULT_FIRST", "LINES", "Connection", "Edge", "Line", "LinePage", "Reader", "RestOfPage", "stamp_of"]

DEFAULT_FIRST = 50
"""Default number of rows in a page."""

_KEPT_FILTERS = 256 * 1024
"""Size of the cache of parsed filters, in characters: a listing's filter is parsed once, not for every page."""


_OFFSET = "arrayconnection:"
"""What W&B's cursors begin with, before the index of their row."""

LINES = 0
"""The order stamp in cursors of numbered lines."""


class Edge:
    """One row of a page."""

    __slots__ = ("_at", "connection", "node")

    def __init__(self, connection: Connection, at: int, node: Any) -> None:
        self.connection = connection
        self.node = node
        self._at = at

    @property
    def cursor(self) -> str:
        """The cursor after this row."""
        return self.connection.cursor(self._at)


@attrs.frozen(slots=True, eq=False)
class Connection:
    """A page as a document sees it."""

    page: Page
    stamp: int
    """The order stamp in cursors: a cursor is valid only with the order that it was created for."""
    has_previous_page: bool = False
    """Whether the page continues another one."""
    ask: Select | None = None
    """What the rows answer; None for numbered lines and fields."""
    start: int | None = None
    """The index of the first row, if cursors count rows."""

    @property
    def rows(self) -> Sequence[Any]:
        """The records."""
        return self.page.rows

    @property
    def edges(self) -> list[Edge]:
        """The rows as edges."""
        return [Edge(self, at, row) for at, row in enumerate(self.page.rows)]

    @property
    def has_next_page(self) -> bool:
        """Whether rows follow."""
        return self.page.has_next

    @property
    def total(self) -> int:
        """The total number of matching rows."""
        return self.page.total

    def cursor(self, at: int) -> str:
        """The opaque cursor of a row, by its index on the page."""
        if self.start is not None:
            return base64.b64encode(f"{_OFFSET}{self.start + at}".encode()).decode()
        text = dumps([self.stamp, *self.page.places[at]])
        return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode()

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first row; None on an empty page."""
        return self.cursor(0) if self.rows else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last row; None on an empty page."""
        return self.cursor(len(self.rows) - 1) if self.rows else None


@attrs.frozen(slots=True, eq=False)
class RestOfPage:
    """A page without its first ``start`` rows."""

    page: Page
    start: int

    @property
    def rows(self) -> Sequence[Any]:
        """The rows that are left."""
        return self.page.rows[self.start :]

    @property
    def has_next(self) -> bool:
        """Whether rows follow."""
        return self.page.has_next

    @property
    def places(self) -> Sequence[Place]:
        """Their positions."""
        return self.page.places[self.start :]

    @property
    def total(self) -> int:
        """The number of matching rows."""
        return self.page.total


class Line:
    """A numbered line of a terminal."""

    __slots__ = ("line", "number")

    def __init__(self, number: int, line: Any) -> None:
        self.number = number
        self.line = line


@attrs.frozen(slots=True, eq=False)
class LinePage:
    """A page of numbered lines."""

    rows: Sequence[Line]
    has_next: bool
    total: int

    @property
    def places(self) -> Sequence[Place]:
        """The position of each line: its number."""
        return [((line.number, "", ""),) for line in self.rows]


class Reader:
    """Parses the arguments of connections under a dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.collation = Collation(
            dialect.types,
            dialect.nulls == "first",
            dialect.nan == "text",
            dialect.seed if dialect.ties == "arbitrary" else None,
        )
        self.offsets = dialect.cursors == "offsets"
        self._filters: WeightedCache[Condition] = WeightedCache(_KEPT_FILTERS)

    def ask(
        self,
        relation: str,
        parent: str | None,
        args: Mapping[str, Any],
        where: Condition = All(),  # noqa: B008  frozen
        order: tuple[Term, ...] = (),
    ) -> Select:
        """Build the select for a connection from its arguments ``filters``, ``order``, ``first`` and ``after``, if it
        takes them. ``where`` narrows it further; ``order`` is the default order. Raises :class:`LanguageError`."""
        kind = RELATIONS[relation].kind
        terms = self._terms(kind, args.get("order")) or order
        where = all_of([where, self.where(kind, args.get("filters"))])
        ask = Select(relation, parent, where, terms, None, self.first(args), self.collation)
        after = args.get("after")
        if not after or self.offsets:
            return ask
        return attrs.evolve(ask, after=_decoded(after, ask.terms, ask.collation, stamp_of(ask)))

    def window(self, args: Mapping[str, Any]) -> tuple[int, int]:
        """The first line that a connection of numbered lines requests, and the maximum number of lines."""
        after = self.after(args, LINES)
        return (0 if after is None else after[0] + 1), self.first(args)

    def after(self, args: Mapping[str, Any], stamp: int) -> Sequence[Any] | None:
        """The rank of the row that a page of lines or fields starts after; None for the first page."""
        after = args.get("after")
        return _decoded(after, (), self.collation, stamp)[-1] if after else None

    def start(self, args: Mapping[str, Any]) -> int | None:
        """The index of the row that a page starts with, under a dialect whose cursors count rows; else None."""
        if not self.offsets:
            return None
        after = args.get("after")
        return _counted(after) + 1 if after else 0

    def where(self, kind: str, text: Any) -> Condition:
        """The condition of a ``filters`` argument."""
        if text in (None, "", "{}"):
            return All()
        self._honours(kind, "filters")
        if not isinstance(text, str):
            return parse_filter(load_filter(text), kind, self.dialect)
        key = f"{kind}\n{text}"
        found = self._filters.get(key)
        if found is None:
            found = parse_filter(load_filter(text), kind, self.dialect)
            self._filters.put(key, found, len(key))
        return found

    def first(self, args: Mapping[str, Any]) -> int:
        """How many rows a page may have."""
        first = args.get("first")
        first = DEFAULT_FIRST if first is None else first
        if first < 0:
            raise LanguageError(f"first must not be negative, but it is {first}")
        return int(min(first, self.dialect.max_page))

    # -- inside ------------------------------------------------------------------------------------

    def _terms(self, kind: str, text: str | None) -> tuple[Term, ...]:
        if not text:
            return ()
        keys = split_order(text)
        if len(keys) > self.dialect.max_orders:
            raise TooMuch(f"order has more than {self.dialect.max_orders} keys")
        keys = keys if self.dialect.multi_order else keys[:1]
        self._honours(kind, "order")
        terms = tuple(Term(path_of(kind, path, self.dialect, "order"), descending) for path, descending in keys)
        newest = len(terms) == 1 and terms[0].descending and terms[0].path.name == "created_at"
        return () if newest and self.dialect.ties == "newest" else terms

    def _honours(self, kind: str, what: str) -> None:
        if kind not in self.dialect.filtered:
            raise LanguageError(f"this server does not take {what} on a connection of {kind}")


def stamp_of(ask: Select) -> int:
    """The stamp of the order of ``ask`` in cursors."""
    return crc32(repr(ask.terms).encode("utf-8", "surrogatepass"))


def _counted(after: str) -> int:
    try:
        kind, index = base64.b64decode(after, validate=True).decode().split(":")
    except (ValueError, binascii.Error):
        kind, index = "", ""
    if f"{kind}:" != _OFFSET or not index.isdecimal() or len(index) > 18:
        raise LanguageError(f"after is not a cursor of this connection: {after[:80]!r}")
    return int(index)


def _decoded(after: str, terms: tuple[Term, ...], collation: Collation, stamp: int) -> Place:
    try:
        text = base64.b64decode(after, altchars=b"-_", validate=True).decode("utf-8", "surrogatepass")
        cursor = loads(text)
    except (ValueError, binascii.Error, RecursionError):
        cursor = None
    if not isinstance(cursor, list) or not cursor or not fits(cursor[1:], terms, collation):
        raise LanguageError(f"after is not a cursor of this connection: {after[:80]!r}")
    if cursor[0] != stamp:
        raise LanguageError("after is a cursor of another order; a cursor is valid only with its own order")
    return tuple(None if part is None else tuple(part) for part in cursor[1:])
