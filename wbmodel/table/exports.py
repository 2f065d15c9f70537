"""Export columns as CSV, and import the libraries that other formats need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wbmodel.codec import format_datetime
from wbmodel.errors import LibraryNotInstalled
from wbmodel.table.column import Column
from wbmodel.table.infer import json_text

__all__ = ["csv_header", "csv_lines", "need", "to_csv"]

_EXTRAS = {"dask.dataframe": "dask", "pandas": "pandas", "polars": "polars", "pyarrow": "arrow"}


def need(library: str) -> Any:
    """The module of a frame library. Raises :class:`~wbmodel.errors.LibraryNotInstalled` with the install command."""
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise LibraryNotInstalled(
            f"{library.partition('.')[0]} is not installed, but this method needs it; install it with: "
            f'pip install "wbmodel[{_EXTRAS[library]}]" (to_records() and to_csv() need no library)'
        ) from error


# -- CSV -------------------------------------------------------------------------------------------


def to_csv(columns: Sequence[Column], length: int) -> str:
    """Typed columns as CSV text with a header line."""
    return "\n".join([csv_header([column.name for column in columns]), *csv_lines(columns, length)]) + "\n"


def csv_header(names: Sequence[str]) -> str:
    """The header line of columns with these names."""
    return ",".join(map(_quoted, names))


def csv_lines(columns: Sequence[Column], length: int) -> Iterator[str]:
    """The lines of typed columns, without the header."""
    if not columns:
        yield from [""] * length
        return
    cells = []
    for column in columns:
        write = _CSV.get(column.dtype.name, _csv_any)
        cells.append(["" if value is None else write(value) for value in column.values])
    # A line with a single empty cell would be an empty line, which readers skip.
    empty = '""' if len(columns) == 1 else ""
    for row in zip(*cells, strict=True):
        yield ",".join(row) or empty


def _quoted(text: str) -> str:
    if text and not any(mark in text for mark in ',"\n\r'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _csv_number(value: Any) -> str:
    return "NaN" if value != value else str(float(value))


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
