"""What is wrong with ``connect()`` is said before anything is sent, in one error that names the thing."""

from __future__ import annotations

import pickle
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.runner import KEY, make_store
from wbmodel import Run, connect
from wbmodel.engine.execute import Engine
from wbmodel.engine.server import Server, serving
from wbmodel.errors import ConfigurationError, WbmodelError


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that is never asked."""
    with serving(Engine(make_store()), api_key=KEY) as running:
        yield running
        assert running.requests == 0


def _refused(url: str, **options: Any) -> str:
    """The one error of connecting and asking, in either colour of doing so."""
    given = {"api_key": KEY, "project": "acme/vision", "default": False, "name": "bad input", **options}
    with pytest.raises(ConfigurationError) as caught:
        Run.objects.using(connect(url, **given)).count()
    error = caught.value
    message = str(error)
    assert isinstance(error, WbmodelError)
    assert str(pickle.loads(pickle.dumps(error))) == message
    assert KEY not in f"{message} {error!r} {error.args!r}"
    assert len(message) < 600
    return message


OPTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "timeout 0": ({"timeout": 0}, ("timeout", "above 0", "0")),
    "timeout below 0": ({"timeout": -1.5}, ("timeout", "-1.5")),
    "timeout text": ({"timeout": "30"}, ("timeout", "'30'")),
    "timeout nan": ({"timeout": float("nan")}, ("timeout", "nan")),
    "connect_timeout": ({"connect_timeout": 0}, ("connect_timeout", "above 0")),
    "read_timeout": ({"read_timeout": -3}, ("read_timeout", "-3")),
    "concurrency": ({"concurrency": -1}, ("concurrency", "whole number", "-1")),
    "concurrency, a fraction": ({"concurrency": 1.5}, ("concurrency", "1.5")),
    "concurrency True": ({"concurrency": True}, ("concurrency", "True")),
    "max_attempts": ({"max_attempts": 0}, ("max_attempts", "0")),
    "ca_file that is not there": ({"ca_file": "/nowhere/ca.pem"}, ("/nowhere/ca.pem", "cannot be read")),
    "proxy": ({"proxy": "nonsense"}, ("proxy=", "nonsense", "http://HOST:PORT")),
    "proxy of another kind": ({"proxy": "socks5://127.0.0.1:9"}, ("proxy=", "socks5://127.0.0.1:9")),
    "two ways to trust": (
        {"ca_file": "x.pem", "ssl_context": ssl.create_default_context()},
        ("ca_file=", "ssl_context="),
    ),
    "Authorization": ({"headers": {"authorization": "Bearer x"}}, ("headers=", "Authorization", "api_key=")),
    "a misspelt option": ({"concurency": 3}, ("concurency", "did you mean 'concurrency'?")),
    "an option of nothing": ({"colour": "red"}, ("colour", "its options", "ca_file")),
    "a key with blanks": ({"api_key": "not a key " * 4}, ("API key for 127.0.0.1", "blanks", "copy it again")),
    "a key with a line break in it": ({"api_key": KEY[:20] + "\n" + KEY[20:]}, ("API key for 127.0.0.1", "copy it")),
    "a key of other letters": ({"api_key": "ключ" * 10}, ("API key for 127.0.0.1", "non-ASCII")),
    "two kinds of credentials": ({"identity_token_file": "token.jwt"}, ("identity_token_file", "api_key")),
    "a session factory that makes none": ({"client_session": dict}, ("client_session()", "dict")),
}


@pytest.mark.parametrize("what", OPTIONS)
def test_options(what: str, server: Server) -> None:
    options, words = OPTIONS[what]
    message = _refused(server.url, **options)
    assert [word for word in words if word not in message] == [], message


URLS = {
    "no host": ("https://", "https://HOST"),
    "no host, a path": ("http:///graphql", "https://HOST"),
    "a port that is none": ("http://127.0.0.1:notaport", "a port is a number"),
    "a port beyond all": ("http://127.0.0.1:99999", "99999"),
    "a query": ("http://127.0.0.1:9/?key=x", "'?'"),
    "a fragment": ("http://127.0.0.1:9/#x", "'#'"),
    "a blank": ("http://127.0.0.1:9/a b", "a b"),
    "a label beyond all": (f"http://{'x' * 70}.example", "xxx"),
    "half of an IPv6 address": ("http://[::1", "[::1"),
    "a blank in the host": ("http://my host", "my host"),
    "port 0": ("http://127.0.0.1:0", "port 0"),
}


@pytest.mark.parametrize("what", URLS)
def test_addresses(what: str) -> None:
    url, word = URLS[what]
    message = _refused(url)
    assert word in message
    assert "address of a server" in message


def test_a_file_that_holds_no_certificates(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("these are no certificates")
    message = _refused(server.url, ca_file=file)
    assert str(file) in message
    assert "cannot be read" in message


def test_what_the_environment_gets_wrong(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("http_proxy", "ftp://127.0.0.1:9")
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    assert "HTTP_PROXY is not the address of an HTTP proxy" in _refused(server.url)
    monkeypatch.delenv("http_proxy")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    assert "/nowhere/bundle.pem" in _refused(server.url)


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_the_error_is_the_same_in_the_other_colour(colour: str, server: Server) -> None:
    session = connect(server.url, api_key=KEY, project="acme/vision", default=False, name="x", proxy="nonsense")
    runs = Run.objects.using(session)
    with pytest.raises(ConfigurationError, match="proxy= is not the address of an HTTP proxy: 'nonsense'"):
        await runs.acount() if colour == "async" else runs.count()
    with pytest.raises(ConfigurationError, match="nonsense"):
        await runs.aget(id="r05") if colour == "async" else runs.get(id="r05")
    session.close()
