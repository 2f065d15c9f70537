"""Orders of Python objects: sorts rows into a total order, and describes positions in it for cursors.

Ascending: numbers, then text (by code point), then booleans, then lists, then objects (both by JSON text), or the types
in the order of the collation; descending: the exact reverse. Null, absent and NaN come last in both directions (or
first, if the collation says so). Rows that tie in every key are ordered newest first, then by name, then by the unique
node id; that is also the default order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from operator import attrgetter
from typing import Any
from zlib import crc32

import attrs

from wbmodel.codec import dumps
from wbmodel.engine.dialect import TYPES, ValueType
from wbmodel.engine.fields import MISSING, Getter, Path, getter
from wbmodel.engine.select import Collation, Place, Rank, Term
from wbmodel.engine.stopping import until_given_up

__all__ = ["Order", "compile_order", "fits", "ranker"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_HELD: dict[ValueType, tuple[type, ...]] = {
    "number": (int, float),
    "text": (str,),
    "bool": (bool,),
    "list": (str,),
    "object": (str,),
}
"""The Python types of the second part of a rank, for each type of value."""

_NAMES: Mapping[str, Getter] = {
    "User": attrgetter("username"),
    "Artifact": attrgetter("artifact.id"),
    "ArtifactVersion": attrgetter("path"),
    "Membership": attrgetter("collection.path"),
    "Alias": attrgetter("alias"),
}
"""How to get the name (text) of a row, if it is not its ``name``."""


def ranker(types: Sequence[ValueType]) -> Callable[[Any], Rank | None]:
    """A function that ranks values in ascending order, with the types in the given order; None for null, absent and
    NaN."""
    number, text, flag, array, mapping = (types.index(name) for name in TYPES)

    def rank(value: Any) -> Rank | None:
        kind = type(value)
        if kind is str:
            return (text, value)
        if kind is float or kind is int:
            return (number, value) if value == value else None
        if kind is bool:
            return (flag, value)
        if value is None or value is MISSING:
            return None
        if kind is datetime:
            return (number, _microseconds(value))
        return (mapping if kind is dict else array, dumps(value))

    return rank


def _microseconds(moment: datetime) -> int:
    """Exact microseconds since 1970."""
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


@attrs.frozen(slots=True)
class Order:
    """A compiled order. :meth:`sort` sorts rows; :meth:`place` describes the position of a row, so that
    :meth:`is_after` can later tell which rows come after it, without the row itself."""

    keys: tuple[tuple[Getter, bool], ...]
    nulls_first: bool
    date: Getter
    name: Getter
    shuffle: int | None
    rank: Callable[[Any], Rank | None]

    def sort(self, rows: Sequence[Any]) -> list[Any]:
        """The rows in order. ``rows`` must already be in tie order; see :meth:`settle`."""
        result, rank = list(rows), self.rank
        for get, descending in reversed(self.keys):
            there: list[tuple[Rank, Any]] = []
            nulls: list[Any] = []
            for row in until_given_up(result):
                placed = rank(get(row))
                if placed is None:
                    nulls.append(row)
                else:
                    there.append((placed, row))
            there.sort(key=_first, reverse=descending)
            values = [row for _, row in there]
            result = nulls + values if self.nulls_first else values + nulls
        return result

    def settle(self, rows: Sequence[Any]) -> list[Any]:
        """The rows in tie order."""
        if self.shuffle is not None:
            return sorted(rows, key=self.tie)
        # Sorting by one text at a time is faster than sorting by tuples, and rows rarely share a name.
        name = self.name
        settled = list(rows)
        if len(set(map(name, settled))) < len(settled):
            settled.sort(key=attrgetter("id"))
        settled.sort(key=name)
        settled.sort(key=self.date, reverse=True)
        return settled

    def tie(self, row: Any) -> tuple[int, str, str]:
        """The ascending sort key of rows that tie in every order key."""
        name = self.name(row)
        if self.shuffle is not None:
            return (crc32(f"{self.shuffle}:{name}".encode("utf-8", "surrogatepass")), name, row.id)
        return (-_microseconds(self.date(row)), name, row.id)

    def place(self, row: Any) -> Place:
        """The position of a row."""
        return (*(self.rank(get(row)) for get, _ in self.keys), self.tie(row))

    def is_after(self, row: Any, place: Place) -> bool:
        """Whether ``row`` comes after a position."""
        for (get, descending), before in zip(self.keys, place, strict=False):
            mine = self.rank(get(row))
            if mine is None or before is None:
                if (mine is None) != (before is None):
                    return (mine is None) is not self.nulls_first
                continue
            if mine != before:
                return bool(mine < before) if descending else bool(mine > before)
        return bool(self.tie(row) > place[-1])


def _first(pair: tuple[Rank, Any]) -> Rank:
    return pair[0]


def compile_order(terms: Sequence[Term], kind: str, collation: Collation) -> Order:
    """An order of records of ``kind``."""
    return Order(
        tuple((getter(kind, term.path, collation.nan_text), term.descending) for term in terms),
        collation.nulls_first,
        getter(kind, Path("time", "created_at")),
        _NAMES.get(kind, attrgetter("name")),
        collation.shuffle,
        ranker(collation.types),
    )


def fits(place: Any, terms: Sequence[Term], collation: Collation) -> bool:
    """Whether decoded JSON could be a position in an order, with lists instead of tuples."""
    return (
        isinstance(place, list)
        and len(place) == len(terms) + 1
        and all(_is_rank(item, collation.types) for item in place[:-1])
        and isinstance(place[-1], list)
        and [type(item) for item in place[-1]] == [int, str, str]
    )


def _is_rank(item: Any, types: Sequence[ValueType]) -> bool:
    if item is None:
        return True
    if not isinstance(item, list) or len(item) != 2 or type(item[0]) is not int:
        return False
    kind = type(item[1])
    return 0 <= item[0] < len(types) and kind in _HELD[types[item[0]]] and not (kind is float and math.isnan(item[1]))
