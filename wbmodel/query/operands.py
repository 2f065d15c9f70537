"""The values that lookups take: each function gives the operand in normal form or raises :class:`FieldError`.

All take ``(value, kind, where)``: the value as given, the kind of the field, and the words that name the place.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Any

from wbmodel.codec import parse_datetime
from wbmodel.errors import FieldError
from wbmodel.json_values import operand_type
from wbmodel.meta import Kind

__all__ = [
    "anything",
    "comparable",
    "day",
    "flag",
    "many",
    "member",
    "number_flag",
    "pair",
    "pattern",
    "scalar",
    "span",
    "text",
]


def _plain(value: Any) -> Any:
    """Numpy and torch scalars, and enums, as the Python values they stand for."""
    if _is_enum(value):
        return value.value
    if value is None or isinstance(value, (str, bool, int, float, list, tuple, dict, datetime)):
        return value
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", ()) == ():
        return item()
    return value


def _is_enum(value: Any) -> bool:
    import enum

    return isinstance(value, enum.Enum)


def _moment(value: Any, where: str) -> datetime:
    if isinstance(value, str):
        try:
            moment = parse_datetime(value)
        except ValueError:
            raise FieldError(
                f"{where}: {value!r} is no date and time; give an aware datetime or RFC 3339 text"
            ) from None
        if not _ZONE.search(value):
            raise FieldError(f"{where}: {value!r} has no time zone; write it like 2021-04-23T10:00:00Z")
        return moment
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise FieldError(f"{where}: {value!r} has no time zone; say which, for instance tzinfo=timezone.utc")
        return value
    raise FieldError(f"{where}: a moment is an aware datetime or RFC 3339 text, not {_show(value)}")


_ZONE = re.compile(r"[T ].*(?:[zZ]|[+-]\d\d(?::?\d\d)?)\s*$")


def _show(value: Any) -> str:
    text = repr(value)
    return f"{text[:80]}{'...' if len(text) > 80 else ''} ({type(value).__name__})"


_NUMBERS = frozenset({Kind.INT, Kind.FLOAT})
_WORDS = frozenset({Kind.ID, Kind.TEXT})


def scalar(value: Any, kind: Kind, where: str) -> Any:
    """An operand of ``exact`` or ``in`` for a field of this kind."""
    value = _plain(value)
    if value is None:
        return None
    if kind is Kind.TIME:
        return _moment(value, where)
    got = operand_type(value)
    if got == "number" and isinstance(value, float) and math.isnan(value):
        raise FieldError(f"{where}: nothing equals NaN; use isnan=True")
    if kind in _WORDS and got != "text":
        raise FieldError(f"{where}: the field holds text, not {_show(value)}")
    if kind in _NUMBERS and got != "number":
        raise FieldError(f"{where}: the field holds a number, not {_show(value)}")
    if kind is Kind.BOOL and got != "bool":
        raise FieldError(f"{where}: the field is true or false, not {_show(value)}")
    if kind is Kind.TEXTS:
        if isinstance(value, str):
            raise FieldError(
                f"{where}: the field is a list; use contains={value!r} for membership, or give the whole list"
            )
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise FieldError(f"{where}: the field is a list of text, not {_show(value)}")
        return list(value)
    if kind.is_keyed and got not in ("bool", "number", "text", "list", "object"):
        raise FieldError(f"{where}: a value in JSON is never {_show(value)}")
    if got == "object" and not isinstance(value, dict):
        raise FieldError(f"{where}: a value in JSON is never {_show(value)}")
    # The query must not change when the list that was given does.
    return copy.deepcopy(list(value) if isinstance(value, tuple) else value) if got in ("list", "object") else value


def comparable(value: Any, kind: Kind, where: str) -> Any:
    """An operand of gt, gte, lt, lte."""
    value = _plain(value)
    if kind is Kind.TIME:
        return _moment(value, where)
    got = operand_type(value)
    if got == "number" and isinstance(value, float) and math.isnan(value):
        raise FieldError(f"{where}: nothing is above or below NaN; use isnan=True")
    wanted = "text" if kind in _WORDS else "number" if kind in _NUMBERS else None
    if kind in (Kind.BOOL, Kind.TEXTS, Kind.REF):
        raise FieldError(f"{where}: a {kind.value} field has no order; use exact, in or contains")
    if got not in ("number", "text") or (wanted is not None and got != wanted):
        raise FieldError(f"{where}: compares with {wanted or 'a number or text'}, not {_show(value)}")
    return value


def many(value: Any, kind: Kind, where: str) -> list[Any]:
    """The operands of in and nin."""
    value = _plain(value)
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise FieldError(f"{where}: takes a list of values, not {_show(value)}; write [{value!r}]")
    each = Kind.TEXT if kind is Kind.TEXTS else kind
    return [scalar(item, each, where) for item in value]


def pair(value: Any, kind: Kind, where: str) -> tuple[Any, Any]:
    value = _plain(value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise FieldError(f"{where}: takes a pair (low, high), not {_show(value)}")
    low, high = comparable(value[0], kind, where), comparable(value[1], kind, where)
    if operand_type(low) != operand_type(high):
        raise FieldError(f"{where}: both ends are numbers or both are text, not {_show(tuple(value))}")
    return low, high


def text(value: Any, kind: Kind, where: str) -> str:
    value = _plain(value)
    if not isinstance(value, str):
        raise FieldError(f"{where}: takes text, not {_show(value)}")
    if kind in _NUMBERS or kind in (Kind.BOOL, Kind.TIME):
        raise FieldError(f"{where}: a {kind.value} field holds no text")
    return value


def member(value: Any, kind: Kind, where: str) -> Any:
    """The operand of contains: text for text, anything for a list inside JSON."""
    value = _plain(value)
    if kind.is_keyed:
        return scalar(value, kind, where)
    return text(value, kind, where)


def pattern(value: Any, kind: Kind, where: str) -> str:
    written = text(value, kind, where)
    try:
        re.compile(written)
    except (re.error, RecursionError, OverflowError) as error:
        raise FieldError(f"{where}: {written!r} is no regular expression: {error}") from None
    return written


def flag(value: Any, kind: Kind, where: str) -> bool:
    value = _plain(value)
    if not isinstance(value, bool):
        raise FieldError(f"{where}: takes True or False, not {_show(value)}")
    return value


def number_flag(value: Any, kind: Kind, where: str) -> bool:
    if not (kind.is_keyed or kind in _NUMBERS):
        raise FieldError(f"{where}: a {kind.value} field holds no numbers")
    return flag(value, kind, where)


def day(value: Any, kind: Kind, where: str) -> tuple[datetime, datetime]:
    if kind is not Kind.TIME:
        raise FieldError(f"{where}: only a date-time field has a day")
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise FieldError(f"{where}: {value!r} is no day; write it as 2021-04-23") from None
    if isinstance(value, datetime) or not isinstance(value, date):
        raise FieldError(f"{where}: takes a datetime.date or text such as 2021-04-23, not {_show(value)}")
    start = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    return start, start + timedelta(days=1)


def span(value: Any, kind: Kind, where: str) -> datetime:
    if kind is not Kind.TIME:
        raise FieldError(f"{where}: only a date-time field has an age")
    if not isinstance(value, timedelta):
        raise FieldError(f"{where}: takes a timedelta, not {_show(value)}")
    try:
        return datetime.now(timezone.utc) - value
    except OverflowError:
        raise FieldError(f"{where}: {value!r} ago is before the first date there is") from None


def anything(value: Any, kind: Kind, where: str) -> Any:
    return value
