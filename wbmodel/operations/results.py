"""The results of a query: rows converted by its shape, without duplicates if distinct, with prefetching."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from wbmodel.backend.verbs import Emit
from wbmodel.compiler.target import Target
from wbmodel.json_values import operand_type
from wbmodel.operations.answer import Operation
from wbmodel.operations.cells import cells
from wbmodel.operations.operand_types import say_why_empty
from wbmodel.operations.prefetch import prefetch
from wbmodel.operations.run import Cut, Rows
from wbmodel.query.plan import Plan
from wbmodel.query.shapes import Shape

__all__ = ["Distinct", "Results", "emit", "results", "shaped"]


class Results:
    """A plan's rows converted by its shape, without duplicates if the plan is distinct."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self.shape, self.done = plan.shape, plan.is_empty
        self.distinct: Distinct | None = None
        if plan.is_unique:
            # Duplicates are removed before slicing, so the slice counts results rather than rows.
            self.distinct, self.cut = Distinct(), Cut(plan)
            plan = attrs.evolve(plan, start=0, stop=None)
        self.rows = Rows(plan, target)

    def pull(self) -> Operation[list[Any] | None]:
        """The next results; None at the end, or as soon as the slice is filled."""
        if self.done or (self.distinct is not None and self.cut.is_full):
            return None
        rows = yield from self.rows.pull()
        if rows is None:
            return None
        made = shaped(rows, self.shape)
        return made if self.distinct is None else self.cut.take(self.distinct.fresh(made))


def shaped(rows: list[Any], shape: Shape) -> list[Any]:
    """The results that a shape makes of entities that no other code holds."""
    if not shape.columns:
        return rows
    return shape.build(cells(rows, [item.path for item in shape.columns], fresh=True))


class Distinct:
    """Removes duplicate results, including unhashable ones."""

    def __init__(self) -> None:
        self.keys: set[Any] = set()

    def fresh(self, results: Iterable[Any]) -> list[Any]:
        """The results that were not seen before."""
        out = []
        for result in results:
            key = _hashable(result)
            if key not in self.keys:
                self.keys.add(key)
                out.append(result)
        return out


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return ("dict", tuple((key, _hashable(item)) for key, item in sorted(value.items())))
    if isinstance(value, (list, tuple)):
        return ("list", tuple(map(_hashable, value)))
    # True and 1 are equal in Python but are different values here.
    return (operand_type(value), value)


def results(plan: Plan, target: Target) -> Operation[list[Any]]:
    """All results of a plan as a list, with relations prefetched."""
    found: list[Any] = []
    source = Results(plan, target)
    while (more := (yield from source.pull())) is not None:
        found += more
    if plan.prefetch:
        yield from prefetch(found, plan.prefetch, target)
    return found


def emit(plan: Plan, target: Target, chunk: int | None = None) -> Operation[None]:
    """Emit a plan's results as they arrive.

    With relations to prefetch, rows are emitted in chunks of ``chunk`` (or all at once).
    """
    source = Results(plan, target)
    waiting: list[Any] = []
    found = False
    while True:
        part = yield from source.pull()
        found = found or bool(part)
        if part is None and not found:
            yield from say_why_empty(plan, target)
        if not plan.prefetch:
            if part is None:
                return
            if part:
                yield Emit(part)
            continue
        waiting += part or []
        while waiting and (part is None or (chunk is not None and len(waiting) >= chunk)):
            now, waiting = waiting[:chunk], waiting[chunk:] if chunk is not None else []
            yield from prefetch(now, plan.prefetch, target)
            yield Emit(now)
        if part is None:
            return
