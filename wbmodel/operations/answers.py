"""The terminal methods of a queryset as operations, so that both colours run the same code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.backend.asks import Emit
from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, QueryError
from wbmodel.json_values import operand_type
from wbmodel.meta import Kind
from wbmodel.operations import rows as operations
from wbmodel.operations.pages import Operation
from wbmodel.operations.prefetch import prefetch
from wbmodel.operations.rows import Rows
from wbmodel.query.conditions import both, resolve
from wbmodel.query.evaluate import getter
from wbmodel.query.f import PathExpr
from wbmodel.query.order import has_value
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q, Term
from wbmodel.query.shapes import Entities, Shape

if TYPE_CHECKING:
    from typing import TypeAlias

    from wbmodel.objects.queryset import QuerySet

    Rowset: TypeAlias = "QuerySet[Any, Any]"

__all__ = ["best", "contains", "count", "emit", "exists", "first", "first_or_raise", "get", "get_or_none", "in_bulk"]

_ALL_NUMBERS = (-math.inf, math.inf)

BULK = 100
"""Ids in one request of ``in_bulk``."""


def emit(plan: Plan, shape: Shape, distinct: bool, target: Target, chunk: int | None = None) -> Operation[None]:
    """Emit a queryset's results. With relations to prefetch, rows wait until ``chunk`` of them (or all) are there."""
    if distinct and not isinstance(shape, Entities):
        unique = DistinctRows(plan, shape, target)
        while True:
            made = yield from unique.pull()
            if made is None:
                return
            if made:
                yield Emit(made)
    rows = Rows(plan, target, True)
    waiting: list[Any] = []
    while True:
        part = yield from rows.pull()
        if not plan.prefetch:
            if part is None:
                return
            yield from _hand_out(part, shape)
            continue
        waiting += part or []
        while waiting and (part is None or (chunk is not None and len(waiting) >= chunk)):
            now, waiting = waiting[:chunk], waiting[chunk:] if chunk is not None else []
            yield from prefetch(now, plan.prefetch, target)
            yield from _hand_out(now, shape)
        if part is None:
            return


def _hand_out(rows: Sequence[Any], shape: Shape) -> Operation[None]:
    made = shape.convert(rows)
    if made:
        yield Emit(made)


class DistinctRows:
    """Results that differ, cut to the plan's slice: what is equal comes once before anything is counted."""

    def __init__(self, plan: Plan, shape: Shape, target: Target) -> None:
        self.rows = Rows(attrs.evolve(plan, start=0, stop=None), target, True)
        self.shape, self.start, self.stop = shape, plan.start, plan.stop
        self.seen = Distinct()
        self.position = 0

    def pull(self) -> Operation[list[Any] | None]:
        """The next results; None at the end, or as soon as the slice is filled."""
        if self.stop is not None and self.position >= self.stop:
            return None
        part = yield from self.rows.pull()
        if part is None:
            return None
        fresh = self.seen.fresh(self.shape.convert(part))
        begin = max(self.start - self.position, 0)
        end = None if self.stop is None else max(self.stop - self.position, 0)
        self.position += len(fresh)
        return fresh[begin:end]


class Distinct:
    """Equal results once, also those that cannot be hashed."""

    def __init__(self) -> None:
        self.keys: set[Any] = set()

    def fresh(self, rows: Sequence[Any]) -> list[Any]:
        """The rows that were not seen before."""
        out = []
        for row in rows:
            key = _hashable(row)
            if key not in self.keys:
                self.keys.add(key)
                out.append(row)
        return out


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return ("dict", tuple((key, _hashable(item)) for key, item in sorted(value.items())))
    if isinstance(value, (list, tuple)):
        return ("list", tuple(map(_hashable, value)))
    # True and 1 are equal in Python and are not the same value here.
    return (operand_type(value), value)


def _collect(rows: Rowset, target: Target, plan: Plan) -> Operation[list[Any]]:
    found = yield from operations.collect(plan, target)
    if plan.prefetch:
        yield from prefetch(found, plan.prefetch, target)
    return found


def _take(rows: Rowset, target: Target, limit: int) -> Operation[list[Any]]:
    plan = rows._evaluable()
    stop = plan.start + limit if plan.stop is None else min(plan.stop, plan.start + limit)
    if rows._distinct and not isinstance(rows._shape, Entities):
        return (yield from _unique(attrs.evolve(plan, stop=stop), rows._shape, target))
    found = yield from _collect(rows, target, attrs.evolve(plan, stop=stop))
    return rows._shape.convert(found)


def _unique(plan: Plan, shape: Shape, target: Target) -> Operation[list[Any]]:
    unique, found = DistinctRows(plan, shape, target), list[Any]()
    while True:
        made = yield from unique.pull()
        if made is None:
            return found
        found += made


def get(rows: Rowset, target: Target) -> Operation[Any]:
    """The one row there is."""
    found = yield from _take(rows, target, 2)
    if len(found) == 1:
        return found[0]
    cls = rows._entity
    asked = _asked(rows)
    if not found:
        raise cls.DoesNotExist(
            f"no {cls.__name__} {asked} on {target.place}: it does not exist, or this account may not see it; check "
            "the spelling and the project"
        )
    raise cls.MultipleObjectsReturned(
        f"more than one {cls.__name__} {asked} on {target.place}; add a condition, or use first()"
    )


def _asked(rows: Rowset) -> str:
    plan = rows._plan
    parts = [f"{name}={', '.join(values)}" for name, values in plan.scopes.items()]
    if plan.where is not None:
        parts.append(str(plan.where))
    return f"with {'; '.join(parts)}" if parts else "at all"


def get_or_none(rows: Rowset, target: Target) -> Operation[Any]:
    """The one row there is, or None."""
    try:
        return (yield from get(rows, target))
    except rows._entity.DoesNotExist:
        return None


def first(rows: Rowset, target: Target) -> Operation[Any]:
    """The first row, or None."""
    found = yield from _take(rows, target, 1)
    return found[0] if found else None


def first_or_raise(rows: Rowset, target: Target) -> Operation[Any]:
    """The first row; ``DoesNotExist`` when there is none."""
    found = yield from _take(rows, target, 1)
    if not found:
        raise rows._entity.DoesNotExist(
            f"no {rows._entity.__name__} {_asked(rows)} on {target.place}: none exists, or this account may not see it"
        )
    return found[0]


def best(rows: Rowset, target: Target) -> Operation[Any]:
    """The first row by the queryset's one order key, if it has a number there."""
    plan = rows._evaluable()
    key = plan.order[0]
    plan = attrs.evolve(plan, stop=1, extra=(*plan.extra, key.path.field.name))
    found = yield from _collect(rows, target, plan)
    if not found:
        return None
    value = getter(key.path)(found[0])
    if not has_value(value):
        return None
    if operand_type(value) not in ("number", "time"):
        # Text, say, under the same key in some run: the best is among those that hold numbers.
        numbers, _ = resolve(plan.meta, Q(Term(PathExpr(key.path.field.name, key.path.keys), "range", _ALL_NUMBERS)))
        found = yield from _collect(rows, target, attrs.evolve(plan, where=both(plan.where, numbers)))
    return rows._shape.convert(found)[0] if found else None


def count(rows: Rowset, target: Target) -> Operation[int]:
    """How many rows."""
    if rows._distinct and not isinstance(rows._shape, Entities):
        return len((yield from _unique(rows._evaluable(), rows._shape, target)))
    return (yield from operations.count(rows._plan, target))


def exists(rows: Rowset, target: Target) -> Operation[bool]:
    """Whether there is a row."""
    return (yield from operations.exists(rows._plan, target))


def contains(rows: Rowset, target: Target, obj: Any) -> Operation[bool]:
    """Whether this very object is among the rows."""
    plan = attrs.evolve(rows._plan, only=(), related=(), prefetch=())
    found = yield from operations.collect(plan, target)
    return any(row == obj for row in found)


def in_bulk(rows: Rowset, target: Target, ids: Iterable[str] | None, field: str | None) -> Operation[dict[str, Any]]:
    """Rows by id."""
    plan = rows._evaluable()
    meta = plan.meta
    by = meta.need(field) if field is not None else meta.fields[meta.key]
    if by.kind not in (Kind.ID, Kind.TEXT, Kind.INT):
        raise FieldError(f"in_bulk(): {meta.name}.{by.name} holds {by.kind.value}, which names no row; use {meta.key}")
    key = by.name
    plan = attrs.evolve(plan, extra=(*plan.extra, key))
    found: list[Any] = []
    if ids is None:
        found = yield from _collect(rows, target, plan)
    else:
        if isinstance(ids, (str, bytes)):
            raise QueryError(f"in_bulk() takes a list of ids, not {ids!r}; write [{ids!r}]")
        wanted = list(dict.fromkeys(ids))
        for at in range(0, len(wanted), BULK):
            node, _ = resolve(meta, Q(**{f"{key}__in": wanted[at : at + BULK]}))
            part = yield from _collect(rows, target, attrs.evolve(plan, where=both(plan.where, node)))
            found += part
    made: dict[str, Any] = {}
    for row in found:
        name = getattr(row, key)
        if name in made:
            raise QueryError(
                f"in_bulk(): {key} {name!r} names more than one {meta.name} (in different projects?); filter by "
                "project first"
            )
        made[name] = row
    return made
