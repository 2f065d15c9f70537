"""Tables of histories: frames by chunks, files that say whether they are complete, chunks, and a table per run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import attrs

from wbmodel.backend.asks import ColumnBatch
from wbmodel.display.progress import Status, reporting
from wbmodel.errors import QueryError
from wbmodel.objects.exports import Exports
from wbmodel.objects.history_chain import HistoryChain, at_least
from wbmodel.objects.history_folder import Saving
from wbmodel.operations.histories import shaped
from wbmodel.operations.histories.grouped_rows import ByRun, Chunks
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.query.histories import Sample, Slice, Tail
from wbmodel.query.plan import Plan
from wbmodel.table.exports import need
from wbmodel.table.growing import Growing
from wbmodel.table.table import Table
from wbmodel.table.writers import CsvWriter, ParquetWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from wbmodel.display.progress import Progress, Wanted
    from wbmodel.operations.answer import Operation
    from wbmodel.session.session import Session
    from wbmodel.table.schema import Schema

__all__ = ["HistoryExports"]

To = Literal["polars", "arrow", "pandas", "table"]
Filled = Growing | ParquetWriter | CsvWriter


class HistoryExports(HistoryChain, Exports):
    """Rows as frames and files. Frames are built chunk by chunk, so that the rows are never there twice. ``progress``
    is None (silent), True (a bar, if standard error is a terminal) or a function that is called with a
    :class:`~wbmodel.display.progress.Status`."""

    # -- frames --

    def to_pandas(self, *, schema: Schema | None = None, progress: Wanted = None) -> pd.DataFrame:
        """A pandas data frame with nullable types; NaN becomes ``<NA>``. Needs the extra ``pandas``."""
        return cast("pd.DataFrame", self._frame("pandas", schema, progress))

    async def ato_pandas(self, *, schema: Schema | None = None, progress: Wanted = None) -> pd.DataFrame:
        """The async twin of :meth:`to_pandas`."""
        return cast("pd.DataFrame", await self._aframe("pandas", schema, progress))

    def to_polars(self, *, schema: Schema | None = None, progress: Wanted = None) -> pl.DataFrame:
        """A polars data frame. Needs the extra ``polars``."""
        return cast("pl.DataFrame", self._frame("polars", schema, progress))

    async def ato_polars(self, *, schema: Schema | None = None, progress: Wanted = None) -> pl.DataFrame:
        """The async twin of :meth:`to_polars`."""
        return cast("pl.DataFrame", await self._aframe("polars", schema, progress))

    def to_arrow(self, *, schema: Schema | None = None, progress: Wanted = None) -> pa.Table:
        """A pyarrow table. The metadata of its schema say what came of the reading, as JSON: ``complete``, ``failures``
        and ``missing``, with ``wbmodel.`` in front. Needs the extra ``arrow``."""
        return self._noted(self._frame("arrow", schema, progress))

    async def ato_arrow(self, *, schema: Schema | None = None, progress: Wanted = None) -> pa.Table:
        """The async twin of :meth:`to_arrow`."""
        return self._noted(await self._aframe("arrow", schema, progress))

    def _noted(self, table: pa.Table) -> pa.Table:
        noted: dict[Any, Any] = {**(table.schema.metadata or {}), **self._known().metadata()}
        return table.replace_schema_metadata(noted)

    def to_parquet(
        self, path: str | os.PathLike[str], *, schema: Schema | None = None, progress: Wanted = None
    ) -> None:
        """Write a Parquet file to ``path``, with the types and the metadata of :meth:`to_arrow`, in bounded memory. An
        error leaves what was there. Needs the extra ``arrow``.

        A ``path`` without a suffix (``"histories"``) is a folder with a file for some runs at a time and a
        ``manifest.json``. Called again, after any end, it reads only the runs that are not there yet, and those that
        were still running. :func:`wbmodel.scan` reads the folder as one lazy frame of polars or Dask.
        """
        need("pyarrow")
        if _is_folder(path, schema):
            self._save(path, progress)
            return
        if schema is not None:
            _write(self.to_arrow(schema=schema, progress=progress), path)
            return
        with ParquetWriter(path, self._all_names()) as file:
            self._fill(file, progress)
            file.metadata.update(self._known().metadata())

    async def ato_parquet(
        self, path: str | os.PathLike[str], *, schema: Schema | None = None, progress: Wanted = None
    ) -> None:
        """The async twin of :meth:`to_parquet`."""
        need("pyarrow")
        if _is_folder(path, schema):
            await self._asave(path, progress)
            return
        if schema is not None:
            _write(await self.ato_arrow(schema=schema, progress=progress), path)
            return
        with ParquetWriter(path, self._all_names()) as file:
            await self._afill(file, progress)
            file.metadata.update(self._known().metadata())

    @overload
    def to_csv(self, path: None = None, *, schema: Schema | None = None, progress: Wanted = None) -> str: ...

    @overload
    def to_csv(
        self, path: str | os.PathLike[str], *, schema: Schema | None = None, progress: Wanted = None
    ) -> None: ...

    @overload
    def to_csv(
        self, path: str | os.PathLike[str] | None, *, schema: Schema | None = None, progress: Wanted = None
    ) -> str | None: ...

    def to_csv(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        schema: Schema | None = None,
        progress: Wanted = None,
    ) -> str | None:
        """Write CSV with a header line to ``path`` in UTF-8, in bounded memory; without a path, return the text.

        A missing value is an empty cell; empty text is ``""``. A CSV file cannot say whether it is complete: see
        :attr:`complete`.
        """
        if path is None or schema is not None:
            return cast(Table, self._frame("table", schema, progress)).to_csv(path)
        with CsvWriter(path, self._all_names()) as file:
            self._fill(file, progress)
        return None

    @overload
    async def ato_csv(self, path: None = None, *, schema: Schema | None = None, progress: Wanted = None) -> str: ...

    @overload
    async def ato_csv(
        self, path: str | os.PathLike[str], *, schema: Schema | None = None, progress: Wanted = None
    ) -> None: ...

    @overload
    async def ato_csv(
        self, path: str | os.PathLike[str] | None, *, schema: Schema | None = None, progress: Wanted = None
    ) -> str | None: ...

    async def ato_csv(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        schema: Schema | None = None,
        progress: Wanted = None,
    ) -> str | None:
        """The async twin of :meth:`to_csv`."""
        if path is None or schema is not None:
            return cast(Table, await self._aframe("table", schema, progress)).to_csv(path)
        with CsvWriter(path, self._all_names()) as file:
            await self._afill(file, progress)
        return None

    def _table(self) -> Table:
        return cast(Table, self._frame("table", None, None))

    async def _atable(self) -> Table:
        return cast(Table, await self._aframe("table", None, None))

    def _all_names(self) -> tuple[str, ...]:
        """The columns that are there in any case, or those of the rows that are here."""
        known = self._outcome.names if self._result.complete and self._outcome is not None else ()
        return tuple(dict.fromkeys((*self._plan.names, *known)))

    def _grown(self, to: To, schema: Schema | None) -> Growing:
        if to != "table":
            need("pyarrow" if to == "arrow" else to)  # all rows would be read in vain without it
        return Growing(to if schema is None else "table", self._all_names())

    def _frame(self, to: To, schema: Schema | None, progress: Wanted) -> Any:
        made = self._grown(to, schema)
        self._fill(made, progress)
        return _finished(made, to, schema)

    async def _aframe(self, to: To, schema: Schema | None, progress: Wanted) -> Any:
        made = self._grown(to, schema)
        await self._afill(made, progress)
        return _finished(made, to, schema)

    def _fill(self, to: Filled, progress: Wanted) -> None:
        """Add all rows to a frame or a file."""
        if self._result.complete:
            to.add_batch(ColumnBatch.of_rows("", self._result.rows))
            return
        session, outcome = self._bind(), Outcome()
        with reporting(progress, self._title) as tell:
            for items in session.iterate(self._blocks(session, outcome), timeout=self._timeout):
                _add(to, items, outcome, tell)
            tell(_status(outcome))
        self._learn(outcome)

    async def _afill(self, to: Filled, progress: Wanted) -> None:
        """The async twin of :meth:`_fill`."""
        if self._result.complete:
            to.add_batch(ColumnBatch.of_rows("", self._result.rows))
            return
        session, outcome = self._bind(), Outcome()
        with reporting(progress, self._title) as tell:
            blocks = session.aiterate(self._blocks(session, outcome), timeout=self._timeout)
            async with aclosing(blocks) as parts:
                async for items in parts:
                    _add(to, items, outcome, tell)
            tell(_status(outcome))
        self._learn(outcome)

    @property
    def _title(self) -> str:
        return f"reading {self._plan.stream}"

    # -- portions --

    def chunks(self, rows: int = 65_536, *, progress: Wanted = None) -> Iterator[ColumnBatch]:
        """The rows in batches of ``rows`` (the last may be shorter), as they come: of any number of rows, no more than
        about one batch is held. ``pyarrow.table(batch)`` and ``polars.DataFrame(batch)`` take one; each has the columns
        that its rows have."""
        chunks, session = self._chunks(rows), self._bind()

        def batches() -> Iterator[ColumnBatch]:
            outcome = Outcome()
            with reporting(progress, self._title) as tell:
                for items in session.iterate(self._blocks(session, outcome), timeout=self._timeout):
                    tell(_status(outcome))
                    for block in items:
                        yield from chunks.take(block)
            self._learn(outcome)
            yield from chunks.rest()

        return batches()

    def achunks(self, rows: int = 65_536, *, progress: Wanted = None) -> AsyncIterator[ColumnBatch]:
        """The async twin of :meth:`chunks`."""
        chunks, session = self._chunks(rows), self._bind()

        async def batches() -> AsyncIterator[ColumnBatch]:
            outcome = Outcome()
            with reporting(progress, self._title) as tell:
                blocks = session.aiterate(self._blocks(session, outcome), timeout=self._timeout)
                async with aclosing(blocks) as parts:
                    async for items in parts:
                        tell(_status(outcome))
                        for block in items:
                            for batch in chunks.take(block):
                                yield batch
            self._learn(outcome)
            for batch in chunks.rest():
                yield batch

        return batches()

    def _chunks(self, rows: int) -> Chunks:
        run = "" if self._plan.many else self._source[0].node_id  # type: ignore[index]
        return Chunks(at_least(1, rows, "chunks"), run)

    def by_run(self, *, progress: Wanted = None) -> Iterator[tuple[Any, Table]]:
        """Each run with the table of its rows, without the column ``run``, one after the other. A run without rows has
        an empty table; one that could not be read is left out (see :attr:`failures`). ``table.to_polars()``,
        ``table.columns`` and so on."""
        groups, session = self._groups(), self._bind()

        def pairs() -> Iterator[tuple[Any, Table]]:
            outcome = Outcome()
            with reporting(progress, self._title) as tell:
                for items in session.iterate(self._blocks(session, outcome, full=True), timeout=self._timeout):
                    tell(_status(outcome))
                    for item in items:
                        yield from groups.take(item)
            self._learn(outcome)
            yield from groups.rest()

        return pairs()

    def aby_run(self, *, progress: Wanted = None) -> AsyncIterator[tuple[Any, Table]]:
        """The async twin of :meth:`by_run`."""
        groups, session = self._groups(), self._bind()

        async def pairs() -> AsyncIterator[tuple[Any, Table]]:
            outcome = Outcome()
            with reporting(progress, self._title) as tell:
                blocks = session.aiterate(self._blocks(session, outcome, full=True), timeout=self._timeout)
                async with aclosing(blocks) as parts:
                    async for items in parts:
                        tell(_status(outcome))
                        for item in items:
                            for pair in groups.take(item):
                                yield pair
            self._learn(outcome)
            for pair in groups.rest():
                yield pair

        return pairs()

    def _groups(self) -> ByRun:
        return ByRun(attrs.evolve(self._plan, many=False).names, every=not self._plan.steps)

    def _blocks(self, session: Session, outcome: Outcome, *, full: bool = False) -> Operation[None]:
        plan = attrs.evolve(self._plan, many=False) if full else self._plan
        return shaped.blocks(plan, self._source, session.target, outcome, full=full, ends=full)

    # -- folders --

    def _saving(self, path: str | os.PathLike[str]) -> Saving:
        plan = self._plan
        if any(isinstance(step, (Slice, Tail, Sample)) for step in plan.steps):
            raise QueryError(
                "a folder holds whole runs, so that saving can be resumed; write these rows to a file: rows.parquet"
            )
        return Saving(path, self._asked_of(self._bind().target.place), plan.names)

    def _asked_of(self, place: str) -> str:
        """What is read, in words: the same for the same question."""
        plan, source = self._plan, self._source
        parts = [self._words, f"of {place}"]
        if isinstance(source, Plan):
            parts += [f"{name} {', '.join(values)}" for name, values in source.scopes.items()]
            parts += [str(source.where)] if source.where is not None else []
            if source.sliced:
                parts.append(f"rows {source.start} to {source.stop} by {', '.join(map(str, source.order))}")
        parts += [str(part) for part in (plan.where, *plan.steps) if part is not None]
        return "; ".join([*parts, f"{plan.how} join", *([f"glance {plan.glance}"] if plan.glance else [])])

    def _save(self, path: str | os.PathLike[str], progress: Wanted) -> None:
        session, outcome = self._bind(), Outcome()
        with self._saving(path) as saving, reporting(progress, self._title) as tell:
            for items in session.iterate(self._whole_runs(session, outcome, saving), timeout=self._timeout):
                saving.take(items)
                tell(_status(outcome))
            saving.finish()
        self._learn(outcome)

    async def _asave(self, path: str | os.PathLike[str], progress: Wanted) -> None:
        """The async twin of :meth:`_save`."""
        session, outcome = self._bind(), Outcome()
        with self._saving(path) as saving, reporting(progress, self._title) as tell:
            blocks = session.aiterate(self._whole_runs(session, outcome, saving), timeout=self._timeout)
            async with aclosing(blocks) as parts:
                async for items in parts:
                    saving.take(items)
                    tell(_status(outcome))
            saving.finish()
        self._learn(outcome)

    def _whole_runs(self, session: Session, outcome: Outcome, saving: Saving) -> Operation[None]:
        return shaped.blocks(self._plan, self._source, session.target, outcome, ends=True, done=saving.done)


def _is_folder(path: str | os.PathLike[str], schema: Schema | None) -> bool:
    found = Path(path)
    if found.is_dir() or not (found.suffix or found.exists()):
        if schema is not None:
            raise QueryError("a folder has the types of its rows, so schema= is for files: rows.parquet")
        return True
    return False


def _status(outcome: Outcome) -> Status:
    return Status(noun="run", done=outcome.ended, rows=outcome.rows)


def _add(made: Filled, blocks: Sequence[Any], outcome: Outcome, tell: Progress) -> None:
    for block in blocks:
        made.add(block.columns, block.length)
    tell(_status(outcome))


def _finished(made: Growing, to: To, schema: Schema | None) -> Any:
    frame = made.finish()
    if schema is None:
        return frame
    held: Table = frame.held(schema)
    return held if to == "table" else getattr(held, f"to_{to}")()


def _write(table: pa.Table, path: str | os.PathLike[str]) -> None:
    import os

    import pyarrow.parquet

    pyarrow.parquet.write_table(table, os.fspath(path))
