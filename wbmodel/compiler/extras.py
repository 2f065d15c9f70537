"""Extras: what wbmodel adds to requests by itself, and a server may refuse without a loss to the caller.

An :class:`Extra` that was refused is part of the target; the compiler then plans without it. A new kind of addition
needs three things: an :class:`Extra` here with the words by which a refusal names it, a plan without it where
``target.refused`` holds it, and its place among the extras of the requests that have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.backend.capabilities import Capabilities

if TYPE_CHECKING:
    from wbmodel.compiler.physical import Scan

__all__ = [
    "ALIASES",
    "BY_DATE",
    "EXPORTS",
    "FAR",
    "FROM_BELOW",
    "INDEX",
    "KEYS",
    "LARGE",
    "LINES",
    "MANY_KEYS",
    "NAMES",
    "SEVERAL_KEYS",
    "SIDES",
    "Extra",
    "Refusals",
    "counting",
    "in_order",
    "lesser",
    "of_scan",
    "order_of",
    "split",
    "tallying",
    "unexported",
]


def _words(given: Iterable[str]) -> frozenset[str]:
    return frozenset(given)


@attrs.frozen(slots=True)
class Extra:
    """One addition: ``what`` it is, and what is done ``instead``. ``words`` are those that a refusal names it by, in
    lower case. ``costs``: without it many more rows are read, so that its loss is said in a warning."""

    what: str
    instead: str = attrs.field(eq=False)
    words: frozenset[str] = attrs.field(eq=False, converter=_words)
    costs: bool = attrs.field(default=False, eq=False)

    def __str__(self) -> str:
        return self.what


BY_DATE = Extra(
    "pages by date", "pages follow the server's cursors", ("created_at", "createdat", "$lt", "$gte", "$nin", "filters")
)
FAR = Extra("the row at the far end of an order", "the far end of a key is read by itself", ("far",))
LARGE = Extra("large pages", "pages are small", ("first", "limit", "page", "size", "rows"))
ALIASES = Extra("several places in one request", "each place is a request of its own", ("alias", "aliases", "s0", "s1"))
NAMES = Extra("rows by their names", "all rows are read and their names checked here", ("names",), costs=True)
SIDES = Extra("pages side by side", "pages are read in turn", ("after", "cursor", "cursors", "created_at", "$lt"))
KEYS = Extra("keys of config and summary", "they are read whole", ("keys",))
INDEX = Extra("the list of keys", "the rows are read for their keys", ("fields", "index"), costs=True)
SEVERAL_KEYS = Extra("orders by several keys", "the server orders by the first key", ("order", "sort", "sorting"))
FROM_BELOW = Extra("ranges of steps without a lower end", "they begin at 0", ("minstep", "null", "int64"), costs=True)
MANY_KEYS = Extra("rows of any number of keys", "rows of very many keys may lack some", ("maxkeylimit",), costs=True)
LINES = Extra(
    "counts lines of histories that are no rows",
    "a history with fewer rows than lines is no longer searched in narrow ranges of steps",
    (),
)

EXPORTS = Extra(
    "exported files of histories",
    "rows are read by documents",
    ("parquethistory", "parqueturls", "livedata", "livekeys"),
)


def unexported(project: str) -> Extra:
    """The exported files of a project that has none."""
    return Extra(f"exported files of histories in {project}", "rows are read by documents", ())


_SORTED = "all rows are read and sorted here"


def counting(field: str) -> Extra:
    """The number of rows, in a field of the parent or of the connection."""
    return Extra(f"counts by {field}", "the rows are counted here", (field.lower(), "count"), costs=True)


def tallying(field: str) -> Extra:
    """The server's own list of the values of a field, with the number of rows of each."""
    return Extra(
        f"groups by {field}", "the rows are read and counted here", (field.lower(), "group", "groups"), costs=True
    )


def in_order(path: str) -> Extra:
    """An order by one path."""
    return Extra(f"orders by {path}", _SORTED, ("order", "sort", "sorting", *_named(path)), costs=True)


def split(path: str) -> Extra:
    """The filters that tell rows with a value of the first order key from rows without."""
    words = ("$ne", "null", "filters", *_named(path))
    return Extra(f"filters for rows that lack {path}", _SORTED, words, costs=True)


def _named(path: str) -> tuple[str, ...]:
    return path.lower(), path.lower().replace("_", "")


def order_of(text: str | None) -> frozenset[Extra]:
    """The extras of an order's text."""
    if text is None:
        return frozenset()
    paths = [part.strip()[1:] for part in text.split(",")]
    return frozenset([in_order(paths[0]), *([SEVERAL_KEYS] if len(paths) > 1 else [])])


def of_scan(scan: Scan) -> frozenset[Extra]:
    """The extras of the requests for a connection; pages by date, pages side by side and the far row are part of
    some only."""
    found = set(order_of(scan.order))
    if scan.keyset is not None:
        found.add(BY_DATE)
    if scan.far is not None:
        found.add(FAR)
    if scan.counted or scan.sides:
        found.add(counting(scan.route.count_field))
    if scan.split is not None:
        found.add(split(scan.split))
    if scan.names:
        found.add(NAMES)
    if scan.node.asks:
        found.add(KEYS)
    if scan.node.along is not None:
        found.add(scan.node.along.extra)
    return frozenset(found)


def lesser(can: Capabilities, refused: frozenset[Extra]) -> Capabilities:
    """The capabilities of a backend that refused some extras."""
    changes: dict[str, Any] = {}
    if ALIASES in refused:
        changes["max_aliases"] = 1
    if LARGE in refused:
        changes["max_page_size"] = min(can.page_size, can.max_page_size)
    if SEVERAL_KEYS in refused:
        changes["multi_order"] = False
    return attrs.evolve(can, **changes) if changes else can


class Refusals:
    """The extras that the server of one session refused. ``known`` is replaced, never changed."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: frozenset[Extra] = frozenset()

    def learn(self, extra: Extra) -> bool:
        """Remember one. Returns whether it is new."""
        is_new = extra not in self.known
        self.known |= {extra}
        return is_new
