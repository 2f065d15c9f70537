"""What worlds are served on: one event loop thread for all servers, and the odd servers that stand between or beside.

All of them are real sockets on the loopback device. None of them imitates the server under test: the engine's own
server answers, what is here only passes on, refuses or garbles.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import socket
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

T = TypeVar("T")


class Ground:
    """An event loop on a thread of its own, and a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="ground", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30) -> T:
        """Run a coroutine there while the caller blocks."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    @contextlib.contextmanager
    def holding(self, block: contextlib.AbstractAsyncContextManager[T]) -> Iterator[T]:
        """An asynchronous ``with`` block, entered and left there."""
        value = self.run(block.__aenter__())
        try:
            yield value
        finally:
            self.run(block.__aexit__(None, None, None))

    def close(self) -> None:
        """Stop the loop and join the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections: taken, so that nobody else gets it, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """The port of a raw TCP server. Connections that are open at the end are cut."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def head_of(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """The first line of an HTTP request, its headers by lower-case name, and all of it as it came."""
    raw = await reader.readuntil(b"\r\n\r\n")
    first, *lines = raw.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    return first, headers, raw


class Proxy:
    """An HTTP proxy: CONNECT for https, whole URLs for http. ``refuse`` is the status that it says no with,
    ``login`` (``user:password``) what it wants to be told first. ``served`` lists the targets that it led to, ``seen``
    the headers that it was sent."""

    def __init__(self, *, refuse: tuple[int, str] | None = None, login: str | None = None) -> None:
        self.refuse, self.login = refuse, login
        self.served: list[str] = []
        self.seen: list[dict[str, str]] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, headers, raw = await head_of(reader)
        self.seen.append(headers)
        method, target, _ = first.split(" ")
        refuse = self.refuse
        if self.login is not None:
            wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
            if headers.get("proxy-authorization") != wanted:
                refuse = (407, "Proxy Authentication Required")
        if refuse is not None:
            writer.write(b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n" % (refuse[0], refuse[1].encode()))
            await writer.drain()
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        self.served.append(f"{parts.hostname}:{parts.port}")
        there, onward = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                onward.write(raw)
            await asyncio.gather(_pipe(reader, onward), _pipe(there, writer))
        finally:
            onward.close()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray | None = None) -> None:
    try:
        while data := await source.read(65536):
            if kept is not None:
                kept += data
            target.write(data)
            await target.drain()
        target.write_eof()
    except ConnectionError:
        target.transport.abort()  # one side broke off, and so does the other


async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Something that is no web server at all."""
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await writer.drain()
    await reader.read(65536)


def _brotli(data: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(data, quality=1))


def _zstandard(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.compress(data, 1))


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": _brotli,
    "zstd": _zstandard,
}


@contextlib.asynccontextmanager
async def recoding(upstream: str, coding: str) -> AsyncIterator[str]:
    """The URL of a relay in front of ``upstream`` that sends every body in this content coding, when it is accepted."""
    async with aiohttp.ClientSession() as client:

        async def handle(request: web.BaseRequest) -> web.Response:
            offered = [item.strip() for item in request.headers.get("Accept-Encoding", "").split(",")]
            headers = {name: request.headers[name] for name in ("Content-Type", "Authorization")}
            async with client.post(upstream + request.path, data=await request.read(), headers=headers) as answer:
                body = await answer.read()
                if coding not in offered:
                    return web.Response(status=406, text=f"only in {coding}")
                sent = {"Content-Type": answer.headers["Content-Type"], "Content-Encoding": coding}
                return web.Response(status=answer.status, body=CODINGS[coding](body), headers=sent)

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


class Silent:
    """A server that reads what it is sent and never answers. ``asked`` counts requests, ``closed`` connections that
    the client has closed."""

    def __init__(self) -> None:
        self.asked = 0
        self.closed = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        self.asked += 1
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.closed += 1


class Tap:
    """A relay that passes bytes on and looks at connections: ``ports`` are those of the clients with the bytes that
    came from each, ``open`` how many there are now, ``most`` how many there were at once."""

    def __init__(self, upstream: str) -> None:
        self._host, self._port = urlsplit(upstream).hostname, urlsplit(upstream).port
        self.ports: dict[int, bytearray] = {}
        self.open = 0
        self.most = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = self.ports.setdefault(writer.get_extra_info("peername")[1], bytearray())
        self.open += 1
        self.most = max(self.most, self.open)
        there, onward = await asyncio.open_connection(self._host, self._port)
        try:
            await asyncio.gather(_pipe(reader, onward, kept), _pipe(there, writer))
        finally:
            self.open -= 1
            onward.close()
