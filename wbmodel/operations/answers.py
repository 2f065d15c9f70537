"""Operations with a single result: the only row, the first, the best, rows by id."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, QueryError
from wbmodel.json_values import operand_type
from wbmodel.meta import Kind
from wbmodel.operations.answer import Operation
from wbmodel.operations.operand_types import say_why_empty
from wbmodel.operations.prefetch import prefetch
from wbmodel.operations.results import results, shaped
from wbmodel.operations.run import collect
from wbmodel.query.conditions import both, resolve
from wbmodel.query.evaluate import getter
from wbmodel.query.f import PathExpr
from wbmodel.query.order import has_value
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q, Term

__all__ = ["best", "contains", "first", "first_or_raise", "get", "get_or_none", "in_bulk"]

_ALL_NUMBERS = (-math.inf, math.inf)

BULK = 100
"""The number of ids per query of ``in_bulk``."""


def _head(plan: Plan, target: Target, limit: int) -> Operation[list[Any]]:
    stop = plan.start + limit if plan.stop is None else min(plan.stop, plan.start + limit)
    return (yield from results(attrs.evolve(plan, stop=stop), target))


def get(plan: Plan, target: Target) -> Operation[Any]:
    """The only row. Raises ``DoesNotExist`` or ``MultipleObjectsReturned`` otherwise."""
    found = yield from _head(plan, target, 2)
    if len(found) == 1:
        return found[0]
    cls = plan.row_class
    asked = _asked(plan)
    if not found:
        raise plan.row_class.DoesNotExist(
            f"no {cls.__name__} {asked} on {target.place} (it does not exist, or this account may not see it); "
            "check the spelling and the project"
        )
    raise cls.MultipleObjectsReturned(
        f"more than one {cls.__name__} {asked} on {target.place}; add a condition, or use first()"
    )


def _asked(plan: Plan) -> str:
    parts = [f"{name}={', '.join(values)}" for name, values in plan.scopes.items()]
    if plan.where is not None:
        parts.append(str(plan.where))
    return f"with {'; '.join(parts)}" if parts else "at all"


def get_or_none(plan: Plan, target: Target) -> Operation[Any]:
    """The only row, or None. Raises ``MultipleObjectsReturned`` for several."""
    try:
        return (yield from get(plan, target))
    except plan.row_class.DoesNotExist:
        yield from say_why_empty(plan, target)
        return None


def first(plan: Plan, target: Target) -> Operation[Any]:
    """The first row, or None."""
    found = yield from _head(plan, target, 1)
    if not found:
        yield from say_why_empty(plan, target)
    return found[0] if found else None


def first_or_raise(plan: Plan, target: Target) -> Operation[Any]:
    """The first row. Raises ``DoesNotExist`` if there are no rows."""
    found = yield from _head(plan, target, 1)
    if not found:
        raise plan.row_class.DoesNotExist(
            f"no {plan.row_class.__name__} {_asked(plan)} on {target.place} "
            "(none exists, or this account may not see it)"
        )
    return found[0]


def best(plan: Plan, target: Target) -> Operation[Any]:
    """The first row by the plan's single order key, or None if no row has a number there."""
    path = plan.order[0].path
    asked = attrs.evolve(plan, stop=1, extra=(*plan.extra, *path.reads))
    found = yield from collect(asked, target)
    if not found:
        yield from say_why_empty(plan, target)
    value = getter(path)(found[0]) if found else None
    if not has_value(value):
        return None
    if operand_type(value) not in ("number", "time"):
        # Some run has another type there, such as text: the best row is among those with numbers.
        numbers, _ = resolve(plan.meta, Q(Term(PathExpr(path.field.name, path.keys), "range", _ALL_NUMBERS)))
        found = yield from collect(attrs.evolve(asked, where=both(plan.where, numbers)), target)
    if plan.prefetch:
        yield from prefetch(found, plan.prefetch, target)
    return shaped(found, plan.shape)[0] if found else None


def contains(plan: Plan, target: Target, obj: Any) -> Operation[bool]:
    """Whether the object is among the rows."""
    found = yield from collect(attrs.evolve(plan, only=(), related=(), prefetch=()), target)
    return any(row == obj for row in found)


def in_bulk(plan: Plan, target: Target, ids: Iterable[str] | None, field: str | None) -> Operation[dict[str, Any]]:
    """Rows by id."""
    meta = plan.meta
    by = meta.need(field) if field is not None else meta.fields[meta.key]
    if by.kind not in (Kind.ID, Kind.TEXT, Kind.INT):
        raise FieldError(
            f"in_bulk(): {meta.name}.{by.name} holds {by.kind.value}, which does not identify a row; use {meta.key}"
        )
    key = by.name
    plan = attrs.evolve(plan, extra=(*plan.extra, key))
    found: list[Any] = []
    if ids is None:
        found = yield from results(plan, target)
    else:
        if isinstance(ids, (str, bytes)):
            raise QueryError(f"in_bulk() takes a list of ids, not {ids!r}; write [{ids!r}]")
        wanted = list(dict.fromkeys(ids))
        for at in range(0, len(wanted), BULK):
            node, _ = resolve(meta, Q(**{f"{key}__in": wanted[at : at + BULK]}))
            found += yield from results(attrs.evolve(plan, where=both(plan.where, node)), target)
    made: dict[str, Any] = {}
    for row in found:
        name = getattr(row, key)
        if name in made:
            raise QueryError(
                f"in_bulk(): {key} {name!r} matches more than one {meta.name} (in different projects?); "
                "filter by project first"
            )
        made[name] = row
    return made
