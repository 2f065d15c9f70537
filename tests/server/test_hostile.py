"""Hostile clients: each kind of abuse costs the server little, and the next honest request is answered.

Each test is named after a kind. Sizes are scaled down; ``test_hostile_process.py`` plays more of them, against a
process of its own.
"""

from __future__ import annotations

import gc
import gzip
import json
import logging
import socket
import threading
import time

import pytest

from tests.server.test_server import slow_world
from tests.support.engine_world import RUNS, make_world
from tests.support.http import KEY, VIEWER, basic, call, post
from tests.support.pace import patience
from wbmodel.engine import Dialect, Engine, MemoryStore
from wbmodel.server import Limits, Server, serving

MIB = 1024 * 1024


@pytest.fixture
def server():
    with serving(Engine(make_world()), api_key=KEY) as running:
        yield running


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20)


def head(length: object, *more: str, path: str = "/graphql") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *more, "", ""]).encode()


def answer(line: socket.socket) -> bytes:
    """Everything up to the end of the connection."""
    got = b""
    try:
        while part := line.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    return got


def ask_runs(filters: object, size: int = 400) -> tuple[MemoryStore, dict[str, str]]:
    """A project of runs with long names, and the variables of a filter on them."""
    store = MemoryStore(viewer="ada")
    project = store.add_project("ada", "v")
    for n in range(size):
        store.add_run(project, f"{n}", display_name="a" * 300)
    return store, {"f": json.dumps(filters)}


FILTERED = """query Q($f: JSONString) {
  project(name: "v", entityName: "ada") { runs(filters: $f) { edges { node { name } } } } }"""


# -- before the key --------------------------------------------------------------------------------


def test_bodies_without_a_key_are_not_read(server):
    lines = [connect(server) for _ in range(20)]
    for line in lines:
        line.sendall(head(30 * MIB) + b"x" * 1000)
    for line in lines:
        got = answer(line)
        assert got.startswith(b"HTTP/1.1 401")
        assert b"\r\nConnection: close\r\n" in got
        line.close()
    assert server.stats.received == 0
    # Also for a client that sends all of it before it looks for an answer.
    with connect(server) as line:
        try:
            line.sendall(head(8 * MIB) + b"x" * 8 * MIB)
        except OSError:
            pass
        assert answer(line).startswith(b"HTTP/1.1 401") or server.stats.statuses[401] == 21
    assert post(server).status == 200


@pytest.mark.parametrize("path", ["/graphql", "/files/a/b/c/file_stream", "/files/a/b/c/d", "/nowhere"])
def test_packed_bodies_without_a_key_are_not_unpacked(server, path):
    bomb = gzip.compress(b" " * 30 * MIB)
    begin = time.process_time()
    for _ in range(10):
        with connect(server) as line:
            line.sendall(head(len(bomb), "Content-Encoding: gzip", path=path) + bomb)
            assert answer(line).split()[1] in (b"401", b"404", b"405", b"503")
    # One of them takes 0.03 s to unpack.
    assert time.process_time() - begin < 0.25
    assert server.stats.received == 0


def test_connections_that_never_end_their_headers():
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(connections=10, stall=60)) as server:
        lines = []
        for _ in range(40):
            lines.append(connect(server))
            lines[-1].sendall(b"POST /graphql HTTP/1.1\r\nHost: x\r\n")
            if len(lines) % 10 == 0:
                assert post(server).status == 200
        for line in lines:
            line.close()


def test_headers_have_a_deadline():
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(stall=0.2, idle=2.0)) as server:
        for sent in (b"", b"POST /graphql HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"):
            with connect(server) as line:
                line.sendall(sent)
                got = answer(line)  # up to the end
                assert got == b"" if not sent else got.startswith((b"HTTP/1.1 408", b"HTTP/1.1 404"))


def test_a_server_that_is_full_of_work_says_so():
    store, asked, let = slow_world()
    with serving(Engine(store), api_key=KEY, limits=Limits(connections=1)) as server:
        working = threading.Thread(target=post, args=(server, RUNS))
        working.start()
        assert asked.wait(10)
        got = call(f"{server.url}/graphql")
        assert (got.status, got.headers["Retry-After"]) == (503, "1")
        assert "no room for more connections" in got.message
        let.set()
        working.join()
        patience(lambda: post(server).status == 200)


@pytest.mark.parametrize("host", ["[", "]", "[::1", "[zz]", "\u2100", "a b", "localhost@evil", "[[", "localhost:x"])
def test_hosts_that_are_none(host):
    for key in (None, KEY):
        with serving(Engine(make_world()), api_key=key) as server:
            for target in ("/graphql", "http://localhost/graphql", "/files/a/b/c/d", "/x"):
                with connect(server) as line:
                    line.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                    assert answer(line).split()[1] == b"400"


# -- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_all_bodies_together_have_a_budget(packed):
    body = json.dumps({"query": VIEWER, "variables": {"x": "a" * 40_000}}).encode()
    sent = gzip.compress(body) if packed else body
    more = [f"Authorization: {basic(KEY)}", *(["Content-Encoding: gzip"] if packed else [])]
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(bodies=100_000)) as server:
        lines = [connect(server) for _ in range(4)]
        for line in lines:
            line.sendall(head(len(sent), *more) + sent[:-1])
        # Two fit; the others are told to come back, whichever they are.
        patience(lambda: server.stats.statuses[503] == 2)
        for line in lines:
            line.close()
        patience(lambda: server.stats.in_flight == 0)
        assert post(server, raw=body).status == 200


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-9], lambda b: b[:40] + b"\0" * 40 + b[80:], lambda b: b[::-1], lambda b: b"\x1f\x8b" * 500]
)
def test_garbled_gzip_is_one_clear_400(server, caplog, spoil):
    packed = gzip.compress(json.dumps({"query": VIEWER, "variables": {"x": [*range(3000)]}}).encode())
    with caplog.at_level(logging.DEBUG):
        got = post(server, raw=spoil(packed), headers={"Content-Encoding": "gzip"})
        assert (got.status, "gzip" in got.message) == (400, True)
    assert len(caplog.text.splitlines()) <= 1
    assert post(server, raw=packed + gzip.compress(b" "), headers={"Content-Encoding": "gzip"}).status == 200
    assert post(server, raw=packed, headers={"Content-Encoding": "br"}).status == 415


def test_clients_that_disconnect_write_nothing_into_the_log(server, caplog):
    with caplog.at_level(logging.DEBUG):
        for sent in (b"", b"POST /gr", head(100), head(100, f"Authorization: {basic(KEY)}") + b"{"):
            for _ in range(5):
                with connect(server) as line:
                    line.sendall(sent)
                    time.sleep(0.01)
        patience(lambda: server.stats.in_flight == 0)
        gc.collect()
        assert post(server).status == 200
    assert caplog.text == ""


def test_a_body_that_stalls():
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(stall=0.2)) as server, connect(server) as line:
        line.sendall(head(100, f"Authorization: {basic(KEY)}") + b"{")
        assert answer(line).startswith(b"HTTP/1.1 408")


# -- documents -------------------------------------------------------------------------------------

LITERAL = '{ project(name: "a") { run(name: "r") { files(names: [%s]) { totalCount } } } }'
DOCUMENTS = {
    "aliases": "{ viewer { " + " ".join(f"a{n}: id" for n in range(19_000)) + " } }",
    "a literal of 1 MB": LITERAL % ('"a",' * 250_000),
    "comments of 1 MB": "{ viewer { id } }" + "#\n" * 500_000,
    "run lists": '{ project(name: "a") { '
    + " ".join(f"a{n}: runs {{ edges {{ node {{ id }} }} }}" for n in range(4500))
    + " } }",
    "variables": "query Q(" + " ".join(f"$v{n}: Int" for n in range(20_000)) + ") { viewer { id } }",
    "fewer variables": "query Q(" + " ".join(f"$v{n}: Int" for n in range(3000)) + ") { viewer { id } }",
    "fragments": "{ viewer { "
    + " ".join(f"...F{n}" for n in range(9000))
    + " } }"
    + " ".join(f"fragment F{n} on User {{ id }}" for n in range(9000)),
    "fewer fragments": "{ viewer { "
    + " ".join(f"...F{n}" for n in range(900))
    + " } }"
    + " ".join(f"fragment F{n} on User {{ id }}" for n in range(900)),
    "operations": " ".join(f"query Q{n} {{ viewer {{ id }} }}" for n in range(3000)),
    "one name in many places": "{ "
    + " ".join("viewer { " + " ".join(f"a{n}: id" for n in range(60)) + " }" for _ in range(100))
    + " }",
    "one name behind fragments": "{ viewer { "
    + "...F " * 50
    + "} } fragment F on User { "
    + "...G " * 50
    + "} fragment G on User { "
    + "id " * 101
    + "}",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_that_are_refused_cost_little_and_are_not_kept(server, name):
    assert post(server).status == 200  # the schema is built
    begin = time.process_time()
    for more in range(2):
        got = post(server, DOCUMENTS[name] + "\n" * more)
        assert got.status in (400, 413)
    assert time.process_time() - begin < 3
    assert len(server._routes._documents) == 1


def test_values_in_variables(server):
    document = "query Q($x: [String]) { viewer { id } }"
    got = post(server, document, {"x": [[]] * 200_000})
    assert (got.status, got.message) == (400, "the variables hold more than 100000 values")
    assert post(server, document, {"x": ["a"] * 50_000}).status == 200


def test_documents_are_kept_by_weight(server):
    for n in range(8):
        assert post(server, "{ viewer { " + " ".join(f"alias{n}_{m}: id" for m in range(3000)) + " } }").status == 200
    assert len(server._routes._documents) < 8
    assert 0 < server._routes._documents.size <= 256 * 1024


# -- filters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        ("^(.*)*!$", 200),
        ("(a+a+)+b", 200),
        ("(a|aa)+$", 200),
        ("(.{0,9}){9}x", 200),
        ("a" * MIB, 400),
        ("(a?){999}{999}", 200),
        (r"(a)\1", 200),
        ("(?=a)", 200),
        ("\ud800", 200),
    ],
)
def test_patterns(pattern, status):
    store, variables = ask_runs({"display_name": {"$regex": pattern}})
    with serving(Engine(store), api_key=KEY) as server:
        begin = time.process_time()
        got = post(server, FILTERED, variables)
        assert got.status == status
        assert time.process_time() - begin < 2
        assert len(got.body) < 60_000


def test_patterns_in_a_server_are_re2s_and_in_process_pythons():
    store, _ = ask_runs({}, size=3)
    look = {"display_name": {"$regex": "^(?=a)a"}}
    engine = Engine(store)
    from wbmodel.request import Request

    asked = Request(FILTERED, {"f": json.dumps(look)})
    assert len(engine.execute(asked).data["project"]["runs"]["edges"]) == 3
    assert engine.capabilities.regex
    assert not Engine(store, Dialect(regex="re2")).capabilities.regex
    with serving(engine, api_key=KEY) as server:
        got = post(server, FILTERED, asked.variables)
        assert "is not a valid RE2 pattern: invalid perl operator" in got.message
        named = post(server, FILTERED, {"f": json.dumps({"name": {"$regex": r"(?i)^\pN$"}})}).data
        assert len(named["data"]["project"]["runs"]["edges"]) == 3


def test_without_re2_a_server_refuses_patterns(monkeypatch):
    store, variables = ask_runs({"name": {"$regex": "1"}}, size=3)
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    with serving(Engine(store), api_key=KEY) as server:
        assert "pip install 'wbmodel[serve]'" in post(server, FILTERED, variables).message


def test_a_pattern_too_complex_for_a_text():
    store = MemoryStore(viewer="ada")
    store.add_run(store.add_project("ada", "v"), "r", notes="a" * MIB)
    with serving(Engine(store), api_key=KEY) as server:
        got = post(server, FILTERED, {"f": json.dumps({"notes": {"$regex": "(.{0,500}){2}x"}})})
        assert (got.status, "too complex" in got.message) == (400, True)


def test_file_patterns_take_steps_of_pattern_times_name():
    store = MemoryStore(viewer="ada")
    run = store.add_run(store.add_project("ada", "v"), "r")
    store.add_file(run, "a" * 5000, b"")
    document = """query Q($p: String) { project(name: "v", entityName: "ada") { run(name: "r") {
      files(pattern: $p) { edges { node { name } } } } } }"""
    with serving(Engine(store), api_key=KEY) as server:
        for pattern, found in (("%a" * 30 + "%b", 0), ("%a_" * 30 + "%", 1), ("a%a", 1), ("_" * 5000, 1), ("b%", 0)):
            run = post(server, document, {"p": pattern}).data["data"]["project"]["run"]
            assert len(run["files"]["edges"]) == found


@pytest.mark.parametrize(
    "filters",
    [
        {"$or": [{f"config.k{n}": n} for n in range(200_000)]},
        {"$and": [{f"config.k{n}": {"$gt": n}} for n in range(20_000)]},
        {"config.k": {"$not": {"$not": {"$gt": 1}}}, **{f"config.k{n}": n for n in range(20_000)}},
    ],
)
def test_filters_of_too_many_terms(filters):
    store, variables = ask_runs(filters, size=3)
    with serving(Engine(store), api_key=KEY) as server:
        got = post(server, FILTERED, variables)
        assert (got.status, "more than 10000 comparisons" in got.message) == (400, True)
        assert post(server, FILTERED, {"f": json.dumps({"name": {"$in": ["1"] * 20_000}})}).status == 200
        many = ",".join(f"config.k{n}" for n in range(200))
        order = FILTERED.replace("filters: $f", f'order: "{many}"')
        assert (post(server, order).status, "more than 100 keys" in post(server, order).message) == (400, True)


# -- work that nobody waits for --------------------------------------------------------------------

SLOW = {"$or": [{f"config.k{n}": {"$gt": n}} for n in range(9000)]}


@pytest.mark.parametrize("how", ["deadline", "disconnection"])
def test_work_stops_when_nobody_waits(how):
    store, variables = ask_runs(SLOW, size=4000)  # 10 s and more
    limits = Limits(seconds=1.0 if how == "deadline" else 60.0, workers=1)
    with serving(Engine(store), api_key=KEY, limits=limits) as server:
        assert post(server).status == 200
        body = json.dumps({"query": FILTERED, "variables": variables}).encode()
        with connect(server) as line:
            line.sendall(head(len(body), f"Authorization: {basic(KEY)}") + body)
            if how == "deadline":
                assert line.recv(1000).startswith(b"HTTP/1.1 504")
            else:
                patience(lambda: server.stats.in_flight == 1 and server._working == 1)
                time.sleep(0.2)
        for _ in range(5):
            assert post(server, timeout=5).status == 200


def test_a_mutation_that_is_given_up_is_undone():
    from wbmodel.request import Request

    store, _ = ask_runs({}, size=1)
    looks = iter([False, False, True])
    document = """mutation { a: upsertBucket(input: {entityName: "ada", modelName: "v", name: "x"}) { inserted }
      b: upsertBucket(input: {entityName: "ada", modelName: "v", name: "y"}) { inserted } }"""
    got = Engine(store).execute(Request(document), given_up=lambda: next(looks))
    assert (got.data, got.errors) == (None, [{"message": "this request was given up"}])
    project = store.project("ada", "v")
    assert project is not None
    assert [store.run(project, name) for name in "xy"] == [None, None]
