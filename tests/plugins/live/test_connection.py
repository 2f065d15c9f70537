"""The live backend over a real socket: what is sent, how, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import base64
import logging
import pickle
import time
import traceback

import aiohttp
import pytest

from tests.support.old_server import OldEngine
from wbmodel import Run, connect
from wbmodel.engine import Engine, MemoryStore
from wbmodel.engine.server import serving
from wbmodel.errors import (
    ConfigurationError,
    NotAuthenticated,
    OutcomeUnknown,
    PermissionDenied,
    QueryWarning,
    RateLimited,
    RequestTimeout,
    ServerError,
)
from wbmodel.request import Request
from wbmodel.testing import Fault, Faults
from wbmodel_live import LiveBackend

KEY = "local-" + "0123456789abcdef" * 3


@pytest.fixture
def store():
    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    project = store.add_project("ada", "vision")
    for number in range(5):
        store.add_run(project, f"r{number}", config={"lr": number / 10}, summary={"loss": number}, notes="note " * 200)
    return store


@pytest.fixture
def server(store):
    with serving(Engine(store), api_key=KEY) as server:
        yield server


@pytest.fixture
def ask(server):
    """Makes sessions to the server, and closes them."""
    made = []

    def session(**options):
        options.setdefault("api_key", KEY)
        made.append(connect(server.url, project="ada/vision", default=False, **options))
        return made[-1]

    yield session
    for session in made:
        session.close()


def names(session):
    return [run.id for run in Run.objects.using(session).order_by("created_at")]


# -- what is sent ----------------------------------------------------------------------------------


def test_a_query_and_what_the_server_saw_of_it(server, ask):
    session = ask()
    assert names(session) == ["r0", "r1", "r2", "r3", "r4"]
    seen = server.seen[-1]
    assert (seen.path, seen.operation, seen.authorization) == ("/graphql", "Runs", True)
    assert seen.agent.startswith("wbmodel/")
    assert session.stats.requests == 1
    assert session.stats.bytes > 1000
    assert session.stats.sent > 100


def test_nothing_is_asked_at_connect(server, ask):
    session = ask()
    assert session.capabilities.concurrent
    assert session.origin.startswith(f"{server.url}#")
    assert server.requests == 0


def test_an_address_may_have_a_path_a_slash_and_capitals():
    made = LiveBackend("HTTPS://Acme.Example/wandb/")
    assert made.url == "https://acme.example/wandb"
    assert LiveBackend("https://acme.example/wandb/graphql").url == made.url


def test_the_address_of_a_page_is_told_apart():
    with pytest.raises(ConfigurationError, match=r"connect\('https://api.wandb.ai', project='acme/vision'\)"):
        LiveBackend("https://wandb.ai/acme/vision/workspace")


@pytest.mark.parametrize(
    ("key", "words"), [(123, "api_key must be a string, not int"), (" ", "api_key is empty; omit it")]
)
def test_what_is_no_key(ask, key, words):
    with pytest.raises(ConfigurationError, match=words):
        ask(api_key=key)


def test_accounts_of_one_host_have_different_origins(ask):
    assert ask().origin == ask().origin
    assert ask().origin != ask(api_key=KEY[::-1]).origin
    assert KEY not in ask().origin


def test_the_key_is_in_nothing_that_can_be_seen(ask, caplog):
    session = ask()
    with caplog.at_level(logging.DEBUG):
        run = Run.objects.using(session).first()
    shown = [
        repr(session),
        repr(session.backend),
        repr(session.backend.credentials),
        repr(vars(session.backend)),
        str(run),
    ]
    shown += [record.getMessage() for record in caplog.records]
    assert not [text for text in shown if KEY in text]
    assert KEY.encode() not in pickle.dumps(run)
    with pytest.raises(TypeError):
        pickle.dumps(session.backend.credentials)


def test_headers_of_ones_own(server, ask):
    ask(headers={"X-Team": "vision", "User-Agent": "mine/1"}).execute("{ viewer { id } }")
    assert server.seen[-1].agent == "mine/1"


@pytest.mark.parametrize("packed", [True, False])
def test_answers_are_packed_unless_they_stay_on_this_machine(ask, packed):
    session = ask(headers={"Accept-Encoding": "gzip"}) if packed else ask()
    response = session.execute('{ project(name: "vision") { runs { edges { node { notes } } } } }')
    note = response.note
    assert (note.received < note.size / 2) is packed


def test_variables_that_are_no_json_are_refused_before_they_are_sent(server, ask):
    with pytest.raises(ConfigurationError, match="Mine cannot be sent: Out of range float"):
        ask().execute("query Mine { viewer { id } }", {"x": float("nan")}, "Mine")
    assert server.requests == 0


def test_what_is_no_graphql_is_not_sent(server, ask):
    with pytest.raises(ServerError, match="Syntax Error"):
        ask().execute("query {")
    assert server.requests == 0


@pytest.mark.parametrize("limit", ["one", "whole"])
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_what_takes_too_long_is_named_and_no_account_is_shown(store, colour, limit):
    """The origin of a session names the account behind a '#': that is for wbmodel, not for people."""
    faults = Faults()
    faults.add(Fault.stalled(30), times=None, operation="RunsCount")
    with serving(Engine(store), api_key=KEY, faults=faults) as server:
        options = {"timeout": 0.5} if limit == "one" else {}
        with connect(server.url, project="ada/vision", default=False, api_key=KEY, **options) as session:
            assert "#" in session.origin
            rows = Run.objects.using(session)
            rows = rows if limit == "one" else rows.timeout(0.5)
            with pytest.raises(RequestTimeout, match="RunsCount") as caught:
                rows.count() if colour == "sync" else await rows.acount()
    assert "#" not in str(caught.value)
    assert caught.value.operation == "RunsCount"


# -- a session of the user's own -------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["function", "coroutine"])
def test_a_client_session_of_the_users_own(server, ask, colour):
    made = []

    def plain():
        made.append(aiohttp.ClientSession(headers={"User-Agent": "own/1"}))
        return made[-1]

    async def coroutine():
        return plain()

    session = ask(client_session=plain if colour == "function" else coroutine)
    assert names(session)[0] == "r0"
    assert server.seen[-1].agent == "own/1"
    assert len(made) == 1
    session.close()
    assert made[0].closed


def test_a_factory_that_makes_something_else(ask):
    with pytest.raises(ConfigurationError, match="returned dict, not an aiohttp.ClientSession"):
        names(ask(client_session=dict))


# -- what becomes of the answers -------------------------------------------------------------------


def test_the_servers_words_are_told_without_the_key(server, ask):
    server.faults.add(status=403, body={"errors": [{"message": f"key {KEY} may not do this"}]})
    with pytest.raises(PermissionDenied, match=r"denied access to this account \(Runs\); it says: key \*\*\* may not"):
        names(ask())


def test_graphql_errors_are_told_without_the_key(server, ask):
    server.faults.add(Fault.errors(f"bad key {KEY}"), times=None)
    with pytest.raises(ServerError, match=r"bad key \*\*\*") as caught:
        names(ask())
    assert KEY not in f"{caught.value} {caught.value.server_message} {caught.value.errors}"


@pytest.mark.parametrize(
    "fault", [Fault.reset_before(), Fault(status=500), Fault.stalled(5)], ids=["reset", "500", "stall"]
)
def test_tools_that_show_variables_do_not_show_the_key(server, ask, fault):
    server.faults.add(fault, times=None)
    with pytest.raises(ServerError) as caught:
        names(ask(max_attempts=1, timeout=0.4))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    error: BaseException | None = caught.value
    while error is not None:
        shown += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        error = error.__context__
    assert "connection.py" in shown
    assert KEY not in shown
    assert base64.b64encode(f"api:{KEY}".encode()).decode() not in shown


def test_who_is_not_let_in_is_told_what_to_do(ask):
    with pytest.raises(NotAuthenticated, match="the API key is not valid on 127.0.0.1.*wbmodel status"):
        names(ask(api_key="x" * 40))


def test_who_has_no_key_is_told_where_one_goes(server, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with connect(server.url, project="ada/vision", default=False) as session:
        with pytest.raises(NotAuthenticated, match="no API key was given: pass api_key=.*WANDB_API_KEY.*netrc"):
            names(session)


def test_codes_in_graphql_errors_count(server, ask):
    server.faults.add(Fault.errors("you may not", code="PERMISSION_ERROR"))
    with pytest.raises(PermissionDenied, match="you may not"):
        names(ask())


def test_graphql_errors_are_answers_of_the_raw_door(server, ask):
    backend = ask().backend
    response = backend.execute(Request("{ viewer { nope } }"))
    assert response.data is None
    assert "nope" in response.errors[0]["message"]
    assert response.note.status == 400
    assert server.requests == 1


# -- pauses and repeats ----------------------------------------------------------------------------


def test_retry_after_is_waited_for_once_for_all_and_logged_once(server, ask, caplog):
    session = ask()
    names(session)
    server.faults.add(status=429, headers={"Retry-After": "0.4"}, times=1)
    began = time.monotonic()

    async def several():
        return await asyncio.gather(*(Run.objects.using(session).aget(id=f"r{number}") for number in range(5)))

    with caplog.at_level(logging.WARNING, "wbmodel.live"):
        found = asyncio.run(several())
    assert [run.id for run in found] == [f"r{number}" for number in range(5)]
    assert time.monotonic() - began >= 0.4
    assert [record.getMessage() for record in caplog.records] == [
        f"{server.url}: pausing for 0.4 s (answered HTTP 429 (Too Many Requests))"
    ]
    assert session.stats.retries == 1
    assert session.stats.pauses >= 1


def test_a_pause_beyond_the_deadline_is_an_error_at_once(server, ask):
    server.faults.add(status=429, headers={"Retry-After": "120"}, times=1)
    began = time.monotonic()
    with pytest.raises(RateLimited, match=r"answered HTTP 429 \(Too Many Requests\) \(Runs\).*timeout=") as caught:
        names(ask(timeout=30))
    assert time.monotonic() - began < 15  # not at the deadline
    assert (caught.value.status, caught.value.operation, caught.value.attempts) == (429, "Runs", 1)


def test_a_used_up_rate_limit_is_a_pause(server, ask, caplog):
    session = ask()
    server.faults.add(Fault(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "0.3"}), times=1)
    with caplog.at_level(logging.WARNING, "wbmodel.live"):
        names(session)
        began = time.monotonic()
        names(session)
    assert time.monotonic() - began >= 0.25
    assert "the rate limit is used up" in caplog.text


def test_concurrency_is_bounded_and_shared_by_sessions_to_one_host(server, ask):
    server.faults.latency = 0.05
    sessions = [ask(concurrency=3), ask()]

    async def several():
        await asyncio.gather(
            *(Run.objects.using(sessions[number % 2]).aget(id=f"r{number % 5}") for number in range(12))
        )

    asyncio.run(several())
    assert server.stats.peak == 3
    assert max(session.stats.peak_in_flight for session in sessions) <= 3


UPSERT = 'mutation Up($id: String!) { upsertBucket(input: {id: $id, notes: "new"}) { bucket { id } } }'


@pytest.mark.parametrize(
    "fault", [Fault.reset_after(), Fault.truncated(), Fault(status=502, execute=True)], ids=["reset", "cut", "502"]
)
def test_a_mutation_whose_answer_is_lost_each_time_may_have_been_carried_out(server, ask, store, fault):
    server.faults.add(fault, kind="mutation", times=None)
    run = store.run(store.project("ada", "vision"), "r0")
    with pytest.raises(OutcomeUnknown, match="Up, 2 attempts .*carried it out. Retrying is safe"):
        ask(max_attempts=2).execute(UPSERT, {"id": run.id}, "Up")
    assert run.notes == "new"


def test_mutations_of_one_batch_are_done_in_their_order(server, ask, store):
    """The first is the slowest: side by side, it would be the last to be done."""
    server.faults.add(Fault(stall=0.3), times=1, kind="mutation")
    run = store.run(store.project("ada", "vision"), "r0")
    text = (
        "mutation Up($id: String!, $notes: String) { upsertBucket(input: {id: $id, notes: $notes}) { bucket { id } } }"
    )
    requests = [Request(text, {"id": run.id, "notes": f"note {number}"}) for number in range(4)]
    backend = ask().backend
    assert len(backend.execute_many(requests)) == 4
    assert run.notes == "note 3"
    server.faults.add(Fault(stall=60), kind="mutation")
    began = time.monotonic()
    with pytest.raises(ServerError):
        backend.execute_many(requests, timeout=2)
    # One deadline for all of them: four deadlines are 8 s, and the stall is longer.
    assert time.monotonic() - began < 6


def test_a_mutation_that_was_refused_each_time_is_no_mystery(server, ask, store):
    server.faults.add(status=429, times=None)
    run = store.run(store.project("ada", "vision"), "r0")
    with pytest.raises(RateLimited):
        ask(max_attempts=2).execute(UPSERT, {"id": run.id}, "Up")
    assert run.notes != "new"


# -- servers that lack something -------------------------------------------------------------------


def test_an_old_server(store):
    engine = OldEngine(store, {"Run.jobType", "Run.heartbeatAt"})
    with serving(engine, api_key=KEY) as server:
        with connect(server.url, api_key=KEY, project="ada/vision", default=False) as session:
            with pytest.warns(QueryWarning, match="does not have the field Run"):
                assert names(session)[0] == "r0"
            refused = engine.refused
            runs = list(Run.objects.using(session).filter(state="finished"))
            assert [(run.job_type, run.heartbeat_at) for run in runs[:1]] == [(None, None)]
            assert (engine.refused, refused) == (1, 1)
            info = session.backend.server_info()
            assert info.lacking == {"Run.jobType", "Run.heartbeatAt"}
            assert info.viewer == "ada"


async def test_server_info_in_the_other_colour(server):
    async with connect(server.url, api_key=KEY, default=False) as session:
        assert (await session.backend.aserver_info()).viewer == "ada"
