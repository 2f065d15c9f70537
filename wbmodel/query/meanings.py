"""What lookups mean: the same on every backend. Each function gives a predicate of a value.

All take the operand in normal form and the kind of the field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from wbmodel.json_values import ABSENT, operand_type, same
from wbmodel.meta import Kind

__all__ = [
    "Test",
    "at_least",
    "at_most",
    "between",
    "compare",
    "equal",
    "from_to",
    "has",
    "ihas",
    "is_finite",
    "is_nan",
    "never",
    "nothing",
    "one_of",
    "search",
    "truth",
]

Test = Callable[[Any], bool]


def equal(operand: Any, kind: Kind = Kind.VALUE) -> Test:
    """Equality that never crosses types: 1 equals 1.0, True equals neither."""
    if operand is None:
        return lambda value: value is None
    got = operand_type(operand)
    if got == "bool":
        return lambda value: value is operand
    if got == "number":
        return lambda value: (value.__class__ is float or value.__class__ is int) and value == operand
    if got in ("text", "time"):
        return lambda value: value == operand
    return lambda value: value is not ABSENT and same(value, operand)


def compare(test: Callable[[Any, Any], bool]) -> Callable[[Any, Kind], Test]:
    def build(operand: Any, kind: Kind = Kind.VALUE) -> Test:
        if operand_type(operand) == "number":
            # NaN fails every comparison by itself.
            return lambda value: (value.__class__ is float or value.__class__ is int) and test(value, operand)
        wanted = str if isinstance(operand, str) else datetime
        return lambda value: isinstance(value, wanted) and test(value, operand)

    return build


at_least = compare(lambda a, b: a >= b)
at_most = compare(lambda a, b: a <= b)


def one_of(operands: list[Any], kind: Kind) -> Test:
    words = {item for item in operands if isinstance(item, (str, datetime))}
    rest = [equal(item) for item in operands if not isinstance(item, (str, datetime))]

    def test(value: Any) -> bool:
        if isinstance(value, (str, datetime)):
            return value in words
        return any(match(value) for match in rest)

    if kind is Kind.TEXTS:
        return lambda value: any(map(test, value)) if isinstance(value, list) else test(value)
    return test


def between(pair: tuple[Any, Any], kind: Kind) -> Test:
    above, below = at_least(pair[0], kind), at_most(pair[1], kind)
    return lambda value: above(value) and below(value)


def has(operand: Any, kind: Kind) -> Test:
    is_equal = equal(operand)
    if isinstance(operand, str):
        return lambda value: (
            operand in value if isinstance(value, str) else isinstance(value, list) and any(map(is_equal, value))
        )
    return lambda value: isinstance(value, list) and any(map(is_equal, value))


def search(flags: int, template: str = "{}", escape: bool = True) -> Callable[[str, Kind], Test]:
    def build(operand: str, kind: Kind) -> Test:
        found = re.compile(template.format(re.escape(operand)) if escape else operand, flags).search
        return lambda value: isinstance(value, str) and found(value) is not None

    return build


def ihas(operand: str, kind: Kind) -> Test:
    within = search(re.IGNORECASE)(operand, kind)
    whole = search(re.IGNORECASE, r"\A{}\Z")(operand, kind)
    return lambda value: any(map(whole, value)) if isinstance(value, list) else within(value)


def truth(test: Test) -> Callable[[bool, Kind], Test]:
    return lambda wanted, kind: lambda value: test(value) is wanted


def nothing(wanted: bool, kind: Kind) -> Test:
    """Absent or null. A list of tags that is null and one that is empty are the same to whoever reads it."""
    if kind is Kind.TEXTS:
        return lambda value: (not value) is wanted
    return lambda value: (value is None or value is ABSENT) is wanted


def is_nan(value: Any) -> bool:
    return value.__class__ is float and math.isnan(value)


def is_finite(value: Any) -> bool:
    # An int of any size is finite, and one of 400 digits is more than math.isfinite takes.
    return value.__class__ is int or (value.__class__ is float and math.isfinite(value))


def from_to(pair: tuple[datetime, datetime], kind: Kind) -> Test:
    return lambda value: isinstance(value, datetime) and pair[0] <= value < pair[1]


def never(operand: Any, kind: Kind) -> Test:
    """Nothing matches: for lookups that are rewritten before they are asked."""
    return lambda value: False
