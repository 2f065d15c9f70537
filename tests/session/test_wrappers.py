"""Wrappers around real backends: order, batches in lockstep, answers of their own, errors, both colours."""

from __future__ import annotations

import pytest

from tests.support.paged_backends import all_rows, manager, page, pages, pages_ahead
from wbmodel.errors import PluginError, ServerError
from wbmodel.hookspecs import CallInfo, hookimpl
from wbmodel.request import Batch, Emit, Request, Response, Send, Start
from wbmodel.session import connect

FAILING = Request(page(0, 5).document, {"first": 5, "after": 0, "fail": True}, "Rows")


class Wrappers:
    def __init__(self, *wrappers):
        self.wrappers = wrappers

    @hookimpl
    def wbmodel_register_wrappers(self, register):
        for name, wrapper, order in self.wrappers:
            register(name, wrapper, order=order)


@pytest.fixture(params=["slow", "plain"])
def wrapped(request):
    return lambda *wrappers: connect(f"{request.param}:x", plugins=manager(Wrappers(*wrappers)))


def tracer(trace, name):
    def wrapper(request, info):
        assert isinstance(info, CallInfo)
        trace.append(f"{name} in")
        response = yield Send(request)
        trace.append(f"{name} out")
        return response

    return wrapper


async def test_a_smaller_order_is_nearer_to_the_caller(wrapped):
    trace = []
    session = wrapped(("b", tracer(trace, "b"), 5), ("a", tracer(trace, "a"), -5), ("c", tracer(trace, "c"), 5))
    session.run(all_rows(10, 10))
    expected = ["a in", "b in", "c in", "c out", "b out", "a out"]
    assert trace == expected
    await session.arun(all_rows(10, 10))
    assert trace == expected * 2


async def test_a_batch_stays_a_batch(wrapped):
    trace = []
    session = wrapped(("a", tracer(trace, "a"), 0), ("b", tracer(trace, "b"), 1))
    assert session.run(all_rows(10, 25)) == list(range(25))
    assert await session.arun(all_rows(10, 25)) == list(range(25))
    assert session.stats.round_trips == 2
    assert trace.index("a out") > max(at for at, word in enumerate(trace[:6]) if word == "a in")


async def test_a_cache_answers_by_itself(wrapped):
    kept = {}

    def cache(request, info):
        key = (request.document, tuple(request.variables.items()))
        if key not in kept:
            kept[key] = yield Send(request)
        return kept[key]

    session = wrapped(("cache", cache, 0))
    first = list(session.iterate(pages(10)))
    assert list(session.iterate(pages(10))) == first
    assert list(session.iterate(pages_ahead(10, 25))) == first
    assert [rows async for rows in session.aiterate(pages_ahead(10, 25))] == first
    assert session.run(all_rows(10, 30)) == list(range(25))  # a batch of which every answer is kept
    assert session.stats.requests == 3


async def test_a_wrapper_may_retry_and_split(wrapped):
    def retry(request, info):
        try:
            return (yield Send(request))
        except ServerError:
            return (yield Send(page(0, 5)))

    def split(request, info):
        first, after = request.variables["first"], request.variables["after"]
        halves = yield Batch([page(after, first // 2), page(after + first // 2, first - first // 2)])
        items = halves[0].data["rows"]["items"] + halves[1].data["rows"]["items"]
        return Response({"rows": {"items": items, "next": halves[1].data["rows"]["next"]}})

    def failing():
        return (yield Send(FAILING)).data["rows"]["items"]

    session = wrapped(("retry", retry, 0))
    assert session.run(failing()) == await session.arun(failing()) == [0, 1, 2, 3, 4]
    assert (session.stats.errors, session.stats.requests) == (2, 4)
    session = wrapped(("split", split, 0))
    assert session.run(all_rows(10, 20)) == await session.arun(all_rows(10, 20)) == list(range(20))
    assert session.stats.requests == 8
    assert session.stats.round_trips == 2


async def test_a_retry_of_a_batch_sends_the_batch_again(wrapped):
    tries = []

    def retry(request, info):
        tries.append(request)
        try:
            return (yield Send(request))
        except ServerError:
            return (yield Send(Request(request.document, {**request.variables, "fail": False}, "Rows")))

    def operation():
        return (yield Batch([page(0, 5), FAILING]))

    session = wrapped(("retry", retry, 0))
    assert [len(response.data["rows"]["items"]) for response in session.run(operation())] == [5, 5]
    assert [len(response.data["rows"]["items"]) for response in await session.arun(operation())] == [5, 5]


async def test_errors_pass_through_wrappers_and_close_them(wrapped):
    closed = []

    def watch(request, info):
        try:
            return (yield Send(request))
        finally:
            closed.append(request)

    def ahead():
        yield Start(page(0, 5))
        yield Emit([1])

    session = wrapped(("watch", watch, 0))
    with pytest.raises(ServerError, match="on fire"):
        session.run(_send(FAILING))
    with pytest.raises(ServerError, match="on fire"):
        await session.arun(_send(FAILING))
    assert len(closed) == 2
    rows = session.iterate(ahead())
    next(rows)
    rows.close()
    assert len(closed) == 2 + session.capabilities.concurrent


def _send(request):
    return (yield Send(request))


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        (lambda request, info: iter_of(Emit([1])), "'odd' yielded Emit"),
        (lambda request, info: iter_of(), "'odd' returned NoneType"),
    ],
)
def test_a_wrapper_that_breaks_the_rules_is_named(wrapped, wrapper, message):
    session = wrapped(("odd", wrapper, 0))
    with pytest.raises(PluginError, match=message):
        session.run(all_rows(10, 10))


def iter_of(*verbs):
    yield from verbs
