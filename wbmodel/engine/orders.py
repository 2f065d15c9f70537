"""Orders: ``+key`` and ``-key`` terms -> rows in one total order, and keys to find a place in it again.

Ascending: numbers, then text (by code point), then booleans, then lists, then objects (both by JSON text), or the types
as the dialect orders them; descending: the exact reverse. Null, absent and NaN come last in both directions (or first,
if the dialect says so). Rows that tie in every key stand newest first, then by name; that is also the order when none
is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any
from zlib import crc32

import attrs

from wbmodel.codec import dumps
from wbmodel.engine.dialect import TYPES, Dialect, ValueType
from wbmodel.engine.fields import MISSING, Getter, getter, path_of
from wbmodel.engine.paths import split_order

__all__ = ["Order", "Rank", "compile_order", "parse_order"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Rank = tuple[int, Any]
"""The place of a value's type among the types, and the value: a number, text, bool, or the JSON text of a list or
object. Dates are microseconds."""

_HELD: dict[ValueType, tuple[type, ...]] = {
    "number": (int, float), "text": (str,), "bool": (bool,), "list": (str,), "object": (str,),
}  # fmt: skip
"""What a rank holds of a value of each type."""


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
            return (number, microseconds(value))
        return (mapping if kind is dict else array, dumps(value))

    return rank


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exact."""
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def parse_order(text: str | None, dialect: Dialect) -> tuple[tuple[str, bool], ...]:
    """The terms of an order argument as ``(path, descending)``; only the first when the dialect honours one."""
    keys = split_order(text or "")
    return tuple(keys if dialect.multi_order else keys[:1])


@attrs.frozen(slots=True)
class Order:
    """A compiled order. :meth:`sort` brings rows into it; :meth:`place` describes a row, so that :meth:`is_after`
    can later tell what comes after it, without the row."""

    keys: tuple[tuple[Getter, bool], ...]
    nulls_first: bool
    tie: Callable[[Any], tuple[Any, ...]]
    types: tuple[ValueType, ...] = TYPES
    newest: tuple[Getter, Getter] | None = None
    """Getters of date and name when :attr:`tie` means "newest first, then by name": two plain sorts are quicker."""
    rank: Callable[[Any], Rank | None] = attrs.field(
        init=False, default=attrs.Factory(lambda self: ranker(self.types), takes_self=True)
    )

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
        if self.newest is None:
            return sorted(rows, key=self.tie)
        date, name = self.newest
        settled = sorted(rows, key=name)
        settled.sort(key=date, reverse=True)
        return settled

    def place(self, row: Any) -> list[Any]:
        """Where a row stands: its rank for each key, then its tie key. Plain JSON values."""
        return [*(None if (r := self.rank(get(row))) is None else list(r) for get, _ in self.keys), list(self.tie(row))]

    def fits(self, place: Any) -> bool:
        """Whether ``place`` could have come from this order."""
        return (
            isinstance(place, list)
            and len(place) == len(self.keys) + 1
            and all(_is_rank(item, self.types) for item in place[:-1])
            and isinstance(place[-1], list)
            and [type(item) for item in place[-1]] == [int, str]
        )

    def is_after(self, row: Any, place: list[Any]) -> bool:
        """Whether ``row`` comes after the place that another row had."""
        for (get, descending), before in zip(self.keys, place, strict=False):
            mine = self.rank(get(row))
            if mine is None or before is None:
                if (mine is None) != (before is None):
                    return (mine is None) is not self.nulls_first
                continue
            other = tuple(before)
            if mine != other:
                return (mine < other) if descending else (mine > other)
        return self.tie(row) > tuple(place[-1])


def _first(pair: tuple[Rank, Any]) -> Rank:
    return pair[0]


def _is_rank(item: Any, types: Sequence[ValueType]) -> bool:
    if item is None:
        return True
    if not isinstance(item, list) or len(item) != 2 or type(item[0]) is not int:
        return False
    kind = type(item[1])
    return 0 <= item[0] < len(types) and kind in _HELD[types[item[0]]] and not (kind is float and math.isnan(item[1]))


def compile_order(terms: Sequence[tuple[str, bool]], type_name: str, dialect: Dialect, name: Getter) -> Order:
    """An order of records of ``type_name``. ``name`` gives the last word among rows that tie, a text."""
    nan_text = dialect.nan == "text"
    keys = tuple(
        (getter(type_name, path_of(type_name, path, dialect, "order"), nan_text), descending)
        for path, descending in terms
    )
    created = getter(type_name, path_of(type_name, "created_at", dialect))
    if dialect.ties == "arbitrary":
        seed = dialect.seed

        def tie(row: Any) -> tuple[Any, ...]:
            key = name(row)
            return (crc32(f"{seed}:{key}".encode("utf-8", "surrogatepass")), key)

        return Order(keys, dialect.nulls == "first", tie, dialect.types)

    def newest_first(row: Any) -> tuple[Any, ...]:
        return (-microseconds(created(row)), name(row))

    return Order(keys, dialect.nulls == "first", newest_first, dialect.types, (created, name))
