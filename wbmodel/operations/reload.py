"""Load objects again, as they are now on the backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wbmodel.compiler.physical import Get, Step
from wbmodel.compiler.target import Target
from wbmodel.errors import QueryError
from wbmodel.meta import EntityMeta, FieldMeta, Kind, entity_meta, state
from wbmodel.meta.parts import Wanted, names_of, wanted_of
from wbmodel.operations.answer import Operation
from wbmodel.operations.nodes import load_nodes
from wbmodel.operations.run import collect, planned
from wbmodel.operations.ways_back import on_lesser_terms
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import at_home

__all__ = ["look_again", "look_up", "reload", "reload_all"]


def look_again(row: Any, target: Target, fields: tuple[Wanted, ...], related: tuple[str, ...] = ()) -> Operation[Any]:
    """The current object on the backend, with these fields, and these relations widened. Raises its
    ``DoesNotExist``."""
    (found,) = yield from _current([row], [fields], target, related)
    if found is None:
        raise type(row).DoesNotExist(f"{row!r} was deleted on {target.place}, or this account may no longer see it")
    return found


def reload(row: Any, target: Target) -> Operation[None]:
    """Load every loaded field of an object again, in place; of a field that is there in part, the same keys."""
    _take_over(row, (yield from look_again(row, target, _loaded(row))))


def reload_all(rows: Sequence[Any], target: Target) -> Operation[None]:
    """Load every loaded field of many objects again, in place. Raises ``DoesNotExist`` for those that are gone, after
    the others were loaded."""
    found = yield from _current(rows, list(map(_loaded, rows)), target)
    gone = []
    for row, now in zip(rows, found, strict=True):
        if now is None:
            gone.append(row)
        else:
            _take_over(row, now)
    if gone:
        shown = ", ".join(map(repr, gone[:5])) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        raise type(gone[0]).DoesNotExist(
            f"{len(gone)} of {len(rows)} objects were deleted on {target.place}, or this account may no longer see "
            f"them: {shown}; the others are refreshed"
        )


def _loaded(row: Any) -> tuple[Wanted, ...]:
    return wanted_of(row.loaded_fields(), state.parts(row))


def _current(
    rows: Sequence[Any], fields: Sequence[tuple[Wanted, ...]], target: Target, related: tuple[str, ...] = ()
) -> Operation[list[Any]]:
    """The current object of each row, with its fields; None for one that is gone, or that another one replaced."""
    for row in rows:
        target.refuse_foreign(row)
    plans = [_again(row, wanted, related) for row, wanted in zip(rows, fields, strict=True)]
    found = yield from look_up(plans, target)
    for at, plan in enumerate(plans):
        if found[at] is None:
            found[at] = yield from collect(plan, target)
    return [
        next((now for now in there if not state.is_loaded(row, "node_id") or now.node_id == row.node_id), None)
        for row, there in zip(rows, found, strict=True)
    ]


def look_up(plans: Sequence[Plan], target: Target) -> Operation[list[Any]]:
    """The rows of each plan that leads to one node, as a list; None for every other plan. Many nodes share a
    document."""

    def work(target: Target) -> Operation[list[Any]]:
        steps: list[Step] = []
        for plan in plans:
            step, target = yield from planned(plan, target)
            steps.append(step)
        single = [(step, step.parents[0]) for step in steps if isinstance(step, Get) and len(step.parents) == 1]
        loaded = iter((yield from load_nodes(single, target)))
        return [_listed(next(loaded)) if isinstance(step, Get) and len(step.parents) == 1 else None for step in steps]

    found, _ = yield from on_lesser_terms(work, target)
    return found


def _listed(row: Any) -> list[Any]:
    return [] if row is None else [row]


def _again(row: Any, fields: tuple[Wanted, ...], also: tuple[str, ...]) -> Plan:
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
    related = tuple(name for name in names_of(fields) if name in also or _is_widened(row, meta.fields[name]))
    return Plan(meta=meta, where=where, scopes=found, only=fields, related=related, cls=type(row))


def _is_widened(row: Any, field: FieldMeta) -> bool:
    if field.kind is not Kind.REF or field.by_key or not state.is_loaded(row, field.name):
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
