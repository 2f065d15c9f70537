"""The counts of a session: what they mean in both colours, in blocks, when calls fail and when nobody waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.support.paged_backends import Plain, SlowPaged, all_rows, answer, manager, page, pages, pages_ahead
from wbmodel.backend import Capabilities
from wbmodel.errors import ServerError
from wbmodel.hookspecs import hookimpl
from wbmodel.request import CallNote, Emit, Request, Response, Send, Start
from wbmodel.safe_text import readable
from wbmodel.session import connect
from wbmodel.session.stats import SessionStats

FAILING = Request(page(0, 5).document, {"first": 5, "after": 0, "fail": True}, "Rows")


class Noting(SlowPaged):
    """Says of each answer what it took, as a backend over a network does, and lets ``at_once`` requests out."""

    name = "noting"
    capabilities = Capabilities(concurrent=True)

    def __init__(self, url, /, *, at_once=2, fail_after=0):
        super().__init__(url, delay=0.005)
        self.at_once, self.fail_after = at_once, fail_after
        self.gate = None
        self.out = self.peak = 0

    async def aexecute(self, request, *, timeout=None):
        self.gate = self.gate or asyncio.Semaphore(self.at_once)
        async with self.gate:
            self.out += 1
            self.peak = max(self.peak, self.out)
            await asyncio.sleep(self.delay)
            self.out -= 1
        if request.variables.get("fail"):
            raise ServerError("gave up", status=502, attempts=4)
        told = answer(request, self.total, self.limit)
        note = CallNote(attempts=3, pauses=2, received=100, sent=10, in_flight=self.peak, status=200)
        return Response(told.data, told.errors, note=note)


class Plugin:
    @hookimpl
    def wbmodel_register_backends(self, register):
        register("noting", Noting)


def noting(**options):
    return connect("noting:x", plugins=manager(Plugin()), **options)


def one(request):
    return (yield Send(request))


async def in_colour(colour, session, operation):
    return session.run(operation) if colour == "sync" else await session.arun(operation)


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_what_the_backend_notes_is_added_up(colour):
    session = noting()
    await in_colour(colour, session, all_rows(10, 25))
    assert session.stats.as_dict() == {
        "requests": 3,
        "round_trips": 1,
        "errors": 0,
        "retries": 6,
        "pauses": 6,
        "bytes": 300,
        "sent": 30,
        "peak_in_flight": 2,
    }


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_failed_call_counts_its_repeats(colour):
    session = noting()
    with pytest.raises(ServerError, match="gave up"):
        await in_colour(colour, session, one(FAILING))
    assert (session.stats.errors, session.stats.retries, session.stats.requests) == (1, 3, 1)


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_the_peak_is_counted_here_where_the_backend_does_not_say(colour):
    concurrent = connect("slow:x", plugins=manager())
    await in_colour(colour, concurrent, all_rows(5, 25))
    assert concurrent.stats.peak_in_flight == 5  # one call, sent side by side
    in_turn = connect("plain:x", plugins=manager())
    await in_colour(colour, in_turn, all_rows(5, 25))
    assert in_turn.stats.peak_in_flight == 1


async def test_the_peak_over_tasks_and_threads():
    session = connect("blocking:x", plugins=manager(), delay=0.3)
    await asyncio.gather(*(session.arun(one(page(0, 5))) for _ in range(4)))
    assert session.stats.peak_in_flight == 4
    threads = [threading.Thread(target=session.run, args=(one(page(0, 5)),)) for _ in range(6)]
    with session.stats.measuring() as used:
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    assert used.peak_in_flight == session.stats.peak_in_flight == 6
    assert (used.requests, session.stats.requests) == (6, 10)


async def test_the_peak_of_a_backend_that_makes_requests_wait_is_what_it_sent():
    session = noting(at_once=3)
    await asyncio.gather(*(session.arun(one(page(0, 5))) for _ in range(10)))
    assert session.stats.peak_in_flight == 3
    async with session.stats.measuring() as used:
        session.run(one(page(0, 5)))
    assert used.peak_in_flight == 1  # though the backend says 3, which was before


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_block_counts_what_the_session_sends_meanwhile(colour):
    session, other = noting(), connect("plain:x", plugins=manager(), name="other", default=False)
    await in_colour(colour, session, all_rows(10, 25))
    with session.stats.measuring() as outer:
        await in_colour(colour, session, one(page(0, 5)))
        async with session.stats.measuring() as inner:
            with pytest.raises(ServerError):
                await in_colour(colour, session, one(FAILING))
            await in_colour(colour, other, one(page(0, 5)))
        await in_colour(colour, session, one(page(0, 5)))
    await in_colour(colour, session, one(page(0, 5)))
    assert (inner.requests, inner.errors, inner.retries, inner.bytes) == (1, 1, 3, 0)
    assert (outer.requests, outer.errors, outer.retries, outer.bytes) == (3, 1, 7, 200)
    assert (session.stats.requests, session.stats.retries) == (7, 6 + 7 + 2)
    assert other.stats.requests == 1


def test_a_block_ends_with_an_error_too():
    session = noting()
    with pytest.raises(KeyError), session.stats.measuring() as used:
        raise KeyError("mine")
    session.run(one(page(0, 5)))
    assert used.requests == 0
    assert session.stats._all == (session.stats,)


def test_threads_lose_no_count():
    session = connect("plain:x", plugins=manager())
    snapshots = []

    def work():
        for _ in range(200):
            with session.stats.measuring() as used:
                session.run(one(page(0, 5)))
            assert used.requests >= 1
            snapshots.append(session.stats.snapshot())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.stats.requests == session.stats.round_trips == 1600
    assert 1 <= session.stats.peak_in_flight <= 8
    assert all(copy.requests == copy.round_trips for copy in snapshots)
    assert session.stats._in_flight == 0


def test_a_snapshot_stays():
    session = noting()
    before = session.stats.snapshot()
    session.run(one(page(0, 5)))
    assert before == SessionStats()
    assert session.stats.snapshot() == session.stats
    assert session.stats != before
    assert session.stats != 3


@pytest.mark.parametrize("kind", ["slow", "blocking"])
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_what_was_read_ahead_and_given_up_is_no_error_and_no_longer_under_way(kind, colour):
    session = connect(f"{kind}:x", plugins=manager(), delay=0.05)

    def operation():
        yield Start(page(0, 5))
        yield Start(page(5, 5))
        yield Emit([1])

    if colour == "sync":
        rows = session.iterate(operation())
        next(rows)
        rows.close()
    else:
        rows = session.aiterate(operation())
        await rows.__anext__()
        await asyncio.sleep(0.01)  # the tasks start
        await rows.aclose()
        await asyncio.sleep(0.1)
    assert session.stats.requests == 2
    assert session.stats.errors == 0
    assert session.stats._in_flight == 0


def test_an_answer_that_nobody_took_is_counted():
    session = noting()

    def operation():
        yield Start(page(0, 5))
        yield Emit([1])

    rows = session.iterate(operation())
    next(rows)
    while session.backend.out or not session.backend.peak:
        threading.Event().wait(0.001)
    threading.Event().wait(0.05)
    rows.close()
    assert (session.stats.bytes, session.stats._in_flight) == (100, 0)


async def test_a_cancelled_task_is_no_error():
    session = connect("slow:x", plugins=manager(), delay=5)
    task = asyncio.ensure_future(session.arun(one(page(0, 5))))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (session.stats.requests, session.stats.errors, session.stats._in_flight) == (1, 0, 0)


def test_an_answer_of_the_wrong_kind_counts_as_an_error():
    class Odd(Plain):
        def execute(self, request, *, timeout=None):
            return {"data": {}}

    class OddPlugin:
        @hookimpl
        def wbmodel_register_backends(self, register):
            register("odd", Odd)

    session = connect("odd:x", plugins=manager(OddPlugin()))
    with pytest.raises(Exception, match="answered with dict"):
        session.run(one(page(0, 5)))
    assert (session.stats.errors, session.stats._in_flight) == (1, 0)


async def test_both_colours_count_alike():
    both = []
    for colour in ("sync", "async"):
        session = connect("slow:x", plugins=manager(), delay=0.001)
        for operation in (pages(10), pages_ahead(10, 25)):
            if colour == "sync":
                list(session.iterate(operation))
            else:
                [rows async for rows in session.aiterate(operation)]
        both.append(session.stats.snapshot())
    assert both[0] == both[1]
    assert both[0].requests == 6


def test_people_can_read_it():
    assert str(SessionStats()) == "0 requests in 0 round trips"
    busy = SessionStats(1204, 64, 1, 1, 2, 12_345_678, 900, 8)
    assert str(busy) == (
        "1,204 requests in 64 round trips, 1 error, 2 pauses, 1 retry, 12 MB received, 900 B sent, 8 at once at most"
    )
    assert str(SessionStats(1, 1, retries=3, bytes=1500)) == "1 request in 1 round trip, 3 retries, 1.5 kB received"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_960, "10 kB"), (999_600, "1.0 MB"), (5 * 10**13, "50 TB")],
)
def test_sizes(size, text):
    assert readable(size) == text
