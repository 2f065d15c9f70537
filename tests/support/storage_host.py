"""A storage host over loopback, which serves bytes as well or as badly as a test asks: see :class:`Bad`."""

from __future__ import annotations

import asyncio
import gzip
import threading
from hashlib import md5
from typing import Any

import attrs
from aiohttp import web
from typing_extensions import Self

__all__ = ["Asked", "Bad", "StorageHost"]


@attrs.frozen
class Asked:
    """A request as it arrived."""

    path: str
    query: str
    headers: dict[str, str]


@attrs.define
class Bad:
    """How one file is served. ``times`` is how many answers are so, the later ones are right.

    ``less``/``more``: bytes fewer or more than there are, under a matching length. ``no_ranges``: 200 to a range.
    ``wrong_range``: another piece than was asked for. ``status``: an answer without content, with ``said`` in it.
    ``location``: a redirect. ``drop``: the connection is closed after so many bytes. ``gzip``: packed, unasked.
    ``chunked``: without a length. ``pause``: seconds between pieces of 64 KiB. ``no_etag``.
    """

    times: int = 10**9
    less: int = 0
    more: int = 0
    no_ranges: bool = False
    wrong_range: bool = False
    status: int = 0
    said: str = ""
    location: str = ""
    drop: int = -1
    gzip: bool = False
    chunked: bool = False
    pause: float = 0.0
    no_etag: bool = False
    retry_after: str = ""


class StorageHost:
    """A host on a thread of its own. ``files`` is what it has, ``bad`` how it serves some of them."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.files: dict[str, bytes] = {}
        self.bad: dict[str, Bad] = {}
        self.asked: list[Asked] = []
        self.now = self.peak = 0
        self.url = ""

    def add(self, name: str, data: bytes, bad: Bad | None = None) -> str:
        """Have a file; its URL."""
        self.files[name] = data
        if bad is not None:
            self.bad[name] = bad
        return f"{self.url}/{name}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(30)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/{name:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

        async def start() -> None:
            await runner.setup()
            site = web.TCPSite(runner, self.host, 0)
            await site.start()
            port = runner.addresses[0][1]
            self.url = f"http://{self.host}:{port}"

        self._loop.run_until_complete(start())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked.append(Asked(request.path, request.query_string, dict(request.headers)))
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            return await self._send(request, name)
        except ConnectionError:  # the client went away
            return web.Response(status=500)
        finally:
            self.now -= 1

    async def _send(self, request: web.Request, name: str) -> web.StreamResponse:
        bad = self.bad.get(name, Bad())
        if bad.times <= 0:
            bad = Bad()
        else:
            bad.times -= 1
        headers: dict[str, str] = {"Retry-After": bad.retry_after} if bad.retry_after else {}
        if bad.location:
            return web.Response(status=bad.status or 302, headers={"Location": bad.location})
        if bad.status:
            return web.Response(status=bad.status, text=bad.said, headers=headers)
        if name not in self.files:
            return web.Response(status=404)
        data = self.files[name]
        etag = f'"{md5(data).hexdigest()}"'
        if not bad.no_etag:
            headers["ETag"] = etag
        status, begin = 200, 0
        wanted = request.headers.get("Range")
        if wanted and not bad.no_ranges and request.headers.get("If-Range", etag) == etag:
            begin = int(wanted.removeprefix("bytes=").partition("-")[0])
            if begin >= len(data):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
            begin = max(begin - 7, 0) if bad.wrong_range else begin
            status = 206
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        body = data[begin : len(data) - bad.less] + b"x" * bad.more
        if bad.gzip:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        response: Any = web.StreamResponse(status=status, headers=headers)
        if bad.chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(body)
        await response.prepare(request)
        for at in range(0, len(body), 2**16):
            piece = body[at : at + 2**16]
            if 0 <= bad.drop < at + len(piece):
                await response.write(piece[: max(bad.drop - at, 0)])
                await asyncio.sleep(0.02)
                request.transport.close()  # type: ignore[union-attr]
                return response
            await response.write(piece)
            if bad.pause:
                await asyncio.sleep(bad.pause)
        await response.write_eof()
        return response
