"""Conditions on a date-time field whose value is a day: a ``date``, or text such as ``2021-04-23``, in UTC.

A comparison is with the whole day, as in the filter language: ``gt`` means from the following day on.
"""

from __future__ import annotations

from typing import Any

from wbmodel.query.f import PathExpr
from wbmodel.query.lookups.accept import day
from wbmodel.query.q import Q

__all__ = ["of_days"]


def of_days(path: PathExpr, lookup: str, value: Any) -> Q | None:
    """The condition on moments; None if no day is among the values."""
    if lookup in ("in", "nin") and isinstance(value, (list, tuple, set, frozenset)):
        if not any(map(day, value)):
            return None
        found = Q()
        for item in value:
            found |= _either(path, "exact", item)
        return ~found if lookup == "nin" else found
    if lookup == "range" and isinstance(value, (list, tuple)) and len(value) == 2 and any(map(day, value)):
        return _either(path, "gte", value[0]) & _either(path, "lte", value[1])
    whole = day(value)
    if whole is None:
        return None
    start, end = whole
    conditions = {
        "exact": lambda: path.date(start.date()),
        "ne": lambda: ~path.date(start.date()),
        "gte": lambda: path >= start,
        "gt": lambda: path >= end,
        "lt": lambda: path < start,
        "lte": lambda: path < end,
    }
    make = conditions.get(lookup)
    return None if make is None else make()


def _either(path: PathExpr, lookup: str, value: Any) -> Q:
    found = of_days(path, lookup, value)
    return path.lookup(lookup, value) if found is None else found
