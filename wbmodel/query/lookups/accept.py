"""Operand checks that several lookups share: each returns the normal form or raises :class:`FieldError`.

All take ``(value, kind, where)``: the value as given, the kind of the field, and the start of the message.
"""

from __future__ import annotations

import copy
import enum
import math
import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

from wbmodel.codec import parse_datetime
from wbmodel.errors import FieldError
from wbmodel.json_values import operand_type
from wbmodel.meta import Kind

NUMBERS = frozenset({Kind.INT, Kind.FLOAT})
# Kinds whose values all have one type: that type, and the words for it.
_ONLY = {
    **dict.fromkeys((Kind.ID, Kind.TEXT), ("text", "holds text")),
    **dict.fromkeys(NUMBERS, ("number", "holds a number")),
    Kind.BOOL: ("bool", "is true or false"),
}
_A = {"text": "text", "number": "a number"}


def native(value: Any) -> Any:
    """Convert numpy and torch scalars, and enums, to the Python values they stand for."""
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, (str, bool, int, float, list, tuple, dict, datetime)):
        return value
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", ()) == ():
        return item()
    return value


def show(value: Any) -> str:
    """A rejected value, shortened, and its type."""
    text = repr(value)
    return f"{text[:80]}{'...' if len(text) > 80 else ''} ({type(value).__name__})"


def scalar(value: Any, kind: Kind, where: str) -> Any:
    """Check a value for equality with a field."""
    value = native(value)
    if value is None:
        return None
    if kind is Kind.TIME:
        return _moment(value, where)
    got = operand_type(value)
    if got == "number" and isinstance(value, float) and math.isnan(value):
        raise FieldError(f"{where}: nothing equals NaN; use isnan=True")
    wanted, words = _ONLY.get(kind, (got, ""))
    if got != wanted:
        raise FieldError(f"{where}: the field {words}, not {show(value)}")
    if kind is Kind.TEXTS:
        if isinstance(value, str):
            raise FieldError(
                f"{where}: the field is a list; use contains={value!r} for membership, or give the whole list"
            )
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise FieldError(f"{where}: the field is a list of text, not {show(value)}")
        return list(value)
    if (kind.is_keyed and got == "time") or (got == "object" and not isinstance(value, dict)):
        raise FieldError(f"{where}: not a JSON value: {show(value)}")
    # Copied, so that the query does not change when the caller's list does.
    return copy.deepcopy(list(value) if isinstance(value, tuple) else value) if got in ("list", "object") else value


def comparable(value: Any, kind: Kind, where: str) -> Any:
    """Check a value for comparison with a field by order."""
    value = native(value)
    if kind is Kind.TIME:
        return _moment(value, where)
    got = operand_type(value)
    if got == "number" and isinstance(value, float) and math.isnan(value):
        raise FieldError(f"{where}: NaN has no order; use isnan=True")
    if kind in (Kind.BOOL, Kind.TEXTS, Kind.REF):
        raise FieldError(f"{where}: a field of type {kind.value} has no order; use exact, in or contains")
    wanted = _ONLY[kind][0] if kind in _ONLY else None
    if got not in ("number", "text") or wanted not in (None, got):
        raise FieldError(f"{where}: takes {_A[wanted] if wanted else 'a number or text'}, not {show(value)}")
    return value


_ZONE = re.compile(r"[T ].*(?:[zZ]|[+-]\d\d(?::?\d\d)?)\s*$")


def day(value: Any) -> tuple[datetime, datetime] | None:
    """The start and the end, in UTC, of the day that a ``date`` or text such as ``2021-04-23`` names; else None."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime) or not isinstance(value, date):
        return None
    start = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    return start, start + timedelta(days=1) if value < date.max else datetime.max.replace(tzinfo=timezone.utc)


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _moment(value: Any, where: str) -> datetime:
    if isinstance(value, str):
        try:
            moment = parse_datetime(value)
        except ValueError:
            raise FieldError(
                f"{where}: {value!r} is not a date and time; give an aware datetime, a date, or RFC 3339 text"
            ) from None
        if not _ZONE.search(value):
            raise FieldError(f"{where}: {value!r} has no time zone; write it like 2021-04-23T10:00:00Z")
        return moment
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise FieldError(f"{where}: {value!r} has no time zone; add one, for instance tzinfo=timezone.utc")
        return value
    raise FieldError(f"{where}: takes an aware datetime, a date, or RFC 3339 text, not {show(value)}")


def text(value: Any, kind: Kind, where: str) -> str:
    """Check text, for a field that may hold text."""
    value = native(value)
    if not isinstance(value, str):
        raise FieldError(f"{where}: takes text, not {show(value)}")
    if kind in NUMBERS or kind in (Kind.BOOL, Kind.TIME):
        raise FieldError(f"{where}: a field of type {kind.value} does not hold text")
    return value


def flag(value: Any, kind: Kind, where: str) -> bool:
    """Check for True or False, for any kind of field."""
    value = native(value)
    if not isinstance(value, bool):
        raise FieldError(f"{where}: takes True or False, not {show(value)}")
    return value
