"""Read asked keys of histories by documents: one spec per key, joined here, and proven by the counts of the keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

import attrs

from wbmodel.backend.asks import ReadSpec, Request, Response
from wbmodel.backend.verbs import Emit, Join, Send, Start
from wbmodel.compiler.history_specs import COUNTS, SERIES, KeyAsk, along_of, answered, key_ask_request, spec_of
from wbmodel.compiler.target import Target
from wbmodel.errors import (
    RAN_OUT,
    DoesNotExist,
    FieldError,
    KeyWarning,
    NotAuthenticated,
    NotSupported,
    RequestTimeout,
    ServerError,
    WbmodelError,
    suggestion,
    warn,
)
from wbmodel.meta import EntityMeta
from wbmodel.operations.answer import Operation, answer, passed_on, whole_answer
from wbmodel.operations.histories.documents import ALIASES_AT_MOST
from wbmodel.operations.histories.exports import Exports
from wbmodel.operations.histories.in_pages import with_values
from wbmodel.operations.histories.joined import asked_keys
from wbmodel.operations.histories.key_info import logged
from wbmodel.operations.histories.picked import Picking, read_picked
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.runs import Given, Runs
from wbmodel.operations.histories.series_budget import SeriesBudget
from wbmodel.operations.histories.series_reading import PATIENCE, Asked, Piece, SeriesReading
from wbmodel.operations.ways_back import on_lesser_terms, refusable

__all__ = ["asked_of", "read_keyed"]

_DOWN = 5
"""After so many runs in a row that cannot be read alone, the server is taken to be down."""

_FUTILE = 2
"""After so many runs whose counts are too high, the server's counts are taken to be."""

_MOST_WAITING = 256
"""So many runs are read and not emitted at most, because an earlier one is still being read."""


def read_keyed(spec: ReadSpec, runs: Runs, target: Target) -> Operation[None]:
    """Emit the parts of each run, and its end, in the order of ``runs``.

    The rows have the columns ``_step`` and the keys of ``spec``, in that order; the k-th value of each key at a step is
    in the k-th row of that step. Raises :class:`~wbmodel.errors.FieldError` if no run has any of the keys.
    """
    yield from _Keyed(spec, runs, target).read()


def asked_of(spec: ReadSpec) -> Asked:
    """What a spec asks of each run."""
    return Asked(asked_keys(spec), spec.min_step, None if spec.max_step is None else spec.max_step - 1)


_Work = tuple[SeriesReading, list[Piece]]


@attrs.frozen(slots=True, eq=False)
class _Flight:
    """A request on its way."""

    work: list[_Work]
    cost: float
    request: Request
    handle: Any


class _RunFailed(Exception):
    """The server took the first request and failed on one of its runs: that is not a refusal."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response


class _Keyed:
    """One reading."""

    def __init__(self, spec: ReadSpec, runs: Runs, target: Target) -> None:
        asked = asked_of(spec)
        self.spec, self.asked, self.target = spec, asked, target
        # Where a range is asked, the counts prove nothing, so that short histories are read whole: not in pages.
        within = asked.low is None and asked.high is None
        self.runs = with_values(runs, along_of(list(map(spec_of, asked.specs))) if within else None)
        self.budget = SeriesBudget(target)
        self.queue: deque[_Work] = deque()
        """What is to be asked next."""
        self.waiting: deque[SeriesReading] = deque()
        """The runs that were not emitted yet, in their order."""
        self.flights: deque[_Flight] = deque()
        self.listed = False
        """Whether all runs are known."""
        self.answers = 0
        self.names = Names(asked.keys)
        self.files = Exports(spec, target, self.names.hear)
        self.failures = 0
        """How many runs in a row could not be read alone."""
        self.futile = 0
        """How many runs had higher counts than rows, and dividing them brought nothing."""

    def read(self) -> Operation[None]:
        """Emit everything."""
        while True:
            while len(self.flights) < self.budget.ahead and (work := (yield from self._next_work())):
                if self.answers:
                    yield from self._start(work)
                elif not (yield from self._first(work)):
                    yield from self._all_by_rows()
            if self.flights:
                yield from self._land(self.flights.popleft())
            yield from self._emit()
            if self.listed and not self.waiting:
                break
        self.names.settle()

    # -- what to ask next --------------------------------------------------------------------------

    def _next_work(self) -> Operation[list[_Work]]:
        """The work of the next request."""
        found: list[_Work] = []
        total = 0.0
        while True:
            # A request is filled up with the runs of further pages, unless these bring their values themselves.
            if not self.queue and ((found and self.runs.brings) or not (yield from self._pull())):
                return found
            reading, pieces = self.queue[0]
            if self.files.is_new(reading.head) and not self.runs.brings:
                if self.files.waiting >= ALIASES_AT_MOST:
                    return found
                yield from self.files.ask(item.head for item, _ in self.queue)
            if reading.error is not None or self.files.has(reading.head):
                self.queue.popleft()
                continue
            cost = self.budget.cost(1, reading.head.count)
            room = max(0 if found else 1, int((self.budget.units - total) // cost))
            if not room or not self.budget.fits(total, len(found) + 1):
                return found
            self.queue.popleft()
            if len(pieces) > room:
                self.queue.appendleft((reading, pieces[room:]))
            found.append((reading, pieces[:room]))
            total += cost * len(found[-1][1])

    def _pull(self) -> Operation[bool]:
        """Queue the next runs. Returns whether there are any."""
        if self.listed or len(self.waiting) > _MOST_WAITING:
            return False
        came = yield from self.runs.pull()
        if came is None:
            self.listed = True
            return False
        self.target = self.runs.target or self.target
        nodes = [node for _, node in came]
        works: list[_Work] = []
        for head, _ in came:
            reading = SeriesReading(head, self.asked)
            works.append((reading, [pieces[0] for pieces in reading.pieces]))
        self.waiting.extend(reading for reading, _ in works)
        if not self.runs.brings:
            self.queue.extend(works)
        elif works:
            with whole_answer(self.target, self._request(works[:1], self.target)):
                for work, node in zip(works, nodes, strict=True):
                    self.queue.extend([work] if node is None else self._taken(work, node))
            if any(self.files.is_new(head) for head, _ in came):
                self.runs.bring_no_more()  # long histories are better read from files
        return bool(self.queue)

    # -- requests ----------------------------------------------------------------------------------

    @property
    def _meta(self) -> EntityMeta:
        return type(self.waiting[0].head.row).__wbmodel_meta__  # type: ignore[no-any-return]

    def _request(self, work: Sequence[_Work], target: Target) -> Request:
        asks = [KeyAsk(reading.head.ref, tuple(piece.spec(self.asked) for piece in pieces)) for reading, pieces in work]
        return key_ask_request(self._meta, asks, counts=COUNTS not in target.refused)

    def _first(self, work: list[_Work]) -> Operation[bool]:
        """The first request. Returns whether the server takes it."""

        def send(target: Target) -> Operation[dict[str, Any] | None]:
            if SERIES in target.refused:
                return None
            request = self._request(work, target)
            # A server that takes no aliases is found out as one that fails on several runs at once.
            extras = {SERIES} if COUNTS in target.refused else {SERIES, COUNTS}
            with refusable(lambda: extras):
                response = yield Send(request)
                if response.errors and all(error.get("path") for error in response.errors):
                    raise _RunFailed(response)
                return answer(target, request, response)

        cost = sum(self.budget.cost(len(pieces), reading.head.count) for reading, pieces in work)
        try:
            data, self.target = yield from on_lesser_terms(send, self.target)
        except _RunFailed as failed:
            request = self._request(work, self.target)
            try:
                answer(self.target, request, failed.response)
            except WbmodelError as error:
                self._failed(work, cost, error)
            return True
        except WbmodelError as error:
            self._failed(work, cost, error)
            return True
        if data is not None:
            self._received(work, self._request(work, self.target), data)
        return data is not None

    def _start(self, work: list[_Work]) -> Operation[None]:
        request = self._request(work, self.target)
        cost = sum(self.budget.cost(len(pieces), reading.head.count) for reading, pieces in work)
        try:
            handle = yield Start(request)
        except Exception as error:
            handle = error
        self.flights.append(_Flight(work, cost, request, handle))

    def _land(self, flight: _Flight) -> Operation[None]:
        try:
            if isinstance(flight.handle, Exception):
                raise flight.handle
            data = answer(self.target, flight.request, (yield Join(flight.handle)))
        except WbmodelError as error:
            self._failed(flight.work, flight.cost, error)
            return
        self._received(flight.work, flight.request, data)

    def _failed(self, work: list[_Work], cost: float, error: WbmodelError) -> None:
        """Ask for less; a run that cannot be read alone has failed, and the others have not."""
        own = isinstance(error, NotAuthenticated | NotSupported) or getattr(error, "server_message", None) == RAN_OUT
        if own or not isinstance(error, ServerError) or (not self.answers and isinstance(error, RequestTimeout)):
            raise error
        self.budget.shrink(cost)
        if len(work) > 1 or len(work[0][1]) > 1:
            self.queue.extendleft(reversed(work))
            return
        self.failures += 1
        if self.failures >= _DOWN:
            raise error
        work[0][0].error = error

    def _received(self, work: list[_Work], request: Request, data: dict[str, Any]) -> None:
        self.answers += 1
        self.failures = 0
        self.budget.grow()
        again: list[_Work] = []
        with whole_answer(self.target, request):
            for slot, (reading, pieces) in enumerate(work):
                node = answered(data, self._meta, slot)
                if node is None or node["id"] != reading.head.ref.node_id:
                    reading.error = gone(self._meta, reading.head, self.target)
                    continue
                again += self._taken((reading, pieces), node)
        self.queue.extendleft(reversed(again))

    def _taken(self, work: _Work, node: dict[str, Any]) -> list[_Work]:
        """Take the values of a run. Returns what is to be asked besides."""
        reading, pieces = work
        reading.receive(pieces, node["sampledHistory"], node.get("historyKeys"))
        more = reading.more(PATIENCE if self.futile < _FUTILE else 1) if reading.waiting == 0 else []
        return [(reading, more)] if more else []

    # -- results -----------------------------------------------------------------------------------

    def _emit(self) -> Operation[None]:
        while self.waiting and (self.waiting[0].is_done or self.files.has(self.waiting[0].head)):
            if self.files.has(self.waiting[0].head):
                reading = self.waiting[0]
                if (yield from passed_on(self.files.read(reading.head), Picking(self.spec).take)):
                    self.waiting.popleft()
                else:
                    self.queue.appendleft((reading, [pieces[0] for pieces in reading.pieces]))
                continue
            unproven = list(takewhile(lambda item: item.is_done and item.needs_rows, self.waiting))
            if unproven:
                for reading in unproven:
                    self.waiting.popleft()
                    self.futile += not reading.gained
                yield from self._by_rows(Given([reading.head.row for reading in unproven]))
                continue
            reading = self.waiting.popleft()
            if reading.error is not None:
                yield Emit((Ended(reading.head, 0, None, reading.error),))
                continue
            self.names.take(reading)
            batch = reading.batch()
            items: list[Part | Ended] = [Part(reading.head, batch)] if batch.length else []
            yield Emit((*items, Ended(reading.head, batch.length, reading.missing)))

    def _by_rows(self, runs: Runs) -> Operation[None]:
        """Read whole rows of some runs instead."""
        yield from read_picked(self.spec, runs, self.target, self.names.hear)

    def _all_by_rows(self) -> Operation[None]:
        """Read whole rows of all runs that are not emitted yet."""
        heads = [reading.head for reading in self.waiting]
        self.waiting.clear()
        self.queue.clear()
        yield from self._by_rows(Given([head.row for head in heads]))
        if not self.listed:
            yield from self._by_rows(self.runs.alone())
        self.listed = True


def gone(meta: EntityMeta, head: Head, target: Target) -> WbmodelError:
    """The error of a run that is not there any more."""
    error = meta.does_not_exist(f"{meta.name} {head.ref.path!r} is not on {target.place} any more; it was just deleted")
    assert isinstance(error, DoesNotExist)
    return error


class Names:
    """Which of the asked keys exist, and what else was logged where they do not."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys
        self.lacking = set(keys)
        self.others: set[str] = set()
        self.growing = False

    def take(self, reading: SeriesReading) -> None:
        """Note the keys of a run."""
        if not self.lacking:
            return
        self.growing = self.growing or reading.head.growing
        self.lacking -= {key for at, key in enumerate(self.keys) if not reading.is_empty(at)}
        if self.lacking:
            self.others.update(logged(reading.keys) or ())

    def hear(self, head: Head, names: Iterable[str]) -> None:
        """Note the columns of a run's rows."""
        self.growing = self.growing or head.growing
        self.lacking.difference_update(names)
        if self.lacking:
            self.others.update(names)

    def settle(self) -> None:
        """Say which keys nobody logged: raise if none of them was, and the runs logged others."""
        if not (self.lacking and self.others):
            return
        told = "; ".join(
            f"no history that was read has the key {key!r}{suggestion(key, self.others, 'keys there')}"
            for key in self.keys
            if key in self.lacking
        )
        if len(self.lacking) == len(self.keys) and not self.growing:
            raise FieldError(told)
        warn(told, KeyWarning)
