"""Equality and order: ``exact``, ``ne``, ``gt``, ``gte``, ``lt``, ``lte``, ``in``, ``nin``, ``range``."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from wbmodel.errors import FieldError
from wbmodel.json_values import ABSENT, operand_type, same
from wbmodel.meta import Kind
from wbmodel.query.lookups import accept
from wbmodel.query.lookups.base import LOCAL, Filter, Lookup, Pushed, Test, graded, lookup, null_or, wire_value

if TYPE_CHECKING:
    from wbmodel.backend.capabilities import Capabilities


def _trusted(kind: Kind, can: Capabilities) -> bool:
    """Whether the server's equality and order match ours: it is strict about types and case, or the kind is."""
    return can.strict_values or kind in (Kind.TIME, Kind.BOOL) or kind in accept.NUMBERS


def _infinite(operand: Any) -> bool:
    return isinstance(operand, float) and not math.isfinite(operand)


# -- equality --------------------------------------------------------------------------------------


def equal(operand: Any) -> Test:
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


def _null(key: str, kind: Kind, can: Capabilities) -> Pushed:
    if not kind.is_keyed:
        return graded({key: None}, exact=True)
    # A column is never absent; a JSON key may be, and {k: null} matches both null and absent.
    return graded({"$and": [{key: None}, {key: {"$exists": True}}]} if can.exists else {key: None}, can.exists)


def _unsent(operand: Any, can: Capabilities) -> bool:
    """Lists and objects are never pushed; infinities, which JSON lacks, only to servers with strict values."""
    return isinstance(operand, (list, dict)) or (_infinite(operand) and not can.strict_values)


@lookup("exact", "equals", takes="a value of the field's type; None is null", example="state='finished'")
class Exact(Lookup):
    on_texts = True

    def accept(self, value: Any, kind: Kind, where: str) -> Any:
        return accept.scalar(value, kind, where)

    def matches(self, operand: Any, kind: Kind) -> Test:
        return equal(operand)

    def push(self, key: str, operand: Any, kind: Kind, can: Capabilities) -> Pushed:
        if operand is None:
            return _null(key, kind, can)
        return LOCAL if _unsent(operand, can) else graded({key: wire_value(operand)}, _trusted(kind, can))

    def negation(self, key: str, operand: Any, kind: Kind) -> Filter | None:
        if operand is None:
            return None if kind.is_keyed else {key: {"$ne": None}}
        return null_or(key, {"$ne": wire_value(operand)})


@lookup("ne", "does not equal", takes="as exact; rows that lack the key are kept", example="state__ne='crashed'")
class NotEqual(Exact):
    inverse = "exact"


# -- order -----------------------------------------------------------------------------------------


def _compared(test: Callable[[Any, Any], bool], operand: Any) -> Test:
    if operand_type(operand) == "number":
        # NaN fails every comparison by itself.
        return lambda value: (value.__class__ is float or value.__class__ is int) and test(value, operand)
    wanted = str if isinstance(operand, str) else datetime
    return lambda value: isinstance(value, wanted) and test(value, operand)


def _disputed(operand: Any, can: Capabilities) -> bool:
    """Text order depends on collation, and JSON lacks infinities: pushed only to servers with strict values."""
    return (isinstance(operand, str) or _infinite(operand)) and not can.strict_values


class Comparison(Lookup):
    """A comparison by ``test``; ``sent`` and ``opposite`` are the server's operators."""

    sent: ClassVar[str]
    opposite: ClassVar[str]
    test: ClassVar[staticmethod[[Any, Any], bool]]

    def accept(self, value: Any, kind: Kind, where: str) -> Any:
        return accept.comparable(value, kind, where)

    def matches(self, operand: Any, kind: Kind) -> Test:
        return _compared(self.test, operand)

    def push(self, key: str, operand: Any, kind: Kind, can: Capabilities) -> Pushed:
        if _disputed(operand, can):
            return LOCAL
        wire: Filter = {key: {self.sent: wire_value(operand)}}
        if kind is Kind.SUMMARY and not can.strict_values:
            # W&B stores infinities in a summary as text, which a comparison with a number may not match.
            wire = {"$or": [wire, {key: "Infinity" if self.sent in ("$gt", "$gte") else "-Infinity"}]}
        return graded(wire, _trusted(kind, can))

    def negation(self, key: str, operand: Any, kind: Kind) -> Filter | None:
        # The values of a column have one type and are never NaN, so a negation matches null or the opposite.
        return null_or(key, {self.opposite: wire_value(operand)}) if kind in (Kind.TIME, Kind.INT) else None


@lookup("gt", "is above", takes="a number, text or aware datetime", example="summary__acc__gt=0.9")
class GreaterThan(Comparison):
    sent, opposite, test = "$gt", "$lte", staticmethod(operator.gt)


@lookup("gte", "is at least", takes="a number, text or aware datetime", example="summary__acc__gte=0.9")
class GreaterThanOrEqual(Comparison):
    sent, opposite, test = "$gte", "$lt", staticmethod(operator.ge)


@lookup("lt", "is below", takes="a number, text or aware datetime", example="summary__loss__lt=0.3")
class LessThan(Comparison):
    sent, opposite, test = "$lt", "$gte", staticmethod(operator.lt)


@lookup("lte", "is at most", takes="a number, text or aware datetime", example="summary__loss__lte=0.3")
class LessThanOrEqual(Comparison):
    sent, opposite, test = "$lte", "$gt", staticmethod(operator.le)


# -- several values --------------------------------------------------------------------------------


@lookup(
    "in",
    "is one of",
    takes="a list, tuple or set of values; on tags: any of them",
    example="state__in=['finished', 'running']",
)
class In(Lookup):
    on_texts = True

    def accept(self, value: Any, kind: Kind, where: str) -> list[Any]:
        value = accept.native(value)
        if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
            raise FieldError(f"{where}: takes a list of values, not {accept.show(value)}; write [{value!r}]")
        each = Kind.TEXT if kind is Kind.TEXTS else kind
        return [accept.scalar(item, each, where) for item in value]

    def matches(self, operand: list[Any], kind: Kind) -> Test:
        words = {item for item in operand if isinstance(item, (str, datetime))}
        rest = [equal(item) for item in operand if not isinstance(item, (str, datetime))]

        def test(value: Any) -> bool:
            if isinstance(value, (str, datetime)):
                return value in words
            return any(match(value) for match in rest)

        if kind is Kind.TEXTS:
            return lambda value: any(map(test, value)) if isinstance(value, list) else test(value)
        return test

    def push(self, key: str, operand: list[Any], kind: Kind, can: Capabilities) -> Pushed:
        if any(_unsent(item, can) for item in operand):
            return LOCAL
        sent = [wire_value(item) for item in operand if item is not None]
        wire: Filter = {key: {"$in": sent}}
        exact = not sent or _trusted(kind, can)
        if len(sent) == len(operand):
            return graded(wire, exact)
        null, grade = _null(key, kind, can)
        return graded({"$or": [wire, null]}, exact and grade == "exact")

    def negation(self, key: str, operand: list[Any], kind: Kind) -> Filter | None:
        return None if None in operand else null_or(key, {"$nin": list(map(wire_value, operand))})


@lookup("nin", "is none of", takes="as in; rows that lack the key are kept", example="config__optimizer__nin=['sgd']")
class NotIn(In):
    inverse = "in"


@lookup("range", "is between", takes="a pair (low, high), both included", example="config__lr__range=(1e-4, 1e-2)")
class Range(Lookup):
    def accept(self, value: Any, kind: Kind, where: str) -> tuple[Any, Any]:
        value = accept.native(value)
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise FieldError(f"{where}: takes a pair (low, high), not {accept.show(value)}")
        low, high = (accept.comparable(end, kind, where) for end in value)
        if operand_type(low) != operand_type(high):
            raise FieldError(f"{where}: both ends must be numbers or both text, not {accept.show(tuple(value))}")
        return low, high

    def matches(self, operand: tuple[Any, Any], kind: Kind) -> Test:
        above, below = _compared(operator.ge, operand[0]), _compared(operator.le, operand[1])
        return lambda value: above(value) and below(value)

    def push(self, key: str, operand: tuple[Any, Any], kind: Kind, can: Capabilities) -> Pushed:
        low, high = operand
        if _disputed(low, can) or _disputed(high, can):
            return LOCAL
        return graded({key: {"$gte": wire_value(low), "$lte": wire_value(high)}}, _trusted(kind, can))
