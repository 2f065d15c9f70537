"""The two drivers over real backends: every verb, errors, early ends, in both colours."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings

import pytest

from tests.support.paged_backends import all_rows, manager, page, pages, pages_ahead, patient
from wbmodel.errors import ConfigurationError, PluginError, ServerError
from wbmodel.request import Batch, Emit, Join, Request, Send, Start
from wbmodel.session import connect

BACKENDS = ["slow", "plain", "blocking"]
FAILING = Request(page(0, 5).document, {"first": 5, "after": 0, "fail": True}, "Rows")


@pytest.fixture(params=BACKENDS)
def session(request):
    return connect(f"{request.param}:x", plugins=manager())


async def collected(source):
    return [item async for item in source]


async def test_iterate_gives_pages_in_both_colours(session):
    expected = [list(range(10)), list(range(10, 20)), list(range(20, 25))]
    assert list(session.iterate(pages(10))) == expected
    assert await collected(session.aiterate(pages(10))) == expected
    assert session.stats.requests == 6


async def test_reading_ahead_gives_the_same_pages(session):
    expected = [list(range(start, min(start + 10, 25))) for start in (0, 10, 20)]
    assert list(session.iterate(pages_ahead(10, 25))) == expected
    assert await collected(session.aiterate(pages_ahead(10, 25))) == expected


async def test_run_returns_the_value(session):
    assert session.run(all_rows(10, 25)) == list(range(25))
    assert await session.arun(all_rows(10, 25)) == list(range(25))
    assert session.stats.round_trips == 2
    assert session.stats.requests == 6


async def test_errors_are_raised_at_the_yield_and_may_be_handled_there(session):
    response, failures = session.run(patient(FAILING, 3))
    assert (response.data["rows"]["items"], failures) == ([0, 1, 2, 3, 4], 1)
    response, failures = await session.arun(patient(FAILING, 3))
    assert failures == 1
    assert session.stats.errors == 2


async def test_unhandled_errors_come_out(session):
    with pytest.raises(ServerError, match="on fire"):
        session.run(patient(FAILING, 1))
    with pytest.raises(ServerError, match="on fire"):
        await session.arun(patient(FAILING, 1))


async def test_batch_is_all_or_nothing(session):
    def operation():
        try:
            yield Batch([page(0, 5), FAILING, page(5, 5)])
        except ServerError:
            return "nothing"

    assert session.run(operation()) == "nothing"
    assert await session.arun(operation()) == "nothing"


async def test_an_empty_batch_sends_nothing(session):
    def operation():
        return (yield Batch([]))

    assert session.run(operation()) == []
    assert await session.arun(operation()) == []
    assert session.stats.requests == 0


async def test_errors_of_a_request_read_ahead_come_at_wait(session):
    def operation():
        handle = yield Start(FAILING)
        rows = (yield Send(page(0, 3))).data["rows"]["items"]
        try:
            yield Join(handle)
        except ServerError:
            return rows, "late"

    assert session.run(operation()) == ([0, 1, 2], "late")
    assert await session.arun(operation()) == ([0, 1, 2], "late")


def test_closing_an_iterator_closes_the_operation(session):
    ended = []

    def operation():
        try:
            yield from pages(10)
        finally:
            ended.append(True)

    rows = session.iterate(operation())
    assert next(rows) == list(range(10))
    rows.close()
    assert ended == [True]
    assert session.stats.requests == 1


async def test_closing_an_asynchronous_iterator_closes_the_operation(session):
    ended = []

    def operation():
        try:
            yield from pages(10)
        finally:
            ended.append(True)

    rows = session.aiterate(operation())
    assert await rows.__anext__() == list(range(10))
    await rows.aclose()
    assert ended == [True]


def test_reading_ahead_overlaps_where_the_backend_is_concurrent():
    slow = connect("slow:x", plugins=manager(), total=50, delay=0.3)
    assert len(list(slow.iterate(pages_ahead(10, 50)))) == 5
    assert slow.backend.most == 5


def test_reading_ahead_costs_nothing_where_it_would_save_nothing():
    def operation():
        yield Start(page(0, 5))
        return "not waited for"

    plain = connect("plain:x", plugins=manager())
    assert plain.run(operation()) == "not waited for"
    assert plain.stats.requests == 0


def test_what_was_read_ahead_is_cancelled_when_the_iterator_is_closed():
    slow = connect("slow:x", plugins=manager(), total=50, delay=0.3)

    def operation():
        yield Start(page(0, 5))
        yield Emit([1])

    rows = slow.iterate(operation())
    next(rows)
    while not slow.backend.started:
        time.sleep(0.005)
    rows.close()
    slow.run(all_rows(10, 10))  # the owner loop has had its turn
    assert slow.backend.cancelled == 1


async def test_an_unwaited_failure_is_silent():
    slow = connect("slow:x", plugins=manager(), delay=0)

    def operation():
        yield Start(FAILING)
        return (yield Send(page(0, 1))).data["rows"]["items"]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert await slow.arun(operation()) == [0]
        await asyncio.sleep(0.01)
        gc.collect()
    assert slow.run(operation()) == [0]


async def test_wait_takes_its_own_handles_once(session):
    def twice():
        handle = yield Start(page(0, 1))
        yield Join(handle)
        yield Join(handle)

    def invented():
        yield Join("handle")

    for operation in (twice, invented):
        with pytest.raises(TypeError, match="a handle that the same operation got"):
            session.run(operation())
        with pytest.raises(TypeError, match="a handle that the same operation got"):
            await session.arun(operation())


async def test_what_is_no_verb_is_refused(session):
    def operation():
        yield "rows"

    with pytest.raises(TypeError, match="not str"):
        session.run(operation())
    with pytest.raises(TypeError, match="not str"):
        await session.arun(operation())


async def test_run_refuses_to_drop_emitted_rows(session):
    with pytest.raises(TypeError, match=r"emits rows; use iterate\(\)"):
        session.run(pages(10))
    with pytest.raises(TypeError, match=r"emits rows; use aiterate\(\)"):
        await session.arun(pages(10))


async def test_cancelling_the_caller_cancels_the_request():
    slow = connect("slow:x", plugins=manager(), delay=10)
    ended = []

    def operation():
        try:
            yield Send(page(0, 1))
        finally:
            ended.append(True)

    task = asyncio.ensure_future(slow.arun(operation()))
    while not slow.backend.started:
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while not slow.backend.cancelled:
        await asyncio.sleep(0.005)
    assert ended == [True]


async def test_the_raw_door_raises_graphql_errors(session):
    document = page(0, 1).document
    assert session.execute(document.text, {"first": 2, "after": 0}).data["rows"]["items"] == [0, 1]
    for call in (session.execute, session.aexecute):
        with pytest.raises(ServerError, match="-3 is negative") as caught:
            result = call(document, {"first": 2, "after": -3}, "Rows")
            if asyncio.iscoroutine(result):
                await result
        assert caught.value.operation == "Rows"
        assert caught.value.server_message == "after: -3 is negative"
        assert session.url in str(caught.value)


async def test_a_closed_session_says_so(session):
    session.run(all_rows(10, 10))
    session.close()
    session.close()
    with pytest.raises(ConfigurationError, match=r"'default' \(.*:x\) is closed"):
        session.run(all_rows(10, 10))
    with pytest.raises(ConfigurationError, match="is closed"):
        await session.arun(all_rows(10, 10))
    assert "closed" in repr(session)


def test_a_backend_that_miscounts_is_named():
    plain = connect("plain:x", plugins=manager())
    plain.backend.execute_many = lambda requests, timeout=None: []
    with pytest.raises(PluginError, match="'plain' gave 0 answers to 3 requests"):
        plain.run(all_rows(10, 25))


def test_driving_costs_little():
    """Driver and generator, per page, beside the backend alone; the design's prototype took 4.5 us.

    In the processor's time of this thread, which does all of the work: other processes take none of it."""
    plain = connect("plain:x", plugins=manager(), total=20_000, limit=10)
    backend = plain.backend
    requests = [page(start, 10) for start in range(0, 20_000, 10)]
    start = time.thread_time()
    for request in requests:
        backend.execute(request)
    floor = time.thread_time() - start
    start = time.thread_time()
    assert sum(1 for _ in plain.iterate(pages(10))) == 2_000
    taken = time.thread_time() - start
    assert (taken - floor) / 2_000 < 100e-6
