"""A queryset's rows as a table: choose the columns and fill them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.meta.parts import names_of
from wbmodel.operations.answer import Operation
from wbmodel.operations.cells import cells, declared, spread
from wbmodel.operations.operand_types import say_why_empty
from wbmodel.operations.results import Distinct, shaped
from wbmodel.operations.run import collect
from wbmodel.query.plan import Plan
from wbmodel.query.shapes import Column, columns
from wbmodel.table.column import Column as TableColumn
from wbmodel.table.table import Table

__all__ = ["of_entities", "of_results", "table"]


def table(plan: Plan, target: Target) -> Operation[Table]:
    """Read a plan's results into a table. Prefetched relations are not columns, so they are not loaded."""
    found = yield from collect(attrs.evolve(plan, prefetch=()), target)
    if not found:
        yield from say_why_empty(plan, target)
    if not plan.is_shaped:
        return of_entities(found, plan, fresh=True)
    if plan.distinct:
        return of_results(Distinct().fresh(shaped(found, plan.shape)), plan)
    made = plan.shape.columns
    values = cells(found, [item.path for item in made], fresh=True)
    return _table([item.name for item in made], values, made, len(found))


def of_entities(rows: Sequence[Any], plan: Plan, *, fresh: bool) -> Table:
    """Entities as a table: the key, the other fields in the order of declaration, then one column per key.

    The last columns come from the keyed fields. ``fresh`` as in :func:`~wbmodel.operations.cells.cells`.
    """
    meta = plan.meta
    wanted = set(names_of(plan.asked))
    if plan.only is None:
        wanted.discard("node_id")
    wanted.discard(meta.key)
    fields = [meta.fields[meta.key], *(field for field in meta.fields.values() if field.name in wanted)]
    plain = columns(meta, [field.name for field in fields if not field.kind.is_keyed])
    values = cells(rows, [item.path for item in plain], fresh=fresh)
    made = [TableColumn(item.name, column, declared(item.path)) for item, column in zip(plain, values, strict=True)]
    for field in fields:
        if field.kind.is_keyed:
            made += spread(rows, field, fresh=fresh).values()
    return Table(made, len(rows))


def of_results(rows: Sequence[Any], plan: Plan) -> Table:
    """Loaded results as a table."""
    if not plan.is_shaped:
        return of_entities(rows, plan, fresh=False)
    made = plan.shape.columns
    return _table([item.name for item in made], plan.shape.spread(rows), made, len(rows))


def _table(names: Sequence[str], values: Sequence[Sequence[Any]], made: Sequence[Column], length: int) -> Table:
    filled = zip(names, values, made, strict=True)
    return Table([TableColumn(name, column, declared(item.path)) for name, column, item in filled], length)
