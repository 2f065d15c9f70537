"""What the environment says of the way to a server, and of who asks: from the variable to the wire."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest
import trustme
from aiohttp import web

from tests.support.pace import stretch
from wbmodel import connect
from wbmodel.engine import Engine, MemoryStore
from wbmodel.engine.server import serving
from wbmodel.errors import RequestTimeout, ServerUnreachable
from wbmodel_live.options import Options
from wbmodel_live.proxies import proxy_for

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJydW5uZXIifQ.c2lnbmF0dXJl"
VIEWER = "{ viewer { username } }"


@pytest.fixture
def store():
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    return store


@contextmanager
def answering(answer):
    """A server of ``async answer(request)``, whatever is asked of it; gives its port and what it saw."""
    seen, loop, ready, ports = [], asyncio.new_event_loop(), threading.Event(), []

    async def handle(request):
        body = await request.read()
        seen.append((request.raw_path, request.headers.copy(), body))
        return await answer(request)

    async def start():
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.append(runner.addresses[0][1])
        ready.set()
        return runner

    def run():
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield ports[0], seen
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def somebody(request):
    return web.json_response({"data": {"viewer": {"username": "by the proxy"}}})


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_the_proxy_of_the_environment(monkeypatch, variable):
    with answering(somebody) as (port, seen):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
        with connect("http://wandb.invalid", api_key="k" * 40, default=False) as session:
            assert session.execute(VIEWER).data == {"viewer": {"username": "by the proxy"}}
    assert seen[0][0] == "http://wandb.invalid/graphql"


@pytest.mark.parametrize("way", ["127.0.0.1", "127.0.0.0/8", "localhost, 127.0.0.0/8 ", "trust_env"])
def test_a_server_that_is_to_be_asked_without_the_proxy(monkeypatch, store, way):
    with answering(somebody) as (port, seen), serving(Engine(store)) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        if way != "trust_env":
            monkeypatch.setenv("NO_PROXY", way)
        with connect(server.url, default=False, **({"trust_env": False} if way == "trust_env" else {})) as session:
            assert session.execute(VIEWER).data == {"viewer": {"username": "ada"}}
    assert seen == []


@pytest.mark.parametrize(
    ("server", "names", "straight"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3:8080", "192.168.0.0/16,10.1.0.0/16", True),
        ("10.1.2.3", "10.1.2.3/24", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("[fd00::7]:8080", "fd00::/8", True),
        ("[fd00::7]", "[fd00::]/8", True),
        ("[::ffff:10.1.2.3]", "10.0.0.0/8", True),
        ("[fe80::1%25eth0]", "fe80::/10", True),
        ("[2001:db8::1]", "fd00::/8", False),
        ("ten.acme.example", "10.0.0.0/8", False),
        ("10.1.2.3", "10.0.0.0/99, /8, 10.0.0/8, ::/0", False),
    ],
)
def test_networks_in_no_proxy(monkeypatch, server, names, straight):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.acme.example:3128")
    monkeypatch.setenv("NO_PROXY", names)
    found = proxy_for(f"http://{server}/graphql", Options(timeout=60))
    assert found == (None if straight else "http://proxy.acme.example:3128")


def test_the_certificate_authorities_of_the_environment(monkeypatch, store, tmp_path):
    import ssl

    authority = trustme.CA()
    bundle = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with serving(Engine(store), ssl_context=context) as server:
        with connect(server.url, default=False) as session:
            assert session.execute(VIEWER).data == {"viewer": {"username": "ada"}}
        with connect(server.url, default=False, trust_env=False) as session:
            with pytest.raises(ServerUnreachable, match="cannot be trusted"):
                session.execute(VIEWER)


def test_an_identity_token_becomes_the_bearer_of_each_request(monkeypatch, tmp_path):
    async def answer(request):
        if request.path == "/oidc/token":
            return web.json_response({"access_token": "access-1", "expires_in": 3600})
        return web.json_response({"data": {"viewer": {"username": "runner"}}})

    file = tmp_path / "token"
    file.write_text(JWT)
    monkeypatch.setenv("WANDB_IDENTITY_TOKEN_FILE", str(file))
    with answering(answer) as (port, seen):
        with connect(f"http://127.0.0.1:{port}", default=False) as session:
            for _ in range(2):
                assert session.execute(VIEWER).data == {"viewer": {"username": "runner"}}
    assert [path for path, _, _ in seen] == ["/oidc/token", "/graphql", "/graphql"]
    assert JWT.encode() in seen[0][2]
    assert "Authorization" not in seen[0][1]
    assert [headers["Authorization"] for _, headers, _ in seen[1:]] == ["Bearer access-1"] * 2


@pytest.mark.slow
def test_a_document_that_is_sent_again_in_other_words_has_what_is_left_of_the_time():
    asked = []
    pace = 2 * stretch()

    async def answer(request):
        text = (await request.read()).decode()
        asked.append(text)
        if "__type" in text:
            return web.json_response({"errors": [{"message": "no introspection"}]})
        if len(asked) == 1:
            await asyncio.sleep(0.8 * pace)
            said = "Cannot query field 'readOnly' on type 'Project'."
            return web.json_response({"errors": [{"message": said}]}, status=400)
        await asyncio.sleep(60)
        return web.json_response({})

    with answering(answer) as (port, _):
        with connect(f"http://127.0.0.1:{port}", default=False) as session:
            backend = session.backend
            began = time.monotonic()
            with pytest.raises(RequestTimeout, match="the query"):
                backend.owner_loop.run(
                    backend._connected().answer(_request('{ project(name: "p") { readOnly name } }'), 1.2 * pace)
                )
            assert time.monotonic() - began < 1.8 * pace  # with all of the time again it were 2
    assert len(asked) == 3


def _request(text):
    from wbmodel.request import Request

    return Request(text)
