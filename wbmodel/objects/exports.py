"""``to_pandas()`` and the others of querysets and grouped querysets, and the questions that read all rows:
``aggregate``, ``group_by``, ``fields``. Both colours; what they do is written once, in the modules imported here on
first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import os

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from wbmodel.objects.grouped import Grouped
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.operations.keys import FieldInfo
    from wbmodel.operations.pages import Operation
    from wbmodel.query.aggregates import Aggregate, EverythingBut
    from wbmodel.query.f import PathExpr
    from wbmodel.session.session import Session
    from wbmodel.table.table import Table

__all__ = ["Exports", "Questions"]


class Exports:
    """Rows as frames, files and plain dicts. Columns, types and NULL rules are the same in every format:
    ``docs/how-to/frames.md``."""

    __slots__ = ()

    if TYPE_CHECKING:

        def _bind(self) -> Session: ...

    def _deadline(self) -> float | None:
        """The seconds that the whole question may take; None for as long as each request may."""
        raise NotImplementedError

    def _table_here(self) -> Table | None:
        """The table of rows that are here already; None when they have to be asked for."""
        raise NotImplementedError

    def _table_asked(self, session: Session) -> Operation[Table]:
        """The operation that reads the rows into a table."""
        raise NotImplementedError

    def _table(self) -> Table:
        here = self._table_here()
        if here is not None:
            return here
        session = self._bind()
        return session.run(self._table_asked(session), timeout=self._deadline())

    async def _atable(self) -> Table:
        here = self._table_here()
        if here is not None:
            return here
        session = self._bind()
        return await session.arun(self._table_asked(session), timeout=self._deadline())

    def to_pandas(self) -> pd.DataFrame:
        """A pandas data frame with nullable types; NaN becomes ``<NA>``. Needs the extra ``pandas``."""
        _need("pandas")
        return self._table().to_pandas()

    async def ato_pandas(self) -> pd.DataFrame:
        """The twin of :meth:`to_pandas`."""
        _need("pandas")
        return (await self._atable()).to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """A polars data frame. Needs the extra ``polars``."""
        _need("polars")
        return self._table().to_polars()

    async def ato_polars(self) -> pl.DataFrame:
        """The twin of :meth:`to_polars`."""
        _need("polars")
        return (await self._atable()).to_polars()

    def to_arrow(self) -> pa.Table:
        """A pyarrow table. Needs the extra ``arrow``."""
        _need("pyarrow")
        return self._table().to_arrow()

    async def ato_arrow(self) -> pa.Table:
        """The twin of :meth:`to_arrow`."""
        _need("pyarrow")
        return (await self._atable()).to_arrow()

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """CSV with a head line, written to ``path`` in UTF-8; without a path, the text. What is not there is an empty
        cell, and empty text is ``""``."""
        return _csv(self._table(), path)

    async def ato_csv(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """The twin of :meth:`to_csv`."""
        return _csv(await self._atable(), path)

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """A Parquet file at ``path``, with the types of :meth:`to_arrow`. Needs the extra ``arrow``."""
        _need("pyarrow")
        _parquet(self._table(), path)

    async def ato_parquet(self, path: str | os.PathLike[str]) -> None:
        """The twin of :meth:`to_parquet`."""
        _need("pyarrow")
        _parquet(await self._atable(), path)

    def to_records(self) -> list[dict[str, Any]]:
        """Rows as dicts with the columns of a frame and the values as they came; what is not there is None."""
        return self._table().records()

    async def ato_records(self) -> list[dict[str, Any]]:
        """The twin of :meth:`to_records`."""
        return (await self._atable()).records()


def _need(library: str) -> None:
    # Before the backend is asked: a missing library should not cost the reading of all rows.
    from wbmodel.table.table import need

    need(library)


def _csv(table: Table, path: str | os.PathLike[str] | None) -> str | None:
    text = table.to_csv()
    if path is None:
        return text
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return None


def _parquet(table: Table, path: str | os.PathLike[str]) -> None:
    import os

    import pyarrow.parquet

    pyarrow.parquet.write_table(table.to_arrow(), os.fspath(path))


class Questions(Exports):
    """What a queryset has and its grouped form has not: grouping, aggregates, and what keys there are."""

    __slots__ = ()

    def _rows_of(self) -> QuerySet[Any, Any]:
        return cast("QuerySet[Any, Any]", self)

    def _deadline(self) -> float | None:
        return self._rows_of()._timeout

    def _table_here(self) -> Table | None:
        rows = self._rows_of()
        if not rows._complete:
            return None
        from wbmodel.operations.table import of_cache

        return of_cache(rows)

    def _table_asked(self, session: Session) -> Operation[Table]:
        from wbmodel.operations.table import table

        rows = self._rows_of()
        return table(rows, session.target)

    def _do(self, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
        rows, session = self._rows_of(), self._bind()
        return session.run(operation(rows, session.target, *args), timeout=rows._timeout)

    async def _ado(self, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
        rows, session = self._rows_of(), self._bind()
        return await session.arun(operation(rows, session.target, *args), timeout=rows._timeout)

    def aggregate(self, **aggregates: Aggregate) -> dict[str, Any]:
        """One answer over all rows for each name: ``aggregate(n=Count(), best=Min("summary.loss"))``. Null and NaN are
        left out; ``docs/reference/aggregates.md`` has the rules. Raises :class:`~wbmodel.errors.FieldError` for text
        where numbers are meant, naming the row."""
        from wbmodel.objects.grouped import aggregate, checked

        return cast("dict[str, Any]", self._do(aggregate, checked(self._rows_of(), aggregates)))

    async def aaggregate(self, **aggregates: Aggregate) -> dict[str, Any]:
        """The twin of :meth:`aggregate`."""
        from wbmodel.objects.grouped import aggregate, checked

        return cast("dict[str, Any]", await self._ado(aggregate, checked(self._rows_of(), aggregates)))

    def group_by(self, *keys: str | PathExpr | EverythingBut) -> Grouped:
        """The rows in groups of equal values at these paths, to :meth:`annotate` with aggregates:
        ``group_by("config.lr").annotate(n=Count(), loss=Mean("summary.loss"))``. Lazy; asks nothing."""
        from wbmodel.objects.grouped import Grouped

        return Grouped.of(self._rows_of(), keys)

    def fields(self, *names: str) -> list[FieldInfo]:
        """Which keys the rows have under these fields (``"config"``, ``"summary"``; without names, under every field
        that has keys): path, type, in how many rows, an example. Nested keys too. Reads all rows; slice to look at
        some."""
        from wbmodel.operations.keys import find

        return cast("list[FieldInfo]", self._do(find, names))

    async def afields(self, *names: str) -> list[FieldInfo]:
        """The twin of :meth:`fields`."""
        from wbmodel.operations.keys import find

        return cast("list[FieldInfo]", await self._ado(find, names))
