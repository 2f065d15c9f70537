"""The pages of one connection, and loading pages of several connections at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Join, Start
from wbmodel.compiler.extras import ALIASES, BY_DATE, FAR, LARGE, Extra, of_scan
from wbmodel.compiler.filters import conjoined
from wbmodel.compiler.physical import Scan
from wbmodel.compiler.requests import page_request, page_size
from wbmodel.errors import ServerError
from wbmodel.meta import EntityMeta, Route
from wbmodel.operations.answer import Operation, answer, send_all, walk, whole_answer
from wbmodel.operations.keyset import Keyset
from wbmodel.operations.paging import Drift, PageBudget
from wbmodel.operations.ways_back import refusable

__all__ = ["Pages", "load"]

IDLE_PAGES = 3
"""How many pages in a row may bring no new row before the server is taken to repeat itself without end."""


class Pages:
    """The rows of one :class:`~wbmodel.compiler.physical.Scan`, page by page, in the server's order and checked.

    ``budget`` is shared by all connections of one evaluation.
    """

    def __init__(self, scan: Scan, budget: PageBudget) -> None:
        self.scan, self.budget, self.target = scan, budget, budget.target
        self.keyset = None if scan.keyset is None else Keyset(scan.keyset)
        self.drift = Drift() if scan.counted else None
        self.cursor: str | None = None
        self.done = False
        self.ready: list[Any] | None = None
        self.far: list[Any] = []
        """The row from the far end of the order, which comes with page 1 if the scan asks for it."""
        self.pages = 0
        self.received = 0
        self._known: set[int] = set()
        self._idle = 0
        self._keep = None if scan.check is None else scan.check.predicate()
        self._nodes: tuple[list[dict[str, Any]], Any] = ([], None)
        self._handle: Any = None
        self._asked: Any = None
        self._failed: Exception | None = None

    @property
    def filters(self) -> dict[str, Any] | None:
        """The filter of the next page."""
        return self.scan.filter if self.keyset is None else conjoined(self.scan.filter, self.keyset.condition)

    def size(self) -> int:
        """The number of rows to request next."""
        can, most = self.target.capabilities, self.budget.most
        return page_size(self.scan, self.received, self.pages, can, most, alone=not self.budget.pages)

    def extras(self) -> frozenset[Extra]:
        """What the request for the next page has that the caller did not ask for."""
        found = set(of_scan(self.scan))
        if self.keyset is None or self.keyset.condition is None:
            found.discard(BY_DATE)
        if self.pages:
            found.discard(FAR)
        if self.scan.route.paged and self.size() > self.target.capabilities.page_size:
            found.add(LARGE)
        return frozenset(found)

    def kind(self) -> tuple[Any, ...]:
        """A key that is equal for pages that can share a document."""
        scan = self.scan
        asks_far = scan.far is not None and not self.pages
        return (
            scan.node,
            id(scan.route),
            scan.order,
            scan.names,
            self.filters is None,
            self.drift is None,
            asks_far,
            self.size(),
        )

    # -- read-ahead --------------------------------------------------------------------------------

    @property
    def wants_more(self) -> bool:
        """Whether to request the next page before the rows of this one are used."""
        budget = self.budget
        if self.done or not budget.looks_ahead or budget.ahead is not None:
            return False
        if self.scan.limit is not None:
            return self.received < self.scan.limit
        # A slice with a local check may be filled by the first page, whose rows are not checked yet.
        return not budget.sliced or self.pages > 1

    def look_ahead(self) -> Operation[None]:
        """Start the request for the next page without waiting for it."""
        request = self._asked = _request([self])
        try:
            self._handle = yield Start(request)
        except Exception as error:
            # Only the next page failed; return the rows of this one first.
            self._failed = error
        self.budget.ahead = self

    @property
    def is_ahead(self) -> bool:
        """Whether the next page has already been requested."""
        return self.budget.ahead is self

    def collect(self) -> Operation[tuple[Request, Response]]:
        """The request that was sent ahead, and its response."""
        handle, error = self._handle, self._failed
        self._handle = self._failed = self.budget.ahead = None
        if error is not None:
            raise error
        response = yield Join(handle)
        return self._asked, response

    # -- receiving a page --------------------------------------------------------------------------

    def receive(self, data: dict[str, Any], alias: str | None) -> int:
        """Accept a page, up to the point where the next one can be requested. Returns the number of its rows."""
        scan = self.scan
        meta, route, place = scan.node.meta, scan.route, self.target.place
        parent, context = walk(meta, route, scan.parent, data, alias, place, optional=scan.optional)
        self.pages += 1
        if parent is None:
            self.done = True
            self._nodes = ([], None)
            return 0
        connection = parent[route.connection]
        if connection is None:
            raise ServerError(f"{meta.plural}: the server answered null for {route.connection}")
        edges = connection["edges"]
        nodes = [
            _own_values(route, meta, edge) if route.edge else edge["node"]
            for edge in edges
            if edge is not None and edge["node"] is not None
        ]
        came = len(nodes)
        if came < len(edges):
            self._tell_of_nulls(edges)
        more = route.paged and connection["pageInfo"]["hasNextPage"]
        if more or self.pages > 1:
            self._look_for_new(nodes)
        self.done = not more
        if route.paged:
            nodes = self._go_on(nodes, connection["pageInfo"]["endCursor"])
        if self.drift is not None:
            # The count includes rows that this account may not see, and these cannot be told apart.
            count = parent[route.count_field] if came == len(edges) else None
            told = self.drift.take(count, len(self._known) or came, self.done)
            if told is not None:
                self.budget.drifted(meta.plural, scan.order, told)
        if scan.far is not None and self.pages == 1:
            ends = [edge["node"] for edge in parent["far"]["edges"] if edge is not None and edge["node"] is not None]
            self.far = scan.far_node.hydrator(route)(ends, self.target.owner, None)
        self.received += len(nodes)
        self._nodes = (nodes, context)
        return came

    def _tell_of_nulls(self, edges: list[Any]) -> None:
        route = self.scan.route
        at = next(at for at, edge in enumerate(edges) if edge is None or edge["node"] is None)
        place = ".".join([*(step.field for step in route.steps), f"{route.connection}.edges[{at}].node"])
        self.budget.nulled(self.scan.node.meta.plural, place)

    def _look_for_new(self, nodes: list[dict[str, Any]]) -> None:
        """Record the rows of a page. Raises :class:`ServerError` if the pages no longer bring new ones."""
        if self.cursor is None:
            # A keyset ends one walk along the cursors and begins another, which may meet the same rows once more.
            self._known, self._idle = set(), 0
        before = len(self._known)
        self._known.update([hash(node["id"]) for node in nodes])
        self._idle = 0 if len(self._known) > before else self._idle + 1
        if self._idle >= IDLE_PAGES:
            plural = self.scan.node.meta.plural
            raise ServerError(
                f"{plural}: {self.target.place} announces a next page without end: {IDLE_PAGES} pages in a row had no "
                f"new row after {before}",
                operation=plural,
            )

    def _go_on(self, nodes: list[dict[str, Any]], cursor: str | None) -> list[dict[str, Any]]:
        """Record where the next page starts. Returns the nodes without those that were already received."""
        if self.keyset is not None:
            nodes, by_date = self.keyset.take(nodes)
            if by_date:
                self.cursor = None
                return nodes
        if not self.done and (cursor is None or cursor == self.cursor):
            raise ServerError(
                f"{self.scan.node.meta.plural}: the server announces a next page without giving a new cursor for it"
            )
        self.cursor = cursor
        return nodes

    def make(self) -> None:
        """Make the rows of the page that was received."""
        (nodes, context), self._nodes = self._nodes, ([], None)
        rows = self._hydrate(nodes, context)
        self.ready = rows if self._keep is None else [row for row in rows if self._keep(row)]

    def _hydrate(self, nodes: list[dict[str, Any]], context: Any) -> list[Any]:
        node, route, owner = self.scan.node, self.scan.route, self.target.owner
        make = node.context_hydrator(route)
        around = make([context], owner, None)[0] if make is not None and context is not None else None
        return node.hydrator(route)(nodes, owner, around)

    def pull(self) -> Operation[list[Any] | None]:
        """The next page's rows, None at the end. The list is empty if no row passes the check."""
        if self.ready is None:
            if self.done:
                return None
            yield from load([self])
        rows, self.ready = self.ready, None
        return rows


def load(pages: Sequence[Pages]) -> Operation[None]:
    """Load the next page of several connections; those of the same kind share a document by aliases.

    If reading ahead saves time, the page after it is requested as soon as a page has arrived, before its rows are made.
    """
    waiting = [item for item in pages if item.ready is None and not item.done]
    kinds: dict[Any, list[Pages]] = {}
    for item in waiting:
        if not item.is_ahead:
            kinds.setdefault(item.kind(), []).append(item)
    chunks: list[Sequence[Pages]] = []
    for group in kinds.values():
        most = max(1, group[0].target.capabilities.max_aliases)
        chunks += [group[at : at + most] for at in range(0, len(group), most)]
    with refusable(lambda: _extras(waiting, chunks), [item.scan for item in waiting]):
        arrived = yield from _arrived(chunks, [item for item in waiting if item.is_ahead])
    for chunk, request, response, data in arrived:
        _receive(chunk, request, response, data)
    for item in waiting:
        if item.wants_more:
            yield from item.look_ahead()
    for chunk, request, *_ in arrived:
        with whole_answer(chunk[0].target, request):
            for item in chunk:
                item.make()


def _extras(waiting: Sequence[Pages], chunks: Sequence[Sequence[Pages]]) -> set[Extra]:
    found = {extra for item in waiting for extra in item.extras()}
    return found | {ALIASES} if any(len(chunk) > 1 for chunk in chunks) else found


Arrived = tuple[Sequence[Pages], Request, Response, dict[str, Any]]


def _arrived(chunks: Sequence[Sequence[Pages]], ahead: Sequence[Pages]) -> Operation[list[Arrived]]:
    """The answers to the requests of ``chunks``, and those that were sent ahead. Nothing is received yet."""
    requests = [_request(chunk) for chunk in chunks]
    responses = yield from send_all(requests)
    found: list[tuple[Sequence[Pages], Request, Response]] = list(zip(chunks, requests, responses, strict=True))
    for item in ahead:
        request, response = yield from item.collect()
        found.append(([item], request, response))
    return [(*each, answer(each[0][0].target, each[1], each[2])) for each in found]


def _receive(chunk: Sequence[Pages], request: Request, response: Response, data: dict[str, Any]) -> None:
    head = chunk[0]
    rows = 0
    with whole_answer(head.target, request):
        for index, item in enumerate(chunk):
            rows += item.receive(data, f"s{index}" if len(chunk) > 1 else None)
    head.budget.weigh(response, rows)


def _request(chunk: Sequence[Pages]) -> Request:
    head = chunk[0]
    return page_request(
        [item.scan for item in chunk],
        [item.filters for item in chunk],
        head.size(),
        [item.cursor for item in chunk],
        far=head.scan.far is not None and not head.pages,
    )


def _own_values(route: Route, meta: EntityMeta, edge: dict[str, Any]) -> dict[str, Any]:
    """A node with the numbers that its edge has for it."""
    node = dict(edge["node"])
    for name, own in route.edge.items():
        text = edge[own]
        if isinstance(text, str) and text[:1] == "v" and text[1:].isdecimal() and text.isascii():
            node[meta.fields[name].wire] = int(text[1:])
    return node
