"""Whether there is a value, and of what sort: ``isnull``, ``exists``, ``isnan``, ``isfinite``."""

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
    """A lookup that is asked for True or for False."""

    def accept(self, value: Any, kind: Kind, where: str) -> bool:
        return accept.flag(value, kind, where)


class OfNumber(Flag):
    """A flag that means something of numbers only. It is always asked here."""

    def accept(self, value: Any, kind: Kind, where: str) -> bool:
        if not (kind.is_keyed or kind in accept.NUMBERS):
            raise FieldError(f"{where}: a {kind.value} field holds no numbers")
        return super().accept(value, kind, where)


@lookup("isnull", "is absent or null:", takes="True or False; on tags: there are none", example="group__isnull=True")
class IsNull(Flag):
    on_texts = True

    def matches(self, operand: bool, kind: Kind) -> Test:
        if kind is Kind.TEXTS:
            # A list of tags that is null and one that is empty are the same to whoever reads it.
            return lambda value: (not value) is operand
        return lambda value: (value is None or value is ABSENT) is operand

    def push(self, key: str, operand: bool, kind: Kind, can: Capabilities) -> Pushed:
        # Whether a run without tags has null or an empty list there is the server's business, and no filter finds both.
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
        # What is absent is among what is null; what is there has no filter that covers it.
        return graded({key: None}, exact=False) if kind.is_keyed and not operand else LOCAL


@lookup("isnan", "is NaN:", takes="True or False", example="summary__loss__isnan=True")
class IsNan(OfNumber):
    def matches(self, operand: bool, kind: Kind) -> Test:
        return lambda value: (value.__class__ is float and math.isnan(value)) is operand


@lookup("isfinite", "is a finite number:", takes="True or False", example="summary__loss__isfinite=True")
class IsFinite(OfNumber):
    def matches(self, operand: bool, kind: Kind) -> Test:
        # An int of any size is finite, and one of 400 digits is more than math.isfinite takes.
        return lambda value: (value.__class__ is int or (value.__class__ is float and math.isfinite(value))) is operand
