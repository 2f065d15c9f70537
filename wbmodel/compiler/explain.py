"""``explain()``: the physical plan in words, made without a request.

It says what a query asks of the backend, what is done locally, and how many requests it costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from wbmodel.backend.asks import Request
from wbmodel.backend.capabilities import Capabilities
from wbmodel.codec import dumps
from wbmodel.compiler.compile import compile_plan
from wbmodel.compiler.extras import ALIASES, INDEX, LARGE, SEVERAL_KEYS, Extra, counting, of_scan
from wbmodel.compiler.filters import Compiled, Note
from wbmodel.compiler.outline import outline
from wbmodel.compiler.physical import ForEach, Get, Merge, Scan, SortHere, Step, Ties, ValuesFirst, scans
from wbmodel.compiler.requests import PAGE_BYTES, first_size, get_request, page_request, page_size
from wbmodel.compiler.target import Target
from wbmodel.meta import entity_meta
from wbmodel.query.conditions import Leaf, WireLeaf
from wbmodel.query.plan import Plan

__all__ = ["Explanation", "explain", "text_of"]


@attrs.frozen(slots=True, kw_only=True, repr=False)
class Explanation:
    """The result of ``explain()``. ``str()`` formats it; :meth:`to_dict` returns it as plain data.

    ``pushed`` are conditions that the backend evaluates, ``superset`` conditions that it evaluates and that are
    re-checked locally, ``local`` conditions that are evaluated only locally. ``order`` says where rows are ordered.
    ``parts`` are the fields of which only keys are loaded. ``refused`` is what this server was found to refuse of what
    the query would add to its requests, with what is done instead. ``documents`` are the first requests as they will be
    sent; ``requests`` is a bound on their number in words, and :meth:`bound` one in figures. ``step`` is the physical
    plan that all of this is derived from, and :attr:`outline` is its text.
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
    parts: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    analysis: dict[str, Any] | None = None
    refused: tuple[str, ...] = ()
    step: Step = attrs.field(factory=Merge)
    capabilities: Capabilities = attrs.field(factory=Capabilities)

    @property
    def outline(self) -> str:
        """The physical plan as text, a line per step."""
        return outline(self.step)

    def bound(self, rows: int) -> int | None:
        """The most requests that the query costs if the places it reads hold ``rows`` rows in total.

        Requests of ``prefetch_related`` are not included. None if another entity has to be listed first. The bound
        holds if the server returns pages of the requested size, no page is shortened because of its size in bytes, and
        rows neither come nor go meanwhile.
        """
        return _bound(self.step, rows, self.capabilities)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain data that can be written as JSON."""
        data = {name: getattr(self, name) for name in ("entity", "place", "order", "route", "requests", "filters")}
        data |= {name: list(getattr(self, name)) for name in ("pushed", "superset", "local")}
        data["parts"] = {name: list(keys) for name, keys in self.parts.items()}
        data["documents"] = [
            {"operation": item.operation_name, "text": item.document.text, "variables": dict(item.variables)}
            for item in self.documents
        ]
        if self.refused:
            data["refused"] = list(self.refused)
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
        lines += [f"  {'part of':<9} {name}: {', '.join(keys)}" for name, keys in self.parts.items()]
        lines += [f"  {'order':<9} {self.order}", f"  {'route':<9} {self.route}", f"  {'requests':<9} {self.requests}"]
        if self.filters is not None:
            lines.append(f"  {'sent':<9} {self.filters}")
        for index, item in enumerate(self.refused):
            lines.append(f"  {'refused' if index == 0 else '':<9} {item}")
        for name, value in (self.analysis or {}).items():
            lines.append(f"  {name:<9} {value}")
        return "\n".join(lines)


def explain(plan: Plan, target: Target) -> Explanation:
    """Explain a plan for one backend. No I/O."""
    name = plan.meta.name
    if plan.is_empty:
        return Explanation(
            entity=name,
            place=target.place,
            pushed=(),
            superset=(),
            local=(),
            order="nothing to order",
            route="none",
            requests="0: the result is known to be empty",
            filters=None,
            documents=(),
        )
    step = compile_plan(plan, target)
    notes, source = _notes(step), _source(step)
    request = _first_request(step, target)
    return Explanation(
        entity=name,
        place=target.place,
        pushed=tuple(str(note.leaf) for note in notes if note.grade == "exact"),
        superset=tuple(f"{note.leaf} (re-checked locally)" for note in notes if note.grade == "superset"),
        local=tuple(f"{note.leaf} (local only)" for note in notes if note.grade == "local"),
        order=_order(step, plan),
        route=_route(step, target),
        requests=_requests(step, plan, target),
        filters=None if request is None else _filters(request),
        documents=() if request is None else (request,),
        parts={} if isinstance(source, ForEach) else dict(source.node.keys),
        refused=_refused(plan, step, target),
        step=step,
        capabilities=target.capabilities,
    )


def _refused(plan: Plan, step: Step, target: Target) -> tuple[str, ...]:
    """What the plan does without because the server refuses it."""
    if not target.refused:
        return ()
    # What the plan would have, had nothing been refused; and what its lesser plan would have in place of that.
    would = _extras(compile_plan(plan, attrs.evolve(target, refused=frozenset())))
    known = sorted(target.refused & (would | _COMMON), key=str)
    return tuple(f"{extra}: {extra.instead}" for extra in known)


_COMMON = frozenset({ALIASES, INDEX, LARGE, SEVERAL_KEYS})
"""Extras that a plan does not show."""


def _extras(step: Step) -> frozenset[Extra]:
    """The extras of all connections of a step, and the count that ``count()`` asks of them."""
    if isinstance(step, Scan):
        field = step.route.count_field
        return of_scan(step) | ({counting(field)} if field else frozenset())
    if isinstance(step, (Get, ForEach)):
        return frozenset()
    if isinstance(step, Ties):
        parts: tuple[Step, ...] = (step.source,) if step.far is None else (step.source, step.far)
    elif isinstance(step, ValuesFirst):
        parts = (step.present, step.absent)
    else:
        parts = step.sources if isinstance(step, Merge) else (step.source,)
    return frozenset().union(*map(_extras, parts))


def text_of(plan: Plan, target: Target) -> str:
    """The first document and its variables, as they will be sent: ``str(qs.query)``."""
    request = None if plan.is_empty else _first_request(compile_plan(plan, target), target)
    if request is None:
        return explain(plan, target).route
    return f"{request.document.text}\n\n{dumps(dict(request.variables))}"


def _source(step: Step) -> Scan | Get | ForEach:
    """The first source of a step."""
    if isinstance(step, (Scan, Get, ForEach)):
        return step
    if isinstance(step, Merge):
        return _source(step.sources[0])
    return _source(step.present if isinstance(step, ValuesFirst) else step.source)


def _notes(step: Step) -> tuple[Note, ...]:
    """How each condition is evaluated."""
    source = _source(step)
    pushed: Compiled = source.pushed
    if not isinstance(source, Get) or source.key is None:
        return pushed.notes
    # The request selects the node by this condition; the others are checked on the node.
    asked = next(note for note in pushed.notes if _is_key(source, note.leaf))
    return tuple(attrs.evolve(note, grade="exact") if note is asked else note for note in pushed.notes)


def _is_key(get: Get, leaf: Leaf | WireLeaf) -> bool:
    if not isinstance(leaf, Leaf) or leaf.operand != get.key:
        return False
    plain = leaf.lookup.name == "exact" and not leaf.negated and not leaf.path.keys and leaf.path.related is None
    return plain and leaf.path.field.name == get.route.key


def _first_request(step: Step, target: Target) -> Request | None:
    """The first request of a step; None if another entity has to be listed first."""
    source = _source(step)
    if isinstance(source, Get):
        return get_request([(source, parent) for parent in source.parents[: max(1, target.capabilities.max_aliases)]])
    first = list(scans(step)) if isinstance(step, Merge) and step.keys else list(scans(step))[:1]
    if not first:
        return None
    can = target.capabilities
    chunk = first[: can.max_aliases]
    filters = [scan.filter for scan in chunk]
    return page_request(chunk, filters, first_size(chunk[0], can), [None] * len(chunk), begins=True)


def _filters(request: Request) -> str | None:
    texts = [str(value) for name, value in request.variables.items() if name.startswith("filters")]
    unique = list(dict.fromkeys(texts))
    return unique[0] if unique else None


def _order(step: Step, plan: Plan) -> str:
    keys = ", ".join(str(key) for key in plan.order_keys) or "none"
    if isinstance(_source(step), Get):
        return "at most one row"
    while isinstance(step, (Merge, ForEach)):
        step = step.then if isinstance(step, ForEach) else step.sources[0]
    if isinstance(step, Scan):
        return f"{keys} (by the backend)"
    if isinstance(step, SortHere):
        return f"{keys} (locally: every row is read first)"
    ties = step.present if isinstance(step, ValuesFirst) else step
    assert isinstance(ties, Ties)
    parts = f"{ties.key} by the backend, ties locally"
    if isinstance(step, ValuesFirst):
        parts += "; rows that lack it come last, in a separate query if still needed"
    return f"{keys} ({parts})"


def _route(step: Step, target: Target) -> str:
    source = _source(step)
    meta = source.plan.meta if isinstance(source, ForEach) else source.node.meta
    if isinstance(source, Get):
        return f"one {meta.name} by its {source.route.key or 'path'}"
    if isinstance(source, ForEach):
        return f"every {source.expansion.via} is listed first, then {meta.plural} of each"
    steps = ".".join([*(item.field for item in source.route.steps), source.route.connection or ""])
    places = len(step.sources) if isinstance(step, Merge) else 1
    if places == 1:
        return steps
    return f"{steps} of {places} parents, up to {target.capabilities.max_aliases} in one document by aliases"


# -- cost ------------------------------------------------------------------------------------------


def _requests(step: Step, plan: Plan, target: Target) -> str:
    can, source = target.capabilities, _source(step)
    if isinstance(source, Get):
        return str(-(-len(source.parents) // max(1, can.max_aliases)))
    more = f" + {len(plan.prefetch)} or more for prefetch_related" if plan.prefetch else ""
    if isinstance(source, ForEach):
        plural = entity_meta(source.expansion.via).plural
        return f"1 or more to list {plural}, then at least 1 per {can.max_aliases} of them{more}"
    places = len(step.sources) if isinstance(step, Merge) else 1
    parents = -(-places // can.max_aliases)
    if not source.route.paged:
        return f"{parents}{more}"
    # The size of rows is known only once some have arrived. A backend in this process has no size limit.
    light = "" if can.in_process else f" or {PAGE_BYTES >> 20} MiB"
    # Pages side by side begin one row early.
    first, later = first_size(source, can), max(can.max_page_size - source.sides, 1)
    unbounded = f"{parents} for the first {first} rows, then 1 per {later}{light}"
    part = step.sources[0] if isinstance(step, Merge) else step
    lacking = _lacking(part)
    if plan.stop is None or plan.is_unique or source.check is not None or isinstance(part, SortHere):
        sliced = plan.stop is not None and not isinstance(part, SortHere)
        return unbounded + (" until the slice is filled" if sliced else "") + lacking + more
    pages = _pages(source, source.limit or plan.stop, can)
    # After the first page, each parent is read by itself. Every page is full of new rows, so the number holds if the
    # server returns pages of the requested size.
    number = str(parents + places * (pages - 1))
    if pages > 1 and light:
        number += f" (more if {can.max_page_size} rows exceed {PAGE_BYTES >> 20} MiB)"
    if isinstance(part, Scan):
        return number + more
    ties = part.present if isinstance(part, ValuesFirst) else part
    assert isinstance(ties, Ties)
    tie = f"row {plan.stop} does not tie in {ties.key.path.dotted} with the next"
    return f"{number} if {tie}; more only while it does{lacking}{more}"


def _lacking(step: Step) -> str:
    """A description of the queries for rows that lack an order key."""
    keys = []
    while isinstance(step, ValuesFirst):
        keys.append(step.present.key.path.dotted)
        step = step.absent
    return f"; 1 or more for rows that lack {' or '.join(keys)}, if still needed" if keys else ""


def _bound(step: Step, rows: int, can: Capabilities) -> int | None:
    """The most requests that a step costs for ``rows`` rows; None if that depends on a listing."""
    if isinstance(step, ForEach):
        return None
    if isinstance(step, Get):
        return -(-len(step.parents) // max(1, can.max_aliases))
    if isinstance(step, Scan):
        return _pages(step, rows if step.limit is None else min(rows, step.limit), can)
    if isinstance(step, Ties):
        # More rows than the slice are read if rows tie, or if values have several types.
        return _pages(step.source, rows, can) + (0 if step.far is None else _pages(step.far, rows, can))
    if isinstance(step, SortHere):
        return _bound(step.source, rows, can)
    parts = (step.present, step.absent) if isinstance(step, ValuesFirst) else step.sources
    bounds = [_bound(part, rows, can) for part in parts]
    if None in bounds:
        return None
    total = sum(bound for bound in bounds if bound is not None)
    if isinstance(step, Merge) and step.keys:
        # Their first pages share requests.
        total -= len(parts) - -(-len(parts) // can.max_aliases)
    return total


def _pages(scan: Scan, rows: int, can: Capabilities) -> int:
    """The number of pages that ``rows`` rows take."""
    pages = received = 0
    while not pages or (received < rows and scan.route.paged):
        size = page_size(scan, received, pages, can, can.max_page_size)
        received += max(size - 1, 1) if pages and scan.sides else size
        pages += 1
    return pages
