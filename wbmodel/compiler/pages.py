"""Pages of one connection, and loading them for several parents at once. I/O-free: generators over the verbs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar, cast

from wbmodel.compiler.query import CompiledQuery
from wbmodel.compiler.routes import Slot
from wbmodel.errors import ServerError
from wbmodel.meta import Point, Route, entity_meta
from wbmodel.request import Batch, Request, Response, Send, Verb, raise_for_errors

__all__ = ["Operation", "Pages", "answer", "load", "send", "walk"]

T = TypeVar("T")
Operation = Generator[Verb, Any, T]


def send(query: CompiledQuery, request: Request) -> Operation[dict[str, Any]]:
    """Send one request and give its data. Raises :class:`ServerError` for an answer that holds errors."""
    response = yield Send(request)
    return answer(query, request, response)


def answer(query: CompiledQuery, request: Request, response: Response) -> dict[str, Any]:
    """The data of a response. Raises :class:`ServerError` when it holds errors, or no data."""
    raise_for_errors(request, response, query.terms.place)
    if response.data is None:
        raise ServerError(
            f"{query.terms.place} answered {request.operation_name} with no data", operation=request.operation_name
        )
    return response.data


@contextlib.contextmanager
def whole_answer(query: CompiledQuery, request: Request) -> Iterator[None]:
    """Say so when an answer lacks a field that was asked for, or holds something else in its place."""
    try:
        yield
    except (KeyError, TypeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"has another shape ({error})"
        raise ServerError(
            f"{query.terms.place} answered {request.operation_name}, but the answer {what}: "
            "this is not what was asked for",
            operation=request.operation_name,
        ) from error


def walk(
    query: CompiledQuery, route: Route | Point, data: dict[str, Any], alias: str | None, slot: Slot
) -> tuple[Any, Any]:
    """Follow the steps of a route through an answer: the last step's object and the context step's (or None).

    Raises the missing entity's ``DoesNotExist`` when a step on the way is null.
    """
    at: Any = data
    context = None
    last = len(route.steps) - 1
    for index, step in enumerate(route.steps):
        at = cast("dict[str, Any]", at)[alias if alias and index == 0 else step.field]
        is_node = isinstance(route, Point) and index == last
        if at is None and not is_node:
            name = step.entity or query.meta.name
            if slot.get(OPTIONAL) and name != "Project":
                return None, context
            raise _missing(query, name, slot)
        if route.context is not None and step.entity is not None and step.entity.lower() == route.context:
            context = at
    if not route.steps and alias:
        at = {route.connection: data[alias]} if isinstance(route, Route) else data[alias]
    return at, context


def _missing(query: CompiledQuery, name: str, slot: Slot) -> Exception:
    meta = entity_meta(name)
    parts = [slot.get("entity"), slot.get("project")]
    if name == "Run":
        parts.append(slot.get("run"))
    elif name not in ("Project", "Entity"):
        parts.append(slot.get(name.removeprefix("Artifact").lower()) or slot.get("artifact"))
    path = "/".join(part for part in parts if part) or "(default)"
    return meta.does_not_exist(
        f"{name} {path!r} does not exist on {query.terms.place}, or this account may not see it; "
        "check the spelling and the entity in front of it"
    )


OPTIONAL = "optional"
"""Set in slots that were not asked for by name: what one of many projects lacks is no error."""


class Pages:
    """The rows of one connection of one parent, page by page, in the server's order and checked against the plan."""

    def __init__(
        self,
        query: CompiledQuery,
        route: Route,
        slot: Slot,
        owner: Any,
        *,
        filters: dict[str, Any] | None = None,
        order: str | None = None,
        limit: int | None = None,
        keep: Callable[[Any], bool] | None = None,
    ) -> None:
        self.query, self.route, self.slot, self.owner = query, route, slot, owner
        self.filters, self.order, self.keep = filters, order, keep
        self.limit = limit
        self.cursor: str | None = None
        self.done = False
        self.ready: list[Any] | None = None
        self.pages = 0

    def size(self) -> int:
        """How many rows to ask for next: as few as will do, a small first page, then as many as are taken."""
        can = self.query.terms.abilities
        if self.pages == 0:
            return min(self.limit, can.max_page_size) if self.limit is not None else can.page_size
        return can.max_page_size

    def kind(self) -> tuple[Any, ...]:
        """What pages must have in common to share a document."""
        query = self.query
        return (
            query.meta.name,
            id(self.route),
            query.fields,
            query.plan.related,
            self.order,
            self.filters is None,
            self.size(),
        )

    def take(self, parent: Any, context: Any) -> None:
        """Accept a page from an answer."""
        if parent is None:
            self.ready, self.done = [], True
            return
        connection = parent[self.route.connection]
        if connection is None:
            raise ServerError(f"{self.query.meta.plural}: the server answered null for {self.route.connection}")
        nodes = [edge["node"] for edge in connection["edges"] if edge is not None and edge["node"] is not None]
        make = self.query.context_hydrator(self.route)
        around = make([context], self.owner, None)[0] if make is not None and context is not None else None
        rows = self.query.hydrate(self.route)(nodes, self.owner, around)
        if self.keep is not None:
            rows = [row for row in rows if self.keep(row)]
        self.ready = rows
        self.pages += 1
        if not self.route.paged:
            self.done = True
            return
        page = connection["pageInfo"]
        cursor = page["endCursor"]
        self.done = not page["hasNextPage"]
        if not self.done and (cursor is None or cursor == self.cursor):
            raise ServerError(
                f"{self.query.meta.plural}: the server says there is a next page, but gives no new cursor for it"
            )
        self.cursor = cursor

    def pull(self) -> Operation[list[Any] | None]:
        """The next page's rows (perhaps none of them left after the check), None at the end."""
        if self.ready is None:
            if self.done:
                return None
            yield from load([self])
        rows, self.ready = self.ready, None
        return rows


def load(pages: Sequence[Pages]) -> Operation[None]:
    """Load the next page of several connections, those of one kind together by aliases."""
    kinds: dict[Any, list[Pages]] = {}
    for item in pages:
        if item.ready is None and not item.done:
            kinds.setdefault(item.kind(), []).append(item)
    chunks = [
        group[at : at + group[0].query.terms.abilities.max_aliases]
        for group in kinds.values()
        for at in range(0, len(group), max(1, group[0].query.terms.abilities.max_aliases))
    ]
    requests = [_request(chunk) for chunk in chunks]
    if not requests:
        return
    if len(requests) == 1:
        responses = [(yield Send(requests[0]))]
    else:
        responses = yield Batch(requests)
    for chunk, request, response in zip(chunks, requests, responses, strict=True):
        head = chunk[0]
        data = answer(head.query, request, response)
        with whole_answer(head.query, request):
            for index, item in enumerate(chunk):
                item.take(*walk(item.query, item.route, data, f"s{index}" if len(chunk) > 1 else None, item.slot))


def _request(chunk: Sequence[Pages]) -> Request:
    head = chunk[0]
    return head.query.request(
        head.route,
        [item.slot for item in chunk],
        [item.filters for item in chunk],
        head.order,
        head.size(),
        [item.cursor for item in chunk],
    )
