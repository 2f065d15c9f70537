"""Read the rows of a query again and again, to find what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.meta import state
from wbmodel.operations.answer import Operation
from wbmodel.operations.prefetch import prefetch
from wbmodel.operations.reload import look_up
from wbmodel.operations.run import collect
from wbmodel.query.conditions import Leaf, one_of, resolve
from wbmodel.query.order import sort_key, tie_break
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q

__all__ = ["bring_relations", "poll"]


def poll(plan: Plan, target: Target) -> Operation[list[Any]]:
    """All rows of a plan as they are now, in its order; relations are not prefetched.

    A slice is read in its order. Any other query is read in the order that misses no rows while others come and go, or,
    if its condition is nothing but a few ids, by these ids; it is then ordered here.
    """
    plan = attrs.evolve(plan, prefetch=())
    if plan.sliced:
        return (yield from collect(plan, target))
    keys = (*plan.order_keys, *tie_break(plan.meta))
    plan = attrs.evolve(plan, unordered=True, extra=(*plan.extra, *(item for key in keys for item in key.path.reads)))
    rows = yield from _by_ids(plan, target)
    if rows is None:
        rows = yield from collect(plan, target)
    return sorted(rows, key=sort_key(keys))


def _by_ids(plan: Plan, target: Target) -> Operation[list[Any] | None]:
    """The rows of a plan for a few ids; None if it asks for something else, or the ids do not lead to single nodes."""
    key = plan.meta.fields[plan.meta.key]
    ids = one_of(plan.where, Path(key)) if isinstance(plan.where, Leaf) else ()
    if not 0 < len(ids) <= target.capabilities.max_aliases:
        return None
    plans = [attrs.evolve(plan, where=resolve(plan.meta, Q(**{key.name: name}))[0]) for name in ids]
    found = yield from look_up(plans, target)
    return None if None in found else [row for there in found for row in there]


def bring_relations(
    rows: Sequence[Any], unchanged: Sequence[tuple[Any, Any]], names: Sequence[str], target: Target
) -> Operation[None]:
    """Prefetch the relations ``names`` of ``rows``; each row of ``unchanged`` takes them over from its earlier one."""
    yield from prefetch(rows, names, target)
    heads = {name.partition(".")[0] for name in names}
    for row, before in unchanged:
        for head in heads:
            if head in type(row).__wbmodel_meta__.to_many:
                state.put_prefetched(row, head, state.prefetched(before, head) or [])
            else:
                state.put(row, head, getattr(before, head))
