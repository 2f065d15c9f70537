"""gql's own transports, handed in as ``transport=``: what works through them, and who gets which login."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import threading
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import pytest
from aiohttp import web
from gql import Client
from gql.transport import Transport
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.local_schema import LocalSchemaTransport
from graphql import build_schema

from tests.support.old_server import OldEngine
from wbmodel import Run, connect
from wbmodel.engine import Engine
from wbmodel.engine.schema import schema_text
from wbmodel.errors import ConfigurationError, NotAuthenticated, PermissionDenied, QueryWarning, ServerError
from wbmodel.testing import served

OURS = "ours-" + "0123456789abcdef" * 3
THEIRS = "theirs-" + "fedcba9876543210" * 3
PLACE = "https://wandb.acme.example"

BASIC = "Basic " + base64.b64encode(f"api:{THEIRS}".encode()).decode()
MAKERS = {
    "aiohttp": lambda url: AIOHTTPTransport(url, headers={"Authorization": BASIC, "User-Agent": "own/1"}),
    "httpx": lambda url: HTTPXAsyncTransport(url, auth=("api", THEIRS)),
}


@pytest.fixture
def server(store):
    with served(Engine(store), api_key=THEIRS) as server:
        yield server


@pytest.fixture(params=list(MAKERS))
def make(request, server):
    """Makes a transport to the server, whose login is its own."""
    return lambda: MAKERS[request.param](f"{server.url}/graphql")


@contextmanager
def through(transport, **options):
    options.setdefault("api_key", OURS)
    with connect(PLACE, transport=transport, project="ada/vision", default=False, **options) as session:
        yield session


@asynccontextmanager
async def ended(transport):
    """Connected on the loop of the test, which is not wbmodel's."""
    await transport.connect()
    yield transport
    await transport.close()


# -- what works ------------------------------------------------------------------------------------


def test_reading_and_writing(make, server, store):
    with through(make()) as session:
        runs = Run.objects.using(session)
        assert [run.id for run in runs.filter(summary__loss__gt=2).order_by("created_at")] == ["r3", "r4"]
        run = runs.get(id="r0")
        run.notes = "new"
        run.save()
        assert session.stats.requests == server.requests
    assert store.run(store.project("ada", "vision"), "r0").notes == "new"


async def test_the_other_colour(make, server):
    async with connect(PLACE, transport=make(), project="ada/vision", default=False) as session:
        runs = Run.objects.using(session)
        found = await asyncio.gather(*(runs.aget(id=f"r{number}") for number in range(5)))
        assert [run.id for run in found] == ["r0", "r1", "r2", "r3", "r4"]
        assert await runs.acount() == 5


def test_what_is_known_of_an_answer(make):
    """The bytes and the status are known to the transport alone."""
    with through(make()) as session:
        note = session.execute("{ viewer { id } }").note
        assert (note.attempts, note.status, note.received, note.sent, note.size) == (1, None, None, None, None)
        assert note.seconds > 0
        assert (session.stats.requests, session.stats.bytes) == (1, 0)


def test_graphql_errors_are_answers(make, server):
    with through(make()) as session, pytest.raises(ServerError, match=rf"{PLACE} refused Mine: .*nope"):
        session.execute("query Mine { viewer { nope } }", operation_name="Mine")
    assert server.requests == 1


def test_the_limit_of_requests_at_once_holds(make, server):
    server.faults.latency = 0.05
    with through(make(), concurrency=2) as session:

        async def several():
            await asyncio.gather(*(Run.objects.using(session).aget(id=f"r{number}") for number in range(5)))

        asyncio.run(several())
        assert server.stats.peak == 2
        assert session.stats.peak_in_flight == 2


def test_a_server_that_lacks_a_field(store):
    with served(OldEngine(store, {"Run.jobType"})) as server:
        with through(AIOHTTPTransport(f"{server.url}/graphql")) as session:
            with pytest.warns(QueryWarning, match=rf"{PLACE} does not have the field Run.jobType"):
                assert {run.job_type for run in Run.objects.using(session)} == {None}


def test_a_schema_in_this_process():
    """Resolvers of a few lines are a server."""
    schema = build_schema(schema_text(), assume_valid_sdl=True)
    schema.query_type.fields["viewer"].resolve = lambda root, info: {"id": "1", "username": "ada"}
    schema.query_type.fields["project"].resolve = lambda root, info, **names: {"runCount": 3, "runs": {"totalCount": 3}}

    def refuse(root, info, **names):
        raise ValueError("nobody may")

    schema.mutation_type.fields["stopRun"].resolve = refuse
    with through(LocalSchemaTransport(schema)) as session:
        assert session.execute("{ viewer { username } }").data == {"viewer": {"username": "ada"}}
        assert Run.objects.using(session).count() == 3
        with pytest.raises(ServerError, match="refused the query: nobody may") as caught:
            session.execute('mutation { stopRun(input: {id: "x"}) { success } }')
        assert caught.value.errors[0]["path"] == ["stopRun"]


# -- who gets which login --------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", list(MAKERS))
async def test_the_key_of_the_session_goes_nowhere(name, colour, monkeypatch):
    """Given as an argument and in the environment, it is in no byte of what the transport's server receives."""
    monkeypatch.setenv("WANDB_API_KEY", OURS)
    received = []

    async def answer(request):
        received.append((str(request.rel_url), str(list(request.headers.items())), (await request.read()).decode()))
        return web.json_response({"data": {"viewer": {"id": "1"}}})

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    try:
        async with connect(url, transport=MAKERS[name](f"{url}/graphql"), api_key=OURS, default=False) as session:
            if colour == "sync":
                await asyncio.to_thread(session.execute, "{ viewer { id } }")
            else:
                await session.aexecute("{ viewer { id } }")
            shown = repr(session) + repr(session.backend) + repr(vars(session.backend)) + session.origin
    finally:
        await runner.cleanup()
    assert len(received) == 1
    assert "wbmodel/" not in str(received)  # nor our headers
    for key in (OURS, base64.b64encode(f"api:{OURS}".encode()).decode()):
        assert key not in str(received) + shown


def test_the_origin_names_no_account(server):
    """The account is the transport's, of which nothing is known."""
    with through(AIOHTTPTransport(f"{server.url}/graphql")) as session:
        assert session.origin == PLACE


def test_a_login_that_is_refused(server):
    with through(AIOHTTPTransport(f"{server.url}/graphql"), api_key=THEIRS) as session:
        server.faults.add(status=401, body="no")
        with pytest.raises(NotAuthenticated, match="transport= has its own login") as caught:
            session.execute("query Mine { viewer { id } }", operation_name="Mine")
    assert "(Mine)" in str(caught.value)


def test_a_key_that_both_have_is_hidden(server):
    """A transport may be made with the key of the session; a server may quote what it was sent."""
    with through(MAKERS["aiohttp"](f"{server.url}/graphql"), api_key=THEIRS) as session:
        server.faults.add(status=200, body=f"<p>{THEIRS} and {BASIC}", headers={"Content-Type": "text/html"})
        with pytest.raises(ServerError) as caught:
            session.execute("{ viewer { id } }")
    shown = f"{caught.value} {caught.value.server_message}"
    assert "***" in shown
    assert THEIRS not in shown
    assert BASIC.removeprefix("Basic ") not in shown


# -- who connects and closes -----------------------------------------------------------------------


async def test_one_that_a_client_has_connected(make, server):
    transport = make()
    async with Client(transport=transport) as theirs:
        with through(transport) as session:
            with pytest.raises(ConfigurationError, match=rf"{PLACE} .*\(Mine\).*no gql client") as caught:
                session.execute("query Mine { viewer { id } }", operation_name="Mine")
            assert server.requests == 0
            with pytest.raises(ConfigurationError, match="is already connected"):
                await session.aexecute("{ viewer { id } }")
        # What wbmodel did not connect it does not close.
        assert (await theirs.execute(_viewer()))["viewer"]
    assert "***" not in str(caught.value)


def test_one_that_was_connected_on_another_loop(make, server):
    transport, loop = make(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(transport.connect(), loop).result()
        with through(transport) as session, pytest.raises(ConfigurationError, match="is already connected"):
            session.execute("{ viewer { id } }")
        asyncio.run_coroutine_threadsafe(transport.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert server.requests == 0


async def test_one_with_a_part_that_was_made_on_another_loop(server):
    connector = aiohttp.TCPConnector()
    transport = AIOHTTPTransport(f"{server.url}/graphql", client_session_args={"connector": connector})
    with through(transport) as session:
        with pytest.raises(ConfigurationError, match="belongs to another event loop .*its own event loop"):
            await session.aexecute("{ viewer { id } }")
    await connector.close()
    assert server.requests == 0


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_one_that_is_closed_meanwhile(make, server, kind):
    """gql's transports over HTTP look before they send, so that even a mutation is known not to have been sent."""
    transport = make()
    text = "{ viewer { id } }" if kind == "query" else 'mutation { stopRun(input: {id: "x"}) { success } }'
    with through(transport) as session:
        session.execute("{ viewer { id } }")
        session.backend.owner_loop.run(transport.close())
        with pytest.raises(ConfigurationError, match=r"was closed, but not by wbmodel .*connect\(\) again"):
            session.execute(text)
    assert server.requests == 1


def test_one_whose_client_is_closed_meanwhile(server):
    """aiohttp's session and httpx's client can be closed behind the transport's back."""
    for transport in (MAKERS["aiohttp"](f"{server.url}/graphql"), MAKERS["httpx"](f"{server.url}/graphql")):
        with through(transport) as session:
            session.execute("{ viewer { id } }")
            inner = getattr(transport, "client", None)
            session.backend.owner_loop.run(inner.aclose() if inner is not None else transport.session.close())
            with pytest.raises(ConfigurationError, match="was closed, but not by wbmodel"):
                session.execute('mutation { stopRun(input: {id: "x"}) { success } }')


async def test_one_that_was_closed_before_is_as_good_as_new(make):
    transport = make()
    async with ended(transport):
        pass
    for _ in range(2):
        with through(transport) as session:
            assert (await session.aexecute("{ viewer { id } }")).data["viewer"]


def test_two_sessions_cannot_share_one(make):
    transport = make()
    with through(transport) as one:
        one.execute("{ viewer { id } }")
        with through(transport) as other, pytest.raises(ConfigurationError, match="or other session has connected"):
            other.execute("{ viewer { id } }")
        assert one.execute("{ viewer { id } }").data["viewer"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("used", [False, True], ids=["not used before", "used before"])
def test_after_a_fork(make, used):
    """The child cannot take over a connection that the parent has; one that was not made yet is its own."""
    with through(make()) as session:
        runs = Run.objects.using(session)
        if used:
            assert runs.count() == 5
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                told = str(runs.count())
            except ConfigurationError as error:
                told = str(error)
            except BaseException as error:
                told = repr(error)
            os.write(writing, told.encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        assert ("in a forked process, connect() again with a new one" in told) if used else (told == "5"), told
        assert runs.count() == 5, "the parent goes on"


def test_it_is_closed_with_the_session(server):
    transport = AIOHTTPTransport(f"{server.url}/graphql")
    with through(transport) as session:
        with pytest.raises(PermissionDenied, match="not logged in"):
            session.execute("{ viewer { id } }")
        assert transport.session is not None
    assert transport.session is None


def test_one_that_cannot_be_closed_is_logged(server, caplog):
    class Stuck(AIOHTTPTransport):
        async def close(self):
            await super().close()
            raise OSError("it is stuck")

    with caplog.at_level(logging.WARNING, "wbmodel.live"):
        with through(Stuck(f"{server.url}/graphql", headers={"Authorization": BASIC})) as session:
            session.execute("{ viewer { id } }")
    assert [record.getMessage() for record in caplog.records] == [
        f"{PLACE}: the Stuck could not be closed (it is stuck)"
    ]


# -- what is not a transport -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (AIOHTTPTransport, r"must be an instance, not a class: transport=AIOHTTPTransport\(\.\.\.\)"),
        (Transport, "must be an instance, not a class"),
        ("https://acme.example", "a gql AsyncTransport, not str"),
        (Client, "a gql AsyncTransport, not Client"),
    ],
)
def test_what_is_not_a_transport(wrong, words):
    with through(wrong) as session, pytest.raises(ConfigurationError, match=words):
        session.execute("{ viewer { id } }")


def test_a_synchronous_transport():
    class Blocking(Transport):
        def execute(self, request):
            raise NotImplementedError

    with through(Blocking()) as session:
        with pytest.raises(ConfigurationError, match="Blocking is synchronous; AIOHTTPTransport"):
            session.execute("{ viewer { id } }")


@pytest.mark.parametrize(
    "option",
    [{"headers": {"X-Team": "a"}}, {"proxy": "http://p:1"}, {"connect_timeout": 5}, {"client_session": dict}],
    ids=lambda option: next(iter(option)),
)
def test_what_is_for_our_own_client_is_not_dropped_in_silence(option):
    name = next(iter(option))
    with through(AIOHTTPTransport(PLACE), **option) as session:
        with pytest.raises(ConfigurationError, match=rf"{name}= is for wbmodel's own client"):
            session.execute("{ viewer { id } }")


def test_other_backends_take_none():
    with pytest.raises(ConfigurationError, match="'fixtures' does not take the option 'transport'"):
        connect("demo:", transport=AIOHTTPTransport(PLACE), default=False)


def _viewer():
    from gql import gql

    return gql("{ viewer { id } }")
