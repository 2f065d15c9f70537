"""What a request may not be: too long, too deep, too costly, too slow. Each refusal names its limit."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.server.test_server import slow_world
from tests.support.engine_world import RUNS, make_world
from tests.support.http import KEY, VIEWER, basic, call, post
from tests.support.pace import patience
from wbmodel.engine import Engine
from wbmodel.engine.server import Limits, serving


@pytest.fixture
def small():
    """A server of tight limits."""
    limits = Limits(body=20_000, document=5000, selections=60, depth=8, cost=2000, header=2000, headers=20)
    with serving(Engine(make_world()), api_key=KEY, limits=limits) as running:
        yield running


def test_bodies(small):
    got = post(small, VIEWER, {"x": "a" * 30_000})
    assert (got.status, got.message) == (413, "the body has more than 20000 bytes")
    assert got.headers["Connection"] == "close"
    assert post(small, VIEWER, {"x": "a" * 10_000}).status == 200


def test_a_body_without_a_length(small):
    with socket.create_connection(("127.0.0.1", int(small.url.rpartition(":")[2])), timeout=20) as line:
        line.sendall(
            f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(KEY)}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(30):
            line.sendall(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        assert line.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_small_body_that_unpacks_to_a_large_one(small):
    body = gzip.compress(json.dumps({"query": VIEWER, "variables": {"x": "a" * 50_000_000}}).encode())
    small_limit_on_the_wire = gzip.compress(b" " * 10_000_000)
    assert len(small_limit_on_the_wire) < 20_000
    begin = time.process_time()
    for packed in (body, small_limit_on_the_wire):
        assert post(small, raw=packed, headers={"Content-Encoding": "gzip"}).status == 413
    # Of the processor: the server is in this process, and others use the machine too.
    assert time.process_time() - begin < 2


def test_documents(small):
    got = post(small, "{ viewer { username } }" + " " * 6000)
    assert (got.status, "5000 characters" in got.message) == (413, True)


def test_headers(small):
    got = call(f"{small.url}/graphql", headers={"X-Long": "a" * 5000})
    assert (got.status, "too long" in got.message) == (431, True)
    assert call(f"{small.url}/{'a' * 5000}").status == 431
    assert call(f"{small.url}/graphql", headers={f"X-{n}": "1" for n in range(50)}).status == 431
    assert post(small).status == 200


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http(small, sent):
    with socket.create_connection(("127.0.0.1", int(small.url.rpartition(":")[2])), timeout=20) as line:
        line.sendall(sent)
        got = b""
        while part := line.recv(4096):
            got += part
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert "not a valid HTTP request" in json.loads(body)["errors"][0]["message"]


def test_selections(small):
    got = post(small, "{ viewer { " + " ".join(f"a{n}: username" for n in range(80)) + " } }")
    assert (got.status, "more than 60 fields" in got.message) == (400, True)


def test_one_name_many_times():
    with serving(Engine(make_world()), api_key=KEY) as server:
        got = post(server, "{ viewer { " + "username " * 5000 + "} }")
    assert (got.status, "selects 'username' more than 100 times" in got.message) == (400, True)


def nested(levels: int) -> str:
    """``levels`` times entity { project { entity ..."""
    return "{ " + 'project(name: "x") { entity { ' * levels + "name" + " } }" * levels + " }"


def test_depth(small):
    assert post(small, nested(3)).status == 200
    got = post(small, nested(4))
    assert (got.status, got.message) == (400, "the document nests 9 fields deep; the limit of this server is 8")


def test_depth_through_fragments(small):
    parts = [f'fragment F{n} on Entity {{ project(name: "x") {{ entity {{ ...F{n + 1} }} }} }}' for n in range(6)]
    document = "{ entity { ...F0 } } " + " ".join(parts) + " fragment F6 on Entity { name }"
    assert "deep" in post(small, document).message


def test_fragments_that_spread_themselves(small):
    got = post(small, "{ viewer { ...A } } fragment A on User { ...B } fragment B on User { ...A }")
    assert got.status == 400
    assert "fragment" in json.dumps(got.data).lower()


def test_fragments_that_double(small):
    parts = [
        f'fragment F{n} on Entity {{ a: project(name: "x") {{ entity {{ ...F{n + 1} }} }} '
        f'b: project(name: "x") {{ entity {{ ...F{n + 1} }} }} }}'
        for n in range(40)
    ]
    document = "{ entity { ...F0 } } " + " ".join(parts) + " fragment F40 on Entity { name }"
    begin = time.process_time()
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(depth=1000)) as server:
        got = post(server, document)
    assert (got.status, "smaller pages or fewer fields" in got.message) == (400, True)
    assert time.process_time() - begin < 5  # looked at one by one, they are 2 ** 40


def test_nesting_that_no_parser_takes(small):
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(depth=10**6)) as server:
        got = post(server, "{ a" * 20_000 + "}" * 20_000)
        assert (got.status, "too deeply" in got.message) == (400, True)
        assert post(server).status == 200


RUNS_OF = """query Q($first: Int%s) {
  project(name: "vision", entityName: "acme") { runs(first: $first) { edges { node { id name } } } } }"""


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        (RUNS_OF % "", {"first": 900}),
        (RUNS_OF % " = 900", {}),
        (RUNS_OF.replace("$first)", "900)") % "", {}),
        (RUNS_OF % "", {"first": 10**30}),
    ],
)
def test_cost_is_fields_times_rows(small, document, variables):
    got = post(small, document, variables)
    assert got.status == 400
    assert "smaller pages" in got.message
    assert post(small, RUNS_OF % "", {"first": 400}).status == 200


def test_cost_of_pages_that_the_document_leaves_to_the_server(small):
    document = """{ project(name: "vision", entityName: "acme") {
      runs { edges { node { files { edges { node { name } } } } } } } }"""
    # 50 runs of 50 files each.
    assert "may return" in post(small, document).message


def test_a_request_over_its_time():
    store, asked, let = slow_world()
    with serving(Engine(store), api_key=KEY, limits=Limits(seconds=1.0, workers=1)) as server:
        begin = time.monotonic()
        got = post(server, RUNS)
        assert (got.status, "more than 1 s" in got.message) == (504, True)
        assert time.monotonic() - begin < 15  # the work takes 20 s
        assert asked.wait(10)
        # The only thread is still at work, so this one never gets its turn.
        got = post(server, RUNS, {"first": 1})
        assert (got.status, got.headers["Retry-After"], "waited" in got.message) == (503, "1", True)
        let.set()
        patience(lambda: post(server, RUNS, {"first": 1}).status == 200)
        assert server.stats.executed == 1  # what was given up is not counted, and not cached


def test_what_nobody_waits_for_is_not_done():
    store, asked, let = slow_world()
    with serving(Engine(store), api_key=KEY, limits=Limits(seconds=1.0, workers=2)) as server:
        first = threading.Thread(target=post, args=(server, RUNS))
        first.start()
        assert asked.wait(10)
        # Executed by the second thread, which waits for the engine longer than its client does.
        got = post(
            server,
            'mutation { upsertBucket(input: {entityName: "acme", modelName: "vision", name: "late"}) { inserted } }',
        )
        assert got.status == 504
        let.set()
        first.join()
    project = store.project("acme", "vision")
    assert project is not None
    assert store.run(project, "late") is None


def test_too_many_at_once():
    store, _, let = slow_world()
    with serving(Engine(store), api_key=KEY, limits=Limits(waiting=2)) as server:
        waiting = [threading.Thread(target=post, args=(server, RUNS, {"first": n})) for n in (1, 2)]
        for thread in waiting:
            thread.start()
        while server.stats.in_flight < 2:
            time.sleep(0.001)
        got = post(server, RUNS)
        assert (got.status, got.headers["Retry-After"]) == (503, "1")
        assert "more than 2 requests" in got.message
        let.set()
        for thread in waiting:
            thread.join()
        assert post(server, RUNS).status == 200


def test_a_body_that_never_comes():
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(seconds=0.3)) as server:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20) as line:
            line.sendall(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            # Said before it is known who asks, as only the connection is at stake.
            assert line.recv(1000).startswith(b"HTTP/1.1 4")


DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("document", "variables", "status"),
    [
        ("{ users(first: 99) { edges { node { id } } } }".replace("99", DIGITS), {}, 400),
        ("query Q($f: Int = 99) { users(first: $f) { edges { node { id } } } }".replace("99", DIGITS), {}, 400),
        ("query Q($f: Int) { users(first: $f) { edges { node { id } } } }", {"f": 10**400}, 400),
        ("{ users(first: -5) { edges { node { id } } } }", {}, 200),
        ("{ viewer { id } } # \ud800", {}, 400),
        ("{ viewer { id } }\0", {}, 400),
        ("query Q($q: String) { users(query: $q) { edges { node { id } } } }", {"q": "\ud800"}, 200),
        ("subscription { viewer { id } }", {}, 400),
        ("{ viewer { " + "...F " * 99 + "} } fragment F on User { id name }", {}, 200),
        ("{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(3000)) + " }", {}, 200),
    ],
    ids=range(10),
)
def test_odd_documents_get_an_answer_and_the_server_lives_on(document, variables, status):
    with serving(Engine(make_world()), api_key=KEY) as server:
        got = post(server, document, variables)
        assert got.status == status
        assert got.data.keys() & {"data", "errors"}
        assert server.stats.executed == (status == 200)
        assert server.stats.mutations == 0
        assert post(server).status == 200


def test_every_limit_is_described():
    import attrs

    import wbmodel.server.limits as module

    text = Path(module.__file__).read_text(encoding="utf-8")
    for item in attrs.fields(Limits):
        assert f"    {item.name}: " in text
        assert text.partition(f"    {item.name}: ")[2].splitlines()[1].strip().startswith('"""'), item.name
