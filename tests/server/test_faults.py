"""The switches of ``Faults``: each does what its description says, on the wire and to the world."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time

import pytest

from tests.support.engine_world import make_world
from tests.support.http import KEY, VIEWER, basic, call, post
from tests.support.pace import patience
from wbmodel.engine import Engine
from wbmodel.engine.server import serving
from wbmodel.testing import Fault, Faults
from wbmodel.testing.faults import put_null

CREATE = """mutation Create { upsertBucket(input: {entityName: "acme", modelName: "vision", name: "made"}) {
  inserted bucket { name } } }"""
NAMES = """query Names { project(name: "vision", entityName: "acme") { name
  runs { edges { node { name displayName config } } } } }"""


@pytest.fixture
def store():
    return make_world()


@pytest.fixture
def server(store):
    with serving(Engine(store), api_key=KEY, faults=Faults()) as running:
        yield running


def made(store) -> bool:
    project = store.project("acme", "vision")
    return store.run(project, "made") is not None


# -- statuses and bodies ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503])
def test_a_status_and_nothing_is_carried_out(server, store, status):
    rule = server.faults.add(status=status, headers={"Retry-After": "1"})
    got = post(server, CREATE)
    assert (got.status, got.headers["Retry-After"]) == (status, "1")
    assert str(status) in got.message
    assert not made(store)
    assert rule.spent
    assert post(server, CREATE).data["data"]["upsertBucket"]["inserted"] is True
    assert (server.stats.faults, server.stats.executed) == (1, 1)


def test_without_retry_after_there_is_none(server):
    server.faults.add(status=429)
    assert "Retry-After" not in post(server).headers


def test_a_status_after_the_work_is_done(server, store):
    server.faults.add(status=502, body="<h1>Bad Gateway</h1>", content_type="text/html", execute=True)
    got = post(server, CREATE)
    assert (got.status, got.raw, got.headers["Content-Type"]) == (502, b"<h1>Bad Gateway</h1>", "text/html")
    assert made(store)


def test_a_status_with_the_true_body(server):
    server.faults.add(status=206, execute=True)
    got = post(server)
    assert (got.status, got.data["data"]["viewer"]["username"]) == (206, "ada")


def test_html(server, store):
    server.faults.add(Fault.html())
    got = post(server, CREATE)
    assert (got.status, got.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert got.raw.startswith(b"<!doctype html>")
    assert not made(store)


def test_truncated_json_in_a_whole_answer(server, store):
    server.faults.add(Fault.truncated(0.5))
    got = post(server, CREATE)
    assert got.status == 200
    assert int(got.headers["Content-Length"]) == len(got.raw)
    with pytest.raises(ValueError):
        json.loads(got.raw)
    assert made(store)


def test_a_wrong_content_type(server):
    server.faults.add(Fault.wrong_type())
    got = post(server)
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert json.loads(got.raw)["data"]["viewer"]["username"] == "ada"


def test_null_data(server, store):
    server.faults.add(Fault.null_data())
    assert post(server, CREATE).data == {"data": None}
    assert not made(store)


def test_a_required_field_that_is_null(server):
    server.faults.add(Fault.null("project.runs.edges.1.node.name"))
    edges = post(server, NAMES).data["data"]["project"]["runs"]["edges"]
    assert [edge["node"]["name"] is None for edge in edges] == [False, True, False, False]
    server.faults.add(Fault.null("project.runs.edges.*.node"))
    edges = post(server, NAMES).data["data"]["project"]["runs"]["edges"]
    assert [edge["node"] for edge in edges] == [None] * 4
    # What was kept for later requests is not spoiled.
    assert post(server, NAMES).data["data"]["project"]["runs"]["edges"][0]["node"]["name"]


def test_a_path_that_is_not_there_is_said(server):
    server.faults.add(Fault.null("project.nothing.at"))
    got = post(server, NAMES)
    assert got.status == 500
    assert "does not have the path 'nothing.at'" in got.message
    for data, path in (([], "*"), ([1], "3"), ([1], "x"), ({"a": 1}, "a.b"), (None, "a")):
        with pytest.raises(LookupError):
            put_null(data, path)


def test_status_200_with_errors(server, store):
    server.faults.add(Fault.errors("one", "two", code="PERMISSION_ERROR"))
    got = post(server, CREATE)
    assert got.status == 200
    assert got.data["data"] is None
    assert [error["message"] for error in got.data["errors"]] == ["one", "two"]
    assert got.data["errors"][0]["extensions"]["code"] == "PERMISSION_ERROR"
    assert not made(store)


def test_partial_data_with_an_error_for_the_rest(server):
    server.faults.add(Fault.partial("project.runs", "runs cannot be had"))
    got = post(server, NAMES)
    assert got.data["data"] == {"project": {"name": "vision", "runs": None}}
    assert got.data["errors"] == [{"message": "runs cannot be had", "path": ["project", "runs"]}]


def test_any_edit(server):
    server.faults.add(edit=lambda answer: {**answer, "more": 1})
    assert post(server).data["more"] == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect(server, store, status):
    server.faults.add(Fault.redirect("http://127.0.0.1:9/graphql", status))
    got = post(server, CREATE)
    assert (got.status, got.headers["Location"], got.raw) == (status, "http://127.0.0.1:9/graphql", b"")
    assert not made(store)


# -- the connection --------------------------------------------------------------------------------


def read_all(server, document: str) -> tuple[bytes, OSError | None]:
    """All bytes that come for a request, and how the connection ended."""
    body = json.dumps({"query": document}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(KEY)}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20) as line:
        line.sendall(head.encode() + body)
        got = b""
        try:
            while part := line.recv(65536):
                got += part
        except OSError as error:
            return got, error
    return got, None


@pytest.mark.parametrize(
    ("fault", "carried_out", "head"),
    [
        (Fault.reset_before(), False, b""),
        (Fault.reset_after(), True, b""),
        (Fault.reset_in_body(), True, b"HTTP/1.1 200"),
    ],
    ids=["before", "after", "body"],
)
def test_a_reset_is_a_reset(server, store, fault, carried_out, head, caplog):
    server.faults.add(fault)
    got, error = read_all(server, CREATE)
    assert isinstance(error, ConnectionResetError)
    assert got.startswith(head)
    assert bool(got) == bool(head)
    assert b'"made"' not in got
    assert made(store) is carried_out
    assert post(server, NAMES).status == 200
    assert caplog.text == ""


def test_a_client_sees_the_reset_in_mid_body(server):
    server.faults.add(Fault.reset_in_body())
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        post(server, NAMES)


def test_stalls(server):
    for at in ("headers", "body"):
        server.faults.add(Fault.stalled(0.3, at))
        begin = time.monotonic()
        assert post(server).data["data"]["viewer"]["username"] == "ada"
        assert time.monotonic() - begin > 0.28


@pytest.mark.parametrize("execute", [False, True])
def test_a_client_that_gives_up_during_a_stall(server, store, execute):
    post(server, VIEWER)  # the first request builds the schema, which may take longer than this client waits
    rule = server.faults.add(Fault.stalled(0.5, execute=execute))
    with pytest.raises(TimeoutError):
        post(server, CREATE, timeout=0.2)
    patience(lambda: rule.played and not server.stats.in_flight)
    assert made(store) is execute


def test_a_slow_body(server):
    size = len(post(server, NAMES).raw)
    server.faults.add(Fault.slow(size / 0.4))
    begin = time.monotonic()
    assert len(post(server, NAMES).raw) == size
    assert time.monotonic() - begin > 0.3


def test_latency_for_all_and_off_again(server):
    server.faults.latency = 1.0
    begin = time.monotonic()
    post(server)
    assert time.monotonic() - begin > 0.99
    server.faults.clear()
    begin = time.monotonic()
    post(server)
    assert time.monotonic() - begin < 0.99  # a few milliseconds without it
    # It delays requests, and does not queue them.
    server.faults.latency = 0.5
    threads = [threading.Thread(target=post, args=(server,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.stats.peak >= 5


# -- the script ------------------------------------------------------------------------------------


def statuses(server, *operations: str) -> list[int]:
    return [post(server, VIEWER.replace("Viewer", name), operation=name).status for name in operations]


def test_the_script_is_played_in_order_by_count(server):
    server.faults.add(status=502, times=2)
    server.faults.add(status=429, after=1, times=1)
    assert statuses(server, *"abcdef") == [502, 502, 200, 429, 200, 200]


def test_faults_by_what_is_asked(server):
    server.faults.add(status=502, times=None, operation="One")
    server.faults.add(status=503, times=None, kind="mutation")
    server.faults.add(status=429, times=None, contains="email")
    server.faults.add(status=403, times=None, when=lambda operation, document: operation == "Two")
    server.faults.add(status=401, times=None, method="GET", path=None)
    assert statuses(server, "One", "Two", "Three") == [502, 403, 200]
    assert post(server, CREATE).status == 503
    assert post(server, "{ viewer { email } }").status == 429
    assert call(f"{server.url}/anything").status == 401
    assert [(seen.kind, seen.operation) for seen in server.seen][:4] == [
        ("query", "One"),
        ("query", "Two"),
        ("query", "Three"),
        ("mutation", None),
    ]


def test_faults_are_for_graphql_unless_a_path_is_given(server):
    url = f"{server.url}/files/acme/vision/r2/config.yaml"
    key = {"Authorization": basic(KEY)}
    server.faults.add(status=502)
    assert call(url, headers=key).status == 200
    assert post(server).status == 502
    server.faults.add(Fault.reset_in_body(), path="/files/*")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        call(url, headers=key)
    assert call(url, headers=key).raw == b"lr: 1\n"


def test_rules_are_changed_while_the_server_runs(server):
    rule = server.faults.add(status=502, times=None)
    assert statuses(server, "a", "b") == [502, 502]
    assert rule.played == 2
    assert not rule.spent
    server.faults.remove(rule)
    assert statuses(server, "a") == [200]
    server.faults.add(status=502)
    server.faults.clear()
    assert statuses(server, "a") == [200]
    assert server.faults.rules == ()


def test_a_rule_is_played_as_often_as_it_says_by_many_threads():
    faults = Faults()
    rule = faults.add(status=502, times=100)
    played = []

    def pick() -> None:
        played.extend(faults.pick("POST", "/graphql", None, "", "query") for _ in range(50))

    threads = [threading.Thread(target=pick) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(fault is not None for fault in played) == rule.played == 100


def test_faults_come_before_the_key_is_looked_at_and_true_answers_need_it(server, store):
    server.faults.add(status=502)
    assert post(server, key="wrong").status == 502
    server.faults.add(Fault.reset_after())
    with pytest.raises(ConnectionError):
        post(server, CREATE, key="wrong")
    assert not made(store)


def test_a_fault_changed_by_fields(server):
    server.faults.add(Fault.html(), status=503)
    got = post(server)
    assert (got.status, got.headers["Content-Type"]) == (503, "text/html; charset=utf-8")


def test_a_server_asks_any_injector_and_knows_no_faults_of_its_own():
    """The seam is a protocol: what picks and plays may be anybody's."""
    from aiohttp import web

    from wbmodel.server import Server, serving
    from wbmodel.server.injection import Exchange

    picked: list[tuple[str, str, str | None, str | None]] = []

    class Teapot:
        latency = 0.0
        active = True

        def pick(self, method, path, operation, document, kind):
            picked.append((method, path, operation, kind))
            return None if kind == "mutation" else self

        async def play(self, exchange: Exchange) -> web.StreamResponse:
            true = await exchange.answer()
            return web.Response(status=418, body=true.body)

    with serving(Engine(make_world()), api_key=KEY, faults=Teapot()) as server:
        assert type(server) is Server
        assert not hasattr(server, "faults")
        assert post(server, VIEWER).status == 418
        assert post(server, CREATE).data["data"]["upsertBucket"]["inserted"] is True
        assert picked == [("POST", "/graphql", None, "query"), ("POST", "/graphql", None, "mutation")]
        assert server.stats.faults == 1
    with serving(Engine(make_world()), api_key=KEY) as server:
        assert post(server, VIEWER).status == 200


def test_the_older_names_lead_to_the_same():
    from wbmodel.engine import server as older
    from wbmodel.testing import served

    assert older.serving is served
    assert older.Fault is Fault
    with older.serving(Engine(make_world()), api_key=KEY) as running:
        assert isinstance(running, older.Server)
        running.faults.add(status=502)
        assert post(running, VIEWER).status == 502
