"""A second, independent implementation of lookups and orders over plain dicts, to check answers against.

Imports nothing from wbmodel, so that it cannot share a mistake with the code under test.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timezone
from functools import cmp_to_key
from typing import Any

__all__ = ["ABSENT", "LOOKUPS", "TIES", "Stored", "answer", "leaf", "look", "matches", "ordered"]

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "absent", "__bool__": lambda self: False})()
"""The value at a path if a row lacks the key."""

Row = dict[str, Any]
Path = tuple[str, ...]
Keys = Sequence[tuple[Path, bool]]
Condition = Any
"""``("and", [...])``, ``("or", [...])``, ``("not", c)`` or ``("leaf", path, lookup, operand)``. The path is a tuple:
the field, then literal keys."""

TIES: Keys = ((("created_at",), True), (("id",), False))
"""The order of rows that tie in every key: newest first, then by id."""


BLANK = ("name", "display_name", "group", "job_type", "notes", "description")
"""Fields that are cleared by writing ``""``, which then reads as None."""


class Stored(dict[str, Any]):
    """A row as a server stores it, whose filters tell ``""`` and null apart; other rows are as querysets read them."""


def look(row: Row, path: Path) -> Any:
    """The value at a path of a row, or :data:`ABSENT`."""
    value = row[path[0]]
    if value == "" and path[0] in BLANK and not isinstance(row, Stored):
        return None
    for key in path[1:]:
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value


_CLASSES = (
    ("number", (int, float)),
    ("text", str),
    ("time", datetime),
    ("day", date),
    ("list", (list, tuple)),
    ("object", dict),
)


def _class(value: Any) -> str:
    if value is None or value is ABSENT:
        return "nothing"
    if value is True or value is False:
        return "bool"
    for kind, types in _CLASSES:
        if isinstance(value, types):
            return kind
    raise AssertionError(f"a row holds {value!r}, which is neither a JSON value nor a date")


# -- lookups ---------------------------------------------------------------------------------------


def _like(value: Any, operand: Any) -> Any:
    """A moment as its day in UTC, if it is compared with a day."""
    return value.astimezone(timezone.utc).date() if _class(operand) == "day" and _class(value) == "time" else value


def _same(one: Any, other: Any) -> bool:
    one = _like(one, other)
    if _class(one) != _class(other) or (one is ABSENT) != (other is ABSENT):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return sorted(one) == sorted(other) and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _compare(*accepted: int) -> Callable[[Any, Any], bool]:
    def test(value: Any, operand: Any) -> bool:
        value = _like(value, operand)
        kind = _class(value)
        if kind != _class(operand) or kind not in ("number", "text", "time", "day") or value != value:
            return False
        return ((value > operand) - (value < operand)) in accepted

    return test


_at_least, _at_most = _compare(0, 1), _compare(-1, 0)


def _in(value: Any, operand: Any) -> bool:
    return any(_same(value, item) for item in operand)


def _contains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    return isinstance(value, list) and any(_same(item, operand) for item in value)


def _icontains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return operand.lower() in value.lower()
    return isinstance(value, list) and any(isinstance(i, str) and i.lower() == operand.lower() for i in value)


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: isinstance(value, str) and test(value, operand)


def _on_day(value: Any, operand: Any) -> bool:
    return isinstance(value, datetime) and value.astimezone(timezone.utc).date() == operand


LOOKUPS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": _same,
    "ne": lambda value, operand: not _same(value, operand),
    "gt": _compare(1),
    "gte": _at_least,
    "lt": _compare(-1),
    "lte": _at_most,
    "in": _in,
    "nin": lambda value, operand: not _in(value, operand),
    "range": lambda value, operand: _at_least(value, operand[0]) and _at_most(value, operand[1]),
    "contains": _contains,
    "icontains": _icontains,
    "startswith": _text(str.startswith),
    "endswith": _text(str.endswith),
    "iexact": _text(lambda value, operand: value.lower() == operand.lower()),
    "regex": _text(lambda value, operand: re.search(operand, value) is not None),
    "iregex": _text(lambda value, operand: re.search(operand, value, re.IGNORECASE) is not None),
    "isnull": lambda value, operand: (value is None or value is ABSENT) is operand,
    "exists": lambda value, operand: (value is not ABSENT) is operand,
    "isnan": lambda value, operand: (isinstance(value, float) and math.isnan(value)) is operand,
    "isfinite": lambda value, operand: (_class(value) == "number" and math.isfinite(value)) is operand,
    "date": _on_day,
    "within": lambda value, operand: _class(value) == "time" and value >= datetime.now(timezone.utc) - operand,
}
"""Whether a value meets a condition, for every lookup: ``(value, operand) -> bool``."""


def leaf(value: Any, lookup: str, operand: Any, is_list: bool = False) -> bool:
    """Whether one value meets one condition. ``is_list``: the field is a list of texts, for which ``in`` means "any of"
    and an empty list counts as null."""
    if is_list and lookup == "isnull":
        return (not value) is operand
    if is_list and lookup in ("in", "nin"):
        return any(_in(item, operand) for item in value) is (lookup == "in")
    return LOOKUPS[lookup](value, operand)


def matches(row: Row, condition: Condition) -> bool:
    """Whether a row meets a condition tree."""
    kind = condition[0]
    if kind == "and":
        return all(matches(row, item) for item in condition[1])
    if kind == "or":
        return any(matches(row, item) for item in condition[1])
    if kind == "not":
        return not matches(row, condition[1])
    _, path, lookup, operand = condition
    if path[0] in BLANK and not isinstance(row, Stored):
        operand = [item or None for item in operand] if lookup in ("in", "nin") else operand
        operand = None if operand == "" and lookup in ("exact", "ne") else operand
    return leaf(look(row, path), lookup, operand, path in (("tags",), ("aliases",)))


# -- orders ----------------------------------------------------------------------------------------

_RANKS = {"number": 0, "time": 0, "text": 1, "bool": 2, "list": 3, "object": 4}
"""Ascending order of the types. A key never holds both numbers and dates."""


def _order(one: Any, other: Any, descending: bool) -> int:
    lacking = [value is None or value is ABSENT or value != value for value in (one, other)]
    if any(lacking):
        return lacking[0] - lacking[1]
    ranks = [_RANKS[_class(value)] for value in (one, other)]
    if ranks[0] == ranks[1] >= _RANKS["list"]:
        one, other = (json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in (one, other))
    result = (ranks[0] > ranks[1]) - (ranks[0] < ranks[1]) or (one > other) - (one < other)
    return -result if descending else result


def ordered(rows: Sequence[Row], keys: Keys, ties: Keys = TIES) -> list[Row]:
    """Sort rows by these keys (path, descending), then by ``ties``. Rows without a value come last either way."""
    complete = [*keys, *ties]

    def compare(one: Row, other: Row) -> int:
        for path, descending in complete:
            found = _order(look(one, path), look(other, path), descending)
            if found:
                return found
        return 0

    return sorted(rows, key=cmp_to_key(compare))


def answer(
    rows: Sequence[Row], condition: Condition, keys: Keys = (), ties: Keys = TIES, name: str = "id"
) -> list[Any]:
    """The ids (or another field, ``name``) of the matching rows, in order (newest first if there are no keys)."""
    return [row[name] for row in ordered([row for row in rows if matches(row, condition)], keys, ties)]
