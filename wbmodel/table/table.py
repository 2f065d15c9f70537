"""``Table``: columns of equal length, the same for every library.

Types are inferred here and not by each library, so pandas, polars, pyarrow and CSV agree about every type. The code for
each of them is in :mod:`wbmodel.table.exports`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from wbmodel.errors import FrameWarning, QueryError, warn
from wbmodel.table.build import Builder
from wbmodel.table.column import Column
from wbmodel.table.infer import encodes, fit, infer, mended

if TYPE_CHECKING:
    import os

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from wbmodel.table.libraries import LibraryName
    from wbmodel.table.schema import Schema

__all__ = ["Table", "named", "say_broken", "say_mixed"]


class Table:
    """A table of ``length`` rows: :attr:`columns` maps names to unconverted values, with None for missing ones.

    Made from columns whose types may be declared. Raises :class:`~wbmodel.errors.QueryError` if two have the same name.
    """

    length: int
    # The columns with their declared types; empty for a subclass that does not declare any.
    _known: Mapping[str, Column] = {}
    _typed: Sequence[Column] | None = None

    def __init__(self, columns: Iterable[Column], length: int) -> None:
        columns = list(columns)
        named(column.name for column in columns)
        made = {column.name: column for column in columns}
        self._columns: Mapping[str, Sequence[Any]] = {name: column.values for name, column in made.items()}
        self.length = length
        self._known = made

    @property
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """The values of each column, by name."""
        return self._columns

    @classmethod
    def concat(cls, tables: Iterable[Table]) -> Table:
        """The rows of all tables in order, with every column that any of them has, in order of first appearance.

        Types are inferred again.
        """
        made = Builder()
        for table in tables:
            made.extend(table.columns, table.columns.values(), table.length)
        return Table(made.finish().values(), made.length)

    def records(self) -> list[dict[str, Any]]:
        """Rows as dicts of unconverted values."""
        names = list(self.columns)
        if not names:
            return [{} for _ in range(self.length)]
        return [dict(zip(names, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]

    def typed(self) -> Sequence[Column]:
        """The columns with their types and converted values.

        Warns with the names of columns that had to become JSON text, and of those whose text is not valid Unicode.
        """
        if self._typed is not None:
            return self._typed
        made, mixed, broken = [], [], []
        for name, values in self.columns.items():
            known = self._known.get(name) or Column(name, values)
            types = known.classes
            dtype, odd = infer(values, known.dtype, types)
            if odd:
                mixed.append(name)
            values = fit(values, dtype)
            if not encodes(name, values, dtype):
                broken.append(name)
                name, values = mended(name), [mended(value) for value in values]
            made.append(Column(name, values, dtype))
        say_mixed(mixed)
        say_broken(broken)
        named(column.name for column in made)
        self._typed = made
        return made

    def held(self, schema: Schema | None) -> Table:
        """This table with exactly the columns and types of a schema; itself without one."""
        if schema is None:
            return self
        from wbmodel.table.schema import fitted

        made = fitted(self.columns, self.length, schema)
        table = Table(made, self.length)
        broken = [column.name for column in made if not encodes(column.name, column.values, column.dtype)]
        table._typed = [
            Column(mended(column.name), [mended(value) for value in column.values], column.dtype)
            if column.name in broken
            else column
            for column in made
        ]
        say_broken(broken)
        return table

    # -- formats --

    def to_pandas(self) -> pd.DataFrame:
        """A pandas data frame with nullable types."""
        frame: pd.DataFrame = self._frame("pandas")
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A polars data frame."""
        frame: pl.DataFrame = self._frame("polars")
        return frame

    def to_arrow(self) -> pa.Table:
        """A pyarrow table."""
        frame: pa.Table = self._frame("arrow")
        return frame

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """A Parquet file at ``path``, with the types of :meth:`to_arrow`."""
        import os

        from wbmodel.table.exports import need

        need("pyarrow")
        import pyarrow.parquet

        pyarrow.parquet.write_table(self.to_arrow(), os.fspath(path))

    def _frame(self, name: LibraryName) -> Any:
        from wbmodel.table.libraries import library

        return library(name).of_columns(self.typed(), self.length)

    @overload
    def to_csv(self, path: None = None) -> str: ...

    @overload
    def to_csv(self, path: str | os.PathLike[str]) -> None: ...

    @overload
    def to_csv(self, path: str | os.PathLike[str] | None) -> str | None: ...

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Write CSV (RFC 4180, with ``\\n``) with a header line to ``path`` in UTF-8; without a path, return the text.

        A missing value is an empty cell; empty text is ``""``.
        """
        from wbmodel.table.exports import to_csv

        text = to_csv(self.typed(), self.length)
        if path is None:
            return text
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return None


def named(names: Iterable[str]) -> None:
    """Raises :class:`~wbmodel.errors.QueryError` if two columns have the same name."""
    known = set()
    for name in names:
        if name in known:
            raise QueryError(f"two columns have the name {name!r}; give one of them another name")
        known.add(name)


def say_mixed(names: Sequence[str]) -> None:
    """Warn of columns that had to become JSON text."""
    _say(names, "of mixed types, or integers beyond 64 bits, are written as JSON text")


def say_broken(names: Sequence[str]) -> None:
    """Warn of columns whose text is not valid Unicode."""
    _say(names, "that are not valid Unicode have their lone surrogates written as \\udxxx")


def _say(names: Sequence[str], what: str) -> None:
    if names:
        shown = ", ".join(map(mended, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        warn(f"values {what}: {shown}", FrameWarning)
