"""Answers without end, and answers that unpack to far more than came: what they cost has a bound."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.pace import stretch
from tests.support.servers import CODINGS, Ground, head_of, listening
from wbmodel import Session, connect
from wbmodel.codec import loads, loads_in_steps
from wbmodel.errors import (
    ConfigurationError,
    OutcomeUnknown,
    RequestTimeout,
    ResponseTooLarge,
    ServerError,
    WbmodelError,
)
from wbmodel.request import Request
from wbmodel_live import bodies

LIMIT = 3_000_000
GOOD = json.dumps({"data": {"viewer": {"username": "ada"}}}).encode()
QUERY = "query Viewer { viewer { username } }"
CODED = {**CODINGS, "deflate, raw": lambda data: zlib.compress(data)[2:-4]}


class Sender:
    """Answers each request with a head and the pieces of ``body()``. ``sent`` counts its bytes, ``cut`` is set once the
    client hangs up."""

    def __init__(self) -> None:
        self.status, self.headers, self.sent = 200, {"Content-Type": "application/json"}, 0
        self.body: Callable[[], Iterator[bytes]] = lambda: iter([GOOD])
        self.asked = 0
        self.cut = threading.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, headers, _ = await head_of(reader)
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked += 1
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {text}" for name, text in self.headers.items())]
        writer.write("\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode())
        try:
            for piece in self.body():
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.sent += len(piece)
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await reader.read(1)
        except ConnectionError:
            pass
        self.cut.set()


@pytest.fixture
def sender(ground: Ground) -> Iterator[Sender]:
    sender = Sender()
    with ground.holding(listening(sender.handle)) as port:
        sender.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
        yield sender


@contextmanager
def asking(sender: Any, **options: Any) -> Iterator[Session]:
    given = {"max_response": LIMIT, "max_attempts": 1, "timeout": 20 * stretch(), **options}
    with connect(sender.url, api_key="k" * 40, default=False, **given) as session:
        yield session


def refusal(sender: Any, document: str = QUERY, **options: Any) -> WbmodelError:
    with asking(sender, **options) as session, pytest.raises(WbmodelError) as caught:
        session.execute(document)
    return caught.value


def packed(coding: str, data: bytes) -> bytes:
    for name in coding.split(" + "):
        data = CODED[name](data)
    return data


def coded(sender: Any, coding: str, body: bytes) -> None:
    sender.headers["Content-Encoding"] = re.sub(r", raw", "", coding).replace(" + ", ", ")
    sender.body = lambda: iter([body])


ONE = ["gzip", "deflate", "deflate, raw", "br", "zstd"]
SEVERAL = ["gzip + br", "br + zstd", "gzip + gzip + deflate"]


@pytest.mark.parametrize("coding", ONE + SEVERAL)
def test_every_coding_is_unpacked(sender: Sender, coding: str) -> None:
    long = json.dumps({"data": {"viewer": {"username": "a" * 1_500_000}}}).encode()
    for body in (GOOD, long):
        coded(sender, coding, packed(coding, body))
        with asking(sender) as session:
            assert session.execute(QUERY).data == json.loads(body)["data"]
            assert 0 < session.stats.bytes < len(body) + 200


@pytest.mark.parametrize("coding", ONE + SEVERAL)
def test_a_bomb_is_refused_at_the_limit(sender: Sender, coding: str) -> None:
    coded(sender, coding, packed(coding, b"[" + bytes(9_000_000)))
    error = refusal(sender)
    assert type(error) is ResponseTooLarge
    assert "answered with more than 3.0 MB (Viewer); allow more (max_response=, in bytes), or ask for less" in str(
        error
    )
    assert sender.asked == 1


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_that_hold_nothing_have_a_bound(sender: Sender, coding: str) -> None:
    coded(sender, coding, packed(coding, b"") * 20_000)
    assert "truncated or garbled" in str(refusal(sender))
    coded(sender, coding, b"".join(packed(coding, GOOD[at : at + 1]) for at in range(len(GOOD))))
    with asking(sender) as session:
        assert session.execute(QUERY).data == {"viewer": {"username": "ada"}}


def test_a_layer_that_packs_to_nothing_counts_too(sender: Sender) -> None:
    coded(sender, "br + gzip", gzip.compress(brotli.compress(b"") + bytes(9_000_000)))
    assert "more than" in str(refusal(sender)) or "garbled" in str(refusal(sender))


@pytest.mark.parametrize("coding", ONE)
def test_what_cannot_be_unpacked_is_garbled(sender: Sender, coding: str) -> None:
    whole = packed(coding, GOOD * 100)
    for body in (b"\xff\xfe nonsense", whole[:-6]):
        coded(sender, coding, body)
        assert "truncated or garbled" in str(refusal(sender))


@pytest.mark.parametrize("coding", ["compress", "exi\x7f", "gzip, gzip, gzip, gzip"])
def test_a_coding_that_nobody_asked_for(sender: Sender, coding: str) -> None:
    coded(sender, coding, GOOD)
    assert "which it was not asked for" in str(refusal(sender))


def test_chunks_without_end(sender: Sender) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65536

    sender.body = endless
    assert "more than 3.0 MB" in str(refusal(sender))
    assert sender.cut.wait(10 * stretch())
    assert sender.sent < 30_000_000  # the limit and what the sockets hold


@pytest.mark.parametrize("coding", [None, "gzip", "br"])
@pytest.mark.parametrize("status", [400, 500])
def test_of_an_error_only_its_beginning_is_read(sender: Sender, coding: str | None, status: int) -> None:
    sender.status = status
    body = json.dumps({"errors": [{"message": "the shard is asleep"}], "x": "y" * 14_000_000}).encode()
    if coding is None:
        sender.body = lambda: (body[at : at + 65536] for at in range(0, len(body), 65536))
    else:
        coded(sender, coding, packed(coding, body))
    error = refusal(sender)
    assert "the shard is asleep" in str(error)
    assert len(str(error)) < 600
    assert len(body) > 5_000_000
    assert coding or sender.sent < 12_000_000


def test_a_length_that_passes_the_limit_is_not_read(ground: Ground) -> None:
    async def long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, headers, _ = await head_of(reader)
        await reader.readexactly(int(headers["content-length"]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n")
        await reader.read(1)

    with ground.holding(listening(long)) as port:
        sender: Any = type("At", (), {"url": f"http://127.0.0.1:{port}"})
        assert "more than 3.0 MB" in str(refusal(sender))


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [' + b"{}," * 800_000 + b"{}]}",
        b'{"data": ' + b"[" * 1_500_000,
        b'{"data": [' + b'"ab",' * 900_000 + b"0]}",
        b'{"data": {' + b",".join(b'"k%d":1' % at for at in range(300_000)) + b"}}",
    ],
    ids=["objects", "nested", "texts", "names"],
)
def test_small_text_that_makes_many_values_is_refused_before_it_is_read(sender: Sender, body: bytes) -> None:
    sender.body = lambda: iter([body])
    error = refusal(sender, max_response=5_000_000)
    assert "more values than an answer of 5.0 MB may hold" in str(error)
    assert "max_response=" in str(error)


def test_a_mutation_may_have_been_carried_out(sender: Sender) -> None:
    coded(sender, "gzip", packed("gzip", bytes(10_000_000)))
    error = refusal(sender, "mutation Make { makeIt { id } }")
    assert isinstance(error, OutcomeUnknown)
    assert "max_response" not in str(error)


def test_the_limit_holds_for_a_session_of_the_user(sender: Sender) -> None:
    import aiohttp

    coded(sender, "br", packed("br", bytes(9_000_000)))
    made = lambda: aiohttp.ClientSession(auto_decompress=True, read_bufsize=2**26)  # noqa: E731
    assert "more than 3.0 MB" in str(refusal(sender, client_session=made))


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "1 GB", None])
def test_what_is_no_limit(value: Any) -> None:
    options = {} if value is None else {"max_response": value}
    session = connect("http://127.0.0.1:1", default=False, **options)
    if value is None:
        assert session.backend.options.max_response == 100_000_000
        return
    with pytest.raises(ConfigurationError, match="max_response must be a whole number above 0"):
        _ = session.backend


async def test_one_such_server_does_not_stop_another_session(sender: Sender, ground: Ground) -> None:
    """The longest time that the loop did nothing else while 100 MB were unpacked and refused."""
    coded(sender, "br", packed("br", bytes(60_000_000)))
    with asking(sender, max_response=40_000_000) as session:
        longest, stop = 0.0, asyncio.Event()
        loop = session.backend.owner_loop

        async def beat() -> float:
            longest, last = 0.0, time.perf_counter()
            while not stop.is_set():
                await asyncio.sleep(0.002)
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
            return longest

        heart = asyncio.ensure_future(loop.arun(beat()))
        with pytest.raises(ServerError, match="more than 40 MB"):
            await session.backend.aexecute(Request(QUERY))
        stop.set()
        longest = await heart
    assert longest < 0.3 * stretch()


HEAVY = {
    "lists": b"[]",
    "objects": b'{"a":1}',
    "texts": b'"ab\\u00e9cd"',
    "numbers": b"1234567",
}


@pytest.mark.slow  # it measures time
@pytest.mark.parametrize("kind", HEAVY)
def test_decoding_many_values_does_not_stop_another_session(ground: Ground, sender: Sender, kind: str) -> None:
    """A second server answers small requests meanwhile; and nothing is decoded any more once the deadline passed."""
    count = 700_000
    sender.body = lambda: iter([b'{"data":{"x":[' + (HEAVY[kind] + b",") * count + b"0]}}"])
    quick = Sender()
    quick.headers["Connection"] = "close"
    done, slowest = threading.Event(), 0.0
    with ground.holding(listening(quick.handle)) as port, asking(sender, max_response=30_000_000) as heavy:
        quick.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
        with asking(quick) as other:
            pending = heavy.backend.submit(Request(QUERY))
            pending.add_done_callback(lambda _: done.set())
            while not done.is_set():
                began = time.perf_counter()
                other.execute(QUERY)
                slowest = max(slowest, time.perf_counter() - began)
            assert len(pending.result().data["x"]) == count + 1
    assert slowest < 0.5 * stretch()


def test_after_the_deadline_nothing_is_decoded_any_more(sender: Sender) -> None:
    sender.body = lambda: iter([b'{"data":{"x":[' + b'"ab",' * 3_000_000 + b"0]}}"])
    with asking(sender, max_response=100_000_000, timeout=0.5) as session:
        with pytest.raises(RequestTimeout, match="did not answer"):
            session.execute(QUERY)
        spent = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - spent < 0.2


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@settings(max_examples=deep(60))
@given(st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_is_decoded_in_steps_is_the_same(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")):
        assert loads_in_steps(text) == loads(text) == value


@pytest.mark.parametrize("text", ["", "[1,", "[1e999]", "[" * 3000, b"\xff\xff[]", "{1: 2}", "[01]"])
def test_what_cannot_be_decoded_in_steps(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        loads_in_steps(text)


@settings(max_examples=deep(60))
@given(st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), st.integers(1, 9))
def test_only_what_is_outside_of_texts_counts(value: Any, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "PIECE", piece)
        text = json.dumps({"config": json.dumps(value), "n": value})
        assert b"".join(bodies._outside_of_texts(text.encode())).decode() == re.sub(r'"(?:[^"\\]|\\.)*"', "", text)


def test_a_config_of_many_values_is_one_text() -> None:
    config = json.dumps({f"k{at}": [at, {"value": at}] for at in range(1000)})
    content = json.dumps({"data": [{"config": config}] * 500}).encode()
    assert len(content) > 15_000_000
    assert bodies.values_in(content, 100_000_000) < 2000
