"""Infer the type of a column and convert its values, in the same way for every library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone
from typing import Any

from wbmodel.codec import dumps
from wbmodel.table.column import BOOL, FLOAT, INT, JSON, NULL, TEXT, TIME, Dtype

__all__ = ["encodes", "fit", "infer", "json_text", "mended"]

_INT64 = 2**63
_EXACT = 2**53
_NONE = type(None)


def infer(values: Sequence[Any], declared: Dtype = NULL, types: frozenset[type] | None = None) -> tuple[Dtype, bool]:
    """The type that holds all values, and whether they have to become JSON text because no other type does.

    That is so for mixed types and for integers beyond 64 bits. ``declared`` is used if all values are null; ``types``
    are the classes of the values, if known.
    """
    classes = set(map(type, values)) if types is None else set(types)
    classes.discard(_NONE)
    if not classes:
        return declared, False
    if len(classes) == 1:
        (cls,) = classes
        if cls is list or cls is tuple:
            return _of_lists(values, declared)
        if cls is int:
            return _of_ints(values, declared)
        return _PLAIN.get(cls) or _other(cls), False
    if classes == {int, float}:
        # An integer that a double cannot represent exactly must not be rounded silently.
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


def _of_ints(values: Sequence[Any], declared: Dtype) -> tuple[Dtype, bool]:
    there = [value for value in values if value is not None]
    if min(there) >= -_INT64 and max(there) < _INT64:
        exact = declared == FLOAT and all(-_EXACT <= value <= _EXACT for value in there)
        return (FLOAT if exact else INT), False
    return JSON, True


def _of_lists(values: Sequence[Any], declared: Dtype) -> tuple[Dtype, bool]:
    inside = [item for value in values if value is not None for item in value]
    inner, odd = infer(inside, declared.inner or NULL)
    # Lists with mixed types or dicts: no list type holds them, and JSON texts inside a list would be of no use.
    whole = odd or inner.innermost == JSON
    return (JSON, False) if whole else (Dtype("list", inner), False)


# -- conversion ------------------------------------------------------------------------------------


def fit(values: Sequence[Any], dtype: Dtype, types: frozenset[type]) -> Sequence[Any]:
    """Convert values of these classes to ``dtype``."""
    if dtype == FLOAT:
        return [v if v is None else float(v) for v in values] if int in types else values
    if dtype == JSON:
        return [None if value is None else json_text(value) for value in values]
    if dtype == TIME:
        return [v if v is None or v.tzinfo is timezone.utc else v.astimezone(timezone.utc) for v in values]
    if dtype.inner is not None and dtype.inner.name in ("float", "list", "time"):
        inner = dtype.inner
        return [None if value is None else fit(value, inner, frozenset(map(type, value))) for value in values]
    return values


def json_text(value: Any) -> str:
    """A value as JSON text."""
    try:
        return dumps(value)
    except TypeError:
        import json

        # YAML has dates, JSON does not.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def encodes(name: str, values: Sequence[Any], dtype: Dtype) -> bool:
    """Whether every text is valid Unicode, which JSON does not guarantee but every library requires."""
    try:
        name.encode()
        if dtype.innermost in (TEXT, JSON):
            # All texts joined: checking each cell would take longer than making the frame.
            "".join([value for value in _texts(values) if value is not None]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(values: Sequence[Any]) -> Sequence[Any]:
    """The texts of a column of texts, or of lists of texts at any depth."""
    while list in (types := set(map(type, values))) or tuple in types:
        values = [item for value in values if value is not None for item in value]
    return values


def mended(value: Any) -> Any:
    """A text, or a list of texts at any depth, with lone surrogates written as ``\\udxxx``."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return list(map(mended, value)) if isinstance(value, (list, tuple)) else value
