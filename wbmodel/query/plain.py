"""Values as JSON holds them: what may be written into a config, a summary or a report, and when two are the same."""

from __future__ import annotations

from collections.abc import Mapping
from math import copysign
from typing import Any

from wbmodel.errors import FieldError

__all__ = ["plain", "same"]

_BARE = frozenset({str, int, float, bool, type(None)})


def plain(value: Any, where: str) -> Any:
    """``value`` made of dicts, lists, text, numbers, booleans and None only; numbers and arrays of other libraries
    become Python's. Raises :class:`~wbmodel.errors.FieldError`, with ``where`` and the place in it, for what JSON
    cannot hold: other objects, keys that are not text, cycles."""
    try:
        return _plain(value, where)
    except RecursionError:
        raise FieldError(f"{where} is nested too deeply to be written, or holds itself") from None


def _plain(value: Any, where: str) -> Any:
    kind = type(value)
    if kind in _BARE:
        return value
    if kind is list or kind is tuple:
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    # Subclasses (enums, numpy's float64) as what they are made of.
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
        # numpy, torch, pandas; what comes out may hold anything again.
        made = convert(value)
        if type(made) in _BARE or isinstance(made, list):
            return _plain(made, where)
    raise FieldError(
        f"{where} is {value!r:.80}, a {kind.__name__}, which JSON cannot hold; write text, numbers, booleans, None, "
        "lists "
        "and dicts"
    )


def _key(key: Any, where: str) -> str:
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise FieldError(f"{where} has the key {key!r}; keys are text in JSON, so write {str(key)!r}")


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same: NaN is NaN, and 1, 1.0 and True are three values."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is dict:
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    if kind is list:
        return len(one) == len(other) and all(map(same, one, other))
    if kind is float:
        if one != one:
            return bool(other != other)
        return bool(one == other) and (one != 0 or copysign(1, one) == copysign(1, other))
    return bool(one == other)
