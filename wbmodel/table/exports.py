"""Export columns to pandas, polars, pyarrow, Parquet and CSV. Libraries are imported on demand."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wbmodel.codec import format_datetime
from wbmodel.errors import LibraryNotInstalled
from wbmodel.table.column import BOOL, FLOAT, INT, JSON, TEXT, TIME, Column, Dtype
from wbmodel.table.infer import json_text

if TYPE_CHECKING:
    import os

    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["need", "to_arrow", "to_csv", "to_pandas", "to_parquet", "to_polars"]

_EXTRAS = {"pandas": "pandas", "polars": "polars", "pyarrow": "arrow"}


def need(library: str) -> Any:
    """The module of a frame library. Raises :class:`~wbmodel.errors.LibraryNotInstalled` with the install command."""
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise LibraryNotInstalled(
            f"{library} is not installed, but this method needs it; install it with: "
            f'pip install "wbmodel[{_EXTRAS[library]}]" (to_records() and to_csv() need no library)'
        ) from error


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


def to_pandas(columns: Sequence[Column], length: int) -> pd.DataFrame:
    """Typed columns as a pandas data frame with nullable types."""
    pandas = need("pandas")
    import numpy as np

    made = {column.name: _pandas_column(pandas, np, column) for column in columns}
    frame: pd.DataFrame = pandas.DataFrame(made, index=pandas.RangeIndex(length), copy=False)
    return frame


def _pandas_column(pandas: Any, np: Any, column: Column) -> Any:
    dtype, values = column.dtype, column.values
    if dtype in (FLOAT, INT, BOOL):
        kind = {FLOAT: "float64", INT: "int64", BOOL: "bool"}[dtype]
        values = _buffer(values)
        if isinstance(values, np.ndarray):
            return pandas.arrays.FloatingArray(values, np.isnan(values))
        missing = [value is None or value != value for value in values]
        if True in missing:
            # pandas has only one kind of missing value in these types, so NaN becomes missing too.
            data = np.array([0 if gone else v for v, gone in zip(values, missing, strict=True)], dtype=kind)
            mask = np.array(missing, dtype=bool)
        else:
            data, mask = np.array(values, dtype=kind), np.zeros(len(values), dtype=bool)
        arrays = pandas.arrays
        make = {FLOAT: arrays.FloatingArray, INT: arrays.IntegerArray, BOOL: arrays.BooleanArray}[dtype]
        return make(data, mask)
    if dtype in (TEXT, JSON):
        return pandas.array(values, dtype="string")
    if dtype == TIME:
        return pandas.array(values, dtype=pandas.DatetimeTZDtype("us", "UTC"))
    objects = np.empty(len(values), dtype=object)
    objects[:] = [list(value) if isinstance(value, tuple) else value for value in values]
    return pandas.Series(objects, dtype=object)


# -- polars ----------------------------------------------------------------------------------------


def to_polars(columns: Sequence[Column]) -> pl.DataFrame:
    """Typed columns as a polars data frame."""
    polars = need("polars")
    types = {column.dtype: _polars_type(polars, column.dtype) for column in columns}
    frame: pl.DataFrame = polars.DataFrame([_polars_column(polars, column, types[column.dtype]) for column in columns])
    return frame


def _polars_column(polars: Any, column: Column, dtype: Any) -> Any:
    name, values = column.name, column.values
    if column.dtype.inner is not None:
        return _polars_lists(polars, name, values, dtype)
    if column.dtype == TIME:
        whole = polars.Series(name, _microseconds(values), dtype=polars.Int64)
        return whole.cast(polars.Datetime("us")).dt.replace_time_zone("UTC")
    return polars.Series(name, _buffer(values), dtype=dtype, strict=True)


def _microseconds(values: Sequence[Any]) -> list[int | None]:
    from datetime import datetime, timedelta, timezone

    start, unit = datetime(1970, 1, 1, tzinfo=timezone.utc), timedelta(microseconds=1)
    return [None if value is None else (value - start) // unit for value in values]


def _polars_lists(polars: Any, name: str, values: Sequence[Any], dtype: Any) -> Any:
    """A column of lists. polars makes one series per list, which is slow, so group a flat series by row instead.

    A null is appended to each list, so that empty ones are not lost; then each list is cut to its length.
    """
    if isinstance(dtype.inner, polars.List) or dtype.inner == polars.Null:
        return polars.Series(name, values, dtype=dtype, strict=True)
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
    return made.to_series().rename(name).cast(dtype)


def _polars_type(polars: Any, dtype: Dtype) -> Any:
    if dtype.inner is not None:
        return polars.List(_polars_type(polars, dtype.inner))
    if dtype == TIME:
        return polars.Datetime("us", "UTC")
    names = {"bool": "Boolean", "int": "Int64", "float": "Float64", "text": "String", "json": "String", "null": "Null"}
    return getattr(polars, names[dtype.name])


# -- pyarrow ---------------------------------------------------------------------------------------


def to_arrow(columns: Sequence[Column]) -> pa.Table:
    """Typed columns as a pyarrow table."""
    arrow = need("pyarrow")
    arrays = [
        arrow.array(_buffer(column.values), type=_arrow_type(arrow, column.dtype), from_pandas=False)
        for column in columns
    ]
    table: pa.Table = arrow.table(arrays, names=[column.name for column in columns])
    return table


def to_parquet(columns: Sequence[Column], path: str | os.PathLike[str]) -> None:
    """Typed columns as a Parquet file."""
    import os

    need("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(to_arrow(columns), os.fspath(path))


def _arrow_type(arrow: Any, dtype: Dtype) -> Any:
    if dtype.inner is not None:
        return arrow.list_(_arrow_type(arrow, dtype.inner))
    if dtype == TIME:
        return arrow.timestamp("us", tz="UTC")
    names = {"bool": "bool_", "int": "int64", "float": "float64", "text": "string", "json": "string", "null": "null"}
    return getattr(arrow, names[dtype.name])()


# -- CSV -------------------------------------------------------------------------------------------


def to_csv(columns: Sequence[Column], length: int) -> str:
    """Typed columns as CSV text with a header line."""
    names, cells = [], []
    for column in columns:
        names.append(_quoted(column.name))
        write = _CSV.get(column.dtype.name, _csv_any)
        cells.append(["" if value is None else write(value) for value in column.values])
    if not names:
        return "\n" * (length + 1)
    # A line with a single empty cell would be an empty line, which readers skip.
    alone = len(names) == 1
    lines = [",".join(names), *(",".join(row) or ('""' if alone else "") for row in zip(*cells, strict=True))]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    if text and not any(mark in text for mark in ',"\n\r'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _csv_number(value: Any) -> str:
    return "NaN" if value != value else str(value)


def _csv_any(value: Any) -> str:
    return _quoted(json_text(value))


_CSV: dict[str, Callable[[Any], str]] = {
    "bool": lambda value: "true" if value else "false",
    "int": str,
    "float": _csv_number,
    "text": _quoted,
    "json": _quoted,
    "time": format_datetime,
}
