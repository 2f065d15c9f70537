"""What lookups and orders mean, written again in plain Python over plain dicts. Imports nothing of wbmodel."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import cmp_to_key
from typing import Any

__all__ = ["ABSENT", "answer", "look", "matches", "ordered"]

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()

Condition = Any
"""``("and", [...])``, ``("or", [...])``, ``("not", c)`` or ``("leaf", path, lookup, operand)`` with a path that is a
tuple: the field, then literal keys."""


def look(run: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path of a run, or ABSENT."""
    value = run[path[0]]
    for key in path[1:]:
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value


def _class(value: Any) -> str:
    if value is None or value is ABSENT:
        return "nothing"
    if value is True or value is False:
        return "bool"
    for kind, types in (("number", (int, float)), ("text", str), ("time", datetime), ("list", list), ("object", dict)):
        if isinstance(value, types):
            return kind
    raise AssertionError(value)


def _same(one: Any, other: Any) -> bool:
    if _class(one) != _class(other) or (one is ABSENT) != (other is ABSENT):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other))
    if isinstance(one, dict):
        return sorted(one) == sorted(other) and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _compare(value: Any, operand: Any, accepted: Sequence[int]) -> bool:
    if _class(value) != _class(operand) or _class(value) not in ("number", "text", "time") or value != value:
        return False
    return ((value > operand) - (value < operand)) in accepted


def leaf(value: Any, lookup: str, operand: Any, is_tags: bool) -> bool:
    """Whether one value meets one condition."""
    if lookup == "exact":
        return _same(value, operand)
    if lookup in ("ne", "nin"):
        return not leaf(value, {"ne": "exact", "nin": "in"}[lookup], operand, is_tags)
    if lookup in ("gt", "gte", "lt", "lte"):
        return _compare(value, operand, {"gt": (1,), "gte": (0, 1), "lt": (-1,), "lte": (-1, 0)}[lookup])
    if lookup == "in":
        return any(_same(item, one) for one in operand for item in (value if is_tags else [value]))
    if lookup == "range":
        return leaf(value, "gte", operand[0], is_tags) and leaf(value, "lte", operand[1], is_tags)
    if lookup == "contains":
        if isinstance(value, str):
            return isinstance(operand, str) and operand in value
        return isinstance(value, list) and any(_same(item, operand) for item in value)
    if lookup == "icontains":
        if isinstance(value, str):
            return operand.lower() in value.lower()
        return isinstance(value, list) and any(isinstance(i, str) and i.lower() == operand.lower() for i in value)
    if lookup == "isnull":
        return (value is None or value is ABSENT) is operand
    if lookup == "exists":
        return (value is not ABSENT) is operand
    if lookup == "isnan":
        return (isinstance(value, float) and math.isnan(value)) is operand
    if lookup == "isfinite":
        return (_class(value) == "number" and math.isfinite(value)) is operand
    if lookup == "date":
        return _class(value) == "time" and value.astimezone(timezone.utc).date() == operand
    if lookup == "within":
        return _class(value) == "time" and value >= datetime.now(timezone.utc) - operand
    if not isinstance(value, str):
        return False
    if lookup == "startswith":
        return value.startswith(operand)
    if lookup == "endswith":
        return value.endswith(operand)
    if lookup == "iexact":
        return value.lower() == operand.lower()
    if lookup == "regex":
        return re.search(operand, value) is not None
    if lookup == "iregex":
        return re.search(operand, value, re.IGNORECASE) is not None
    raise AssertionError(lookup)


def matches(run: dict[str, Any], condition: Condition) -> bool:
    """Whether a run meets a condition tree."""
    kind = condition[0]
    if kind == "and":
        return all(matches(run, item) for item in condition[1])
    if kind == "or":
        return any(matches(run, item) for item in condition[1])
    if kind == "not":
        return not matches(run, condition[1])
    _, path, lookup, operand = condition
    return leaf(look(run, path), lookup, operand, path == ("tags",))


_RANKS = {"number": 0, "time": 0, "text": 1, "bool": 2, "list": 3, "object": 3}


def _order(one: Any, other: Any, descending: bool) -> int:
    lacking = [value is None or value is ABSENT or value != value for value in (one, other)]
    if any(lacking):
        return lacking[0] - lacking[1]
    ranks = [_RANKS[_class(value)] for value in (one, other)]
    if ranks[0] == ranks[1] == 3:
        one, other = (json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in (one, other))
    result = (ranks[0] > ranks[1]) - (ranks[0] < ranks[1]) or (one > other) - (one < other)
    return -result if descending else result


def ordered(runs: Sequence[dict[str, Any]], keys: Sequence[tuple[tuple[str, ...], bool]]) -> list[dict[str, Any]]:
    """Runs by these keys (path, descending), ties newest first, then by id."""
    complete = [*keys, (("created_at",), True), (("id",), False)]

    def compare(one: dict[str, Any], other: dict[str, Any]) -> int:
        for path, descending in complete:
            found = _order(look(one, path), look(other, path), descending)
            if found:
                return found
        return 0

    return sorted(runs, key=cmp_to_key(compare))


def answer(
    runs: Sequence[dict[str, Any]], condition: Condition, keys: Sequence[tuple[tuple[str, ...], bool]] = ()
) -> list[str]:
    """The ids of the runs that match, in order (newest first when there are no keys)."""
    return [run["id"] for run in ordered([run for run in runs if matches(run, condition)], keys)]


DAY = timedelta(days=1)
