"""``explain()``: what a query asks of the backend, what is done here, and what it costs, without asking anything."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.asks import Request
from wbmodel.codec import dumps
from wbmodel.compiler.filters import Note
from wbmodel.compiler.query import CompiledQuery, compile_plan, is_nullable
from wbmodel.compiler.target import Target
from wbmodel.operations.paging import PAGE_BYTES
from wbmodel.query.plan import Plan

__all__ = ["Explanation", "explain", "first_request"]


@attrs.frozen(slots=True, kw_only=True, repr=False)
class Explanation:
    """The answer of ``explain()``. ``str()`` prints it; :meth:`to_dict` gives it as plain data.

    ``pushed``, ``superset`` and ``local`` are the conditions that the backend answers alone, that it answers and that
    are asked again here, and that are asked here only. ``order`` says who orders. ``documents`` are the requests as
    they will be sent first; ``requests`` is a bound on their number, in words.
    """

    entity: str
    place: str
    pushed: tuple[str, ...]
    superset: tuple[str, ...]
    local: tuple[str, ...]
    order: str
    route: str
    requests: str
    filters: str | None
    documents: tuple[Request, ...]
    analysis: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data: JSON can hold it."""
        data = {name: getattr(self, name) for name in ("entity", "place", "order", "route", "requests", "filters")}
        data |= {name: list(getattr(self, name)) for name in ("pushed", "superset", "local")}
        data["documents"] = [
            {"operation": item.operation_name, "text": item.document.text, "variables": dict(item.variables)}
            for item in self.documents
        ]
        if self.analysis is not None:
            data["analysis"] = self.analysis
        return data

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [f"{self.entity} on {self.place}"]
        for label, items in (("pushed", self.pushed), ("superset", self.superset), ("local", self.local)):
            for index, item in enumerate(items):
                lines.append(f"  {label if index == 0 else '':<9} {item}")
        if not (self.pushed or self.superset or self.local):
            lines.append(f"  {'filter':<9} none")
        lines += [f"  {'order':<9} {self.order}", f"  {'route':<9} {self.route}", f"  {'requests':<9} {self.requests}"]
        if self.filters is not None:
            lines.append(f"  {'sent':<9} {self.filters}")
        for name, value in (self.analysis or {}).items():
            lines.append(f"  {name:<9} {value}")
        return "\n".join(lines)


def explain(plan: Plan, target: Target) -> Explanation:
    """Explain a plan for one backend. No I/O."""
    name = plan.meta.name
    if plan.is_empty:
        return Explanation(
            entity=name, place=target.place, pushed=(), superset=(), local=(), order="nothing to order", route="none",
            requests="0: the result is known to be empty", filters=None, documents=(),
        )  # fmt: skip
    query = compile_plan(plan, target)
    notes = query.filter.notes
    if query.way.key is not None:
        # The node is asked for by this one; the others are asked of the node.
        asked = next(item for item in notes if item.leaf.operand == query.way.key and _is_key(query, item))
        notes = tuple(attrs.evolve(item, grade="exact") if item is asked else item for item in notes)
    request = first_request(query)
    return Explanation(
        entity=name,
        place=target.place,
        pushed=tuple(str(note.leaf) for note in notes if note.grade == "exact"),
        superset=tuple(f"{note.leaf} (asked again here)" for note in notes if note.grade == "superset"),
        local=tuple(f"{note.leaf} (asked here only)" for note in notes if note.grade == "local"),
        order=_order(query),
        route=_route(query),
        requests=_requests(query),
        filters=None if request is None else _filters(request),
        documents=() if request is None else (request,),
    )


def _is_key(query: CompiledQuery, note: Note) -> bool:
    leaf, point = note.leaf, query.way.point
    plain = leaf.lookup.name == "exact" and not leaf.negated and not leaf.path.keys and leaf.path.related is None
    return plain and point is not None and leaf.path.field.name == point.key


def first_request(query: CompiledQuery) -> Request | None:
    """The request that the query begins with; None when another entity has to be listed first."""
    way = query.way
    if way.point is not None:
        return query.point_request(way.slots[:1], [way.key])
    if way.route is None:
        return None
    from wbmodel.operations.pages import Pages, _request
    from wbmodel.operations.streams import Merge, ordered

    lane: Any = ordered(query, [(way.route, slot) for slot in way.slots], query.plan.stop)
    if isinstance(lane, Merge):
        chunk = list(lane.leaves)[: query.target.capabilities.max_aliases]
        return _request(chunk)
    while not isinstance(lane, Pages):
        lane = getattr(lane, "there", None) or lane.pages
    return _request([lane])


def _filters(request: Request) -> str | None:
    texts = [str(value) for name, value in request.variables.items() if name.startswith("filters")]
    unique = list(dict.fromkeys(texts))
    return unique[0] if unique else None


def _order(query: CompiledQuery) -> str:
    keys = ", ".join(str(key) for key in query.plan.order_keys) or "none"
    way = query.way
    if way.point is not None:
        return "one row at most"
    route = way.route or query.meta.options.routes[0]
    if query.server_order(route, query.keys) is not None:
        return f"{keys} (by the backend)"
    head = query.order_text(query.keys[0]) if query.can_order(route) else None
    if head is None:
        return f"{keys} (here: every row is read first)"
    parts = f"{query.keys[0]} by the backend, ties here"
    if is_nullable(query.keys[0]):
        parts += "; rows that lack it come last, in a query of their own if still needed"
    return f"{keys} ({parts})"


def _route(query: CompiledQuery) -> str:
    way = query.way
    if way.point is not None:
        return f"one {query.meta.name} by its {way.point.key or 'path'}"
    if way.through is not None:
        return f"every {way.through.via} is listed first, then {query.meta.plural} of each"
    assert way.route is not None
    steps = ".".join([*(step.field for step in way.route.steps), way.route.connection])
    places = len(way.slots)
    return (
        steps
        if places == 1
        else f"{steps} of {places} parents, up to {query.target.capabilities.max_aliases} in one document by aliases"
    )


def _requests(query: CompiledQuery) -> str:
    can, plan = query.target.capabilities, query.plan
    if query.way.point is not None:
        return str(len(query.way.slots))
    more = f" + {len(plan.prefetch)} or more for prefetch_related" if plan.prefetch else ""
    if query.way.through is not None:
        return f"1 or more to list {entity_plural(query)}, then at least 1 per {can.max_aliases} of them{more}"
    parents = max(1, -(-len(query.way.slots) // can.max_aliases))
    route = query.way.route
    assert route is not None
    if not route.paged:
        return f"{parents}{more}"
    # How much rows weigh is seen when some are here. What is in this process has no wire to weigh them on.
    light = "" if can.in_process else f" or {PAGE_BYTES >> 20} MiB"
    unbounded = f"{parents} for the first {can.page_size} rows, then 1 per {can.max_page_size}{light}"
    if plan.stop is None or query.check is not None:
        return unbounded + (" until the slice is filled" if plan.stop is not None else "") + more
    complete = query.server_order(route, query.keys) is not None
    head = query.order_text(query.keys[0]) if query.can_order(route) else None
    if head is None and not complete:
        return unbounded + more
    rows = plan.stop if complete else plan.stop + 1
    pages = max(1, -(-rows // can.max_page_size))
    # What follows the first page is asked of each parent by itself. Every page is full of rows that are new, so the
    # number holds where the server gives as many as it is asked for.
    number = str(parents + len(query.way.slots) * (pages - 1))
    if pages > 1 and light:
        number += f" (more where {can.max_page_size} rows weigh over {PAGE_BYTES >> 20} MiB)"
    if complete:
        return number + more
    tie = f"row {plan.stop} does not tie in {query.keys[0].path.dotted} with the next"
    return f"{number} when {tie}; more only while it does{more}"


def entity_plural(query: CompiledQuery) -> str:
    """The plural of what has to be listed first."""
    from wbmodel.meta import entity_meta

    assert query.way.through is not None
    return entity_meta(query.way.through.via).plural


def text_of(plan: Plan, target: Target) -> str:
    """The first document and its variables, as they will be sent: ``str(qs.query)``."""
    request = None if plan.is_empty else first_request(compile_plan(plan, target))
    if request is None:
        return explain(plan, target).route
    return f"{request.document.text}\n\n{dumps(dict(request.variables))}"
