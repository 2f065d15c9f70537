"""Load an object again, as it is now on the backend."""

from __future__ import annotations

from typing import Any

from wbmodel.compiler.target import Target
from wbmodel.errors import QueryError
from wbmodel.meta import EntityMeta, FieldMeta, Kind, entity_meta, state
from wbmodel.meta.parts import Wanted, names_of, wanted_of
from wbmodel.operations.answer import Operation
from wbmodel.operations.run import collect
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import at_home

__all__ = ["look_again", "reload"]


def look_again(row: Any, target: Target, fields: tuple[Wanted, ...]) -> Operation[Any]:
    """The current object on the backend, with these fields. Raises its ``DoesNotExist``."""
    target.refuse_foreign(row)
    for found in (yield from collect(_again(row, fields), target)):
        if not state.is_loaded(row, "node_id") or found.node_id == row.node_id:
            return found
    raise type(row).DoesNotExist(f"{row!r} was deleted on {target.place}, or this account may no longer see it")


def reload(row: Any, target: Target) -> Operation[None]:
    """Load every loaded field of an object again, in place; of a field that is there in part, the same keys."""
    found = yield from look_again(row, target, wanted_of(row.loaded_fields(), state.parts(row)))
    _take_over(row, found)


def _again(row: Any, fields: tuple[Wanted, ...]) -> Plan:
    """The plan that finds this object, with these fields."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    asked = state.found_by(row)
    home = state.home(row)
    if "node_id" not in asked and home is not None:
        asked.update(at_home(meta, home))
    where, found = resolve(meta, Q(**asked))
    needs = [point.needs for point in meta.options.points] + [route.needs for route in meta.options.routes]
    if not any(set(item) <= found.keys() for item in needs):
        raise QueryError(
            f"{row!r} does not know which object it belongs to, so it cannot be loaded by itself; load its owner again"
        )
    related = tuple(name for name in names_of(fields) if _is_widened(row, meta.fields[name]))
    return Plan(meta=meta, where=where, scopes=found, only=fields, related=related, cls=type(row))


def _is_widened(row: Any, field: FieldMeta) -> bool:
    if field.kind is not Kind.REF or field.by_key:
        return False
    target = getattr(row, field.name)
    if target is None:
        return False
    assert field.target is not None
    there = entity_meta(field.target)
    return bool(set(target.loaded_fields()) - {*field.identity, "node_id", there.key})


def _take_over(row: Any, found: Any) -> None:
    """Copy every value of ``found`` to ``row``, undecoded, and drop edits, decoded and prefetched values."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    for name in meta.fields:
        if not state.is_loaded(found, name):
            continue
        slot = meta.slots.get(name)
        if slot is not None:
            # Decoded again from the new text at the next access.
            state.put(row, slot, state.get(found, slot))
            state.drop(row, name)
            continue
        if state.damage(found, name) is not None:
            state.drop(row, name)
            continue
        old = state.get(row, name) if state.is_loaded(row, name) and state.damage(row, name) is None else None
        new = getattr(found, name)
        if meta.fields[name].by_key and old is not None and new is not None and _same_key(old, new):
            continue  # keep the prefetched object
        state.put(row, name, new)
    state.forget(row)
    for name in meta.fields:
        if (bad := state.damage(found, name)) is not None:
            state.put_damaged(row, name, *bad)


def _same_key(one: Any, other: Any) -> bool:
    key = type(one).__wbmodel_meta__.key
    return bool(getattr(one, key) == getattr(other, key))
