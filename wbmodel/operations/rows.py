"""What a queryset does, as I/O-free generators over the verbs: fetch, count, exists, prefetch.

Written once; the two drivers in ``session/drive.py`` are the only code with a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from wbmodel.backend.asks import Batch, Emit, Send
from wbmodel.compiler.access import Slot, Way, choose
from wbmodel.compiler.query import CompiledQuery, compile_plan
from wbmodel.compiler.target import Target
from wbmodel.errors import QueryWarning, warn
from wbmodel.meta import Expansion, Route, entity_meta
from wbmodel.operations.pages import OPTIONAL, Operation, answer, send, walk, whole_answer
from wbmodel.operations.paging import Reading, Seen
from wbmodel.operations.streams import Lane, Sorted, ordered, plain
from wbmodel.query.order import sort_key
from wbmodel.query.plan import Plan

__all__ = ["Rows", "at_point", "collect", "count", "exists", "fetch", "settle"]


def fetch(plan: Plan, target: Target, *, in_order: bool = True) -> Operation[None]:
    """Emit the rows of a plan, page by page, each once. ``owner`` is the session that the entities will keep."""
    rows = Rows(plan, target, in_order)
    while True:
        chosen = yield from rows.pull()
        if chosen is None:
            return
        if chosen:
            yield Emit(chosen)


def collect(plan: Plan, target: Target, *, in_order: bool = True) -> Operation[list[Any]]:
    """All rows of a plan as a list, for use inside another operation."""
    found: list[Any] = []
    rows = Rows(plan, target, in_order)
    while True:
        chosen = yield from rows.pull()
        if chosen is None:
            return found
        found += chosen


class Rows:
    """The rows of a plan as a lane: each once, cut to the plan's slice."""

    def __init__(self, plan: Plan, target: Target, in_order: bool) -> None:
        self.plan, self.target, self.in_order = plan, target, in_order
        self.lane: Lane | None = None
        self.position = 0
        self.seen = Seen()
        self.done = plan.is_empty

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows; None at the end, or as soon as the slice is filled."""
        if self.done:
            return None
        if self.lane is None:
            query = compile_plan(self.plan, self.target)
            _say_what_is_local(query)
            self.lane = yield from _lane(query, self.in_order)
        rows = yield from self.lane.pull()
        if rows is None:
            self.done = True
            return None
        fresh = self.seen.fresh(rows)
        start, stop = self.plan.start, self.plan.stop
        begin = max(start - self.position, 0)
        end = None if stop is None else max(stop - self.position, 0)
        self.position += len(fresh)
        self.done = stop is not None and self.position >= stop
        return fresh[begin:end]


def _say_what_is_local(query: CompiledQuery) -> None:
    """One warning for conditions that no backend filter covers, so that every row has to come here to be asked."""
    if query.target.capabilities.in_process or query.way.point is not None:
        return
    local = [str(note.leaf) for note in query.filter.notes if note.grade == "local"]
    if local:
        shown = "; ".join(local[:5]) + (f"; and {len(local) - 5} more" if len(local) > 5 else "")
        warn(
            f"{query.target.place} cannot be asked this, so it is asked of every row here: {shown} (explain() "
            "tells more)",
            QueryWarning,
        )


def _lane(query: CompiledQuery, in_order: bool) -> Operation[Lane]:
    if query.way.point is not None:
        nodes = [Node(query, slot) for slot in query.way.slots]
        return nodes[0] if len(nodes) == 1 else Sorted(Concatenated(nodes), sort_key(query.keys))
    ways = yield from settle(query)
    limit = query.plan.stop
    if in_order:
        return ordered(query, ways, limit) if ways else Concatenated([])
    reading = Reading(query.target.capabilities)
    return Concatenated([plain(query, route, slot, limit, reading) for route, slot in ways])


def settle(query: CompiledQuery) -> Operation[list[tuple[Route, Slot]]]:
    """The routes and slots of a query; scopes that it does not name are fetched first (every project, say)."""
    pending: list[Way] = [query.way]
    ways: list[tuple[Route, Slot]] = []
    while pending:
        way = pending.pop(0)
        if way.through is None:
            assert way.route is not None
            through = way is not query.way or query.plan.lenient
            ways += [(way.route, {**slot, OPTIONAL: True} if through else slot) for slot in way.slots]
            continue
        found = yield from _expand(query, way, way.through)
        pending += [choose(attrs.evolve(query.plan, scopes=scopes), query.target, listed=True) for scopes in found]
    return ways


def _expand(query: CompiledQuery, way: Way, expansion: Expansion) -> Operation[list[dict[str, tuple[Any, ...]]]]:
    via = entity_meta(expansion.via)
    fields = tuple(
        dict.fromkeys(
            path.partition(".")[0] for path in expansion.gives.values() if path.partition(".")[0] in via.fields
        )
    )
    scopes = {name: way.scopes[name] for name in expansion.takes if name in way.scopes}
    found_scopes = way is not query.way or query.plan.lenient
    plan = Plan(meta=via, scopes=scopes, only=fields, lenient=found_scopes)
    rows = yield from collect(plan, query.target)
    found = []
    for row in rows:
        merged = dict(way.scopes)
        for name, path in expansion.gives.items():
            value = row
            for part in path.split("."):
                value = getattr(value, part)
            merged[name] = (value,)
        found.append(merged)
    return found


class Node:
    """One node by its key, as a lane of at most one row."""

    def __init__(self, query: CompiledQuery, slot: Slot) -> None:
        self.query, self.slot = query, slot
        self.done = False

    def pull(self) -> Operation[list[Any] | None]:
        """The node, checked against the rest of the condition."""
        if self.done:
            return None
        self.done = True
        query, slot = self.query, self.slot
        request = query.point_request([slot], [query.way.key])
        data = yield from send(query, request)
        with whole_answer(query, request):
            row = at_point(query, data, None, slot)
        return None if row is None or (query.check is not None and not query.check(row)) else [row]


def at_point(query: CompiledQuery, data: dict[str, Any], alias: str | None, slot: Slot) -> Any:
    """The entity at a query's point in an answer, or None."""
    point = query.way.point
    assert point is not None
    node, context = walk(query, point, data, alias, slot)
    if node is None:
        return None
    make = query.context_hydrator(point)
    around = make([context], query.target.owner, None)[0] if make is not None and context is not None else None
    return query.hydrate(point)([node], query.target.owner, around)[0]


class Concatenated:
    """Lanes one after the other."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = list(lanes)

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows of the first lane that has any."""
        while self.lanes:
            rows = yield from self.lanes[0].pull()
            if rows is not None:
                return rows
            del self.lanes[0]
        return None


def count(plan: Plan, target: Target) -> Operation[int]:
    """How many rows a plan has: the server's count when its filter says just what is meant, else by reading them."""
    if plan.is_empty:
        return 0
    unsliced = attrs.evolve(plan, start=0, stop=None)
    query = compile_plan(unsliced, target)
    total: int | None = None
    if query.check is None and query.way.point is None:
        total = yield from _server_count(query)
    if total is None:
        # Only what the condition looks at is needed of each row.
        bare = attrs.evolve(unsliced, only=(), related=(), prefetch=(), extra=(), order=())
        total = len((yield from collect(bare, target, in_order=False)))
    rows = max(total - plan.start, 0)
    return rows if plan.stop is None else min(rows, plan.stop - plan.start)


def _server_count(query: CompiledQuery) -> Operation[int | None]:
    can = query.target.capabilities
    ways = yield from settle(query)
    if len(ways) > 1 and not _apart(ways):
        return None
    routes = {id(route): route for route, _ in ways}
    for route in routes.values():
        honours = route.count is not None and (
            "(filters)" in route.count or (route.count.startswith("connection:") and query.can_filter(route))
        )
        if route.count is None or (
            query.filter.wire is not None and not (honours and can.count and query.can_filter(route))
        ):
            return None
    total = 0
    for key, route in routes.items():
        slots = [slot for other, slot in ways if id(other) == key]
        chunks = [slots[at : at + can.max_aliases] for at in range(0, len(slots), can.max_aliases)]
        requests = [query.request(route, chunk, [query.filter.wire] * len(chunk), mode="count") for chunk in chunks]
        responses = [(yield Send(requests[0]))] if len(requests) == 1 else (yield Batch(requests))
        assert route.count is not None
        place, _, field = route.count.partition(":")
        field = field.partition("(")[0]
        for chunk, request, response in zip(chunks, requests, responses, strict=True):
            data = answer(query, request, response)
            for index, slot in enumerate(chunk):
                parent, _ = walk(query, route, data, f"s{index}" if len(chunk) > 1 else None, slot)
                if parent is None:
                    continue
                number = parent[field] if place == "parent" else parent[route.connection][field]
                if number is None:
                    return None
                total += number
    return total


def _apart(ways: list[tuple[Route, Slot]]) -> bool:
    """Whether no row can be found on two of the ways, so that their counts add up: they are different projects."""
    places = {(slot.get("entity"), slot.get("project")) for _, slot in ways}
    named = all(entity and project for entity, project in places)
    return named and len(places) == len(ways) and all(route.context == "project" for route, _ in ways)


def exists(plan: Plan, target: Target) -> Operation[bool]:
    """Whether a plan has any row: one row is asked for, with no more fields than the condition needs."""
    stop = plan.start + 1 if plan.stop is None else min(plan.stop, plan.start + 1)
    bare = attrs.evolve(plan, only=(), related=(), prefetch=(), extra=(), order=(), stop=stop)
    return bool((yield from collect(bare, target, in_order=False)))
