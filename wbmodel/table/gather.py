"""Join chunks of columns, which may have different keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from wbmodel.errors import QueryError

__all__ = ["GATHER", "Gathered", "Gatherer", "Types", "even"]

GATHER = 8192
"""How many rows are gathered before they are typed."""


Types = Mapping[str, frozenset[type]]
"""The classes of the values of columns, where they are known."""

_NO_TYPES: Types = {}
_NONE = frozenset((type(None),))


@attrs.frozen(slots=True, eq=False)
class Gathered:
    """Rows as columns of equal length, with the classes of their values where all chunks knew them."""

    columns: Mapping[str, Sequence[Any]]
    length: int
    types: Types


class Gatherer:
    """Joins chunks of columns until there are ``rows`` rows."""

    def __init__(self, rows: int = GATHER) -> None:
        self.rows = rows
        self._waiting: dict[str, list[tuple[int, Sequence[Any], frozenset[type] | None]]] = {}
        self._length = 0

    def add(self, columns: Mapping[str, Sequence[Any]], length: int, types: Types = _NO_TYPES) -> Gathered | None:
        """Add rows of even columns. Gives all rows once they are enough."""
        if not (self._waiting or self._length) and length >= self.rows:
            return Gathered(columns, length, types)
        for name, values in columns.items():
            self._waiting.setdefault(name, []).append((self._length, values, types.get(name)))
        self._length += length
        return self.rest() if self._length >= self.rows else None

    def rest(self) -> Gathered:
        """The rows that are left."""
        waiting, length, self._waiting, self._length = self._waiting, self._length, {}, 0
        columns, types = {}, {}
        for name, segments in waiting.items():
            columns[name] = _joined(segments, length)
            known = [each for _, _, each in segments if each is not None]
            if len(known) == len(segments):
                filled = sum(len(values) for _, values, _ in segments) == length
                types[name] = frozenset().union(*set(known)) | (frozenset() if filled else _NONE)
        return Gathered(columns, length, types)


def even(columns: Mapping[str, Sequence[Any]], length: int) -> None:
    """Raises :class:`~wbmodel.errors.QueryError`, which names the column, if one is not of this length."""
    for name, values in columns.items():
        if len(values) != length:
            raise QueryError(f"the column {name!r} has {len(values)} values, but the chunk has {length} rows")


def _joined(segments: Sequence[tuple[int, Sequence[Any], frozenset[type] | None]], length: int) -> Sequence[Any]:
    if len(segments) == 1 and len(segments[0][1]) == length:
        return segments[0][1]
    values: list[Any] = []
    for at, segment, _ in segments:
        if len(values) < at:
            values += [None] * (at - len(values))
        values += segment
    if len(values) < length:
        values += [None] * (length - len(values))
    return values
