"""JSON values: their types, which never mix, which values can be written, and when two are equal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import copysign
from typing import Any, Final

from wbmodel.errors import FieldError

__all__ = ["ABSENT", "Absent", "equality_key", "operand_type", "plain", "same"]


class Absent:
    """The type of :data:`ABSENT`, the value of a missing key."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent()


def operand_type(value: Any) -> str:
    """The class an operand belongs to in comparisons: null, bool, number, text, time, list or object."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "time"
    if isinstance(value, (list, tuple)):
        return "list"
    return "object"


_NAN = object()


def equality_key(value: Any) -> Any:
    """A hashable key for a value, at every depth: 1 and 1.0 have the same key, 1 and True different ones, NaN one."""
    cls = value.__class__
    if cls is str or cls is int or value is None:
        return value
    if cls is float:
        return value if value == value else _NAN
    if cls is bool:
        return ("bool", value)
    if isinstance(value, (list, tuple)):
        return ("list", tuple(map(equality_key, value)))
    if isinstance(value, dict):
        return ("object", frozenset((key, equality_key(item)) for key, item in value.items()))
    return value


_BARE = frozenset({str, int, float, bool, type(None)})


def plain(value: Any, where: str) -> Any:
    """``value`` as dicts, lists, text, numbers, booleans and None; other libraries' numbers and arrays are converted.

    Raises :class:`~wbmodel.errors.FieldError`, naming ``where`` and the place inside it, for what JSON cannot hold:
    other objects, keys that are not text, cycles.
    """
    try:
        return _plain(value, where)
    except RecursionError:
        raise FieldError(f"{where} is nested too deeply to be written, or contains itself") from None


def _plain(value: Any, where: str) -> Any:
    kind = type(value)
    if kind in _BARE:
        return value
    if kind is list or kind is tuple:
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    # Subclasses (enums, numpy's float64) become their base type.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (list, tuple)):
        return _plain(list(value), where)
    convert = getattr(kind, "tolist", None)
    if convert is not None:
        # numpy, torch, pandas; the converted value may contain anything.
        made = convert(value)
        if type(made) in _BARE or isinstance(made, list):
            return _plain(made, where)
    raise FieldError(
        f"{where} is {value!r:.80}, a {kind.__name__}, which JSON cannot hold; "
        "use text, numbers, booleans, None, lists and dicts"
    )


def _key(key: Any, where: str) -> str:
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise FieldError(f"{where} has the key {key!r}, but JSON keys are text; write {str(key)!r}")


def same(one: Any, other: Any, *, exact: bool = False) -> bool:
    """Whether two values are equal at every depth; types never mix, so 1 is not True.

    By default this is the equality of filters: 1 equals 1.0, and NaN equals nothing. With ``exact``, they must also be
    written alike: 1 and 1.0 differ, as do 0.0 and -0.0, and NaN equals NaN.
    """
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(same(*pair, exact=exact) for pair in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key], exact=exact) for key in one)
    if not exact:
        return operand_type(one) == operand_type(other) and bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (one != one and other != other) or (one == other and copysign(1, one) == copysign(1, other))
    return bool(one == other)
