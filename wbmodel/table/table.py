"""Tables: columns of plain values with one type each, found once and the same for every library.

A table is made of columns (see ``objects/cells.py``), never of a library's own reading of the values: so pandas,
polars, pyarrow and CSV agree about every type. Libraries are imported when they are asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import timezone
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.codec import dumps, format_datetime
from wbmodel.errors import FrameWarning, LibraryNotInstalled, QueryError, warn
from wbmodel.meta import Kind

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["DTYPES", "Dtype", "Table", "TableColumn", "dtype_of_kind", "infer", "need"]


@attrs.frozen(slots=True)
class Dtype:
    """The type of a column: ``bool``, ``int`` (64 bits), ``float``, ``text``, ``time`` (UTC, microseconds), ``json``
    (text that holds JSON), ``null`` (no value to tell from) or ``list`` of ``inner``."""

    name: str
    inner: Dtype | None = None

    def __str__(self) -> str:
        return f"list[{self.inner}]" if self.inner is not None else self.name


BOOL, INT, FLOAT, TEXT, TIME, JSON, NULL = map(Dtype, ("bool", "int", "float", "text", "time", "json", "null"))
DTYPES = (BOOL, INT, FLOAT, TEXT, TIME, JSON, NULL)

_KINDS = {
    Kind.ID: TEXT,
    Kind.TEXT: TEXT,
    Kind.INT: INT,
    Kind.FLOAT: FLOAT,
    Kind.BOOL: BOOL,
    Kind.TIME: TIME,
    Kind.TEXTS: Dtype("list", TEXT),
}


def dtype_of_kind(kind: Kind) -> Dtype | None:
    """The type of a declared field; None for one whose values tell (a config key)."""
    return _KINDS.get(kind)


_INT64 = 2**63
_EXACT = 2**53
_NONE = type(None)


def infer(
    values: Sequence[Any], declared: Dtype | None = None, types: frozenset[type] | None = None
) -> tuple[Dtype, bool]:
    """The type that holds all values, and whether some had to be written as JSON text because no type holds them
    (several types, or whole numbers beyond 64 bits). ``declared`` is for when there is no value to tell from, ``types``
    are the classes of the values where they are known."""
    classes = set(map(type, values)) if types is None else set(types)
    classes.discard(_NONE)
    if not classes:
        return declared or NULL, False
    if len(classes) == 1:
        (cls,) = classes
        if cls is list or cls is tuple:
            return _of_lists(values, declared)
        if cls is int:
            return _of_ints(values, declared)
        return _PLAIN.get(cls) or _other(cls), False
    if classes == {int, float}:
        # A whole number that a double does not hold exactly must not be rounded in silence.
        exact = all(-_EXACT <= value <= _EXACT for value in values if value.__class__ is int)
        return (FLOAT, False) if exact else (JSON, True)
    if classes <= {list, tuple}:
        return _of_lists(values, declared)
    kinds = {_PLAIN.get(cls) or _other(cls) for cls in classes}
    return (kinds.pop(), False) if len(kinds) == 1 else (JSON, True)


_PLAIN: dict[type, Dtype] = {bool: BOOL, int: INT, float: FLOAT, str: TEXT, dict: JSON}


def _other(cls: type) -> Dtype:
    from datetime import datetime

    for base, dtype in ((datetime, TIME), (str, TEXT), (bool, BOOL), (int, INT), (float, FLOAT)):
        if issubclass(cls, base):
            return dtype
    return JSON


def _of_ints(values: Sequence[Any], declared: Dtype | None) -> tuple[Dtype, bool]:
    there = [value for value in values if value is not None]
    if min(there) >= -_INT64 and max(there) < _INT64:
        exact = declared == FLOAT and all(-_EXACT <= value <= _EXACT for value in there)
        return (FLOAT if exact else INT), False
    return JSON, True


def _of_lists(values: Sequence[Any], declared: Dtype | None) -> tuple[Dtype, bool]:
    inside = [item for value in values if value is not None for item in value]
    hint = declared.inner if declared is not None else None
    inner, odd = infer(inside, hint)
    # A list of lists of mixed things, or of dicts: no list type holds it, and a nested JSON text would help nobody.
    whole = odd or _innermost(inner) == JSON
    return (JSON, False) if whole else (Dtype("list", inner), False)


def _innermost(dtype: Dtype) -> Dtype:
    while dtype.inner is not None:
        dtype = dtype.inner
    return dtype


@attrs.frozen(slots=True, eq=False)
class TableColumn:
    """One column: its name, its values as they came (None for what is not there), the type declared for it, and the
    classes of its values."""

    name: str
    values: Sequence[Any]
    declared: Dtype | None = None
    types: frozenset[type] | None = None


class Table:
    """Columns of equal length. Raises :class:`~wbmodel.errors.QueryError` for two columns of one name."""

    def __init__(self, columns: Iterable[TableColumn], height: int) -> None:
        self.columns = list(columns)
        self.height = height
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise QueryError(f"two columns would have the name {twice!r}; give one of them another name")
        self._typed: list[tuple[str, Dtype, Sequence[Any]]] | None = None

    def records(self) -> list[dict[str, Any]]:
        """Rows as dicts of the values as they came."""
        names = [column.name for column in self.columns]
        if not names:
            return [{} for _ in range(self.height)]
        return [
            dict(zip(names, row, strict=True)) for row in zip(*[column.values for column in self.columns], strict=True)
        ]

    @property
    def dtypes(self) -> dict[str, Dtype]:
        """The type of each column."""
        return {name: dtype for name, dtype, _ in self.typed()}

    def typed(self) -> list[tuple[str, Dtype, Sequence[Any]]]:
        """Name, type and values of each column, the values made to fit. One warning names the columns that had to
        become JSON text, and those whose text is no valid Unicode."""
        if self._typed is not None:
            return self._typed
        made, mixed, broken = [], [], []
        for column in self.columns:
            types = frozenset(map(type, column.values)) if column.types is None else column.types
            dtype, odd = infer(column.values, column.declared, types)
            if odd:
                mixed.append(column.name)
            name, values = column.name, _fitted(column.values, dtype, types)
            if not _encodes(name, values, _innermost(dtype)):
                broken.append(name)
                name, values = _mended(name), [_mended(value) for value in values]
            made.append((name, dtype, values))
        self._say(mixed, "of several types, or whole numbers beyond 64 bits, and are written as JSON text")
        self._say(broken, "that are no valid Unicode; the lone surrogates in them are written as \\udxxx")
        self._typed = made
        return made

    @staticmethod
    def _say(names: list[str], what: str) -> None:
        if names:
            shown = ", ".join(map(_mended, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            warn(f"values {what}: {shown}", FrameWarning)

    # -- formats --

    def to_pandas(self) -> pd.DataFrame:
        """A pandas data frame with nullable types."""
        pandas = need("pandas")
        import numpy as np

        typed = self.typed()
        made = {name: _pandas_column(pandas, np, dtype, values) for name, dtype, values in typed}
        frame: pd.DataFrame = pandas.DataFrame(made, index=pandas.RangeIndex(self.height), copy=False)
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A polars data frame."""
        polars = need("polars")
        typed = self.typed()
        types = {dtype: _polars_type(polars, dtype) for _, dtype, _ in typed}
        made = []
        for name, dtype, values in typed:
            if dtype.inner is not None:
                made.append(_polars_lists(polars, name, values, types[dtype]))
            elif dtype == TIME:
                whole = polars.Series(name, _microseconds(values), dtype=polars.Int64)
                made.append(whole.cast(polars.Datetime("us")).dt.replace_time_zone("UTC"))
            else:
                made.append(polars.Series(name, _buffer(values), dtype=types[dtype], strict=True))
        frame: pl.DataFrame = polars.DataFrame(made)
        return frame

    def to_arrow(self) -> pa.Table:
        """A pyarrow table."""
        arrow = need("pyarrow")
        names, arrays = [], []
        for name, dtype, values in self.typed():
            names.append(name)
            arrays.append(arrow.array(_buffer(values), type=_arrow_type(arrow, dtype), from_pandas=False))
        table: pa.Table = arrow.table(arrays, names=names)
        return table

    def to_csv(self) -> str:
        """CSV text (RFC 4180, with ``\\n``) with a head line. What is not there is empty, empty text is ``""``."""
        names, columns = [], []
        for name, dtype, values in self.typed():
            names.append(_quoted(name))
            write = _CSV.get(dtype.name, _csv_any)
            columns.append(["" if value is None else write(value) for value in values])
        if not names:
            return "\n" * (self.height + 1)
        # A line with one empty cell would be an empty line, which readers skip.
        alone = len(names) == 1
        lines = [",".join(names), *(",".join(row) or ('""' if alone else "") for row in zip(*columns, strict=True))]
        return "\n".join(lines) + "\n"


# -- values made to fit ----------------------------------------------------------------------------


def _fitted(values: Sequence[Any], dtype: Dtype, types: frozenset[type]) -> Sequence[Any]:
    if dtype == FLOAT:
        return [v if v is None else float(v) for v in values] if int in types else values
    if dtype == JSON:
        return [None if value is None else _json(value) for value in values]
    if dtype == TIME:
        return [v if v is None or v.tzinfo is timezone.utc else v.astimezone(timezone.utc) for v in values]
    if dtype.inner is not None and dtype.inner.name in ("float", "list", "time"):
        inner = dtype.inner
        return [None if value is None else _fitted(value, inner, frozenset(map(type, value))) for value in values]
    return values


def _json(value: Any) -> str:
    try:
        return dumps(value)
    except TypeError:
        import json

        # YAML has dates, JSON has none.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _encodes(name: str, values: Sequence[Any], dtype: Dtype) -> bool:
    """Whether every text is valid Unicode, which JSON does not promise and every other library wants."""
    try:
        name.encode()
        if dtype in (TEXT, JSON):
            # One text of all: a check per cell would take longer than making the frame.
            "".join([value for value in _texts(values) if value is not None]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(values: Sequence[Any]) -> Sequence[Any]:
    """The texts of a column of texts, or of lists of texts at any depth."""
    while list in (types := set(map(type, values))) or tuple in types:
        values = [item for value in values if value is not None for item in value]
    return values


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return list(map(_mended, value)) if isinstance(value, (list, tuple)) else value


def _microseconds(values: Sequence[Any]) -> list[int | None]:
    from datetime import datetime, timedelta

    start, unit = datetime(1970, 1, 1, tzinfo=timezone.utc), timedelta(microseconds=1)
    return [None if value is None else (value - start) // unit for value in values]


# -- libraries -------------------------------------------------------------------------------------

_EXTRAS = {"pandas": "pandas", "polars": "polars", "pyarrow": "arrow"}


def need(library: str) -> Any:
    """The module of a frame library. Raises :class:`~wbmodel.errors.LibraryNotInstalled` with the install command."""
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise LibraryNotInstalled(
            f'{library} is not installed, and this makes its frames; install it with: pip install "wbmodel'
            f'[{_EXTRAS[library]}]" (to_records() and to_csv() need no library)'
        ) from error


def _buffer(values: Sequence[Any]) -> Any:
    """Floats that stand in one piece of memory as an array of NumPy, which libraries take as they are."""
    if not isinstance(values, array):
        return values
    try:
        import numpy as np
    except ImportError:  # polars does without it
        return list(values)
    return np.frombuffer(values, dtype="float64")


def _pandas_column(pandas: Any, np: Any, dtype: Dtype, values: Sequence[Any]) -> Any:
    if dtype in (FLOAT, INT, BOOL):
        kind = {FLOAT: "float64", INT: "int64", BOOL: "bool"}[dtype]
        values = _buffer(values)
        if isinstance(values, np.ndarray):
            return pandas.arrays.FloatingArray(values, np.isnan(values))
        missing = [value is None or value != value for value in values]
        if True in missing:
            # pandas has one kind of missing value in these types: NaN becomes it as well.
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
    column = np.empty(len(values), dtype=object)
    column[:] = [list(value) if isinstance(value, tuple) else value for value in values]
    return pandas.Series(column, dtype=object)


def _polars_lists(polars: Any, name: str, values: Sequence[Any], dtype: Any) -> Any:
    """A column of lists. polars makes one series per list, which takes long; a flat one that is grouped by its row does
    not. Each list gets one null more at its end, so that empty ones are not lost, and is cut to its length."""
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


def _arrow_type(arrow: Any, dtype: Dtype) -> Any:
    if dtype.inner is not None:
        return arrow.list_(_arrow_type(arrow, dtype.inner))
    if dtype == TIME:
        return arrow.timestamp("us", tz="UTC")
    names = {"bool": "bool_", "int": "int64", "float": "float64", "text": "string", "json": "string", "null": "null"}
    return getattr(arrow, names[dtype.name])()


# -- CSV -------------------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    if text and not any(mark in text for mark in ',"\n\r'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _csv_number(value: Any) -> str:
    return "NaN" if value != value else str(value)


def _csv_any(value: Any) -> str:
    return _quoted(_json(value))


_CSV: dict[str, Callable[[Any], str]] = {
    "bool": lambda value: "true" if value else "false",
    "int": str,
    "float": _csv_number,
    "text": _quoted,
    "json": _quoted,
    "time": format_datetime,
}
