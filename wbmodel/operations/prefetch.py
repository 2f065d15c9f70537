"""``prefetch_related``: relations of rows that are here already, in as few more requests as possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wbmodel.backend.asks import Batch, Send
from wbmodel.compiler.query import CompiledQuery, compile_plan
from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, suggestion
from wbmodel.meta import EntityMeta, FieldMeta, Kind, ToManyMeta, entity_meta
from wbmodel.operations.pages import Operation, Pages, answer, load
from wbmodel.operations.paging import Reading
from wbmodel.operations.rows import at_point, collect, settle
from wbmodel.operations.streams import Lane, ordered
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q

__all__ = ["check_prefetch", "prefetch", "related_plan"]


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
                "; it comes in the same document with select_related"
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
    home = row._home()
    if (
        home is not None
        and "project" in target.options.scopes
        and target.options.scopes.get(relation.scope) in (None, "text")
    ):
        # Sweeps, types and collections are known by name, which means something in their project only.
        scopes["project"] = (home,)
    return Plan(meta=target, where=where, scopes=scopes)


def prefetch(rows: Sequence[Any], names: Sequence[str], target: Target) -> Operation[None]:
    """Load the relations ``names`` (dotted for nested ones) of all ``rows`` and keep them there."""
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
            below = yield from _many(rows, meta.to_many[head], target)
        else:
            below = yield from _one(rows, meta.fields[head], target)
        if below_names:
            yield from prefetch(below, below_names, target)


def _many(rows: Sequence[Any], relation: ToManyMeta, target: Target) -> Operation[list[Any]]:
    leaves: list[Pages] = []
    reading = Reading(target.capabilities)
    lanes: list[tuple[Any, Lane | None]] = []
    for row in rows:
        query = compile_plan(related_plan(relation, row), target)
        if query.way.route is None:
            # This relation has to be found through another entity first; rows of such a one go one by one.
            lanes.append((row, None))
            continue
        ways = yield from settle(query)
        lane: Any = ordered(query, ways, None, reading)
        leaves += _leaves(lane)
        lanes.append((row, lane))
    yield from load(leaves)
    found: list[Any] = []
    for row, lane in lanes:
        mine: list[Any] = []
        if lane is None:
            mine = yield from collect(related_plan(relation, row), target)
        else:
            while True:
                more = yield from lane.pull()
                if more is None:
                    break
                mine += more
        _keep(row, relation.name, list({item.node_id: item for item in mine}.values()))
        found += mine
    # Two rows may share what hangs off them; what is loaded below it is loaded once.
    return list({item.node_id: item for item in found}.values())


def _leaves(lane: Any) -> list[Pages]:
    while not isinstance(lane, Pages):
        lane = getattr(lane, "there", None) or lane.pages
    return [lane]


def _keep(row: Any, name: str, rows: list[Any]) -> None:
    if row._prefetched is None:
        row._prefetched = {}
    row._prefetched[name] = rows


def _one(rows: Sequence[Any], field: FieldMeta, target: Target) -> Operation[list[Any]]:
    """A to-one relation that is known by its key: the distinct objects, by aliases."""
    assert field.target is not None
    there = entity_meta(field.target)
    wanted: dict[Any, CompiledQuery] = {}
    for row in rows:
        reference = getattr(row, field.name)
        if reference is None:
            continue
        home, key = reference._home(), getattr(reference, there.key)
        if (home, key) not in wanted:
            where, scopes = resolve(there, Q(**{"project": home, there.key: key}))
            wanted[home, key] = compile_plan(Plan(meta=there, where=where, scopes=scopes), target)
    found: dict[Any, Any] = {}
    pending = list(wanted.items())
    size = max(1, target.capabilities.max_aliases)
    chunks = [pending[at : at + size] for at in range(0, len(pending), size)]
    requests = []
    for chunk in chunks:
        requests.append(
            chunk[0][1].point_request([query.way.slots[0] for _, query in chunk], [key for (_, key), _ in chunk])
        )
    if not requests:
        return []
    responses = [(yield Send(requests[0]))] if len(requests) == 1 else (yield Batch(requests))
    for chunk, request, response in zip(chunks, requests, responses, strict=True):
        data = answer(chunk[0][1], request, response)
        for index, (identity, query) in enumerate(chunk):
            row = at_point(query, data, f"s{index}" if len(chunk) > 1 else None, query.way.slots[0])
            if row is not None:
                found[identity] = row
    for row in rows:
        reference = getattr(row, field.name)
        if reference is not None:
            better = found.get((reference._home(), getattr(reference, there.key)), reference)
            object.__setattr__(row, field.name, better)
    return list(found.values())
