"""Refusals over real sockets, byte by byte: which error, how often it was asked, and the server's own words."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.pace import stretch
from tests.support.places import HOME, KEY, on, world
from tests.support.servers import Ground, head_of, listening
from wbmodel import Run, Session, connect
from wbmodel.engine.execute import Engine
from wbmodel.engine.server import serving
from wbmodel.errors import (
    ConfigurationError,
    NotWandbServer,
    PermissionDenied,
    ServerError,
    ServerUnreachable,
    WbmodelError,
)
from wbmodel.testing import Fault, Faults
from wbmodel_fixtures import world_from
from wbmodel_live.words import words_of

QUERY = "query Viewer { viewer { username } }"
GOOD = {"data": {"viewer": {"username": "ada"}}}
REASON = {"errors": ["the reason"]}
WALL = b"<html><title>Blocked by the wall</title><p>ticket 17</html>"


class Raw:
    """Writes ``answer`` as it is and closes. ``asked`` counts requests."""

    def __init__(self) -> None:
        self.answer, self.asked, self.url = b"", 0, ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, headers, _ = await head_of(reader)
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked += 1
        writer.write(self.answer)
        await writer.drain()


@pytest.fixture
def raw(ground: Ground) -> Iterator[Raw]:
    raw = Raw()
    with ground.holding(listening(raw.handle)) as port:
        raw.url = f"http://127.0.0.1:{port}"
        yield raw


def answer(status: int, body: Any = b"", *lines: str, kind: str = "application/json") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    return "\r\n".join([*head, "Connection: close", *lines, "", ""]).encode() + content


def bare(line: str) -> bytes:
    return f"HTTP/1.1 {line}\r\nConnection: close\r\n\r\n".encode()


def asking(raw: Raw, **options: Any) -> Session:
    given = {"timeout": 20 * stretch(), "max_attempts": 3, **options}
    return connect(raw.url, api_key="k" * 40, default=False, project="acme/vision", **given)


REFUSALS: dict[str, tuple[bytes, type[WbmodelError], int, str]] = {
    "101": (bare("101 Switching"), NotWandbServer, 1, "answered HTTP 101"),
    "102 and no more": (bare("102 Processing"), ServerUnreachable, 3, "dropped the connection"),
    "204": (bare("204 None"), NotWandbServer, 1, "answered HTTP 204 (None) with content that is not a GraphQL"),
    "304": (bare("304 Same"), NotWandbServer, 1, "answered HTTP 304 (Same) with content that is not a GraphQL"),
    "no address": (answer(302, b"", "Location: http://[::1"), NotWandbServer, 1, "redirects to an address that cannot"),
    "an odd address": (
        answer(302, b"", "Location: http://h/\x1b[31m"),
        NotWandbServer,
        1,
        "redirects to http://h/\\x1b",
    ),
    "500, errors": (answer(500, REASON), ServerError, 2, "it says: the reason"),
    "500, the words": (answer(500, REASON), ServerError, 2, "refused the request with HTTP 500 (Viewer, 2 attempts"),
    **{
        f"{status}, errors": (answer(status, REASON), ServerError, 1, "refused the query: the reason")
        for status in (200, 400, 404, 409, 422)
    },
    "200, one text": (answer(200, {"errors": "the text"}), ServerError, 1, "refused the query: the text"),
    "400, an error": (answer(400, {"error": {"message": "the words"}}), ServerError, 1, "it says: the words"),
    "200, an error": (answer(200, {"error": {"message": "the words"}}), NotWandbServer, 1, "it says: the words"),
    "403, a firewall": (answer(403, WALL, kind="text/html"), NotWandbServer, 1, "it says: Blocked by the wall"),
    "403": (answer(403, {"detail": "members only"}), PermissionDenied, 1, "it says: members only"),
    "escapes": (answer(200, {"errors": ["a\x1b[31mb\u202e"]}), ServerError, 1, "refused the query: a\\x1b[31mb\\u202e"),
    "escapes, 400": (answer(400, b"a\x1b[31mb\x07"), ServerError, 1, "it says: a\\x1b[31mb\\x07"),
    "escapes, a reason": (bare("400 \x1b[31mBad"), ServerError, 1, "answered HTTP 400 (\\x1b[31mBad)"),
    "50 MB": (answer(200, {"errors": [{"message": "m" * 50_000_000}]}), ServerError, 1, "refused the query: mmm"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_how_a_refusal_ends(raw: Raw, name: str) -> None:
    raw.answer, error, times, words = REFUSALS[name]
    with asking(raw) as session, pytest.raises(WbmodelError) as caught:
        session.execute(QUERY)
    said = str(caught.value)
    assert type(caught.value) is error
    assert words in said
    assert said.isprintable()
    assert len(said) < 700
    assert raw.asked == times


@pytest.mark.parametrize("before", ["100 Continue", "103 Early Hints"])
def test_what_comes_before_the_answer_is_passed_over(raw: Raw, before: str) -> None:
    raw.answer = f"HTTP/1.1 {before}\r\nLink: </x>\r\n\r\n".encode() + answer(200, GOOD)
    with asking(raw) as session:
        assert session.execute(QUERY).data == GOOD["data"]


def test_a_login_of_the_client_session_is_named(raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login api password hidden-in-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with asking(raw, client_session=lambda: aiohttp.ClientSession(trust_env=True)) as session:
        with pytest.raises(ConfigurationError, match="from netrc.*the key goes in as api_key=") as caught:
            session.execute(QUERY)
    assert "hidden" not in str(caught.value)
    assert raw.asked == 0


def test_a_journal_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with on("live"):
            Run.objects.filter(id="r1").update(notes="x", journal=tmp_path / "journal")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600


def test_a_run_that_the_server_fails_to_find_does_not_exist() -> None:
    faults = Faults()
    with serving(Engine(world_from(world()).world), api_key=KEY, faults=faults) as server:
        with connect(server.url, api_key=KEY, default=False, project=HOME) as session:
            run = Run.objects.using(session).get(id="r1")
            faults.add(Fault.errors("failed to find run acme/vision/r1"), contains="upsertBucket", times=None)
            run.notes = "late"
            with pytest.raises(Run.DoesNotExist, match="r1"):
                run.save()


# -- the words of anything -------------------------------------------------------------------------

_TEXTS = st.text() | st.sampled_from(
    ["message", "errors", "error", "detail", "<b>", "\x1b[31m", "\\u001b", '"', "k" * 40]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_BODIES = (
    st.binary()
    | _TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | _JSON.map(lambda value: json.dumps(value).encode())
    | st.tuples(_JSON, st.integers(0, 60)).map(lambda cut: json.dumps(cut[0]).encode()[: cut[1]])
    | st.lists(st.sampled_from(["<html>", "<title>", "</title>", "<!--", "-->", "<script>", "&lt;", "x", " "])).map(
        lambda parts: "".join(parts).encode()
    )
)


@settings(max_examples=deep(300), deadline=None)
@given(_BODIES, st.sampled_from([1, 1, 1, 50_000]))
def test_the_words_of_any_body(body: bytes, times: int) -> None:
    words = words_of(body * times)
    assert words is None or (0 < len(words) <= 20_000 and words == " ".join(words.split()))


@settings(max_examples=deep(100), deadline=None)
@given(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=30))
def test_the_words_of_known_shapes_survive(words: str) -> None:
    page = f"<html><head><title>{words}</title></head></html>"
    for shape in (
        {"errors": [{"message": words, "path": ["viewer"]}]},
        {"errors": [words]},
        {"errors": words},
        {"error": {"message": words, "code": 7}},
        {"error": words},
        {"message": words},
        {"detail": words},
    ):
        assert words_of(json.dumps(shape).encode()) == words
    assert words_of(page.encode()) == words
    assert words_of(json.dumps({"message": words}).encode()[:-2]) == words


@pytest.mark.parametrize("opened", ["[", '{"a":', '{"errors":[', "<b", "<!--", "&#"])
def test_the_words_of_what_is_nested_or_never_ends(opened: str) -> None:
    began = time.process_time()
    words = words_of(opened.encode() * (1_000_000 // len(opened)))
    assert words is None or len(words) <= 20_000
    assert time.process_time() - began < 2
