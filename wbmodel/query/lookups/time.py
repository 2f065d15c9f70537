"""Lookups by day and age: ``date``, ``within``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from wbmodel.errors import FieldError
from wbmodel.meta import Kind
from wbmodel.query.lookups import accept
from wbmodel.query.lookups.base import Lookup, Pushed, Test, graded, lookup, wire_value
from wbmodel.query.lookups.comparison import GreaterThanOrEqual

if TYPE_CHECKING:
    from wbmodel.backend.capabilities import Capabilities


@lookup(
    "date",
    "falls on",
    takes="a datetime.date or text such as 2021-04-23, in UTC",
    example="created_at__date='2021-04-23'",
)
class Date(Lookup):
    def accept(self, value: Any, kind: Kind, where: str) -> tuple[datetime, datetime]:
        if kind is not Kind.TIME:
            raise FieldError(f"{where}: applies only to date-time fields")
        found = accept.day(value)
        if found is not None:
            return found
        if isinstance(value, str):
            raise FieldError(f"{where}: {value!r} is not a date; write it as 2021-04-23")
        raise FieldError(f"{where}: takes a datetime.date or text such as 2021-04-23, not {accept.show(value)}")

    def matches(self, operand: tuple[datetime, datetime], kind: Kind) -> Test:
        return lambda value: isinstance(value, datetime) and operand[0] <= value < operand[1]

    def push(self, key: str, operand: tuple[datetime, datetime], kind: Kind, can: Capabilities) -> Pushed:
        return graded({key: {"$gte": wire_value(operand[0]), "$lt": wire_value(operand[1])}}, exact=True)


@lookup("within", "is at most so long ago:", takes="a timedelta", example="created_at__within=timedelta(days=7)")
class Within(GreaterThanOrEqual):
    def accept(self, value: Any, kind: Kind, where: str) -> datetime:
        if kind is not Kind.TIME:
            raise FieldError(f"{where}: applies only to date-time fields")
        if not isinstance(value, timedelta):
            raise FieldError(f"{where}: takes a timedelta, not {accept.show(value)}")
        try:
            return datetime.now(timezone.utc) - value
        except OverflowError:
            raise FieldError(f"{where}: {value!r} ago is before the earliest date that Python can represent") from None
