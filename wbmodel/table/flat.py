"""Nested objects as dotted columns, as the server names them: ``{"a": {"b": 1}}`` is ``a.b``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wbmodel.table.gather import Types

__all__ = ["flat", "flat_row"]


def flat_row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with dotted keys. An object with a ``_type`` (an image, say) is one value, and so is an empty one."""
    if dict not in map(type, row.values()):
        return row
    made: dict[str, Any] = {}
    for key, value in row.items():
        if _is_nested(value):
            made.update((f"{key}.{inner}", item) for inner, item in flat_row(value).items())
        else:
            made[key] = value
    return made


def _is_nested(value: Any) -> bool:
    return type(value) is dict and bool(value) and "_type" not in value


def flat(columns: Mapping[str, Sequence[Any]]) -> tuple[Mapping[str, Sequence[Any]], Types]:
    """Columns with dotted names where rows have nested objects (see :func:`flat_row`), and the classes of their values.

    Where a row has both the key ``a.b`` and an object with it, the later one counts, as in a row.
    """
    types = {name: frozenset(map(type, values)) for name, values in columns.items()}
    nested = {name for name, each in types.items() if dict in each and any(map(_is_nested, columns[name]))}
    if not nested:
        return columns, types
    made: dict[str, list[Any]] = {}
    for name, values in columns.items():
        for at, value in enumerate(values):
            if value is not None or name not in nested:
                for key, item in flat_row({name: value}).items():
                    column = made.get(key)
                    if column is None:
                        column = made[key] = [None] * len(values)
                    column[at] = item if column[at] is None or item is not None else column[at]
    return made, {name: frozenset(map(type, values)) for name, values in made.items()}
