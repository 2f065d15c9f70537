"""The operators of the filter language: each makes, from its operand, a test of one value.

A maker takes ``(operand, field, dialect)`` and raises :class:`LanguageError` for an operand that it cannot take.
Tests take any value that a record may hold, and :data:`MISSING`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from wbmodel.codec import format_datetime, parse_datetime
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.fields import MISSING, Field, LanguageError

__all__ = ["OPERATORS", "Test", "equality", "shown"]

Test = Callable[[Any], bool]
Maker = Callable[[Any, Field, Dialect], Test]


def shown(value: Any) -> str:
    """A value for a message: short, with the name that JSON has for its type."""
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    if value is None:
        return "null"
    text = repr(value)
    return f"the {names.get(type(value), type(value).__name__)} {text[:60]}{'...' if len(text) > 60 else ''}"


# -- equality --------------------------------------------------------------------------------------


def _is_null(value: Any) -> bool:
    return value is None or value is MISSING


def same(a: Any, b: Any) -> bool:
    """Deep equality that keeps booleans and numbers apart."""
    if type(a) is bool or type(b) is bool:
        return a is b
    if type(a) is dict and type(b) is dict:
        return a.keys() == b.keys() and all(same(item, b[key]) for key, item in a.items())
    if type(a) is list and type(b) is list:
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def equality(operand: Any, at: Field, dialect: Dialect) -> Test:
    """``$eq`` and bare values."""
    if operand is None:
        return _is_null
    if at.kind == "time":
        moment = _moment(operand, at, "$eq")
        return lambda value: value == moment
    if type(operand) is bool:
        if dialect.cross_types:
            return _crossing(operand)
        return lambda value: value is operand
    if isinstance(operand, (int, float)):
        if dialect.cross_types:
            return _crossing(operand)
        return lambda value: value == operand and type(value) is not bool
    if isinstance(operand, str):
        if dialect.cross_types and _number(operand) is not None:
            return _crossing(operand)
        if dialect.case_blind:
            folded = operand.lower()
            return lambda value: type(value) is str and value.lower() == folded
        return lambda value: bool(value == operand)
    return lambda value: same(value, operand)


def _in(operand: Any, at: Field, dialect: Dialect) -> Test:
    if not isinstance(operand, list):
        raise LanguageError(f"$in and $nin on {at.path!r} take a list, not {shown(operand)}")
    if at.kind == "time":
        moments = {_moment(item, at, "$in") for item in operand if item is not None}
        nulls = None in operand
        return lambda value: value in moments or (nulls and value is None)
    if dialect.cross_types or dialect.case_blind:
        tests = [equality(item, at, dialect) for item in operand]
        return lambda value: any(test(value) for test in tests)
    texts = {item for item in operand if type(item) is str}
    numbers = {item for item in operand if type(item) in (int, float)}
    others = [item for item in operand if isinstance(item, (list, dict))]
    truths = [item for item in operand if type(item) is bool]
    nulls = None in operand

    def test(value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return value in texts
        if kind is int or kind is float:
            return value in numbers and value == value
        if kind is bool:
            return value in truths
        if value is None or value is MISSING:
            return nulls
        return any(same(value, item) for item in others)

    return test


# -- comparison ------------------------------------------------------------------------------------


def _comparison(name: str, compare: Callable[[Any, Any], bool]) -> Maker:
    def make(operand: Any, at: Field, dialect: Dialect) -> Test:
        if at.kind == "time":
            moment = _moment(operand, at, name)
            return lambda value: value is not None and compare(value, moment)
        if dialect.null_comparisons and operand is None:
            return _is_null if name in ("$gte", "$lte") else lambda value: False
        if type(operand) is bool and (dialect.null_comparisons or dialect.cross_types):
            if dialect.cross_types:
                return _crossing(operand, compare)
            return lambda value: type(value) is bool and compare(value, operand)
        if isinstance(operand, (int, float)) and type(operand) is not bool:
            if dialect.cross_types:
                return _crossing(operand, compare)
            # NaN fails every comparison by itself.
            return lambda value: (type(value) is float or type(value) is int) and compare(value, operand)
        if isinstance(operand, str):
            if dialect.cross_types and _number(operand) is not None:
                return _crossing(operand, compare)
            return lambda value: type(value) is str and compare(value, operand)
        raise LanguageError(f"{name} on {at.path!r} compares with a number or a text, not {shown(operand)}")

    return make


def _number(value: Any) -> float | int | None:
    """What a loosely typed server may take for a number."""
    if type(value) is bool:
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
        return float(value)
    return None


def _crossing(operand: Any, compare: Callable[[Any, Any], bool] = operator.eq) -> Test:
    wanted = _number(operand)

    def test(value: Any) -> bool:
        got = _number(value)
        return got is not None and compare(got, wanted)

    return test


def _moment(operand: Any, at: Field, name: str) -> datetime:
    if isinstance(operand, str):
        try:
            return parse_datetime(operand)
        except ValueError:
            pass
    raise LanguageError(f"{name} on {at.path!r} needs a date such as 2021-04-23T10:00:00Z, not {shown(operand)}")


# -- text and lists --------------------------------------------------------------------------------


def _regex(operand: Any, at: Field, dialect: Dialect) -> Test:
    if not isinstance(operand, str):
        raise LanguageError(f"$regex on {at.path!r} takes a pattern as text, not {shown(operand)}")
    try:
        search = re.compile(operand, re.IGNORECASE if dialect.case_blind else 0).search
    except (re.error, RecursionError, OverflowError) as error:
        raise LanguageError(f"$regex on {at.path!r}: {operand[:80]!r} is no pattern: {error}") from None
    if at.kind == "time":
        return lambda value: value is not None and search(format_datetime(value)) is not None
    return lambda value: type(value) is str and search(value) is not None


def _contains(operand: Any, at: Field, dialect: Dialect) -> Test:
    if at.kind == "time":
        raise LanguageError(f"$contains on {at.path!r}: a date is neither text nor a list")
    equal = equality(operand, at, dialect)
    if not isinstance(operand, str):
        return lambda value: type(value) is list and any(map(equal, value))
    if dialect.case_blind:
        folded = operand.lower()
        return lambda value: folded in value.lower() if type(value) is str else _member(equal, value)
    return lambda value: operand in value if type(value) is str else _member(equal, value)


def _member(equal: Test, value: Any) -> bool:
    return type(value) is list and any(map(equal, value))


def _all(operand: Any, at: Field, dialect: Dialect) -> Test:
    if not isinstance(operand, list):
        raise LanguageError(f"$all on {at.path!r} takes a list, not {shown(operand)}")
    tests = [equality(item, at, dialect) for item in operand]

    def test(value: Any) -> bool:
        if not tests:
            return False
        if type(value) is list:
            return all(any(map(equal, value)) for equal in tests)
        return all(equal(value) for equal in tests)

    return test


def _size(operand: Any, at: Field, dialect: Dialect) -> Test:
    whole = type(operand) is int or (type(operand) is float and operand.is_integer())
    if not whole or operand < 0:
        raise LanguageError(f"$size on {at.path!r} takes a whole number from 0, not {shown(operand)}")
    return lambda value: type(value) is list and len(value) == operand


def _exists(operand: Any, at: Field, dialect: Dialect) -> Test:
    if type(operand) not in (bool, int) or operand not in (0, 1):
        raise LanguageError(f"$exists on {at.path!r} takes true or false, not {shown(operand)}")
    wanted = bool(operand)
    return lambda value: (value is not MISSING) is wanted


OPERATORS: dict[str, Maker] = {
    "$eq": equality,
    "$in": _in,
    "$gt": _comparison("$gt", operator.gt),
    "$gte": _comparison("$gte", operator.ge),
    "$lt": _comparison("$lt", operator.lt),
    "$lte": _comparison("$lte", operator.le),
    "$exists": _exists,
    "$regex": _regex,
    "$contains": _contains,
    "$all": _all,
    "$size": _size,
}
"""The positive operators; ``$ne`` and ``$nin`` are the opposites of ``$eq`` and ``$in``."""
