"""The pages of one connection, and loading pages of several connections at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Join, Start
from wbmodel.codec import loads
from wbmodel.compiler.extras import ALIASES, BY_DATE, FAR, KEYS, LARGE, SIDES, Extra, of_scan
from wbmodel.compiler.filters import conjoined
from wbmodel.compiler.physical import Scan
from wbmodel.compiler.requests import page_request, page_size
from wbmodel.errors import RAN_OUT, QueryWarning, RequestTimeout, ResponseTooLarge, ServerError, warn
from wbmodel.meta import EntityMeta, Route
from wbmodel.meta.json_fields import HOUSEKEEPING
from wbmodel.operations.answer import Operation, answer, send_all, walk, whole_answer
from wbmodel.operations.keyset import Keyset
from wbmodel.operations.paging import Drift, PageBudget
from wbmodel.operations.side_by_side import SideBySide, side_by_side
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
        self.taken: frozenset[Extra] = frozenset()
        """The extras that the server took in an earlier page."""
        self._first: tuple[list[Any], str | None, int | None] | None = None
        """The edges, the last cursor and the number of all rows that page 1 had."""
        self._side: SideBySide | None = None
        self._under: dict[str, Any] | None = None
        """The condition of the pages that the cursor leads through, besides the query's own."""
        self._ahead: deque[tuple[Request, Any]] = deque()
        """Requests that were sent ahead, each with its handle or its error."""

    @property
    def filters(self) -> dict[str, Any] | None:
        """The filter of the next page."""
        return conjoined(self.scan.filter, self._under)

    def size(self) -> int:
        """The number of rows to request next."""
        can, most = self.target.capabilities, self.budget.most
        return page_size(self.scan, self.received, self.pages, can, most, alone=not self.budget.pages)

    def extras(self) -> frozenset[Extra]:
        """What the request for the next page has that the caller did not ask for."""
        found = set(of_scan(self.scan))
        if self._under is None:
            found.discard(BY_DATE)
        if self._side is not None:
            found.add(SIDES)
        if self.pages:
            found.discard(FAR)
        if self.scan.route.paged and self.size() > self.target.capabilities.page_size:
            found.add(LARGE)
        return frozenset(found)

    def kind(self) -> tuple[Any, ...]:
        """A key that is equal for pages that can share a document."""
        scan = self.scan
        extra = (scan.names, self.drift is None, not self.pages, scan.sides, scan.far is None)
        return (scan.node, id(scan.route), scan.order, self.filters is None, extra, self.size())

    # -- read-ahead --------------------------------------------------------------------------------

    @property
    def wants_more(self) -> bool:
        """Whether to request the next page before the rows of this one are used."""
        budget = self.budget
        if self.done or not budget.looks_ahead or budget.ahead not in (None, self):
            return False
        if self._side is not None:
            return not self._side.is_over
        if self._ahead:
            return False
        if self.scan.limit is not None:
            return self.received < self.scan.limit
        # A slice with a local check may be filled by the first page, whose rows are not checked yet.
        return not budget.sliced or self.pages > 1

    def look_ahead(self) -> Operation[None]:
        """Start the requests for the next pages without waiting for them: one, or several side by side."""
        if self._first is not None:
            self._side, self._first = self._beside(*self._first), None
        side = self._side
        if side is None:
            yield from self._start(_request([self]))
            return
        while not side.is_over and len(self._ahead) < side.room(self.budget.weight):
            filters = conjoined(self.scan.filter, side.bound)
            yield from self._start(page_request([self.scan], [filters], side.size, [side.next_cursor()]))

    def _beside(self, edges: list[Any], cursor: str | None, count: int | None) -> SideBySide | None:
        """The pages after page 1, if they can be read side by side."""
        limit, by = self.scan.limit, self.scan.keyset
        if count is None or by is None or (limit is None and self.budget.sliced):
            return None
        along, size = self.scan.node.along, self.budget.most
        size = size if along is None else min(size, along.later)
        return side_by_side(by, edges, cursor, count if limit is None else min(count, limit), size)

    def _start(self, request: Request) -> Operation[None]:
        try:
            handle = yield Start(request)
        except Exception as error:
            # Only the next page failed; return the rows of this one first.
            handle = error
        self._ahead.append((request, handle))
        self.budget.ahead = self

    @property
    def is_ahead(self) -> bool:
        """Whether the next page has already been requested."""
        return bool(self._ahead)

    def collect(self) -> Operation[tuple[Request, Response]]:
        """The request that was sent ahead, and its response."""
        request, handle = self._ahead.popleft()
        if not self._ahead:
            self.budget.ahead = None
        if isinstance(handle, Exception):
            raise handle
        response = yield Join(handle)
        return request, response

    def _in_turn(self) -> None:
        """Read the rest in turn."""
        self._side = None
        self._ahead.clear()
        self.budget.ahead = None

    def given_up(self) -> int:
        """Read the rest in turn, as a page was too much. Returns how many rows it had to have."""
        sizes = [request.variables.get("first", 1) for request, _ in self._ahead]
        self._in_turn()
        return max([self.size(), *sizes]) if self.scan.route.paged else 1

    # -- receiving a page --------------------------------------------------------------------------

    def receive(self, data: dict[str, Any], alias: str | None) -> int:
        """Accept a page, up to the point where the next one can be requested. Returns the number of its rows."""
        scan = self.scan
        meta, route, place = scan.node.meta, scan.route, self.target.place
        parent, context = walk(meta, route, scan.parent, data, alias, place, optional=scan.optional)
        self.taken |= self.extras()
        self.pages += 1
        if parent is None:
            self.done = True
            self._nodes = ([], None)
            return 0
        connection = parent[route.connection]
        if connection is None:
            raise ServerError(f"{meta.plural}: the server answered null for {route.connection}")
        edges = connection["edges"]
        more = route.paged and connection["pageInfo"]["hasNextPage"]
        if self._side is not None and not self._side.fits(edges, more):
            self.done = not self._side.more
            self._in_turn()
            self._nodes = ([], None)
            return 0
        nodes = [
            _own_values(route, meta, edge) if route.edge else edge["node"]
            for edge in edges
            if edge is not None and edge["node"] is not None
        ]
        came = len(nodes)
        if self.pages == 1 and nodes and scan.node.asks:
            self._look_for_surplus(nodes[0])
        if came < len(edges):
            self._tell_of_nulls(edges)
        if self._side is not None:
            self._under = self._side.bound
            more = more or bool(self._ahead) or not self._side.is_over
        if more or self.pages > 1:
            self._look_for_new(nodes)
        self.done = not more
        if route.paged:
            cursor = connection["pageInfo"]["endCursor"]
            if self.pages == 1 and more and scan.sides:
                self._first = (edges, cursor, parent[route.count_field])
            nodes = self._go_on(nodes, cursor)
            if self._side is not None and self._side.is_over and not self._ahead and self.pages > 1:
                self._in_turn()
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

    def _look_for_surplus(self, node: dict[str, Any]) -> None:
        """Say once in a session that the server sends more of a field than the keys that it was asked for."""
        for name, keys in self.scan.node.keys:
            field = self.scan.node.meta.fields[name]
            try:
                there = loads(node[field.wire] or "{}")
            except (ValueError, TypeError, RecursionError):
                continue  # damage costs its own row, where it is read
            # W&B's own keys may come with every part.
            surplus = isinstance(there, dict) and not there.keys() <= {*keys, *HOUSEKEEPING}
            if surplus and self.target.refusals.learn(KEYS):
                warn(
                    f"{self.target.place} was asked for some keys of {name} and sends all of them: it ignores the "
                    "argument keys. The answers are right, and as large as whole rows",
                    QueryWarning,
                )

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
                self.cursor, self._under = None, self.keyset.condition
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
        if (along := self.scan.node.along) is not None:
            self.budget.along |= {node["id"]: {name: node[name] for name in along.names} for node in nodes}
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
    try:
        taken = frozenset(extra for item in waiting for extra in item.taken)
        with refusable(lambda: _extras(waiting, chunks), [item.scan for item in waiting], taken):
            arrived = yield from _arrived(chunks, [item for item in waiting if item.is_ahead])
    except ServerError as error:
        if not _is_too_much(error, waiting):
            raise
        size = max([item.given_up() for item in waiting])
        if not waiting[0].budget.shrink(size, late=isinstance(error, RequestTimeout)):
            raise
        return (yield from load(pages))
    for chunk, request, response, data in arrived:
        _receive(chunk, request, response, data)
    for item in waiting:
        if item.wants_more:
            yield from item.look_ahead()
    for chunk, request, *_ in arrived:
        with whole_answer(chunk[0].target, request):
            for item in chunk:
                item.make()


def _is_too_much(error: ServerError, waiting: Sequence[Pages]) -> bool:
    """Whether a smaller page may be answered. A server that never answered in time is not asked again."""
    if isinstance(error, RequestTimeout):
        return error.server_message != RAN_OUT and any(item.budget.pages for item in waiting)
    return isinstance(error, ResponseTooLarge) or (type(error) is ServerError and error.status in (502, 504))


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
        begins=not head.pages,
    )


def _own_values(route: Route, meta: EntityMeta, edge: dict[str, Any]) -> dict[str, Any]:
    """A node with the numbers that its edge has for it."""
    node = dict(edge["node"])
    for name, own in route.edge.items():
        text = edge[own]
        if isinstance(text, str) and text[:1] == "v" and text[1:].isdecimal() and text.isascii():
            node[meta.fields[name].wire] = int(text[1:])
    return node
