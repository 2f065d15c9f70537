"""A column: a name, values, and their type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

__all__ = ["BOOL", "DTYPES", "FLOAT", "INT", "JSON", "NULL", "TEXT", "TIME", "Column", "Dtype"]


@attrs.frozen(slots=True)
class Dtype:
    """The type of a column.

    It is ``bool``, ``int`` (64 bits), ``float``, ``text``, ``time`` (UTC, microseconds), ``json`` (JSON text), ``null``
    (unknown, as all values are null) or ``list`` of ``inner``.
    """

    name: str
    inner: Dtype | None = None

    @property
    def innermost(self) -> Dtype:
        """The innermost type of nested lists; for any other type, the type itself."""
        return self if self.inner is None else self.inner.innermost

    def __str__(self) -> str:
        return f"list[{self.inner}]" if self.inner is not None else self.name


BOOL, INT, FLOAT, TEXT, TIME, JSON, NULL = map(Dtype, ("bool", "int", "float", "text", "time", "json", "null"))
DTYPES = (BOOL, INT, FLOAT, TEXT, TIME, JSON, NULL)


@attrs.frozen(slots=True, eq=False)
class Column:
    """One column: its name, its values (None for missing ones), their type, and their classes.

    For unconverted values, ``dtype`` is the declared type (``null``: not declared); for those of
    :meth:`~wbmodel.table.table.Table.typed`, it is the type of every value. ``types`` is None if the classes are not
    known yet.
    """

    name: str
    values: Sequence[Any]
    dtype: Dtype = NULL
    types: frozenset[type] | None = None

    @property
    def classes(self) -> frozenset[type]:
        """The classes of the values, found on demand."""
        return frozenset(map(type, self.values)) if self.types is None else self.types
