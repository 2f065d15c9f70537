"""What the frame libraries do with columns: make them of values, join pieces of them, and make a frame of them.

A *piece* is some rows of a column in a library's own form. The libraries are imported on demand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from wbmodel.table.column import BOOL, FLOAT, INT, JSON, NULL, TEXT, TIME, Column, Dtype
from wbmodel.table.exports import need
from wbmodel.table.infer import fit

__all__ = ["Arrow", "Library", "LibraryName", "Pandas", "Polars", "library"]

LibraryName = Literal["arrow", "pandas", "polars"]
Piece = TypeVar("Piece")


class Library(ABC, Generic[Piece]):
    """One library. ``values`` are of one type, converted to it (see :func:`~wbmodel.table.infer.fit`)."""

    @abstractmethod
    def piece(self, values: Sequence[Any], dtype: Dtype) -> Piece:
        """Make a piece of values."""

    @abstractmethod
    def nulls(self, length: int, dtype: Dtype) -> Piece:
        """A piece without values."""

    @abstractmethod
    def cast(self, piece: Piece, dtype: Dtype) -> Piece:
        """A piece of integers as floats, also inside lists."""

    takes_arrow = True
    """Whether Arrow data become pieces without going through Python values."""

    def of_arrow(self, data: Any) -> dict[str, Piece]:
        """The columns of Arrow data as pieces. Raises :class:`~wbmodel.errors.QueryError` if two have the same name."""
        raise NotImplementedError

    def known(self, piece: Piece) -> tuple[Dtype, Piece, int | None, int | None] | None:
        """The type of a piece of Arrow data, the piece as that type, and the least and greatest integer; None where
        only the values tell."""
        return None

    @abstractmethod
    def whole(self, piece: Piece) -> tuple[float, float, Sequence[int]]:
        """Of the finite floats of a piece: the least, the greatest, and the places of those that are whole."""

    @abstractmethod
    def values(self, piece: Piece) -> list[Any]:
        """The values of a piece again."""

    @abstractmethod
    def join(self, pieces: Sequence[Piece], dtype: Dtype) -> Any:
        """A column of the frame: one or more pieces of a type in order."""

    @abstractmethod
    def frame(self, columns: Mapping[str, Any], length: int) -> Any:
        """A frame of columns."""

    def of_columns(self, columns: Sequence[Column], length: int) -> Any:
        """A frame of typed columns."""
        made = {column.name: self.join([self.piece(column.values, column.dtype)], column.dtype) for column in columns}
        return self.frame(made, length)


def library(name: LibraryName) -> Library[Any]:
    """A library by name. Raises :class:`~wbmodel.errors.LibraryNotInstalled` with the install command."""
    made: dict[LibraryName, Callable[[], Library[Any]]] = {"arrow": Arrow, "pandas": Pandas, "polars": Polars}
    return made[name]()


def _buffer(values: Sequence[Any]) -> Any:
    """An array of floats as a NumPy array without copying, which libraries accept directly."""
    if not isinstance(values, array):
        return values
    try:
        import numpy as np
    except ImportError:  # polars does not need it
        return list(values)
    return np.frombuffer(values, dtype="float64")


# -- pandas ----------------------------------------------------------------------------------------

_KINDS = {FLOAT: "float64", INT: "int64", BOOL: "bool"}


class Pandas(Library[Any]):
    """pandas with nullable types. A piece of numbers is a NumPy array, and another that is true where None was."""

    takes_arrow = False

    def __init__(self) -> None:
        self.pandas = need("pandas")
        import numpy as np

        self.np = np

    def piece(self, values: Sequence[Any], dtype: Dtype) -> Any:
        if dtype not in _KINDS:
            return values
        np, kind = self.np, _KINDS[dtype]
        values = _buffer(values)
        if isinstance(values, np.ndarray):
            return values, None
        missing = [value is None for value in values]
        if True not in missing:
            return np.array(values, dtype=kind), None
        filled = [0 if gone else value for value, gone in zip(values, missing, strict=True)]
        return np.array(filled, dtype=kind), np.array(missing, dtype=bool)

    def nulls(self, length: int, dtype: Dtype) -> Any:
        if dtype not in _KINDS:
            return [None] * length
        return self.np.zeros(length, dtype=_KINDS[dtype]), self.np.ones(length, dtype=bool)

    def cast(self, piece: Any, dtype: Dtype) -> Any:
        if dtype not in _KINDS:
            return fit(piece, dtype)
        data, missing = piece
        return data.astype(_KINDS[dtype]), missing

    def whole(self, piece: Any) -> tuple[float, float, Sequence[int]]:
        data, missing = piece
        known = self.np.isfinite(data) if missing is None else self.np.isfinite(data) & ~missing
        finite = data[known]
        places = self.np.flatnonzero(known & (self.np.floor(data) == data)).tolist()
        return (float(finite.min()), float(finite.max()), places) if len(finite) else (0.0, 0.0, ())

    def values(self, piece: Any) -> list[Any]:
        if not isinstance(piece, tuple):
            return list(piece)
        data, missing = piece
        values: list[Any] = data.tolist()
        if missing is None:
            return values
        return [None if gone else value for value, gone in zip(values, missing.tolist(), strict=True)]

    def join(self, pieces: Sequence[Any], dtype: Dtype) -> Any:
        pandas, np = self.pandas, self.np
        if dtype in _KINDS:
            one = len(pieces) == 1
            data = pieces[0][0] if one else np.concatenate([data for data, _ in pieces])
            mask = np.concatenate([np.zeros(len(data), bool) if gone is None else gone for data, gone in pieces])
            if dtype == FLOAT:
                # pandas has only one kind of missing value in these types, so NaN becomes missing too.
                mask |= np.isnan(data)
            arrays = pandas.arrays
            return {FLOAT: arrays.FloatingArray, INT: arrays.IntegerArray, BOOL: arrays.BooleanArray}[dtype](data, mask)
        values = pieces[0] if len(pieces) == 1 else [value for piece in pieces for value in piece]
        if dtype in (TEXT, JSON):
            return pandas.array(values, dtype="string")
        if dtype == TIME:
            return pandas.array(values, dtype=pandas.DatetimeTZDtype("us", "UTC"))
        objects = np.empty(len(values), dtype=object)
        objects[:] = [list(value) if isinstance(value, tuple) else value for value in values]
        return pandas.Series(objects, dtype=object)

    def frame(self, columns: Mapping[str, Any], length: int) -> Any:
        return self.pandas.DataFrame(dict(columns), index=self.pandas.RangeIndex(length), copy=False)


# -- polars ----------------------------------------------------------------------------------------


class Polars(Library[Any]):
    """polars. A piece is a series."""

    def __init__(self) -> None:
        self.polars = need("polars")
        self._types: dict[Dtype, Any] = {}

    def type(self, dtype: Dtype) -> Any:
        """The library's type."""
        found = self._types.get(dtype)
        if found is None:
            self._types[dtype] = found = _polars_type(self.polars, dtype)
        return found

    def piece(self, values: Sequence[Any], dtype: Dtype) -> Any:
        if dtype.inner is not None:
            return _polars_lists(self.polars, values, self.type(dtype))
        if dtype == TIME:
            whole = self.polars.Series(_microseconds(values), dtype=self.polars.Int64)
            return whole.cast(self.polars.Datetime("us")).dt.replace_time_zone("UTC")
        return self.polars.Series(_buffer(values), dtype=self.type(dtype), strict=True)

    def nulls(self, length: int, dtype: Dtype) -> Any:
        return self.polars.Series([None], dtype=self.type(dtype)).new_from_index(0, length)

    def cast(self, piece: Any, dtype: Dtype) -> Any:
        return piece.cast(self.type(dtype))

    def of_arrow(self, data: Any) -> dict[str, Any]:
        return {series.name: series for series in self.polars.DataFrame(data).get_columns()}

    def known(self, piece: Any) -> tuple[Dtype, Any, int | None, int | None] | None:
        kind = piece.dtype
        if piece.null_count() == len(piece):
            return NULL, self.nulls(len(piece), NULL), None, None
        dtype = (
            INT
            if kind.is_integer() and str(kind) not in ("UInt64", "Int128", "UInt128")
            else FLOAT
            if kind.is_float()
            else {"Boolean": BOOL, "String": TEXT}.get(str(kind))
        )
        if dtype is None:
            return None
        piece = piece.cast(self.type(dtype))
        return (dtype, piece, piece.min(), piece.max()) if dtype == INT else (dtype, piece, None, None)

    def whole(self, piece: Any) -> tuple[float, float, Sequence[int]]:
        whole = piece.cast(self.polars.Int64, strict=False)
        if whole.null_count() == piece.null_count():  # asks less of the library than the way below
            return whole.min() or 0, whole.max() or 0, (whole.cast(self.polars.Float64) == piece).arg_true().to_list()
        known = piece.is_finite()
        finite = piece.filter(known)
        return finite.min() or 0.0, finite.max() or 0.0, (known & (piece.floor() == piece)).arg_true().to_list()

    def values(self, piece: Any) -> list[Any]:
        values: list[Any] = piece.to_list()
        return values

    def join(self, pieces: Sequence[Any], dtype: Dtype) -> Any:
        if not pieces:
            return self.polars.Series([], dtype=self.type(dtype))
        return pieces[0] if len(pieces) == 1 else self.polars.concat(pieces, rechunk=False)

    def frame(self, columns: Mapping[str, Any], length: int) -> Any:
        return self.polars.DataFrame([series.alias(name) for name, series in columns.items()])


def _microseconds(values: Sequence[Any]) -> list[int | None]:
    from datetime import datetime, timedelta, timezone

    start, unit = datetime(1970, 1, 1, tzinfo=timezone.utc), timedelta(microseconds=1)
    return [None if value is None else (value - start) // unit for value in values]


def _polars_lists(polars: Any, values: Sequence[Any], dtype: Any) -> Any:
    """A column of lists. polars makes one series per list, which is slow, so group a flat series by row instead.

    A null is appended to each list, so that empty ones are not lost; then each list is cut to its length.
    """
    if isinstance(dtype.inner, polars.List) or dtype.inner == polars.Null:
        return polars.Series(values, dtype=dtype, strict=True)
    places: list[int] = []
    flat: list[Any] = []
    for at, value in enumerate(values):
        inside = () if value is None else value
        places += [at] * (len(inside) + 1)
        flat += inside
        flat.append(None)
    lengths = polars.Series([None if value is None else len(value) for value in values], dtype=polars.Int64)
    frame = polars.DataFrame(
        {"row": polars.Series(places, dtype=polars.Int64), "cell": polars.Series(flat, dtype=dtype.inner)}
    )
    lists = frame.group_by("row", maintain_order=True).agg("cell")["cell"]
    made = polars.DataFrame({"cell": lists, "length": lengths}).select(
        polars.when(polars.col("length").is_not_null()).then(polars.col("cell").list.head(polars.col("length")))
    )
    return made.to_series().cast(dtype)


def _polars_type(polars: Any, dtype: Dtype) -> Any:
    if dtype.inner is not None:
        return polars.List(_polars_type(polars, dtype.inner))
    if dtype == TIME:
        return polars.Datetime("us", "UTC")
    names = {"bool": "Boolean", "int": "Int64", "float": "Float64", "text": "String", "json": "String", "null": "Null"}
    return getattr(polars, names[dtype.name])


# -- pyarrow ---------------------------------------------------------------------------------------


class Arrow(Library[Any]):
    """pyarrow. A piece is an array."""

    def __init__(self) -> None:
        self.arrow = need("pyarrow")

    def type(self, dtype: Dtype) -> Any:
        """The library's type."""
        return _arrow_type(self.arrow, dtype)

    def piece(self, values: Sequence[Any], dtype: Dtype) -> Any:
        return self.arrow.array(_buffer(values), type=self.type(dtype), from_pandas=False)

    def nulls(self, length: int, dtype: Dtype) -> Any:
        return self.arrow.nulls(length, self.type(dtype))

    def cast(self, piece: Any, dtype: Dtype) -> Any:
        return piece.cast(self.type(dtype))

    def of_arrow(self, data: Any) -> dict[str, Any]:
        table = self.arrow.table(data)
        return dict(zip(table.column_names, table.columns, strict=True))

    def known(self, piece: Any) -> tuple[Dtype, Any, int | None, int | None] | None:
        from pyarrow import compute

        types, kind = self.arrow.types, piece.type
        if piece.null_count == len(piece):
            return NULL, self.nulls(len(piece), NULL), None, None
        checks = ((types.is_integer, INT), (types.is_floating, FLOAT), (types.is_boolean, BOOL))
        text = types.is_string(kind) or types.is_large_string(kind)
        dtype = TEXT if text else next((dtype for check, dtype in checks if check(kind)), None)
        if dtype is None or types.is_uint64(kind):
            return None
        piece = piece.cast(self.type(dtype))
        if dtype != INT:
            return dtype, piece, None, None
        ends: Any = compute.min_max(piece).as_py()
        return INT, piece, ends["min"], ends["max"]

    def whole(self, piece: Any) -> tuple[float, float, Sequence[int]]:
        from pyarrow import compute

        known = compute.is_finite(piece)
        ends: Any = compute.min_max(piece.filter(known)).as_py()
        places = compute.indices_nonzero(compute.and_(known, compute.equal(compute.floor(piece), piece))).to_pylist()
        return ends["min"] or 0.0, ends["max"] or 0.0, places

    def values(self, piece: Any) -> list[Any]:
        values: list[Any] = piece.to_pylist()
        return values

    def join(self, pieces: Sequence[Any], dtype: Dtype) -> Any:
        chunks = [
            chunk
            for piece in pieces
            for chunk in (piece.chunks if isinstance(piece, self.arrow.ChunkedArray) else (piece,))
        ]
        return self.arrow.chunked_array(chunks, type=self.type(dtype))

    def frame(self, columns: Mapping[str, Any], length: int) -> Any:
        return self.arrow.table(list(columns.values()), names=list(columns))


def _arrow_type(arrow: Any, dtype: Dtype) -> Any:
    if dtype.inner is not None:
        return arrow.list_(_arrow_type(arrow, dtype.inner))
    if dtype == TIME:
        return arrow.timestamp("us", tz="UTC")
    names = {"bool": "bool_", "int": "int64", "float": "float64", "text": "string", "json": "string", "null": "null"}
    return getattr(arrow, names[dtype.name])()
