"""``prefetch_related``: load relations of loaded rows, in as few additional requests as possible."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs

from wbmodel.compiler.compile import compile_plan
from wbmodel.compiler.physical import ForEach, Get
from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, suggestion
from wbmodel.meta import EntityMeta, FieldMeta, Kind, ToManyMeta, entity_meta, state
from wbmodel.meta.scopes import PROJECT, TEXT
from wbmodel.operations.answer import Operation
from wbmodel.operations.nodes import load_nodes
from wbmodel.operations.pages import Pages, load
from wbmodel.operations.paging import PageBudget
from wbmodel.operations.run import collect
from wbmodel.operations.streams import RowStream, open_stream
from wbmodel.operations.ways_back import on_lesser_terms
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import at_home

__all__ = ["check_prefetch", "prefetch", "related_plan", "related_rows"]


def check_prefetch(meta: EntityMeta, dotted: str) -> str:
    """The normal form of a ``prefetch_related`` path. Raises :class:`FieldError` for an unknown relation."""
    at, known = meta, []
    for part in dotted.replace("__", ".").split("."):
        field = at.find(part)
        if part in at.to_many:
            known.append(part)
            at = entity_meta(at.to_many[part].target)
        elif field is not None and field.kind is Kind.REF and field.by_key:
            assert field.target is not None
            known.append(field.name)
            at = entity_meta(field.target)
        else:
            hint = (
                "; use select_related, which loads it in the same document"
                if field is not None and field.kind is Kind.REF
                else ""
            )
            choices = [*at.to_many, *(item.name for item in at.fields.values() if item.by_key)]
            raise FieldError(
                f"prefetch_related({dotted!r}): {at.name} has no relation {part!r} to "
                f"prefetch{hint or suggestion(part, choices)}"
            )
    return ".".join(known)


def related_plan(relation: ToManyMeta, row: Any) -> Plan:
    """The plan of one row's to-many relation."""
    target = entity_meta(relation.target)
    where, scopes = resolve(target, Q(**{relation.scope: row}))
    home = state.home(row)
    if home is not None and target.home == PROJECT and target.options.scopes.get(relation.scope) in (None, TEXT):
        # The relation refers to this row by name, which is unique only within a project.
        scopes[PROJECT] = (home,)
    return Plan(meta=target, where=where, scopes=scopes)


def prefetch(rows: Sequence[Any], names: Sequence[str], target: Target) -> Operation[None]:
    """Load the relations ``names`` (dotted for nested ones) of all ``rows`` and store them in the rows."""
    heads: dict[str, list[str]] = {}
    for name in names:
        head, _, rest = name.partition(".")
        heads.setdefault(head, [])
        if rest:
            heads[head].append(rest)
    for head, below_names in heads.items():
        if not rows:
            return
        meta: EntityMeta = type(rows[0]).__wbmodel_meta__
        if head in meta.to_many:
            work = partial(_many, rows, meta.to_many[head])
        else:
            work = partial(_one, rows, meta.fields[head])
        below, target = yield from on_lesser_terms(work, target)
        if below_names:
            yield from prefetch(below, below_names, target)


def _many(rows: Sequence[Any], relation: ToManyMeta, target: Target) -> Operation[list[Any]]:
    found = yield from related_rows(rows, relation, None, target)
    for row, mine in zip(rows, found, strict=True):
        state.put_prefetched(row, relation.name, _once(mine))
    # Two rows may share related rows; nested relations of these are loaded once.
    return _once([other for mine in found for other in mine])


def related_rows(
    rows: Sequence[Any], relation: ToManyMeta, only: tuple[str, ...] | None, target: Target
) -> Operation[list[list[Any]]]:
    """The related rows of each row, with their default fields or with these only; first pages are loaded together."""
    budget = PageBudget(target)
    first: list[Pages] = []
    streams: list[tuple[Any, RowStream | None]] = []
    for row in rows:
        step = compile_plan(attrs.evolve(related_plan(relation, row), only=only), target)
        # A relation that is only reachable through another entity is loaded row by row.
        known = not isinstance(step, (ForEach, Get))
        streams.append((row, open_stream(step, budget, first) if known else None))
    yield from load(first)
    found: list[list[Any]] = []
    for row, stream in streams:
        mine: list[Any] = []
        if stream is None:
            mine = yield from collect(attrs.evolve(related_plan(relation, row), only=only), target)
        else:
            while (more := (yield from stream.pull())) is not None:
                mine += more
        found.append(mine)
    return found


def _once(rows: Sequence[Any]) -> list[Any]:
    return list(dict(zip(state.row_ids(rows), rows, strict=True)).values())


def _one(rows: Sequence[Any], field: FieldMeta, target: Target) -> Operation[list[Any]]:
    """Load a to-one relation that is only known by its key: each distinct object once, by aliases."""
    assert field.target is not None
    there = entity_meta(field.target)
    wanted: dict[Any, Get] = {}
    for row in rows:
        reference = getattr(row, field.name)
        if reference is None:
            continue
        home, key = state.home(reference), getattr(reference, there.key)
        if (home, key) not in wanted:
            where, scopes = resolve(there, Q(**at_home(there, home or ""), **{there.key: key}))
            step = compile_plan(Plan(meta=there, where=where, scopes=scopes), target)
            assert isinstance(step, Get)
            wanted[home, key] = step
    loaded = yield from load_nodes([(get, get.parents[0]) for get in wanted.values()], target)
    found = {identity: row for identity, row in zip(wanted, loaded, strict=True) if row is not None}
    for row in rows:
        reference = getattr(row, field.name)
        if reference is not None:
            better = found.get((state.home(reference), getattr(reference, there.key)), reference)
            state.put(row, field.name, better)
    return list(found.values())
