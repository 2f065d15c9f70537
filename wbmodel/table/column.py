"""A column: a name, values, and the type that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

__all__ = ["BOOL", "DTYPES", "FLOAT", "INT", "JSON", "NULL", "TEXT", "TIME", "Column", "Dtype"]


@attrs.frozen(slots=True)
class Dtype:
    """The type of a column: ``bool``, ``int`` (64 bits), ``float``, ``text``, ``time`` (UTC, microseconds), ``json``
    (text that holds JSON), ``null`` (no value to tell from) or ``list`` of ``inner``."""

    name: str
    inner: Dtype | None = None

    @property
    def innermost(self) -> Dtype:
        """The type of what lists of lists hold in the end; of any other type, the type itself."""
        return self if self.inner is None else self.inner.innermost

    def __str__(self) -> str:
        return f"list[{self.inner}]" if self.inner is not None else self.name


BOOL, INT, FLOAT, TEXT, TIME, JSON, NULL = map(Dtype, ("bool", "int", "float", "text", "time", "json", "null"))
DTYPES = (BOOL, INT, FLOAT, TEXT, TIME, JSON, NULL)


@attrs.frozen(slots=True, eq=False)
class Column:
    """One column: its name, its values (None for what is not there), their type, and the classes that they have.

    Of values as they came, ``dtype`` is the type that was declared for them (``null``: none was); of those of
    :meth:`~wbmodel.table.table.Table.typed`, the type of each of them. ``types`` is None where nobody has looked.
    """

    name: str
    values: Sequence[Any]
    dtype: Dtype = NULL
    types: frozenset[type] | None = None

    @property
    def classes(self) -> frozenset[type]:
        """The classes of the values, looked for where they are not known."""
        return frozenset(map(type, self.values)) if self.types is None else self.types
