"""``to_pandas()`` and the others: rows as frames, files and plain dicts, sync and async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import os

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from wbmodel.table.schema import Schema
    from wbmodel.table.table import Table

__all__ = ["Exports"]


class Exports:
    """Rows as frames, files and plain dicts. Columns, types and NULL rules are the same in every format:
    ``docs/how-to/frames.md``. ``schema`` holds columns and types still, whatever the data."""

    __slots__ = ()

    def _table(self) -> Table:
        """The rows as a table, read first if necessary."""
        raise NotImplementedError

    async def _atable(self) -> Table:
        """The async twin of :meth:`_table`."""
        raise NotImplementedError

    def to_pandas(self, *, schema: Schema | None = None) -> pd.DataFrame:
        """A pandas data frame with nullable types; NaN becomes ``<NA>``. Needs the extra ``pandas``."""
        _need("pandas")
        return self._table().held(schema).to_pandas()

    async def ato_pandas(self, *, schema: Schema | None = None) -> pd.DataFrame:
        """The async twin of :meth:`to_pandas`."""
        _need("pandas")
        return (await self._atable()).held(schema).to_pandas()

    def to_polars(self, *, schema: Schema | None = None) -> pl.DataFrame:
        """A polars data frame. Needs the extra ``polars``."""
        _need("polars")
        return self._table().held(schema).to_polars()

    async def ato_polars(self, *, schema: Schema | None = None) -> pl.DataFrame:
        """The async twin of :meth:`to_polars`."""
        _need("polars")
        return (await self._atable()).held(schema).to_polars()

    def to_arrow(self, *, schema: Schema | None = None) -> pa.Table:
        """A pyarrow table. Needs the extra ``arrow``."""
        _need("pyarrow")
        return self._table().held(schema).to_arrow()

    async def ato_arrow(self, *, schema: Schema | None = None) -> pa.Table:
        """The async twin of :meth:`to_arrow`."""
        _need("pyarrow")
        return (await self._atable()).held(schema).to_arrow()

    @overload
    def to_csv(self, path: None = None, *, schema: Schema | None = None) -> str: ...

    @overload
    def to_csv(self, path: str | os.PathLike[str], *, schema: Schema | None = None) -> None: ...

    @overload
    def to_csv(self, path: str | os.PathLike[str] | None, *, schema: Schema | None = None) -> str | None: ...

    def to_csv(self, path: str | os.PathLike[str] | None = None, *, schema: Schema | None = None) -> str | None:
        """Write CSV with a header line to ``path`` in UTF-8; without a path, return the text.

        A missing value is an empty cell; empty text is ``""``.
        """
        return self._table().held(schema).to_csv(path)

    @overload
    async def ato_csv(self, path: None = None, *, schema: Schema | None = None) -> str: ...

    @overload
    async def ato_csv(self, path: str | os.PathLike[str], *, schema: Schema | None = None) -> None: ...

    @overload
    async def ato_csv(self, path: str | os.PathLike[str] | None, *, schema: Schema | None = None) -> str | None: ...

    async def ato_csv(self, path: str | os.PathLike[str] | None = None, *, schema: Schema | None = None) -> str | None:
        """The async twin of :meth:`to_csv`."""
        return (await self._atable()).held(schema).to_csv(path)

    def to_parquet(self, path: str | os.PathLike[str], *, schema: Schema | None = None) -> None:
        """Write a Parquet file to ``path``, with the types of :meth:`to_arrow`. Needs the extra ``arrow``."""
        _need("pyarrow")
        self._table().held(schema).to_parquet(path)

    async def ato_parquet(self, path: str | os.PathLike[str], *, schema: Schema | None = None) -> None:
        """The async twin of :meth:`to_parquet`."""
        _need("pyarrow")
        (await self._atable()).held(schema).to_parquet(path)

    def to_records(self) -> list[dict[str, Any]]:
        """Rows as dicts, with the columns of a frame but unconverted values; missing values are None."""
        return self._table().records()

    async def ato_records(self) -> list[dict[str, Any]]:
        """The async twin of :meth:`to_records`."""
        return (await self._atable()).records()


def _need(library: str) -> None:
    # Checked before the first request: all rows would be read in vain if the library is missing.
    from wbmodel.table.exports import need

    need(library)
