"""Pages of one connection, and loading them for several parents at once. I/O-free: generators over the verbs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar, cast

from wbmodel.backend.asks import Ahead, Batch, Request, Response, Send, Verb, Wait, raise_for_errors
from wbmodel.compiler.access import Slot
from wbmodel.compiler.query import CompiledQuery
from wbmodel.errors import ServerError, WbmodelError
from wbmodel.meta import Point, Route, entity_meta
from wbmodel.operations.keyset import Keyset, conjoined
from wbmodel.operations.paging import Drift, Reading

__all__ = ["Operation", "Pages", "answer", "load", "send", "walk"]

T = TypeVar("T")
Operation = Generator[Verb, Any, T]


def send(query: CompiledQuery, request: Request) -> Operation[dict[str, Any]]:
    """Send one request and give its data. Raises :class:`ServerError` for an answer that holds errors."""
    response = yield Send(request)
    return answer(query, request, response)


def answer(query: CompiledQuery, request: Request, response: Response) -> dict[str, Any]:
    """The data of a response. Raises :class:`ServerError` when it holds errors, or no data."""
    raise_for_errors(request, response, query.target.place)
    if response.data is None:
        raise ServerError(
            f"{query.target.place} answered {request.operation_name} with no data", operation=request.operation_name
        )
    return response.data


@contextlib.contextmanager
def whole_answer(query: CompiledQuery, request: Request) -> Iterator[None]:
    """Say so when an answer lacks a field that was asked for, or holds something else in its place."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, WbmodelError):
            raise
        what = f"lacks {error}" if isinstance(error, KeyError) else f"has another shape ({error})"
        raise ServerError(
            f"{query.target.place} answered {request.operation_name}, but the answer {what}: "
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
        f"{name} {path!r} does not exist on {query.target.place}, or this account may not see it; "
        "check the spelling and the entity in front of it"
    )


OPTIONAL = "optional"
"""Set in slots that were not asked for by name: what one of many projects lacks is no error."""


class Pages:
    """The rows of one connection of one parent, page by page, in the server's order and checked against the plan.

    ``limit`` is how many rows will be wanted at most (None: all, or as many as the check leaves over), ``sliced``
    whether the plan ends somewhere. ``keyset`` says where the next page begins, where that is not the server's cursor.
    ``reading`` is shared by all connections of one evaluation.
    """

    def __init__(
        self,
        query: CompiledQuery,
        route: Route,
        slot: Slot,
        reading: Reading,
        *,
        filters: dict[str, Any] | None = None,
        order: str | None = None,
        limit: int | None = None,
        keep: Callable[[Any], bool] | None = None,
        keyset: Keyset | None = None,
    ) -> None:
        self.query, self.route, self.slot = query, route, slot
        self.reading, self.keyset = reading, keyset
        self.order, self.keep = order, keep
        self.limit = limit
        self.cursor: str | None = None
        self.done = False
        self.ready: list[Any] | None = None
        self.pages = 0
        self.received = 0
        self._filters = filters
        self._nodes: tuple[list[dict[str, Any]], Any] = ([], None)
        self._handle: Any = None
        self._asked: Any = None
        self._failed: Exception | None = None
        self.drift = Drift() if self._may_drift() else None

    def _may_drift(self) -> bool:
        """Whether pages may miss rows without a sign, and the server's count can tell: where several are to be read
        by cursors of which it is not known what they mean."""
        query, can = self.query, self.query.target.capabilities
        several = self.limit is None or self.limit > can.max_page_size
        if not several or can.stable_cursors or self.keyset is not None:
            return False
        return can.count and query.counts_beside(self.route)

    @property
    def filters(self) -> dict[str, Any] | None:
        """The filter that the next page is asked for by."""
        return self._filters if self.keyset is None else conjoined(self._filters, self.keyset.condition)

    def size(self) -> int:
        """How many rows to ask for next: as few as will do, a small first page, then as many as are taken."""
        can, most = self.query.target.capabilities, self.reading.most
        if self.limit is None:
            return most if self.reading.pages else min(can.page_size, most)
        left = self.limit - self.received
        # More than was thought to be wanted is read for ties, which are few.
        return min(left if left > 0 else can.page_size, most)

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
            self.drift is None,
            self.size(),
        )

    # -- what was read ahead -----------------------------------------------------------------------

    @property
    def wants_more(self) -> bool:
        """Whether the next page is to be asked for before the rows of this one are used."""
        reading = self.reading
        if self.done or not reading.looks_ahead or reading.ahead is not None:
            return False
        if self.limit is not None:
            return self.received < self.limit
        # A slice whose rows are checked here may be filled by the first page, which nobody knows yet.
        return self.query.plan.stop is None or self.pages > 1

    def look_ahead(self) -> Operation[None]:
        """Ask for the next page and go on."""
        request = self._asked = _request([self])
        try:
            self._handle = yield Ahead(request)
        except Exception as error:
            # It is the next page that went wrong; this one is here, and its rows are handed out first.
            self._failed = error
        self.reading.ahead = self

    @property
    def is_ahead(self) -> bool:
        """Whether the next page was asked for already."""
        return self.reading.ahead is self

    def collect(self) -> Operation[tuple[Request, Response]]:
        """The answer to what was asked ahead, and the question."""
        handle, error = self._handle, self._failed
        self._handle = self._failed = self.reading.ahead = None
        if error is not None:
            raise error
        response = yield Wait(handle)
        return self._asked, response

    # -- a page that came --------------------------------------------------------------------------

    def receive(self, parent: Any, context: Any) -> int:
        """Accept a page as it came, so far that the next one could be asked for; the number of its rows."""
        self.pages += 1
        if parent is None:
            self.done = True
            self._nodes = ([], None)
            return 0
        connection = parent[self.route.connection]
        if connection is None:
            raise ServerError(f"{self.query.meta.plural}: the server answered null for {self.route.connection}")
        edges = connection["edges"]
        nodes = [edge["node"] for edge in edges if edge is not None and edge["node"] is not None]
        came = len(nodes)
        if not self.route.paged:
            self.done = True
        else:
            page = connection["pageInfo"]
            self.done = not page["hasNextPage"]
            nodes = self._go_on(nodes, page["endCursor"])
        if self.drift is not None:
            told = self.drift.take(parent[self.query.count_field(self.route)], edges, self.done)
            if told is not None:
                self.reading.drifted(self.query, self.order, told)
        self.received += len(nodes)
        self._nodes = (nodes, context)
        return came

    def _go_on(self, nodes: list[dict[str, Any]], cursor: str | None) -> list[dict[str, Any]]:
        """Note where the next page begins; the nodes without those that came before."""
        if self.keyset is not None:
            nodes, by_date = self.keyset.take(nodes)
            if by_date:
                self.cursor = None
                return nodes
        if not self.done and (cursor is None or cursor == self.cursor):
            raise ServerError(
                f"{self.query.meta.plural}: the server says there is a next page, but gives no new cursor for it"
            )
        self.cursor = cursor
        return nodes

    def make(self) -> None:
        """Make the rows of the page that was received."""
        (nodes, context), self._nodes = self._nodes, ([], None)
        make = self.query.context_hydrator(self.route)
        around = make([context], self.query.target.owner, None)[0] if make is not None and context is not None else None
        rows = self.query.hydrate(self.route)(nodes, self.query.target.owner, around)
        if self.keep is not None:
            rows = [row for row in rows if self.keep(row)]
        self.ready = rows

    def pull(self) -> Operation[list[Any] | None]:
        """The next page's rows (perhaps none of them left after the check), None at the end."""
        if self.ready is None:
            if self.done:
                return None
            yield from load([self])
        rows, self.ready = self.ready, None
        return rows


def load(pages: Sequence[Pages]) -> Operation[None]:
    """Load the next page of several connections, those of one kind together by aliases. Where reading ahead saves time,
    the page behind is asked for as soon as one has come, before its rows are made."""
    waiting = [item for item in pages if item.ready is None and not item.done]
    kinds: dict[Any, list[Pages]] = {}
    for item in waiting:
        if not item.is_ahead:
            kinds.setdefault(item.kind(), []).append(item)
    chunks = [
        group[at : at + group[0].query.target.capabilities.max_aliases]
        for group in kinds.values()
        for at in range(0, len(group), max(1, group[0].query.target.capabilities.max_aliases))
    ]
    requests = [_request(chunk) for chunk in chunks]
    responses: list[Response] = []
    if len(requests) == 1:
        responses = [(yield Send(requests[0]))]
    elif requests:
        responses = yield Batch(requests)
    arrived = list(zip(chunks, requests, responses, strict=True))
    for item in waiting:
        if item.is_ahead:
            request, response = yield from item.collect()
            arrived.append(([item], request, response))
    for chunk, request, response in arrived:
        _receive(chunk, request, response)
    for item in waiting:
        if item.wants_more:
            yield from item.look_ahead()
    for chunk, request, _ in arrived:
        with whole_answer(chunk[0].query, request):
            for item in chunk:
                item.make()


def _receive(chunk: Sequence[Pages], request: Request, response: Response) -> None:
    head = chunk[0]
    data = answer(head.query, request, response)
    rows = 0
    with whole_answer(head.query, request):
        for index, item in enumerate(chunk):
            rows += item.receive(
                *walk(item.query, item.route, data, f"s{index}" if len(chunk) > 1 else None, item.slot)
            )
    head.reading.weigh(response, rows)


def _request(chunk: Sequence[Pages]) -> Request:
    head = chunk[0]
    return head.query.request(
        head.route,
        [item.slot for item in chunk],
        [item.filters for item in chunk],
        head.order,
        head.size(),
        [item.cursor for item in chunk],
        counted=head.drift is not None,
    )
