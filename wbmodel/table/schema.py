"""``schema=``: columns and types that stay the same whatever the data.

A schema maps column names to types, or is an Arrow or polars schema. The table gets exactly these columns, in this
order: a missing one is all null, others are left out, and a value that does not fit is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from wbmodel.codec import parse_datetime
from wbmodel.errors import FieldError
from wbmodel.table.column import BOOL, FLOAT, INT, JSON, NULL, TEXT, TIME, Column, Dtype
from wbmodel.table.infer import json_text

__all__ = ["Schema", "dtype_named", "dtype_of", "fitted"]

Schema = Mapping[str, Any]
"""Types by column name: a Python type, a name (``"float"``, ``"list[int]"``), or a type of pyarrow, polars or pandas;
or a ``pyarrow.Schema``."""

_NAMES = {
    **dict.fromkeys(("bool", "boolean"), BOOL),
    **dict.fromkeys(("int", "int64"), INT),
    **dict.fromkeys(("float", "float64", "double"), FLOAT),
    **dict.fromkeys(("str", "string", "text", "utf8", "large_string"), TEXT),
    **dict.fromkeys(("datetime", "time"), TIME),
    **dict.fromkeys(("json", "dict"), JSON),
}


def dtype_named(text: str) -> Dtype:
    """The type that is written so (``str(dtype)``). Raises ``FieldError`` for any other text."""
    return (
        NULL
        if text == "null"
        else Dtype("list", dtype_named(text[5:-1]))
        if text.startswith("list[")
        else dtype_of(text, "a column")
    )


def dtype_of(given: Any, name: str) -> Dtype:
    """The type that a schema gives for a column. Raises ``FieldError``, which names the column."""
    if isinstance(given, Dtype):
        return given
    text = given.__name__ if isinstance(given, type) and given.__module__ in ("builtins", "datetime") else str(given)
    found = _read(text.lower().replace(" ", "").replace("item:", "").replace("element:", ""))
    # pyarrow calls its 32-bit type "float".
    if found is None or (found in (INT, FLOAT) and getattr(given, "bit_width", 64) != 64):
        raise FieldError(
            f"schema: {name!r} has the type {text!r}, which frames do not have; the types are bool, int, float, text, "
            "time, json and list[...] of these (64 bits, times in UTC)"
        )
    return found


def _read(text: str) -> Dtype | None:
    if text in _NAMES:
        return _NAMES[text]
    if text.startswith(("timestamp[", "datetime(", "datetime64[")):
        return TIME
    for begin, end in (("list[", "]"), ("list(", ")"), ("list<", ">"), ("large_list<", ">")):
        if text.startswith(begin) and text.endswith(end):
            inner = _read(text[len(begin) : -len(end)])
            return None if inner is None else Dtype("list", inner)
    return None


def fitted(columns: Mapping[str, Sequence[Any]], length: int, schema: Schema) -> list[Column]:
    """The columns of a schema, filled and converted.

    Raises :class:`~wbmodel.errors.FieldError`, which names the row and the column, for a value that does not fit.
    """
    names = getattr(schema, "names", None)
    if not isinstance(schema, Mapping):
        if not isinstance(names, list) or not hasattr(schema, "field"):
            raise FieldError(f"schema takes a mapping of columns to types, or an Arrow schema, not {schema!r:.80}")
        schema = {name: schema.field(name).type for name in names}
    made = []
    for name, given in schema.items():
        dtype, values = dtype_of(given, name), columns.get(name)
        if values is None:
            made.append(Column(name, [None] * length, dtype))
            continue
        convert = _converter(dtype)
        cells = []
        for at, value in enumerate(values):
            try:
                cells.append(None if value is None else convert(value))
            except _Unfit:
                raise FieldError(
                    f"schema: {name!r} of row {at}{_who(columns, at)} is {value!r:.80}, not {dtype}; convert it, give "
                    f"the column another type (json takes any value), or exclude such rows"
                ) from None
        made.append(Column(name, cells, dtype))
    return made


def _who(columns: Mapping[str, Sequence[Any]], at: int) -> str:
    return next((f" ({key} {columns[key][at]!r})" for key in ("path", "id") if key in columns), "")


class _Unfit(Exception):
    """A value does not fit a type."""


def _converter(dtype: Dtype) -> Callable[[Any], Any]:
    if dtype.inner is not None:
        inside = _converter(dtype.inner)

        def items(value: Any) -> Any:
            if not isinstance(value, (list, tuple)):
                raise _Unfit
            return [None if item is None else inside(item) for item in value]

        return items
    return _CONVERT[dtype]


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _Unfit


def _int(value: Any) -> int:
    # JSON does not tell 1 from 1.0, and servers write either.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise _Unfit
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Unfit
    try:
        made = float(value)
    except OverflowError:
        raise _Unfit from None
    if made != value and value == value:  # an integer that a double cannot hold
        raise _Unfit
    return made


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise _Unfit


def _time(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = parse_datetime(value)
        except ValueError:
            raise _Unfit from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _Unfit
    return value.astimezone(timezone.utc)


_CONVERT: dict[Dtype, Callable[[Any], Any]] = {
    BOOL: _bool,
    INT: _int,
    FLOAT: _float,
    TEXT: _text,
    TIME: _time,
    JSON: json_text,
}
