"""The HTTP server over a real socket: who may ask, what is answered, in which shape."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import math
import socket
import ssl
import sys
import threading
import time
from datetime import datetime, timezone

import aiohttp
import pytest

from tests.support.engine_world import RUNS, make_world
from tests.support.http import KEY, VIEWER, basic, call, post
from tests.support.pace import patience
from wbmodel.engine import Dialect, Engine, MemoryStore
from wbmodel.engine.server import Limits, Server, serving
from wbmodel.errors import ConfigurationError
from wbmodel.testing import Faults


@pytest.fixture
def server():
    with serving(Engine(make_world()), api_key=KEY) as running:
        yield running


@pytest.fixture
def open_server():
    with serving(Engine(make_world())) as running:
        yield running


# -- who asks --------------------------------------------------------------------------------------


def test_the_right_key_is_let_in(server):
    got = post(server)
    assert (got.status, got.data) == (200, {"data": {"viewer": {"username": "ada"}}})
    assert got.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "header",
    [
        basic("x" * 40),
        basic(KEY[:-1]),
        basic(""),
        basic(KEY, user="ada"),
        f"Bearer {KEY}",
        "Basic",
        "Basic !!!",
        "Basic " + "é",
    ],
)
def test_another_key_is_not(server, header):
    got = post(server, key=None, headers={"Authorization": header.encode("utf-8").decode("latin-1")})
    assert (got.status, got.message) == (401, "permission denied")
    assert got.data["errors"][0]["extensions"] == {"code": "PERMISSION_ERROR"}
    assert got.headers["WWW-Authenticate"].startswith("Basic")
    assert server.stats.executed == 0


def test_no_key_is_said_so(server):
    got = post(server, key=None)
    assert got.status == 401
    assert "not logged in" in got.message


def test_who_may_not_ask_learns_nothing_of_the_schema(server):
    assert post(server, "{ viewer { bla } }", key="no").message == "permission denied"
    assert post(server, raw=b"no json", key="no").status == 401


def test_an_open_server_lets_everybody_in(open_server):
    assert post(open_server, key=None).status == 200
    assert post(open_server, key="whatever").status == 200


def test_a_key_may_be_a_secret_object():
    class Secret:
        def reveal(self) -> str:
            return KEY

    with serving(Engine(make_world()), api_key=Secret()) as server:
        assert post(server).status == 200
        assert post(server, key="other").status == 401


def test_the_key_is_shown_nowhere(server):
    post(server)
    post(server, key="x" * 40)
    shown = f"{server!r} {server.stats!r} {list(server.seen)!r} {vars(server)!r} {vars(server._routes)!r}"
    assert KEY not in shown
    assert basic(KEY).split()[1] not in shown
    assert [seen.authorization for seen in server.seen] == [True, True]


def test_an_empty_key_is_refused():
    with pytest.raises(ConfigurationError, match="must not be empty"):
        Server(Engine(make_world()), api_key="")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_binding_elsewhere_needs_a_key(host):
    with pytest.raises(ConfigurationError, match="without an API key") as caught:
        Server(Engine(make_world()), host=host)
    assert "--api-key-file" in str(caught.value)
    Server(Engine(make_world()), host=host, api_key=KEY)


def test_an_open_server_answers_to_local_names_only(open_server):
    # What a web page sees whose own name points to 127.0.0.1.
    for host in ("evil.example", "evil.example:80", "192.0.2.1"):
        got = post(open_server, headers={"Host": host})
        assert (got.status, "only answers as localhost" in got.message) == (403, True)
        assert call(f"{open_server.url}/files/acme/vision/r2/config.yaml", headers={"Host": host}).status == 403
    for host in ("localhost", "127.0.0.1:1", "[::1]:80"):
        assert post(open_server, headers={"Host": host}).status == 200


def test_with_a_key_any_name_will_do(server):
    assert post(server, headers={"Host": "wandb.example.org"}).status == 200


# -- what is asked ---------------------------------------------------------------------------------


def test_an_unknown_field_is_400_in_the_words_of_a_real_server(server):
    got = post(server, "{ viewer { bla } }")
    assert (got.status, got.data) == (400, {"errors": [{"message": 'Cannot query field "bla" on type "User".'}]})


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{ viewer {", "Syntax Error"),
        ("query A { viewer { id } } query B { viewer { id } }", "operation name"),
        ("query Q($id: ID!) { artifact(id: $id) { id } }", "$id"),
    ],
)
def test_what_cannot_be_executed_is_400(server, document, words):
    got = post(server, document)
    assert got.status == 400
    assert words in got.message
    assert "data" not in got.data


def test_an_error_while_executing_is_200_beside_the_data(server):
    got = post(server, '{ viewer { username } models(entityName: "nobody") { edges { node { id } } } }')
    assert got.status == 200
    assert got.data["data"] == {"viewer": {"username": "ada"}, "models": None}
    assert got.data["errors"][0]["path"] == ["models"]


def test_what_is_not_there_is_null(server):
    got = post(server, '{ project(name: "nope", entityName: "acme") { id } }')
    assert (got.status, got.data) == (200, {"data": {"project": None}})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"3", "JSON object"),
        (b'[{"query": "{ viewer { id } }"}]', "not a list"),
        (b"{}", "no query"),
        (b'{"query": " "}', "no query"),
        (b'{"query": 3}', "no query"),
        (b'{"query": "{ viewer { id } }", "variables": []}', "variables"),
        (b'{"query": "{ viewer { id } }", "operationName": 3}', "operationName"),
    ],
)
def test_what_is_no_request_is_400(server, body, words):
    got = post(server, raw=body)
    assert got.status == 400
    assert words in got.message


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_web_page_can_post_is_no_request(open_server, kind):
    got = post(open_server, key=None, headers={"Content-Type": kind})
    assert got.status == 415
    assert "application/json" in got.message


def test_operation_names_of_python_and_go_and_variables_that_are_not_declared(server):
    document = "query A { viewer { username } } query B { viewer { id } }"
    assert "id" in post(server, document, operation="B").data["data"]["viewer"]
    assert post(server, VIEWER, {"unused": 1}, operation="").status == 200


def test_methods_and_paths(server):
    got = call(f"{server.url}/graphql")
    assert (got.status, got.headers["Allow"]) == (405, "POST")
    assert "POST" in got.message
    for path in ("/", "/graphql/", "/graphiql", "/files", "/../../etc/passwd", "/%2e%2e/x"):
        got = call(f"{server.url}{path}", headers={"Authorization": basic(KEY)})
        assert (got.status, bool(got.message)) == (404, True)
    assert call(f"{server.url}/graphql", "OPTIONS").status == 405


def test_a_target_as_for_a_proxy(server):
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as line:
        line.sendall(f"GET {server.url}/graphql HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 405")


# -- strict JSON, gzip, the cache ------------------------------------------------------------------


def odd_world() -> MemoryStore:
    store = MemoryStore(clock=lambda: datetime(2024, 1, 1, tzinfo=timezone.utc))
    store.viewer = store.add_user("ada")
    project = store.add_project("ada", "odd")
    store.add_run(
        project,
        "r",
        display_name="lone \ud800 surrogate",
        summary={"nan": math.nan, "inf": -math.inf, "big": 2**70},
        history=[{"_step": 0, "x": math.inf, "big": 2**70, "deep": {"y": math.nan}}],
    )
    return store


def test_replies_are_strict_json_and_texts_hold_tokens():
    with serving(Engine(odd_world()), api_key=KEY) as server:
        got = post(
            server,
            '{ project(name: "odd") { run(name: "r") { displayName summaryMetrics history historyKeys '
            'sampledHistory(specs: ["{\\"keys\\": [\\"x\\", \\"deep.y\\"]}"]) } } }',
        )
    run = got.data["data"]["project"]["run"]  # refuses bare tokens
    assert '"nan":NaN' in run["summaryMetrics"]
    assert '"inf":-Infinity' in run["summaryMetrics"]
    assert str(2**70) in run["summaryMetrics"]
    assert '"x":Infinity' in run["history"][0]
    assert run["sampledHistory"] == [[{"x": "Infinity", "deep.y": "NaN"}]]
    assert run["historyKeys"]["keys"]["x"]["previousValue"] == sys.float_info.max
    assert run["historyKeys"]["keys"]["big"]["previousValue"] == 2**70
    assert run["displayName"] == "lone \ud800 surrogate"


RUN_TEXTS = """{ project(name: "vision", entityName: "acme") {
  runs { edges { cursor node { id name displayName config summaryMetrics historyKeys createdAt } } }
} }"""


def test_gzip_when_the_client_takes_it_and_it_is_worth_it(server):
    plain = post(server, RUN_TEXTS)
    packed = post(server, RUN_TEXTS, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert len(packed.raw) < len(plain.raw) / 2
    assert packed.body == plain.body
    assert post(server, RUN_TEXTS, headers={"Accept-Encoding": "gzip;q=0, br"}).raw == plain.raw
    assert "Content-Encoding" not in post(server, headers={"Accept-Encoding": "gzip"}).headers
    assert server.stats.sent >= len(plain.raw) * 2 + len(packed.raw)


def test_gzipped_requests(server):
    body = gzip.compress(json.dumps({"query": VIEWER}).encode())
    assert post(server, raw=body, headers={"Content-Encoding": "gzip"}).status == 200
    got = post(server, raw=b"no gzip", headers={"Content-Encoding": "gzip"})
    assert got.status == 400
    assert "cannot be read" in got.message


def test_a_warm_server_executes_nothing_and_a_change_is_seen_at_once(server):
    variables = {"order": "-created_at", "first": 2}
    first = post(server, RUNS, variables)
    again = post(server, RUNS, {"first": 2, "order": "-created_at"})
    assert again.body == first.body
    assert (server.stats.executed, server.stats.cached) == (1, 1)
    assert post(server, RUNS, {**variables, "first": 3}).body != first.body
    changed = post(
        server,
        'mutation { upsertBucket(input: {entityName: "acme", modelName: "vision", name: "new"}) { inserted } }',
    )
    assert changed.data["data"]["upsertBucket"]["inserted"] is True
    assert server.stats.mutations == 1
    after = post(server, RUNS, variables)
    assert after.body != first.body
    assert server.stats.cached == 1


def test_mutations_and_errors_are_never_kept(server):
    document = 'mutation { upsertModel(input: {entityName: "acme", name: "p"}) { inserted } }'
    assert [post(server, document).data["data"]["upsertModel"]["inserted"] for _ in range(2)] == [True, False]
    assert server.stats.mutations == 2
    for _ in range(2):
        post(server, "{ viewer { bla } }")
    assert server.stats.cached == 0


def test_the_cache_is_bounded_by_bytes():
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(cache=5000)) as server:
        for first in range(1, 40):
            post(server, RUNS, {"first": first})
        assert 0 < len(server._cache) < 10
        assert server._cache.size <= 5000
    with serving(Engine(make_world()), api_key=KEY, limits=Limits(cache=0)) as server:
        post(server)
        post(server)
        assert server.stats.cached == 0


def test_an_engine_that_is_served_keeps_its_own_urls():
    engine = Engine(make_world())
    document = (
        '{ project(name: "vision", entityName: "acme") { run(name: "r2") { files { edges { node { url } } } } } }'
    )
    with serving(engine, api_key=KEY) as server:
        got = post(server, document)
        assert got.data["data"]["project"]["run"]["files"]["edges"][0]["node"]["url"].startswith(server.url)
    from wbmodel.request import Request

    own = engine.execute(Request(document)).data
    assert own["project"]["run"]["files"]["edges"][0]["node"]["url"].startswith("wbmodel:blob/")


def test_the_dialect_is_the_engines(server):
    with serving(Engine(make_world(), Dialect(features=frozenset({"LARGE_FILENAMES"}))), api_key=KEY) as other:
        document = "{ serverInfo { features { name isEnabled } } }"
        assert post(server, document).data["data"]["serverInfo"]["features"] == []
        assert post(other, document).data["data"]["serverInfo"]["features"] == [
            {"name": "LARGE_FILENAMES", "isEnabled": True}
        ]


# -- files -----------------------------------------------------------------------------------------

FILES = """{ project(name: "vision", entityName: "acme") {
  run(name: "r2") { files { edges { node { name url directUrl } } } }
  artifact(name: "data:v0") { currentManifest { file { directUrl } } files { edges { node { name url directUrl } } } }
} }"""


def test_files_are_fetched_by_their_links_without_a_key(server):
    data = post(server, FILES).data["data"]["project"]
    urls = {edge["node"]["name"]: edge["node"]["url"] for edge in data["run"]["files"]["edges"]}
    assert call(urls["config.yaml"]).raw == b"lr: 1\n"
    got = call(urls["media/plot 1.png"])
    assert (got.raw, got.headers["Content-Type"]) == (b"png", "image/png")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    manifest = json.loads(call(data["artifact"]["currentManifest"]["file"]["directUrl"]).raw)
    assert set(manifest["contents"]) == {"a.txt", "b/c.bin"}
    parts = {edge["node"]["name"]: edge["node"]["directUrl"] for edge in data["artifact"]["files"]["edges"]}
    assert call(parts["a.txt"]).raw == b"hello"
    assert call(parts["b/c.bin"]).status == 404  # a reference: its bytes are elsewhere


def test_run_files_by_path_with_the_key_only(server):
    url = f"{server.url}/files/acme/vision/r2/media/plot%201.png"
    assert call(url, headers={"Authorization": basic(KEY)}).raw == b"png"
    head = call(url, "HEAD", headers={"Authorization": basic(KEY)})
    assert (head.status, head.raw, head.headers["Content-Length"]) == (200, b"", "3")
    assert call(url).status == 401
    assert call(url + "?token=" + "0" * 64).status == 401
    assert call(url, headers={"Authorization": basic("x")}).status == 401
    missing = f"{server.url}/files/acme/vision/r2/nothing"
    assert call(missing).status == 401
    assert call(missing, headers={"Authorization": basic(KEY)}).status == 404


def test_a_token_opens_its_own_file_only_and_ends_with_the_server(server):
    data = post(server, FILES).data["data"]["project"]
    urls = {edge["node"]["name"]: edge["node"]["url"] for edge in data["run"]["files"]["edges"]}
    token = urls["config.yaml"].partition("?")[2]
    assert call(urls["media/plot 1.png"].partition("?")[0] + "?" + token).status == 401
    part = data["artifact"]["files"]["edges"][0]["node"]["directUrl"]
    assert call(part.replace("a.txt", "wandb_manifest.json")).status == 404
    with serving(Engine(make_world()), api_key=KEY) as other:
        path = part.partition("/artifact-files/")[2]
        assert call(f"{other.url}/artifact-files/{path}").status == 404


def test_files_are_where_the_client_found_the_server(server):
    # It sends its key to the host of its base URL only.
    url = f"{server.url}/graphql".replace("127.0.0.1", "localhost")
    got = call(
        url,
        "POST",
        json.dumps({"query": FILES}).encode(),
        {"Content-Type": "application/json", "Authorization": basic(KEY)},
    )
    found = got.data["data"]["project"]["run"]["files"]["edges"][0]["node"]["url"]
    assert found.startswith("http://localhost:")
    assert call(found).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/files/acme/vision/r2/../../../../etc/passwd",
        "/files/acme/vision/r2/%2e%2e/%2e%2e/etc/passwd",
        "/files/acme/vision/r2//etc/passwd",
        "/files/../../etc/passwd",
        "/files/acme/vision/r2/",
        "/files/acme/vision/r2/a%00b",
        "/files/acme/vision/r2/%ff%fe",
        "/files/acme/vision/nobody/config.yaml",
        "/files/nobody/vision/r2/config.yaml",
        "/artifact-files/x/y/z",
        "/artifact-files/x",
        "/artifact-files/",
    ],
)
def test_nothing_outside_of_the_store_is_served(server, path):
    got = call(f"{server.url}{path}", headers={"Authorization": basic(KEY)})
    assert (got.status, "does not exist" in got.message) == (404, True)


def test_what_is_not_built_yet_never_makes_a_client_drop_data(server):
    for key in (KEY, "wrong"):
        got = call(f"{server.url}/files/acme/vision/r2/file_stream", "POST", b"{}", {"Authorization": basic(key)})
        assert (got.status, got.headers["Retry-After"]) == (503, "60")
        assert "nothing was stored" in got.message
    assert call(f"{server.url}/files/acme/vision/r2/new.txt", "PUT", b"x").status == 501
    assert call(f"{server.url}/files/acme/vision/r2/config.yaml", "DELETE").status == 405


# -- several at once, and the end ------------------------------------------------------------------


def test_many_at_once_on_one_connector(server):
    async def main() -> list[int]:
        async with aiohttp.ClientSession(headers={"Authorization": basic(KEY)}) as session:

            async def one(first: int) -> int:
                async with session.post(
                    f"{server.url}/graphql", json={"query": RUNS, "variables": {"first": first}}
                ) as answer:
                    return len((await answer.json())["data"]["project"]["runs"]["edges"])

            return await asyncio.gather(*(one(number % 4 + 1) for number in range(60)))

    assert asyncio.run(main()) == [number % 4 + 1 for number in range(60)]
    assert server.stats.peak > 1
    patience(lambda: not server.stats.in_flight)  # the last answer is there before its request has ended
    assert server.requests == 60


def test_a_slow_request_does_not_hold_up_others():
    with serving(Engine(make_world()), api_key=KEY, faults=Faults()) as server:
        server.faults.add(stall=4.0, when=lambda operation, document: operation == "Slow")
        slow = threading.Thread(target=lambda: post(server, VIEWER.replace("Viewer", "Slow"), operation="Slow"))
        slow.start()
        while server.stats.in_flight < 1:
            time.sleep(0.001)
        assert post(server).status == 200
        assert slow.is_alive(), "it had to wait for the slow one"
        slow.join()


async def test_start_and_stop_on_a_loop_of_the_callers():
    before = threading.active_count()
    server = Server(Engine(make_world()), api_key=KEY)
    with pytest.raises(ConfigurationError, match="before it has started"):
        _ = server.url
    assert "not running" in repr(server)
    await server.start()
    assert server.url in repr(server)
    with pytest.raises(ConfigurationError, match="already running"):
        await server.start()
    async with aiohttp.ClientSession() as session:
        async with session.post(
            f"{server.url}/graphql", json={"query": VIEWER}, headers={"Authorization": basic(KEY)}
        ) as answer:
            assert answer.status == 200
        # The connection is kept alive by the client, and does not keep the server from stopping.
        begin = time.monotonic()
        await server.stop()
        assert time.monotonic() - begin < server.limits.grace
    await server.stop()
    assert threading.active_count() == before
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=1)


def slow_world() -> tuple[MemoryStore, threading.Event, threading.Event]:
    """A world whose list of runs takes as long as the test likes: ``(store, is asked, may answer)``."""
    store, asked, let = make_world(), threading.Event(), threading.Event()
    true_select = store.select

    def select(ask):
        asked.set()
        assert let.wait(20)
        return true_select(ask)

    store.select = select  # type: ignore[method-assign]
    return store, asked, let


def test_what_is_under_way_is_finished():
    store, asked, let = slow_world()
    before = set(threading.enumerate())
    answers = []
    with serving(Engine(store), api_key=KEY) as server:
        asking = threading.Thread(target=lambda: answers.append(post(server, RUNS)))
        asking.start()
        assert asked.wait(10)
        threading.Timer(0.3, let.set).start()
    asking.join()
    assert answers[0].status == 200
    assert len(answers[0].data["data"]["project"]["runs"]["edges"]) == 4
    assert not [thread for thread in set(threading.enumerate()) - before if "wbmodel server" in thread.name]


def test_what_takes_too_long_is_left(caplog):
    store, asked, let = slow_world()
    caught = []

    def ask(server) -> None:
        try:
            post(server, RUNS)
        except (OSError, http.client.HTTPException) as error:
            caught.append(error)

    with serving(Engine(store), api_key=KEY, limits=Limits(grace=0.2)) as server:
        asking = threading.Thread(target=ask, args=(server,))
        asking.start()
        assert asked.wait(10)
        begin = time.monotonic()
    assert time.monotonic() - begin < 15  # the request takes 20 s
    asking.join()
    assert len(caught) == 1
    assert "stopped with 1 requests in flight" in caplog.text
    let.set()


def test_stopping_ends_a_stall_at_once():
    caught = []

    def ask(server) -> None:
        try:
            post(server)
        except OSError as error:
            caught.append(error)

    with serving(Engine(make_world()), api_key=KEY) as server:
        server.faults.add(stall=60)
        asking = threading.Thread(target=ask, args=(server,))
        asking.start()
        while server.stats.faults < 1:
            time.sleep(0.001)
        begin = time.monotonic()
    assert time.monotonic() - begin < 30  # the stall takes 60 s
    asking.join()
    assert len(caught) == 1


def test_an_address_that_is_taken_is_said():
    with serving(Engine(make_world())) as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            with serving(Engine(make_world()), port=port):
                raise AssertionError("two servers on one port")
    with serving(Engine(make_world()), port=port, host="localhost") as again:
        assert again.url == f"http://localhost:{port}"


def test_ipv6():
    if not socket.has_ipv6:
        pytest.skip("there is no IPv6 here")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"there is no IPv6 loopback here: {error}")
    with serving(Engine(make_world()), host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert post(server, key=None).status == 200


def test_an_error_in_the_block_stops_the_server():
    with pytest.raises(RuntimeError, match="mine"):
        with serving(Engine(make_world())) as server:
            raise RuntimeError("mine")
    with pytest.raises(OSError):
        call(server.url)


def test_https_needs_a_context():
    with serving(Engine(make_world()), ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as server:
        # Without a certificate no handshake succeeds; tests/plugins/live has one.
        assert server.url.startswith("https://")
