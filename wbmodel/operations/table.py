"""A queryset's rows as a table: which columns there are, and the operation that fills them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.operations import rows as operations
from wbmodel.operations.answers import Distinct
from wbmodel.operations.cells import cells, spread
from wbmodel.operations.pages import Operation
from wbmodel.query.paths import Path, quote_key
from wbmodel.query.plan import Plan
from wbmodel.query.shapes import ENTITIES, Column, Dicts, Flat, Tuples, columns
from wbmodel.table.table import Table, TableColumn, dtype_of_kind

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["declared", "held", "of_cache", "of_entities", "table"]


def declared(path: Path) -> Any:
    """The type that the declaration promises for a path's values, None where it promises none."""
    return None if path.keys else dtype_of_kind(path.kind)


def held(rows: QuerySet[Any, Any], fields: Sequence[str]) -> bool:
    """Whether a queryset is evaluated, with entities that were loaded with these fields."""
    if not rows._complete or rows._shape is not ENTITIES:
        return False
    return not rows._cache or all(map(rows._cache[0]._is_loaded, fields))


def table(rows: QuerySet[Any, Any], target: Target) -> Operation[Table]:
    """Read a queryset's rows into a table. Relations to prefetch are no columns, so they are not asked for."""
    plan, shape = attrs.evolve(rows._evaluable(), prefetch=()), rows._shape
    found = yield from operations.collect(plan, target)
    if shape is ENTITIES:
        return of_entities(found, plan, fresh=True)
    if rows._distinct:
        return _of_results(shape, Distinct().fresh(shape.convert(found)))
    made: tuple[Column, ...] = shape.columns  # type: ignore[attr-defined]
    values = cells(found, [item.path for item in made], fresh=True)
    return _table([item.name for item in made], values, made, len(found))


def of_cache(rows: QuerySet[Any, Any]) -> Table:
    """The table of a queryset that is evaluated, from the rows that are there."""
    found = list(rows._cache)
    if rows._shape is ENTITIES:
        return of_entities(found, rows._plan, fresh=False)
    return _of_results(rows._shape, found)


def of_entities(rows: Sequence[Any], plan: Plan, *, fresh: bool) -> Table:
    """Entities as a table: the key, the other fields in the order of their declaration, then what is under the keyed
    fields, one column per key. ``fresh`` as in :func:`~wbmodel.operations.cells.cells`."""
    meta = plan.meta
    wanted = set(meta.default_fields() if plan.only is None else plan.only) - plan.defer
    if plan.only is None:
        wanted.discard("node_id")
    wanted.discard(meta.key)
    fields = [meta.fields[meta.key], *(field for field in meta.fields.values() if field.name in wanted)]
    plain = columns(meta, [field.name for field in fields if not field.kind.is_keyed])
    values = cells(rows, [item.path for item in plain], fresh=fresh)
    made = [TableColumn(item.name, column, declared(item.path)) for item, column in zip(plain, values, strict=True)]
    for field in fields:
        if field.kind.is_keyed:
            for keys, (column, types) in spread(rows, field, fresh=fresh).items():
                made.append(TableColumn(".".join((field.name, *map(quote_key, keys))), column, None, types))
    return Table(made, len(rows))


def _of_results(shape: Any, rows: Sequence[Any]) -> Table:
    made: tuple[Column, ...] = shape.columns
    names = [item.name for item in made]
    values: list[Sequence[Any]]
    if isinstance(shape, Dicts):
        values = [[row[name] for row in rows] for name in names]
    elif isinstance(shape, Flat):
        values = [list(rows)]
    else:
        assert isinstance(shape, Tuples)
        values = [[row[at] for row in rows] for at in range(len(names))]
    return _table(names, values, made, len(rows))


def _table(names: Sequence[str], values: Sequence[Sequence[Any]], made: Sequence[Column], height: int) -> Table:
    filled = zip(names, values, made, strict=True)
    return Table([TableColumn(name, column, declared(item.path)) for name, column, item in filled], height)
