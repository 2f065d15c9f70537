"""A frame made from chunks of rows as they come, equal to the frame of all rows at once.

Chunks are gathered to some thousands of rows (making frames of 200 rows costs twice as much), become columns of the
library at once (a Python float takes 32 bytes, one in a frame 8), and get their type at the end, from what was seen in
all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from wbmodel.table.batch import ColumnBatch
from wbmodel.table.build import Builder
from wbmodel.table.column import Dtype
from wbmodel.table.gather import GATHER, even
from wbmodel.table.gather import Types as KnownTypes
from wbmodel.table.libraries import Library, library
from wbmodel.table.parts import Intake, Part, final_piece
from wbmodel.table.table import Table

__all__ = ["Growing"]


class Growing:
    """Takes chunks of rows and makes one frame of them: whatever the chunks, the frame of ``Table.concat(chunks)``.

    ``to`` is what is made: ``"polars"``, ``"arrow"``, ``"pandas"`` or ``"table"`` (a
    :class:`~wbmodel.table.table.Table` of Python values). ``names`` are columns that come first, and are there even if
    no chunk has them. ``gather`` is how many rows are typed at a time. Raises
    :class:`~wbmodel.errors.LibraryNotInstalled` if the library is missing.
    """

    def __init__(
        self, to: Literal["polars", "arrow", "pandas", "table"], names: Iterable[str] = (), *, gather: int = GATHER
    ) -> None:
        names = tuple(names)
        self._table = Builder() if to == "table" else None
        if self._table is not None:
            self._table.extend(names, [() for _ in names], 0)
            return
        self._to: Library[Any] = library(to)  # type: ignore[arg-type]
        self._intake = Intake(self._to, names, gather)
        self._parts: dict[str, list[tuple[int, Part]]] = {}
        self._typed = 0

    @property
    def length(self) -> int:
        """How many rows were added."""
        return self._intake.length if self._table is None else self._table.length

    def add(self, columns: Mapping[str, Sequence[Any]], length: int, types: KnownTypes | None = None) -> None:
        """Add ``length`` rows as columns of Python values (None for a missing one), which must not change later.

        ``types`` are the classes of the values of columns, where they are known. Raises
        :class:`~wbmodel.errors.QueryError`, which names the column, if one has another length.
        """
        if self._table is None:
            self._take(self._intake.add(columns, length, types))
        else:
            even(columns, length)
            self._table.extend(columns, columns.values(), length)

    def add_batch(self, batch: ColumnBatch) -> None:
        """Add the rows of a batch. Arrow data stays Arrow data."""
        if self._table is None:
            self._take(self._intake.add_batch(batch))
        else:
            self.add(batch.columns, batch.length)

    def _take(self, typed: Iterable[tuple[Mapping[str, Part], int]]) -> None:
        for parts, length in typed:
            for name, part in parts.items():
                self._parts.setdefault(name, []).append((self._typed, part))
            self._typed += length

    def finish(self) -> Any:
        """The frame of all rows so far. Warns, once, of columns that had to become JSON text or whose text is not
        valid Unicode."""
        if self._table is not None:
            return Table(self._table.finish().values(), self._table.length)
        self._take(self._intake.rest())
        columns = {}
        for name, (shown, dtype) in self._intake.types.final().items():
            columns[shown] = self._to.join(list(self._pieces(self._parts.get(name, ()), dtype)), dtype)
        return self._to.frame(columns, self._typed)

    def _pieces(self, parts: Sequence[tuple[int, Part]], dtype: Dtype) -> Iterator[Any]:
        at = 0
        for start, part in parts:
            if start > at:
                yield self._to.nulls(start - at, dtype)
            yield final_piece(self._to, part, dtype)
            at = start + part.length
        if at < self._typed or not self._typed:
            yield self._to.nulls(self._typed - at, dtype)
