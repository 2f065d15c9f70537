"""Compiles a condition tree into a Python predicate on records.

Public, because a store that cannot express a condition in its own language selects a superset and tests the rest with
this. Predicates take any record, whatever created it, and any value that a record may hold.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from wbmodel.codec import format_datetime
from wbmodel.engine.conditions import All, Compare, Condition, Json, Loose, Not, Op, Some
from wbmodel.engine.fields import MISSING, LanguageError, PathKind, getter
from wbmodel.engine.patterns import like, re2_search, re_search
from wbmodel.engine.stopping import check

__all__ = ["Predicate", "predicate"]

Predicate = Callable[[Any], bool]
Test = Callable[[Any], bool]
"""A test of one value, which may be :data:`MISSING`."""


def predicate(condition: Condition, kind: str) -> Predicate | None:
    """A predicate that tests whether a record of ``kind`` (a GraphQL type such as ``Run``) meets ``condition``; None if
    every record does. Raises :class:`LanguageError` if the tree is too deep for the remaining stack."""
    if condition == All():
        return None
    try:
        return _made(condition, kind)
    except RecursionError:
        raise LanguageError("filter nests too deeply for the remaining stack") from None


def _made(condition: Condition, kind: str) -> Predicate:
    if isinstance(condition, Compare):
        return _comparison(condition, kind)
    if isinstance(condition, Not):
        return _negated(condition.part, kind)
    tests = [_made(part, kind) for part in condition.parts]
    join = _some if isinstance(condition, Some) else _every
    if len(tests) > _CHUNK:
        # One row may take long to test.
        tests = [_checked(join(tests[at : at + _CHUNK])) for at in range(0, len(tests), _CHUNK)]
    return join(tests)


_CHUNK = 256
"""Tests of one row between two checks whether anybody still waits for the answer."""


def _checked(test: Predicate) -> Predicate:
    def checked(record: Any) -> bool:
        check()
        return test(record)

    return checked


# -- joining predicates ----------------------------------------------------------------------------


def _every(tests: list[Predicate]) -> Predicate:
    if not tests:
        return lambda record: True
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) and second(record)

    def every(record: Any) -> bool:
        for test in tests:  # noqa: SIM110  half the time of all() with a generator, and this runs per row
            if not test(record):
                return False
        return True

    return every


def _some(tests: list[Predicate]) -> Predicate:
    if not tests:
        return lambda record: False
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) or second(record)

    def some(record: Any) -> bool:
        for test in tests:  # noqa: SIM110  as above
            if test(record):
                return True
        return False

    return some


def _negated(part: Condition, kind: str) -> Predicate:
    if isinstance(part, Compare):
        get, test = getter(kind, part.path, "nan_text" in part.loose), _test(part)
        return lambda record: not test(get(record))
    inner = _made(part, kind)
    return lambda record: not inner(record)


# -- one comparison --------------------------------------------------------------------------------


def _comparison(compare: Compare, kind: str) -> Predicate:
    get = getter(kind, compare.path, "nan_text" in compare.loose)
    if compare.op == "exists":
        wanted = bool(compare.operand)
        return lambda record: (get(record) is not MISSING) is wanted
    operand = compare.operand
    if (
        compare.op == "eq"
        and type(operand) is str
        and compare.path.kind in ("plain", "json")
        and compare.loose <= {"nan_text"}
    ):
        return lambda record: bool(get(record) == operand)
    test = _test(compare)
    return lambda record: test(get(record))


def _test(compare: Compare) -> Test:
    operand, loose, kind = compare.operand, compare.loose, compare.path.kind
    test = _TESTS[compare.op](operand, loose, kind)
    if (kind == "list" or "elements" in loose) and compare.op not in ("all", "size", "contains", "exists"):
        return lambda value: any(map(test, value)) or test(value) if type(value) is list else test(value)
    return test


def _is_null(value: Any) -> bool:
    return value is None or value is MISSING


def _same(a: Any, b: Any) -> bool:
    """Deep equality that distinguishes booleans from numbers."""
    if type(a) is bool or type(b) is bool:
        return a is b
    if type(a) is dict and type(b) is dict:
        return a.keys() == b.keys() and all(_same(item, b[key]) for key, item in a.items())
    if type(a) is list and type(b) is list:
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _equal(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    if operand is None:
        return _is_null
    if isinstance(operand, datetime):
        return lambda value: value == operand
    if isinstance(operand, Json):
        wanted = operand.value
        return lambda value: _same(value, wanted)
    if "cross_types" in loose and _number(operand) is not None:
        return _crossing(operand, operator.eq)
    if type(operand) is bool:
        return lambda value: value is operand
    if isinstance(operand, str):
        if "fold" in loose:
            folded = operand.lower()
            return lambda value: type(value) is str and value.lower() == folded
        return lambda value: bool(value == operand)
    return lambda value: value == operand and type(value) is not bool


def _in(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    nulls = None in operand
    if kind == "time":
        moments = {item for item in operand if item is not None}
        return lambda value: value in moments or (nulls and value is None)
    if loose & {"cross_types", "fold"}:
        tests = [_equal(item, loose, kind) for item in operand]
        return lambda value: any(test(value) for test in tests)
    texts = {item for item in operand if type(item) is str}
    numbers = {item for item in operand if type(item) in (int, float)}
    truths = [item for item in operand if type(item) is bool]
    others = [item.value for item in operand if isinstance(item, Json)]

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
        return any(_same(value, item) for item in others)

    return test


def _bound(compare: Callable[[Any, Any], bool], or_equal: bool) -> Callable[[Any, frozenset[Loose], PathKind], Test]:
    def make(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
        if isinstance(operand, datetime):
            return lambda value: value is not None and compare(value, operand)
        if operand is None:
            return _is_null if or_equal else lambda value: False
        if "cross_types" in loose and _number(operand) is not None:
            return _crossing(operand, compare)
        if type(operand) is bool:
            return lambda value: type(value) is bool and compare(value, operand)
        if isinstance(operand, str):
            return lambda value: type(value) is str and compare(value, operand)
        # NaN fails every comparison without a special case.
        return lambda value: (type(value) is float or type(value) is int) and compare(value, operand)

    return make


def _number(value: Any) -> float | int | None:
    """The number that a loosely typed server may read ``value`` as, or None."""
    if type(value) is bool:
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
        return float(value)
    return None


def _crossing(operand: Any, compare: Callable[[Any, Any], bool]) -> Test:
    wanted = _number(operand)

    def test(value: Any) -> bool:
        got = _number(value)
        return got is not None and compare(got, wanted)

    return test


def _exists(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    return lambda value: (value is not MISSING) is operand


def _regex(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    matches = (re2_search if "re2" in loose else re_search)(operand, "fold" in loose)
    if kind == "time":
        return lambda value: value is not None and matches(format_datetime(value))
    return lambda value: type(value) is str and matches(value)


def _like(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    matches = like(operand)
    return lambda value: type(value) is str and matches(value)


def _contains(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    equal = _equal(operand, loose, kind)
    if not isinstance(operand, str):
        return lambda value: type(value) is list and any(map(equal, value))
    if "fold" in loose:
        folded = operand.lower()
        return lambda value: folded in value.lower() if type(value) is str else _member(equal, value)
    return lambda value: operand in value if type(value) is str else _member(equal, value)


def _member(equal: Test, value: Any) -> bool:
    return type(value) is list and any(map(equal, value))


def _all(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    tests = [_equal(item, loose, kind) for item in operand]

    def test(value: Any) -> bool:
        if not tests:
            return False
        if type(value) is list:
            return all(any(map(equal, value)) for equal in tests)
        return all(equal(value) for equal in tests)

    return test


def _size(operand: Any, loose: frozenset[Loose], kind: PathKind) -> Test:
    return lambda value: type(value) is list and len(value) == operand


_TESTS: Mapping[Op, Callable[[Any, frozenset[Loose], PathKind], Test]] = {
    "eq": _equal,
    "in": _in,
    "gt": _bound(operator.gt, or_equal=False),
    "gte": _bound(operator.ge, or_equal=True),
    "lt": _bound(operator.lt, or_equal=False),
    "lte": _bound(operator.le, or_equal=True),
    "exists": _exists,
    "regex": _regex,
    "like": _like,
    "contains": _contains,
    "all": _all,
    "size": _size,
}
