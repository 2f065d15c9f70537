"""``ColumnBatch``: some rows of one run's stream, as backends provide them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from wbmodel.codec import loads
from wbmodel.errors import LibraryNotInstalled
from wbmodel.table.exports import need
from wbmodel.table.gather import Types
from wbmodel.table.table import Table, named

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ColumnBatch", "SupportsArrowStream", "are_sparse"]

STEP = "_step"
_FEW_CELLS = 100_000
_MOST_EMPTY = 8


class SupportsArrowStream(Protocol):
    """Anything with the Arrow PyCapsule interface: a pyarrow table or a polars frame, for instance."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule that contains an ``ArrowArrayStream``."""
        ...


class ColumnBatch(Table):
    """Rows of one run's stream, ordered by step, and within a step in the order received.

    ``run`` is the run's node id. A batch has two views, each made on demand. :attr:`columns` holds Python values (None
    for a missing cell). ``pyarrow.table(batch)``, ``polars.DataFrame(batch)`` and any other reader of Arrow streams get
    Arrow data; a batch made by :meth:`of_arrow` passes its data on unchanged. No Arrow library is needed to make a
    batch.
    """

    run: str
    types: Types = {}
    """The classes of the values of columns, where they are known."""

    def __init__(self, run: str, columns: Mapping[str, Sequence[Any]], length: int) -> None:
        self.run = run
        self.length = length
        self._columns = columns
        self._arrow: SupportsArrowStream | None = None
        self._json: frozenset[str] = frozenset()
        self._of_arrow = False

    @classmethod
    def of_rows(cls, run: str, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Make a batch from rows, with the columns in the order of their first appearance."""
        first = rows[0] if rows else {}
        if set(map(len, rows)) <= {len(first)}:
            try:  # all rows have the same keys, as usual
                return cls(run, {name: list(map(itemgetter(name), rows)) for name in first}, len(rows))
            except KeyError:
                pass
        names = dict.fromkeys(chain.from_iterable(rows))
        return cls(run, {name: _column(name, rows) for name in names}, len(rows))

    @classmethod
    def of_sparse_rows(cls, run: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Self]:
        """Make as many batches as rows whose keys differ need, so that few cells are empty.

        A batch has a cell for each row and column: a hundred thousand keys, each in one row of many, fill the memory.
        """
        if not are_sparse(rows):
            yield cls.of_rows(run, rows)
            return
        middle = len(rows) // 2
        yield from cls.of_sparse_rows(run, rows[:middle])
        yield from cls.of_sparse_rows(run, rows[middle:])

    @classmethod
    def of_arrow(cls, run: str, data: SupportsArrowStream, length: int, json: Collection[str] = ()) -> Self:
        """Make a batch from Arrow data. ``json`` names the columns whose texts (or bytes) are JSON.

        In :attr:`columns`, those are decoded, and steps are integers, although exported histories hold floats. The
        Arrow view is unchanged.
        """
        made = cls(run, {}, length)
        made._columns = None  # type: ignore[assignment]  # made on demand
        made._arrow, made._json, made._of_arrow = data, frozenset(json), True
        return made

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self.columns)

    @property
    def arrow(self) -> tuple[SupportsArrowStream, frozenset[str]] | None:
        """The Arrow data that the batch was made of, and which of its columns are JSON; None if it was made of Python
        values. A table of pyarrow, or a frame of polars where pyarrow is not installed."""
        if self._of_arrow:
            return self._data(), self._json
        return None

    # -- parts ---------------------------------------------------------------------------------------

    def slice(self, start: int | None = None, stop: int | None = None) -> Self:
        """The rows at these positions, as of a list. Arrow data is not copied."""
        places = range(self.length)[start:stop]
        if self._of_arrow:
            return self._like(self._data().slice(places.start, len(places)), len(places))
        cut = {name: values[places.start : places.stop] for name, values in self.columns.items()}
        return type(self)(self.run, cut, len(places))

    def take(self, places: Sequence[int]) -> Self:
        """The rows at these positions, in this order."""
        if self._of_arrow:
            data = self._data()
            return self._like(data.take(places) if hasattr(data, "take") else data[list(places)], len(places))
        taken = {name: [values[at] for at in places] for name, values in self.columns.items()}
        return type(self)(self.run, taken, len(places))

    def select(self, names: Sequence[str]) -> Self:
        """These columns, in this order; one that is not there has only None. Arrow data is not copied.

        Raises :class:`~wbmodel.errors.QueryError` if a name is given twice.
        """
        named(names)
        if self._of_arrow:
            data = self._data()
            there = set(data.column_names if hasattr(data, "column_names") else data.columns)
            if there.issuperset(names):
                return self._like(data.select(list(names)), self.length)
        columns, nothing = self.columns, [None] * self.length
        return type(self)(self.run, {name: columns.get(name, nothing) for name in names}, self.length)

    def _like(self, data: SupportsArrowStream, length: int) -> Self:
        return self.of_arrow(self.run, data, length, self._json)

    def _data(self) -> Any:
        """The Arrow data, read once, as a stream can be."""
        try:
            library = need("pyarrow")
        except LibraryNotInstalled:
            library = need("polars")
        kind = library.Table if hasattr(library, "Table") else library.DataFrame
        if not isinstance(self._arrow, kind):
            self._arrow = library.table(self._arrow) if hasattr(library, "table") else library.DataFrame(self._arrow)
        return self._arrow

    @property
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """The values of each column, by name, as Python values.

        Raises :class:`~wbmodel.errors.LibraryNotInstalled` for Arrow data if neither pyarrow nor polars is installed.
        """
        if self._columns is None:
            lists = self._read_arrow()
            for name in self._json & lists.keys():
                lists[name] = [None if cell is None else loads(cell) for cell in lists[name]]
            self._columns = lists
        return self._columns

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as dicts, without the cells that are None."""
        names = self.names
        if not names:
            yield from ({} for _ in range(self.length))
        for row in zip(*self.columns.values(), strict=True):
            yield {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Arrow data for any library. pyarrow or polars converts Python values.

        Raises :class:`~wbmodel.errors.LibraryNotInstalled` if neither is installed.
        """
        if self._arrow is None:
            try:
                self._arrow = self.to_arrow()
            except LibraryNotInstalled:
                self._arrow = self.to_polars()
        return self._arrow.__arrow_c_stream__(requested_schema)

    def _read_arrow(self) -> dict[str, list[Any]]:
        """The Arrow data as lists."""
        data = self._data()
        names = data.column_names if hasattr(data, "column_names") else data.columns
        named(names)
        columns = [data[name] for name in names]
        lists: dict[str, list[Any]] = {
            name: column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
            for name, column in zip(names, columns, strict=True)
        }
        if STEP in lists:
            lists[STEP] = [step if step is None else int(step) for step in lists[STEP]]
        return lists

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColumnBatch):
            return NotImplemented
        return (self.run, self.length, self.columns) == (other.run, other.length, other.columns)

    __hash__ = None  # type: ignore[assignment]  # its columns are lists

    def __repr__(self) -> str:
        return f"ColumnBatch(run={self.run!r}, columns={self.columns!r}, length={self.length!r})"


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    try:
        return list(map(itemgetter(name), rows))  # a key that all rows have; twice as fast
    except KeyError:
        return [row.get(name) for row in rows]


def are_sparse(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether columns of these rows would be many cells, nearly all of them empty."""
    cells = len(rows) * len(set(chain.from_iterable(rows)))
    return len(rows) > 1 and cells > max(_FEW_CELLS, _MOST_EMPTY * sum(map(len, rows)))
