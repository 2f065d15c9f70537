"""Lookups for the presence and sort of a value: ``isnull``, ``exists``, ``isnan``, ``isfinite``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wbmodel.errors import FieldError
from wbmodel.json_values import ABSENT
from wbmodel.meta import Kind
from wbmodel.query.lookups import accept
from wbmodel.query.lookups.base import LOCAL, Filter, Lookup, Pushed, Test, graded, lookup

if TYPE_CHECKING:
    from wbmodel.backend.capabilities import Capabilities


class Flag(Lookup):
    """A lookup whose operand is True or False."""

    def accept(self, value: Any, kind: Kind, where: str) -> bool:
        return accept.flag(value, kind, where)


class OfNumber(Flag):
    """A flag that applies only to numbers. It is always evaluated locally."""

    def accept(self, value: Any, kind: Kind, where: str) -> bool:
        if not (kind.is_keyed or kind in accept.NUMBERS):
            raise FieldError(f"{where}: a field of type {kind.value} does not hold numbers")
        return super().accept(value, kind, where)


@lookup("isnull", "is absent or null:", takes="True or False; on tags: the list is empty", example="group__isnull=True")
class IsNull(Flag):
    on_texts = True

    def matches(self, operand: bool, kind: Kind) -> Test:
        if kind is Kind.TEXTS:
            # A null list of tags and an empty one mean the same to the reader.
            return lambda value: (not value) is operand
        return lambda value: (value is None or value is ABSENT) is operand

    def push(self, key: str, operand: bool, kind: Kind, can: Capabilities) -> Pushed:
        # A server may store null or an empty list for a run without tags, and no filter matches both.
        return LOCAL if kind is Kind.TEXTS else graded({key: None if operand else {"$ne": None}}, exact=True)

    def negation(self, key: str, operand: bool, kind: Kind) -> Filter:
        return {key: {"$ne": None} if operand else None}


@lookup("exists", "is there, even if null:", takes="True or False", example="config__dropout__exists=True")
class Exists(Flag):
    on_texts = True

    def matches(self, operand: bool, kind: Kind) -> Test:
        return lambda value: (value is not ABSENT) is operand

    def push(self, key: str, operand: bool, kind: Kind, can: Capabilities) -> Pushed:
        if kind.is_keyed and can.exists:
            return graded({key: {"$exists": operand}}, exact=True)
        # A null filter also matches absent keys; no filter covers all keys that exist.
        return graded({key: None}, exact=False) if kind.is_keyed and not operand else LOCAL


@lookup("isnan", "is NaN:", takes="True or False", example="summary__loss__isnan=True")
class IsNan(OfNumber):
    def matches(self, operand: bool, kind: Kind) -> Test:
        return lambda value: (value.__class__ is float and math.isnan(value)) is operand


@lookup("isfinite", "is a finite number:", takes="True or False", example="summary__loss__isfinite=True")
class IsFinite(OfNumber):
    def matches(self, operand: bool, kind: Kind) -> Test:
        # Every int is finite, but math.isfinite fails on one with 400 digits.
        return lambda value: (value.__class__ is int or (value.__class__ is float and math.isfinite(value))) is operand
