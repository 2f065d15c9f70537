"""What a value in a row can be: absent, or one of a few types that are never confused with each other."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

__all__ = ["ABSENT", "Absent", "operand_type", "same"]


class Absent:
    """The type of :data:`ABSENT`, the value of a key that is not there."""

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


def same(one: Any, other: Any) -> bool:
    """Equality at any depth that tells 1 from True and keeps 1 equal to 1.0."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return operand_type(one) == operand_type(other) and bool(one == other)
