"""Orders of Python objects: terms -> rows in one total order, and keys to find a place in it again.

Ascending: numbers, then text (by code point), then booleans, then lists, then objects (both by JSON text), or the types
as the collation orders them; descending: the exact reverse. Null, absent and NaN come last in both directions (or
first, if the collation says so). Rows that tie in every key stand newest first, then by name, then by node id, which no
two rows share; that is also the order when none is asked.
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

__all__ = ["Order", "compile_order", "fits", "ranker"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_HELD: dict[ValueType, tuple[type, ...]] = {
    "number": (int, float), "text": (str,), "bool": (bool,), "list": (str,), "object": (str,),
}  # fmt: skip
"""What a rank holds of a value of each type."""

_NAMES: Mapping[str, Getter] = {
    "User": attrgetter("username"),
    "Artifact": attrgetter("artifact.id"),
    "ArtifactVersion": attrgetter("path"),
    "Membership": attrgetter("collection.path"),
    "Alias": attrgetter("alias"),
}
"""What a row is called, a text, where that is not its ``name``."""


def ranker(types: Sequence[ValueType]) -> Callable[[Any], Rank | None]:
    """What gives the place of a value among all values, ascending, where the types stand in this order; None for null,
    absent and NaN."""
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
    """Microseconds since 1970, exact."""
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


@attrs.frozen(slots=True)
class Order:
    """A compiled order. :meth:`sort` brings rows into it; :meth:`place` describes a row, so that :meth:`is_after`
    can later tell what comes after it, without the row."""

    keys: tuple[tuple[Getter, bool], ...]
    nulls_first: bool
    date: Getter
    name: Getter
    shuffle: int | None
    rank: Callable[[Any], Rank | None]

    def sort(self, rows: Sequence[Any]) -> list[Any]:
        """The rows in order. Rows that tie in all keys must be in tie order already, see :meth:`settle`."""
        result, rank = list(rows), self.rank
        for get, descending in reversed(self.keys):
            there: list[tuple[Rank, Any]] = []
            nulls: list[Any] = []
            for row in result:
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
        # Plain sorts by one text each are quicker than one by tuples, and two rows of one name are rare.
        name = self.name
        settled = list(rows)
        if len(set(map(name, settled))) < len(settled):
            settled.sort(key=attrgetter("id"))
        settled.sort(key=name)
        settled.sort(key=self.date, reverse=True)
        return settled

    def tie(self, row: Any) -> tuple[int, str, str]:
        """What orders rows that tie in every key, ascending."""
        name = self.name(row)
        if self.shuffle is not None:
            return (crc32(f"{self.shuffle}:{name}".encode("utf-8", "surrogatepass")), name, row.id)
        return (-_microseconds(self.date(row)), name, row.id)

    def place(self, row: Any) -> Place:
        """Where a row stands."""
        return (*(self.rank(get(row)) for get, _ in self.keys), self.tie(row))

    def is_after(self, row: Any, place: Place) -> bool:
        """Whether ``row`` comes after the place that another row had."""
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
    """Whether decoded JSON could be a place of an order, with lists for tuples."""
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
