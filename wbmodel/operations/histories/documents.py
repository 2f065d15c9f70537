"""Read many objects by aliased documents: several ahead, in bounded memory, and smaller ones where a server fails.

A :class:`Reading` is the work for one run: it says what to ask, takes the answers, and gives parts once it is done.
Readings of the same project share documents, weighed by the bytes that are expected; parts are emitted in the order of
runs, and no more runs are begun while too much is held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import attrs

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Emit, Join, Start
from wbmodel.compiler.extras import ALIASES, Extra
from wbmodel.compiler.histories import Kind, aliased_request
from wbmodel.compiler.target import Target
from wbmodel.errors import RAN_OUT, RequestTimeout, ResponseTooLarge, ServerError, WbmodelError
from wbmodel.meta import Route
from wbmodel.meta.scopes import ENTITY, PROJECT
from wbmodel.operations.answer import Operation, answer, send_all, whole_answer
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.runs import Runs
from wbmodel.operations.ways_back import on_lesser_terms, refusable

__all__ = ["ALIASES_AT_MOST", "Asked", "Documents", "Files", "Reading", "gone"]

ALIASES_AT_MOST = 20
BYTES = 4 * 1024 * 1024
"""What one document may weigh."""
ROW_BYTES = 300.0
"""The bytes of a row, until some have been measured."""
AHEAD = 8
"""Documents in flight."""
HELD = 8 * BYTES
"""What the runs may weigh that are read and not yet emitted; then no more are begun."""


@attrs.frozen(slots=True, eq=False)
class Asked:
    """One alias: ``kind`` of the run of ``reading`` with ``values``. ``ask`` is the reading's own, ``expects`` how many
    rows may come."""

    reading: Reading
    kind: Callable[[Target], tuple[Kind, frozenset[Extra]]]
    values: Callable[[Target], dict[str, Any]]
    expects: int
    ask: Any = None


class Reading(Protocol):
    """The work for one run."""

    head: Head
    weight: int
    """Rows that are held."""

    @property
    def done(self) -> bool:
        """Whether nothing more is asked."""
        ...

    def wanted(self) -> list[Asked]:
        """What to ask now; empty while answers are awaited."""
        ...

    def take(self, asked: Asked, found: dict[str, Any]) -> int:
        """The answer. Returns the number of its rows."""
        ...

    def too_much(self, asked: Asked) -> bool:
        """The server failed on one alias alone. Returns whether the reading asks for less instead."""
        ...

    def failed(self, error: WbmodelError) -> None:
        """The run cannot be read."""
        ...

    def parts(self) -> Iterator[Part | Ended]:
        """What there is, and the end."""
        ...


class Files(Protocol):
    """Another way to the rows of some runs."""

    @property
    def waiting(self) -> int:
        """How many runs can be read this way, and have not been."""
        ...

    def is_new(self, head: Head) -> bool:
        """Whether it is not known yet if this run can be read this way."""
        ...

    def ask(self, heads: Iterable[Head]) -> Operation[None]:
        """Find out which of the first of these runs can be read this way."""
        ...

    def has(self, head: Head) -> bool:
        """Whether this run can be read this way."""
        ...

    def read(self, head: Head) -> Operation[bool]:
        """Emit the parts and the end of a run, or nothing and return False; then :meth:`has` is False too."""
        ...


class _Sent:
    """A document in flight. ``cut``: it was sent after another one came too late."""

    def __init__(self, asked: list[Asked], target: Target, requests: Sequence[Request], handle: Any, cut: bool) -> None:
        self.asked, self.target, self.requests, self.handle, self.cut = asked, target, requests, handle, cut


class Documents:
    """Reads ``runs``; ``begin`` makes the work for one of them. Those that ``files`` has are read by these instead."""

    def __init__(
        self, runs: Runs, target: Target, begin: Callable[[Head], Reading], files: Files | None = None
    ) -> None:
        self.runs, self.target, self.begin, self.files = runs, target, begin, files
        self._heads: deque[Head] = deque()
        self._listed = False
        self._open: deque[Reading] = deque()
        self._queue: deque[Asked] = deque()
        self._sent: deque[_Sent] = deque()
        self._most = float(ALIASES_AT_MOST)
        self._bytes = float(BYTES)
        self._measured: dict[tuple[str, str], tuple[float, int]] = {}
        self._ahead = float(AHEAD)
        self._cut = False
        """Whether a document came too late, and none has come since."""

    def read(self) -> Operation[None]:
        """Emit the parts of each run and its end, in the order of the runs."""
        while True:
            yield from self._fill()
            if self._sent:
                yield from self._receive(self._sent.popleft())
            elif not self._open and self._listed and not self._heads:
                return
            while self._open and (yield from self._emitted(self._open[0])):
                self._open.popleft()

    def _emitted(self, reading: Reading) -> Operation[bool]:
        """Emit the parts of a run. Returns False if it is still being read."""
        if self.files is not None and self.files.has(reading.head):
            return (yield from self.files.read(reading.head))
        if not reading.done:
            return False
        for item in reading.parts():
            yield Emit((item,))
        return True

    # -- asking ----------------------------------------------------------------------------------------

    def _fill(self) -> Operation[None]:
        """Send documents as far ahead as it saves time."""
        ahead = self._ahead if self.target.capabilities.concurrent else 1
        while len(self._sent) < int(ahead):
            yield from self._gather()
            if not self._queue:
                return
            asked = self._packed()
            target = self.target
            requests = _requests(asked, target)
            handle = None
            if len(requests) == 1:
                try:
                    handle = yield Start(requests[0])
                except WbmodelError as error:
                    handle = error
            self._sent.append(_Sent(asked, target, requests, handle, self._cut))

    def _gather(self) -> Operation[None]:
        """Collect what is to be asked, from runs that are open and then from new ones, until a document is full."""
        for reading in self._open:
            if not reading.done:
                yield from self._look_for_files(reading.head, (other.head for other in self._open))
                self._want(reading)
        while not self._is_full():
            if not self._heads and not self._listed:
                heads = yield from self.runs.pull()
                self._listed = heads is None
                self._heads.extend(heads or ())
                continue
            if not self._heads:
                return
            yield from self._look_for_files(self._heads[0], self._heads)
            reading = self.begin(self._heads.popleft())
            self._open.append(reading)
            self._want(reading)

    def _look_for_files(self, head: Head, others: Iterable[Head]) -> Operation[None]:
        if self.files is not None and self.files.is_new(head):
            yield from self.files.ask(others)

    def _want(self, reading: Reading) -> None:
        if self.files is None or not self.files.has(reading.head):
            self._queue.extend(reading.wanted())

    def _is_full(self) -> bool:
        held = sum(reading.weight for reading in self._open) * ROW_BYTES
        if (held > HELD and self._open) or (self.files is not None and self.files.waiting >= ALIASES_AT_MOST):
            return True
        most = min(self._most, self.target.capabilities.max_aliases)
        return len(self._queue) >= most or sum(map(self._weight, self._queue)) >= self._bytes

    def _packed(self) -> list[Asked]:
        """Take from the queue what fits into one document."""
        most = max(1, int(min(self._most, self.target.capabilities.max_aliases)))
        first = self._queue[0]
        kind, place = first.kind(self.target)[0], _place(first.reading.head)
        taken: list[Asked] = []
        weight = 0.0
        while self._queue and len(taken) < most:
            asked = self._queue[0]
            more = self._weight(asked)
            if taken and (
                weight + more > self._bytes
                or asked.kind(self.target)[0] is not kind
                or _place(asked.reading.head) != place
            ):
                break
            weight += more
            taken.append(self._queue.popleft())
        return taken

    def _weight(self, asked: Asked) -> float:
        head = asked.reading.head
        size, rows = self._measured.get((head.ref.entity, head.ref.project), (0.0, 0))
        each = size / rows if rows >= 20 else ROW_BYTES
        return 200 + asked.expects * each

    # -- answers ---------------------------------------------------------------------------------------

    def _receive(self, sent: _Sent) -> Operation[None]:
        def work(target: Target) -> Operation[list[tuple[Sequence[Asked], Request, Response, dict[str, Any]]]]:
            if target.refused == sent.target.refused and sent.handle is not None:
                handle, sent.handle = sent.handle, None
                requests = sent.requests
                if isinstance(handle, Exception):
                    raise handle
                with refusable(lambda: _extras(sent.asked, target)):
                    responses = [(yield Join(handle))]
                    answers = [answer(target, requests[0], responses[0])]
            else:
                requests = _requests(sent.asked, target)
                with refusable(lambda: _extras(sent.asked, target)):
                    responses = list((yield from send_all(requests)))
                    answers = [answer(target, *pair) for pair in zip(requests, responses, strict=True)]
            groups = [sent.asked] if len(requests) == 1 else [[asked] for asked in sent.asked]
            return list(zip(groups, requests, responses, answers, strict=True))

        try:
            arrived, lesser = yield from on_lesser_terms(work, self.target)
        except ServerError as error:
            self._failed(sent, error)
            return
        self.target = lesser
        self._cut = False
        self._ahead = min(AHEAD, self._ahead * 1.25)
        for asked, request, response, data in arrived:
            with whole_answer(self.target, request):
                self._taken(asked, response, data)

    def _taken(self, asked: Sequence[Asked], response: Response, data: dict[str, Any]) -> None:
        steps = _route(asked[0].reading.head).steps
        at: Any = data
        for step in steps[:-1]:
            at = at[step.field] if at is not None else None
        rows = 0
        for index, one in enumerate(asked):
            found = None if at is None else at[f"r{index}"]
            if one.reading.done:
                continue  # it failed meanwhile
            if found is None or found["id"] != one.reading.head.ref.node_id:
                one.reading.failed(gone(one.reading.head, self.target))
            else:
                rows += one.reading.take(one, found)
                self._counted(one.reading, found.get("historyLineCount"))
        if response.note is not None and response.note.size and rows:
            place = asked[0].reading.head.ref.entity, asked[0].reading.head.ref.project
            size, many = self._measured.get(place, (0.0, 0))
            # What came long ago counts for less.
            self._measured[place] = (size / 2 + response.note.size, many // 2 + rows)
        self._most = min(ALIASES_AT_MOST, self._most * 1.25)
        self._bytes = min(BYTES, self._bytes * 1.25)

    def _counted(self, reading: Reading, lines: int | None) -> None:
        """The number of lines, if it was not known: of a long history, there may be files."""
        if reading.head.count is None and lines is not None:
            reading.head = attrs.evolve(reading.head, count=lines)

    def _failed(self, sent: _Sent, error: ServerError) -> None:
        """Ask again in smaller documents what was too much; raise what is not about these runs.

        Documents that are late are asked for one at a time: those in flight together wait for each other.
        """
        late = isinstance(error, RequestTimeout)
        if late and (error.server_message == RAN_OUT or sent.cut):
            raise error
        if late:
            self._cut, self._ahead = True, 1.0
        too_much = (
            late or isinstance(error, ResponseTooLarge) or (type(error) is ServerError and error.status in _HEAVY)
        )
        if not too_much and type(error) is not ServerError:
            raise error
        asked = [one for one in sent.asked if not one.reading.done]
        if too_much:
            weight = sum(map(self._weight, asked))
            self._bytes = max(1.0, min(self._bytes, weight / 2))
            self._most = max(1.0, min(self._most, len(asked) / 2))
        if len(asked) > 1:
            if not too_much:
                self._most = 1.0  # which of the runs it is about shows when each is asked alone
            self._queue.extendleft(reversed(asked))
            return
        for one in asked:
            if not too_much or not one.reading.too_much(one):
                one.reading.failed(error)


_HEAVY = (502, 504)


def gone(head: Head, target: Target) -> WbmodelError:
    """The error of a run that was there when it was listed."""
    meta = type(head.row).__wbmodel_meta__
    error: WbmodelError = meta.does_not_exist(
        f"{meta.name} {head.ref.path!r} does not exist on {target.place} any more; it was deleted while histories were "
        "read"
    )
    return error


def _place(head: Head) -> tuple[str, str, int]:
    return head.ref.entity, head.ref.project, id(_route(head))


def _route(head: Head) -> Route:
    """The route to a single run by its key."""
    route: Route = type(head.row).__wbmodel_meta__.options.points[-1]
    return route


def _extras(asked: Sequence[Asked], target: Target) -> set[Extra]:
    found = {extra for one in asked for extra in one.kind(target)[1]}
    return (found | {ALIASES} if len(asked) > 1 else found) - target.refused


def _requests(asked: Sequence[Asked], target: Target) -> list[Request]:
    groups = [[one] for one in asked] if ALIASES in target.refused else [list(asked)]
    return [_request(group, target) for group in groups]


def _request(asked: Sequence[Asked], target: Target) -> Request:
    head = asked[0].reading.head
    parent = {PROJECT: head.ref.project, ENTITY: head.ref.entity}
    named = [({"key": one.reading.head.ref.name}, one.values(target)) for one in asked]
    return aliased_request(asked[0].kind(target)[0], _route(head), parent, named)
