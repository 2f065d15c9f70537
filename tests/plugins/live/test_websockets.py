"""gql's websocket transports, handed in as ``transport=``."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import contextmanager, suppress

import pytest
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.websockets import WebsocketsTransport

from tests.support.graphql_websocket import websocket_server
from wbmodel import Run, connect
from wbmodel.engine import Engine
from wbmodel.errors import NotAuthenticated, OutcomeUnknown, ServerUnreachable, WbmodelError

LOGIN = {"Authorization": "Bearer theirs"}
MAKERS = {
    "aiohttp": lambda url: AIOHTTPWebsocketsTransport(url, headers=LOGIN, subprotocols=["graphql-transport-ws"]),
    "websockets": lambda url: WebsocketsTransport(url, headers=LOGIN, subprotocols=["graphql-transport-ws"]),
}


@pytest.fixture
def server(store):
    with websocket_server(Engine(store)) as server:
        yield server


@pytest.fixture(params=list(MAKERS))
def make(request, server):
    """Makes a transport to the server, whose login is its own."""

    def made():
        transport = MAKERS[request.param](server.url)
        with suppress(RuntimeError):
            transport._loop.close()  # made where no loop runs, and left open by gql when it connects
        return transport

    return made


@contextmanager
def through(transport, **options):
    options = {"api_key": "k" * 40, "timeout": 20, "max_attempts": 3, **options}
    with connect(
        "https://wandb.acme.example", transport=transport, project="ada/vision", default=False, **options
    ) as it:
        yield it


def test_reading_and_writing(make, server, store):
    with through(make()) as session:
        runs = Run.objects.using(session)
        assert [run.id for run in runs.filter(config__lr__gte=0.2).order_by("-summary.loss")] == ["r4", "r3", "r2"]
        run = runs.get(id="r1")
        run.notes = "seen"
        run.save()
    assert store.run(store.project("ada", "vision"), "r1").notes == "seen"
    assert set(server.logins) == {"Bearer theirs"}, "the login is the transport's own"
    assert not any("k" * 40 in document for document in server.operations)


async def test_many_at_once_in_the_other_colour(make, server):
    with through(make()) as session:
        runs = Run.objects.using(session)
        found = await asyncio.gather(*(runs.aget(id=f"r{number % 5}") for number in range(20)))
    assert [run.id for run in found] == [f"r{number % 5}" for number in range(20)]
    assert len(server.logins) == 1, "one connection for all"


def test_it_is_closed_with_the_session(make, server):
    with through(make()) as session:
        assert Run.objects.using(session).count() == 5
        assert server.open == 1
    deadline = time.monotonic() + 20
    while server.open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.open == 0


# gql's aiohttp transport leaves its client session to the collector when a handshake fails.
unclosed = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def collected():
    yield
    gc.collect()


@unclosed
@pytest.mark.usefixtures("collected")
def test_a_handshake_that_is_refused(make, server):
    server.refuse = True
    with through(make()) as session, pytest.raises(WbmodelError) as caught:
        Run.objects.using(session).count()
    assert not isinstance(caught.value, OutcomeUnknown), "a query changes nothing"
    assert "wandb.acme.example" in str(caught.value)
    assert not server.operations


@unclosed
@pytest.mark.usefixtures("collected")
def test_a_login_that_is_refused_in_the_handshake(make, server):
    server.status = 401
    with through(make()) as session, pytest.raises(NotAuthenticated, match="rejected the login"):
        Run.objects.using(session).count()


def test_a_connection_that_breaks_before_the_answer_of_a_query(make, server):
    with through(make()) as session:
        runs = Run.objects.using(session)
        assert runs.count() == 5
        server.break_after(1)
        with pytest.raises(ServerUnreachable, match="lost the connection"):
            runs.filter(state="finished").count()
        assert runs.filter(state="finished").count() == 5, "the next request connects anew"
    assert len(server.logins) == 2


def test_a_lost_connection_is_closed_with_the_session(make, server):
    closed = []
    transport = make()
    close = transport.close

    async def noted():
        closed.append(True)
        await close()

    transport.close = noted
    with through(transport) as session:
        server.break_after(1)
        with pytest.raises(ServerUnreachable):
            Run.objects.using(session).count()
    assert closed


def test_a_connection_that_breaks_before_the_answer_of_a_mutation(make, server, store):
    with through(make()) as session:
        run = Run.objects.using(session).get(id="r2")
        server.break_after(1)
        run.notes = "new"
        with pytest.raises(OutcomeUnknown):
            run.save()
        run.save()
    assert store.run(store.project("ada", "vision"), "r2").notes == "new"
