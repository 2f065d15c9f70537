"""What goes wrong in a gql transport of the user's own, what is asked again, and what error it ends in."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from gql.transport import AsyncTransport
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import (
    TransportAlreadyConnected,
    TransportClosed,
    TransportConnectionFailed,
    TransportError,
    TransportProtocolError,
    TransportQueryError,
    TransportServerError,
)
from gql.transport.httpx import HTTPXAsyncTransport
from graphql import ExecutionResult

from wbmodel import connect
from wbmodel.engine import Engine, MemoryStore
from wbmodel.errors import (
    BackendError,
    ConfigurationError,
    NotAuthenticated,
    NotWandbServer,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    ServerError,
    ServerUnreachable,
    WbmodelError,
)
from wbmodel.testing import Fault, served

PLACE = "https://wandb.acme.example"
QUERY = "query Mine { viewer { id } }"
ONCE = 'mutation Mine { stopRun(input: {id: "x"}) { success } }'
HARMLESS = 'mutation Mine { upsertBucket(input: {id: "x", notes: "new"}) { bucket { id } } }'
LOGIN = "Basic c2VjcmV0OnNlY3JldA=="


class Scripted(AsyncTransport):
    """Raises or answers what stands in ``connects`` and ``answers``, in turn, the last for ever."""

    def __init__(self, *answers, connects=(None,)):
        self.answers, self.connects = list(answers), list(connects)
        self.connected = self.executed = self.closed = 0

    async def connect(self):
        self.connected += 1
        await self._next(self.connects)

    async def close(self):
        self.closed += 1

    async def execute(self, request):
        self.executed += 1
        return await self._next(self.answers)

    async def _next(self, script):
        step = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(step, Exception):
            raise step
        return await step() if callable(step) else step

    def subscribe(self, request):
        raise NotImplementedError


GOOD = ExecutionResult({"viewer": {"id": "1"}})


def failed_by(cause):
    """As gql's transports over HTTP raise what aiohttp and httpx do."""
    error = TransportConnectionFailed(str(cause))
    error.__cause__ = cause
    return error


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """Asks through a transport, in both colours."""

    async def asked(transport, text, **options):
        options = {"max_attempts": 2, "timeout": 20, "api_key": "k" * 40, "default": False, **options}
        async with connect(PLACE, transport=transport, **options) as session:
            if request.param == "async":
                return await session.aexecute(text, operation_name="Mine")
            return await asyncio.to_thread(session.execute, text, operation_name="Mine")

    return asked


# -- by what is raised -----------------------------------------------------------------------------

UNSURE = [
    (TransportConnectionFailed("gone"), ServerUnreachable, "lost the connection"),
    (failed_by(ConnectionResetError("reset by peer")), ServerUnreachable, "lost the connection .reset by peer"),
    (ConnectionResetError("reset by peer"), ServerUnreachable, "lost the connection"),
    (failed_by(asyncio.TimeoutError()), RequestTimeout, "did not answer"),
    (asyncio.TimeoutError(), RequestTimeout, "did not answer"),
    (TransportProtocolError("a web page"), NotWandbServer, "not GraphQL .*it says: a web page"),
    (TransportServerError("busy"), ServerError, "answered with an error .*it says: busy"),
    (TransportClosed("closed"), ConfigurationError, "was closed, but not by wbmodel"),
    (TransportAlreadyConnected("connected"), ConfigurationError, "already connected"),
    (RuntimeError("attached to a different loop"), ConfigurationError, "belongs to another event loop"),
    (failed_by(RuntimeError("Event loop is closed")), ConfigurationError, "belongs to another event loop"),
    (TransportError("odd"), BackendError, "the Scripted raised TransportError: odd"),
    (KeyError("odd"), BackendError, "the Scripted raised KeyError: 'odd'"),
    (failed_by(TypeError("odd")), BackendError, "the Scripted raised TypeError: odd"),
    (None, NotWandbServer, "returned NoneType, not an ExecutionResult"),
    (ExecutionResult(["odd"]), NotWandbServer, "its data is list, not an object"),
]


@pytest.mark.parametrize(("answer", "error", "words"), UNSURE, ids=lambda value: repr(value)[:40])
async def test_nothing_is_repeated_where_nothing_says_whether_it_was_sent(ask, answer, error, words):
    transport = Scripted(answer)
    with pytest.raises(error, match=rf"{PLACE} .*{words}") as caught:
        await ask(transport, QUERY)
    assert type(caught.value) is error
    assert "Mine" in str(caught.value)
    for text in (ONCE, HARMLESS):
        with pytest.raises(OutcomeUnknown, match=rf"{PLACE} .*Mine.*it is unknown whether") as unknown:
            await ask(transport, text)
        assert unknown.value.attempts == 1
    assert transport.executed == 3


@pytest.mark.parametrize(
    ("code", "error", "words", "sent"),
    [
        (401, NotAuthenticated, "transport= has its own login", (1, 1, 1)),
        (403, PermissionDenied, "denied access to this account", (1, 1, 1)),
        (404, NotWandbServer, "not the API of a W&B server", (1, 1, 1)),
        (418, ServerError, "answered HTTP 418", (1, 1, 1)),
        (307, NotWandbServer, "redirects to another address", (1, 1, 1)),
        (429, RateLimited, "answered HTTP 429 .Too Many Requests", (2, 2, 2)),
        (502, ServerError, "answered HTTP 502 .Bad Gateway", (2, 1, 2)),
        (799, ServerError, "answered HTTP 799", (2, 1, 2)),
    ],
)
async def test_a_status_decides_as_ours_does(ask, code, error, words, sent):
    """``sent``: how often the query, the mutation, and the mutation that may be repeated go out."""
    for text, most in zip((QUERY, ONCE, HARMLESS), sent, strict=True):
        transport = Scripted(TransportServerError("text of gql", code))
        lost = code >= 500 and text is not QUERY
        with pytest.raises(OutcomeUnknown if lost else error, match=None if lost else words) as caught:
            await ask(transport, text)
        assert type(caught.value) is (OutcomeUnknown if lost else error)
        assert transport.executed == most
        assert getattr(caught.value, "status", code) == code


@pytest.mark.parametrize("text", [QUERY, ONCE])
async def test_errors_of_a_query_are_its_answer(ask, text):
    for raised in (
        TransportQueryError("told", errors=[{"message": "no such run"}], data={"viewer": None}),
        TransportQueryError("no such run"),
        ExecutionResult(None, [{"message": "no such run"}]),
    ):
        transport = Scripted(raised)
        with pytest.raises(ServerError, match="refused Mine: no such run") as caught:
            await ask(transport, text)
        assert type(caught.value) is ServerError
        assert transport.executed == 1


@pytest.mark.parametrize("text", [QUERY, ONCE])
async def test_a_transport_that_cannot_connect_has_sent_nothing(ask, text):
    """It is asked to connect again, and the mutation is no mystery."""
    refused = TransportConnectionFailed("refused")
    transport = Scripted(GOOD, connects=[refused, ConnectionRefusedError("refused"), None])
    await ask(transport, text, max_attempts=5)
    assert (transport.connected, transport.executed) == (3, 1)
    assert transport.closed == 3  # what is half open, each time, and the end
    never = Scripted(GOOD, connects=[refused])
    with pytest.raises(ServerUnreachable, match=r"cannot be reached: refused \(Mine, 3 attempts") as caught:
        await ask(never, text, max_attempts=20)
    assert type(caught.value) is ServerUnreachable
    assert (never.connected, never.executed) == (3, 0)


@pytest.mark.parametrize(
    ("raised", "error", "closed"),
    [
        (TransportAlreadyConnected("connected"), ConfigurationError, 0),
        (RuntimeError("attached to a different loop"), ConfigurationError, 1),
        (KeyError("odd"), BackendError, 1),
    ],
)
async def test_a_transport_that_is_not_fit_for_use_is_not_tried_again(ask, raised, error, closed):
    transport = Scripted(GOOD, connects=[raised])
    with pytest.raises(error) as caught:
        await ask(transport, ONCE)
    assert type(caught.value) is error
    assert (transport.connected, transport.executed, transport.closed) == (1, 0, closed)


async def test_variables_that_are_no_json_are_refused_before_they_are_sent():
    transport = Scripted(GOOD)
    with connect(PLACE, transport=transport, default=False) as session:
        for wrong in (float("nan"), {1, 2}):
            with pytest.raises(ConfigurationError, match="Mine cannot be sent: "):
                await session.aexecute(ONCE, {"x": wrong}, "Mine")
    assert transport.connected == 0


async def test_the_cause_of_a_bug_is_kept_and_no_other(ask):
    """A transport's own errors are made of requests with their headers; somebody's bug is wanted with its traceback."""

    async def send(headers=LOGIN):
        raise ConnectionResetError("reset")

    async def bug():
        raise KeyError("odd")

    with pytest.raises(ServerUnreachable) as caught:
        await ask(Scripted(send), QUERY)
    error: BaseException | None = caught.value
    shown = ""
    while error is not None:
        shown += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        error = error.__context__
    assert LOGIN not in shown
    with pytest.raises(BackendError) as caught:
        await ask(Scripted(bug), QUERY)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__cause__.__traceback__ is not None


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "error"), [(QUERY, RequestTimeout), (ONCE, OutcomeUnknown)])
async def test_the_deadline_holds(ask, text, error):
    transport = Scripted(asyncio.Event().wait)
    with pytest.raises(error, match=rf"{PLACE} did not answer \(Mine") as caught:
        await ask(transport, text, timeout=0.8)
    assert type(caught.value) is error
    assert transport.executed == 1


async def test_connecting_goes_on_when_one_has_no_time_left():
    """The next one waits for the same connection, instead of being told that it is connected already."""
    go_on = asyncio.Event()
    transport = Scripted(GOOD, connects=[lambda: wait_elsewhere(go_on)])
    async with connect(PLACE, transport=transport, default=False, timeout=0.8) as session:
        with pytest.raises(RequestTimeout):
            await session.aexecute(QUERY)
        go_on.set()
        assert (await session.aexecute(QUERY)).data == GOOD.data
    assert (transport.connected, transport.executed, transport.closed) == (1, 1, 1)


async def wait_elsewhere(event):
    while not event.is_set():
        await asyncio.sleep(0.01)


async def test_closing_while_it_connects():
    transport = Scripted(GOOD, connects=[asyncio.Event().wait])
    async with connect(PLACE, transport=transport, default=False, timeout=0.8) as session:
        with pytest.raises(RequestTimeout):
            await session.aexecute(QUERY)
    assert (transport.connected, transport.executed, transport.closed) == (1, 0, 1)


# -- over a socket ---------------------------------------------------------------------------------


@pytest.fixture(params=[AIOHTTPTransport, HTTPXAsyncTransport])
def make(request):
    return request.param


@pytest.fixture
def server():
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    with served(Engine(store)) as server:
        yield server


async def test_nobody_is_there(ask, make):
    for text in (QUERY, ONCE):
        with pytest.raises(ServerUnreachable, match=r"cannot be reached: .*\(Mine, 2 attempts") as caught:
            await ask(make("http://127.0.0.1:9/graphql"), text)
        assert type(caught.value) is ServerUnreachable


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.reset_before(), ServerUnreachable),
        (Fault.reset_after(), ServerUnreachable),
        (Fault.truncated(), WbmodelError),
        (Fault(status=200, body="<html>", headers={"Content-Type": "text/html"}), NotWandbServer),
    ],
    ids=["reset", "reset after", "cut", "page"],
)
async def test_what_breaks_on_the_way(ask, make, server, fault, error):
    server.faults.add(fault, times=None)
    with pytest.raises(error) as caught:
        await ask(make(f"{server.url}/graphql"), QUERY)
    assert not isinstance(caught.value, OutcomeUnknown)
    with pytest.raises(OutcomeUnknown, match="carried it out. It was not retried"):
        await ask(make(f"{server.url}/graphql"), ONCE)
    assert server.requests == 2


async def test_a_server_that_is_busy_for_a_moment(ask, make, server):
    server.faults.add(status=503, body="later", times=1)
    assert (await ask(make(f"{server.url}/graphql"), QUERY)).note.attempts == 2
    server.faults.add(status=503, body="later", times=1)
    with pytest.raises(OutcomeUnknown) as caught:
        await ask(make(f"{server.url}/graphql"), ONCE)
    assert caught.value.status == 503
    assert server.requests == 3


async def test_the_transports_own_patience(ask, server):
    server.faults.add(Fault.stalled(5), times=None)
    for transport in (
        AIOHTTPTransport(f"{server.url}/graphql", timeout=0.8),
        HTTPXAsyncTransport(f"{server.url}/graphql", timeout=0.8),
    ):
        with pytest.raises(RequestTimeout, match="did not answer"):
            await ask(transport, QUERY)
    assert server.requests == 2
