"""Spoils whole HTTP answers: a good one becomes what broken servers, proxies and networks send in its place."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import attrs

from tests.support.servers import CODINGS, head_of
from wbmodel.engine import Engine
from wbmodel.request import Request

__all__ = ["SPOILS", "Answer", "SpoilingServer"]

DEEP = 10_000
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>%s</body></html>"
STATUSES = [100, 101, 201, 202, 203, 204, 205, 206, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403]
STATUSES += [404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 418, 421, 422, 423, 425, 426, 428, 429, 431, 451]
STATUSES += [499, 500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 525, 599, 600, 999]
TYPES = ["text/html", "text/plain", "application/octet-stream", "image/png", "application/graphql-response+json", ""]
TYPES += ["application/json; charset=nonsense", "application/json; charset=utf-16", "no type at all", "multipart/mixed"]


@attrs.define
class Answer:
    """What is written to the socket. ``same`` is whether a client may take it for the good answer; ``altered`` whether
    it holds another value than the good one, without a sign of it."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = attrs.field(factory=lambda: {"Content-Type": "application/json"})
    length: int | None = None
    chunks: list[bytes] | None = None
    raw: bytes | None = None
    altered: bool = False

    def wire(self) -> bytes:
        """All bytes of the response."""
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {text}" for name, text in self.headers.items() if text)]
        if self.chunks is None:
            length = len(self.body) if self.length is None else self.length
            return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode() + self.body
        return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + b"".join(self.chunks)


Spoil = Callable[[random.Random, Answer, bytes], None]
SPOILS: dict[str, Spoil] = {}
"""Each changes a good answer in place. The last argument is the request's ``Authorization`` header."""


def _spoil(function: Spoil) -> Spoil:
    SPOILS[function.__name__.strip("_").replace("_", " ")] = function
    return function


# -- the length ------------------------------------------------------------------------------------


@_spoil
def _cut_off(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.length = len(answer.body)
    answer.body = answer.body[: rng.randrange(len(answer.body))]


@_spoil
def _too_short(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.body = answer.body[: rng.randrange(len(answer.body))]


@_spoil
def _doubled(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.body += rng.choice([b"", b"\n", b",", b"\x00"]) + answer.body


@_spoil
def _more_behind(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.body += rng.choice([b"}", b"]", b"x", b"\x00", b"<br>", b"{}", b"null"])


@_spoil
def _something_before(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.body = rng.choice([b"\xef\xbb\xbf", b")]}',\n", b"\x00", b"\xff\xfe", b"for(;;);", b"data: "]) + answer.body


# -- the coding ------------------------------------------------------------------------------------


def _coded(answer: Answer, body: bytes, coding: str) -> None:
    answer.body, answer.headers["Content-Encoding"] = body, coding


@_spoil
def _packed(rng: random.Random, answer: Answer, _: bytes) -> None:
    coding = rng.choice(list(CODINGS))
    _coded(answer, CODINGS[coding](answer.body), coding)


@_spoil
def _packed_and_cut(rng: random.Random, answer: Answer, _: bytes) -> None:
    coding = rng.choice(list(CODINGS))
    packed = CODINGS[coding](answer.body)
    _coded(answer, packed[: rng.randrange(1, len(packed))], coding)


@_spoil
def _packed_otherwise_than_said(rng: random.Random, answer: Answer, _: bytes) -> None:
    said, done = rng.sample([*CODINGS, "identity"], 2)
    _coded(answer, CODINGS.get(done, bytes)(answer.body), said)


@_spoil
def _packed_and_flipped(rng: random.Random, answer: Answer, _: bytes) -> None:
    coding = rng.choice(list(CODINGS))
    packed = bytearray(CODINGS[coding](answer.body))
    packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
    # deflate without its frame, and brotli, have no checksum.
    answer.altered = True
    _coded(answer, bytes(packed), coding)


@_spoil
def _unknown_coding(rng: random.Random, answer: Answer, _: bytes) -> None:
    _coded(
        answer,
        answer.body,
        rng.choice(["compress", "gzip, " * 9 + "gzip", "snappy", "é", "gzip;q=1", "*", "aes128gcm"]),
    )


@_spoil
def _bomb(rng: random.Random, answer: Answer, _: bytes) -> None:
    coding = rng.choice(list(CODINGS))
    _coded(answer, CODINGS[coding](b'{"data": "' + bytes(20_000_000)), coding)


@_spoil
def _packed_twice(rng: random.Random, answer: Answer, _: bytes) -> None:
    _coded(
        answer, zlib.compress(gzip.compress(answer.body, 1), 1), rng.choice(["gzip, deflate", "gzip", "deflate, gzip"])
    )


# -- head ------------------------------------------------------------------------------------------


@_spoil
def _content_type(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.headers["Content-Type"] = rng.choice(TYPES)


@_spoil
def _status(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.status = rng.choice(STATUSES)
    if answer.status in (301, 302, 303, 307, 308):
        answer.headers["Location"] = rng.choice(
            ["", "/login", "http://[::1", "javascript:x", "//", "http://127.0.0.1:1/"]
        )


@_spoil
def _odd_headers(rng: random.Random, answer: Answer, _: bytes) -> None:
    name = rng.choice(["RateLimit-Remaining", "RateLimit-Reset", "Date", "Set-Cookie", "WWW-Authenticate", "Warning"])
    answer.headers[name] = rng.choice(["nan", "-1", "é" * 40, "x" * 7000, "1e400", "=", ";", "\x01"])


@_spoil
def _no_http(rng: random.Random, answer: Answer, key: bytes) -> None:
    good = answer.wire()
    answer.raw = rng.choice(
        [
            b"",
            b"\x16\x03\x01\x02\x00",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"HTTP/0.9 200\r\n\r\n",
            b"HTTP/2.0 200 OK\r\n\r\n" + answer.body,
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 -1 OK\r\n\r\n",
            b"HTTP/1.1 99999 OK\r\n\r\n",
            b"HTTP/1.1 200 " + key + b"\r\n" + key + b"\r\n\r\n",
            b"HTTP/1.1 500 No " + key + b"\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n" + answer.body,
            good.replace(b"Content-Length: ", b"Content-Length: -"),
            good.replace(b"Content-Length: ", b"Content-Length: 0x"),
            good.replace(b"Content-Length: ", b"Content-Length: 3\r\nContent-Length: "),
            good.replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nContent-Length: "),
            good.replace(b"\r\n\r\n", b"\r\nX\x00: \x00\r\n\r\n", 1),
            good[: rng.randrange(len(good))],
            good + good,
        ]
    )


# -- pieces ----------------------------------------------------------------------------------------


@_spoil
def _chunks(rng: random.Random, answer: Answer, _: bytes) -> None:
    at = rng.randrange(len(answer.body))
    one, two = answer.body[:at], answer.body[at:]
    good = [b"%x\r\n%s\r\n" % (len(part), part) for part in (one, two) if part]
    end = b"0\r\n\r\n"
    answer.chunks = rng.choice(
        [
            [*good, end],
            good,
            [good[0]],
            [*good, b"zz\r\n"],
            [*good, b"-5\r\nhello\r\n", end],
            [b"ffffffffffffffff\r\n", answer.body],
            [b"%x\r\n%s" % (len(answer.body) + 5, answer.body)],
            [b"%x;%s\r\n%s\r\n" % (len(answer.body), b"e" * 20_000, answer.body), end],
            [*good, b"0\r\nTrailer: \x00\r\n\r\n"],
            [end],
            [b"\r\n", *good, end],
        ]
    )


# -- the JSON --------------------------------------------------------------------------------------


@_spoil
def _another_shape(rng: random.Random, answer: Answer, _: bytes) -> None:
    shapes: list[Any] = [[], [1], 5, "text", True, None, {}, {"data": []}, {"data": 5}, {"data": "x"}, {"data": None}]
    shapes += [{"data": {}}, {"data": True}, {"data": None, "errors": []}, {"errors": None}, {"errors": [None]}]
    shapes += [{"errors": {}}, {"errors": 5}, {"errors": [[]]}, {"errors": [{"message": None}]}, {"errors": [{}]}]
    shapes += [{"errors": [{"message": ["x"], "path": 5, "locations": "x", "extensions": []}]}, {"error": {"code": 5}}]
    shapes += [{"errors": [{"message": "no", "path": [None, {}, 10**30], "extensions": {"code": {}}}]}]
    shapes += [{"message": "no"}, {"detail": [{"msg": "no"}]}, {"data": {"project": 5}}, {"data": {"project": [[]]}}]
    shapes += [[{"data": {}}], {"data": {"errors": []}}, {"DATA": {}}, {"data": {"viewer": None}, "extensions": 5}]
    answer.body = json.dumps(rng.choice(shapes)).encode()
    answer.status = rng.choice([200, 200, 400, 404, 409, 500])


@_spoil
def _errors_beside(rng: random.Random, answer: Answer, _: bytes) -> None:
    found = json.loads(answer.body)
    found["errors"] = rng.choice([[], None, "x", {}, [{"message": "partly", "path": ["project", 0]}], ["x"], 0, [None]])
    answer.body = json.dumps(found).encode()


@_spoil
def _deep(rng: random.Random, answer: Answer, _: bytes) -> None:
    lists, dicts = b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP
    inner = rng.choice([lists, dicts, b"[" * DEEP, b'{"a":' * DEEP])
    outer = rng.choice(
        [b"%s", b'{"data": %s}', b'{"data": {"project": %s}}', b'{"errors": %s}', b'{"extensions": %s, "data": {}}']
    )
    answer.body = outer % inner
    answer.status = rng.choice([200, 200, 400, 500])


@_spoil
def _names_twice(rng: random.Random, answer: Answer, _: bytes) -> None:
    more = rng.choice([b'"data": null', b'"data": {}', b'"errors": []', b'"errors": ["x"]', b'"data": [1]'])
    answer.body = answer.body[:-1] + b", " + more + b"}"


@_spoil
def _surrogates(rng: random.Random, answer: Answer, _: bytes) -> None:
    _in_a_text(
        rng, answer, rng.choice([b"\\ud800", b"\\udfff", b"\\ud800\\ud800", b"\\u0000", b"\\uZZZZ", b"\xed\xa0\x80"])
    )


@_spoil
def _invalid_utf8(rng: random.Random, answer: Answer, _: bytes) -> None:
    _in_a_text(rng, answer, rng.choice([b"\xff", b"\xc0\x80", b"\x80", b"\xf5\x80\x80\x80", b"\n", b"\x1b[2J"]))


def _in_a_text(rng: random.Random, answer: Answer, what: bytes) -> None:
    quotes = [at for at, byte in enumerate(answer.body) if byte == 34]
    at = rng.choice(quotes) + 1
    answer.body, answer.altered = answer.body[:at] + what + answer.body[at:], True


NUMBERS = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"9" * 5_000,
    b"-" + b"9" * 100_000,
    b"1e99999",
    b"0.0" + b"1" * 9_000,
]


@_spoil
def _numbers(rng: random.Random, answer: Answer, _: bytes) -> None:
    colons = [
        at for at, byte in enumerate(answer.body) if byte == 58 and answer.body[at + 1 : at + 3].strip()[:1] != b"{"
    ]
    at = rng.choice(colons or [len(answer.body) // 2]) + 1
    end = min(found for mark in b",}" if (found := answer.body.find(mark, at)) > 0)
    answer.body, answer.altered = answer.body[:at] + rng.choice(NUMBERS) + answer.body[end:], True


@_spoil
def _flipped(rng: random.Random, answer: Answer, _: bytes) -> None:
    body = bytearray(answer.body)
    for _turn in range(rng.choice([1, 1, 3, 30])):
        body[rng.randrange(len(body))] = rng.randrange(256)
    answer.body, answer.altered = bytes(body), True


@_spoil
def _many_small_values(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.body = b'{"data": {"project": [' + rng.choice([b"{},", b"[],", b"1,", b'"",']) * 900_000 + b"1]}}"


# -- other things ----------------------------------------------------------------------------------


@_spoil
def _a_web_page(rng: random.Random, answer: Answer, key: bytes) -> None:
    answer.body = PAGE % rng.choice([b"", key, b"<script>" * 1000, b"\xff" * 50, b"\x1b]0;x\x07"])
    answer.headers["Content-Type"] = rng.choice(["text/html", "text/html; charset=latin-1", "application/json", ""])
    answer.status = rng.choice([200, 200, 401, 403, 404, 500, 502, 503])


@_spoil
def _the_key(rng: random.Random, answer: Answer, key: bytes) -> None:
    text = key.decode("latin-1")
    shapes: list[Any] = [{"errors": [{"message": f"bad login {text}"}]}, {"error": text}, [text], text, {text: text}]
    shapes += [
        {"errors": [{"message": "x" * 290 + text, "extensions": {text: text}, "path": [text]}]},
        {"errors": text},
    ]
    answer.body, answer.status = json.dumps(rng.choice(shapes)).encode(), rng.choice([200, 400, 401, 403, 404, 500])


@_spoil
def _nothing(rng: random.Random, answer: Answer, _: bytes) -> None:
    answer.body = rng.choice([b"", b" ", b"\n\n", b"\x00" * 100])


# -- a server --------------------------------------------------------------------------------------


class SpoilingServer:
    """The engine over raw sockets. ``spoil`` changes the answer number ``turn``, and all that repeat it."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.turn, self.asked = -1, 0
        self.written = False
        self.spoil: Callable[[Answer, bytes], None] = lambda answer, key: None
        self.spoiled: Answer | None = None
        self.name = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        while True:
            _, headers, _ = await head_of(reader)
            asked = json.loads(await reader.readexactly(int(headers["content-length"])))
            assert self.engine is not None
            request = Request(asked["query"], asked["variables"], asked.get("operationName"))
            response = self.engine.execute(request)
            payload = {"data": response.data, **({"errors": response.errors} if response.errors else {})}
            answer = Answer(json.dumps(payload).encode())
            if self.asked == self.turn:
                self.spoil(answer, headers["authorization"].encode())
                self.spoiled, self.name = answer, str(request.operation_name)
                answer.headers["Connection"] = "close"  # a connection that ends is what a cut body needs
            self.asked += 1
            writer.write(answer.wire())
            await writer.drain()
            if answer is self.spoiled:
                return
