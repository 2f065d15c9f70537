"""Build columns from rows and from pieces of columns, whose keys may differ."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wbmodel.table.column import Column

__all__ = ["Builder"]

_FLOATS = {float}


class Builder:
    """Builds one column per key, with one cell per row; a row that lacks the key has None.

    The classes of the values are recorded on the way. A column that contains only floats is an ``array("d")``.
    """

    __slots__ = ("_by_key", "length")

    def __init__(self) -> None:
        self._by_key: dict[str, tuple[Any, set[type]]] = {}
        self.length = 0

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows with any keys."""
        by_key, at = self._by_key, self.length
        for row in rows:
            for key, value in row.items():
                found = by_key.get(key)
                if found is None or len(found[0]) < at or found[0].__class__ is array:
                    found = self._as_list(key, at)
                found[0].append(value)
                found[1].add(value.__class__)
            at += 1
        self.length = at

    def extend(self, keys: Iterable[str], parts: Iterable[Sequence[Any]], length: int) -> None:
        """Add ``length`` rows, given as columns of these keys."""
        at = self.length
        for key, part in zip(keys, parts, strict=True):
            types = set(map(type, part))
            found = self._by_key.get(key)
            if types == _FLOATS and not at:
                self._by_key[key] = (array("d", part), types)
            elif types == _FLOATS and found is not None and found[0].__class__ is array and len(found[0]) == at:
                column_so_far: array[float] = found[0]
                column_so_far += array("d", part)
            else:
                column, known = self._as_list(key, at)
                column += part
                known |= types
        self.length = at + length

    def _as_list(self, key: str, length: int) -> tuple[list[Any], set[type]]:
        """The column of a key as a list, padded with None to this length."""
        column, types = self._by_key.get(key, ([], set()))
        if column.__class__ is array:
            column = column.tolist()
        if len(column) < length:
            column += [None] * (length - len(column))
            types.add(type(None))
        self._by_key[key] = (column, types)
        return column, types

    def finish(self) -> dict[str, Column]:
        """The columns by key, all of equal length."""
        for key, (column, _) in list(self._by_key.items()):
            if len(column) < self.length:
                self._as_list(key, self.length)
        return {key: Column(key, column, types=frozenset(types)) for key, (column, types) in self._by_key.items()}
