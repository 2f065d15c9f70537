"""Reads files by the URLs that documents name: on the server itself, or on the storage host that it signs URLs for.

The API key goes to the server only, never across a redirect to another host. A signed URL is a credential too, so
messages name the host and the file. What breaks is asked for again from where it stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from wbmodel.backend.fetching import afetch_with, pour
from wbmodel.errors import ConfigurationError, DoesNotExist, IntegrityError, LinkExpired, ServerError, ServerUnreachable
from wbmodel.request import BlobRef, Fetched, FetchItem
from wbmodel.urls import split_credentials
from wbmodel_live.bodies import ERROR_LIMIT, UnknownCoding, is_garbled, read_body, stages_of, unpacked_by
from wbmodel_live.calls import Answer, Call, Progress
from wbmodel_live.failures import FailedAttempt, Retry, bare, of_body, of_exception, of_reply
from wbmodel_live.idempotency import Intent
from wbmodel_live.limiter import HostLimiter, limiter_for
from wbmodel_live.proxies import proxy_for
from wbmodel_live.transport import BadReply, Reply

if TYPE_CHECKING:
    from wbmodel.backend.parts import Part
    from wbmodel_live.client import Client

__all__ = ["Blobs"]

_FILES_AT_ONCE = 24
"""How many files are received from one host at once, and how many requests it gets at once."""
_LEAST, _PIECE, _BUFFER = 2**18, 2**19, 2**20
_REDIRECTS = 10
_SHORT = 2
"""How often a body that ends early without a broken connection is asked for again."""
_LONG = 1e7
_NO_LIMIT = 2**62
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_SIGNED = re.compile(r"[?&](?:X-Amz-Signature|X-Goog-Signature|Signature|sig)=", re.IGNORECASE)
"""In the URL of a storage behind the server's own address, which refuses two logins at once."""
_EXPIRED = re.compile(rb"expired|signature", re.IGNORECASE)


class Exchange(Protocol):
    """``Connection.exchange``."""

    async def __call__(
        self, call: Call[aiohttp.ClientResponse], deadline: float, limiter: HostLimiter | None = None
    ) -> tuple[Progress[aiohttp.ClientResponse], aiohttp.ClientResponse]: ...


class Blobs:
    """The files of one server. Belongs to one event loop."""

    def __init__(self, client: Client, exchange: Exchange) -> None:
        self.client = client
        self.home = _origin(client.url)
        self._exchange = exchange
        self._proxies: dict[str, str | None] = {}
        self._limiters: dict[str, HostLimiter] = {}
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close the sockets."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def session(self) -> aiohttp.ClientSession:
        """The connections for files. They have no headers of the user's: those are meant for the server."""
        if self._session is not None:
            return self._session
        async with self._opening:
            if self._session is None:
                session = await self.client.open()
                if session.auth is not None:
                    await session.close()
                    raise ConfigurationError(
                        "client_session() made a session with a login of its own (auth=), which every storage host "
                        "would get; leave it out: the key goes in as api_key="
                    )
                agent = session.headers["User-Agent"]
                session.headers.clear()
                session.headers["User-Agent"] = agent
                self._session = session
            return self._session

    # -- many --------------------------------------------------------------------------------------

    async def fetch(self, items: Sequence[FetchItem]) -> AsyncGenerator[Sequence[Fetched], None]:
        """Write the files of ``items`` to disk, several at once."""

        async def fill(part: Part) -> None:
            ref = part.item.ref
            limiter = self._limiter(f"{_origin(self.url(ref))} (transfers)")
            async with limiter.slot(time.monotonic() + _LONG):
                await pour(part, self._chunks(ref, part.size, part))

        async with contextlib.aclosing(afetch_with(fill, items)) as groups:
            async for group in groups:
                yield group

    # -- one ---------------------------------------------------------------------------------------

    async def read(self, ref: BlobRef, start: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` on, in chunks of 256 KiB to 1 MiB."""
        async with contextlib.aclosing(self._chunks(ref, start, None)) as chunks:
            async for chunk in chunks:
                assert chunk is not None
                yield chunk

    def _chunks(self, ref: BlobRef, start: int, part: Part | None) -> AsyncGenerator[bytes | None, None]:
        return _Reading(self, ref, start, part).chunks()

    # -- where -------------------------------------------------------------------------------------

    def url(self, ref: BlobRef) -> str:
        """The URL of a file. Raises if it has none, or none of http or https."""
        if not ref.url:
            raise DoesNotExist(
                f"{ref.name} has no URL: the server did not say where its content is, or it is not there"
            )
        try:
            url = ref.url if ref.url.startswith(("https://", "http://")) else urljoin(f"{self.client.url}/", ref.url)
            _origin(url)
        except ValueError:
            raise ServerError(f"the URL of {ref.name} is not an address of http or https") from None
        return url

    def proxy(self, origin: str) -> str | None:
        """The proxy for a host. Found once: reading the environment takes longer than sending a request."""
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(origin, self.client.options)
        return self._proxies[origin]

    def _limiter(self, name: str) -> HostLimiter:
        found = self._limiters.get(name)
        if found is None:
            found = self._limiters[name] = limiter_for(name, _FILES_AT_ONCE)
        return found

    async def ask(self, call: _Get, origin: str) -> aiohttp.ClientResponse:
        """The response to a request, which is repeated as long as that may help."""
        limiter = None if origin == self.home else self._limiter(f"{origin} (files)")
        deadline = time.monotonic() + self.client.options.timeout
        return (await self._exchange(call, deadline, limiter))[1]


class _Reading:
    """Reads one file from ``start`` on, over as many requests as it takes.

    With ``part``, None among the chunks says that the content begins again from 0, and :attr:`Part.etag` is set before
    the first chunk. Without, what comes again is passed over.
    """

    def __init__(self, blobs: Blobs, ref: BlobRef, start: int, part: Part | None) -> None:
        self.blobs, self.ref, self.part = blobs, ref, part
        self.url = blobs.url(ref)
        self.at = start
        self.etag = ref.etag if part is None else part.etag
        self.ranges = True
        """Whether it makes sense to ask for a range."""
        self._stumbles, self._since, self._best = 0, time.monotonic(), start

    async def chunks(self) -> AsyncGenerator[bytes | None, None]:
        """The chunks, of 256 KiB to 1 MiB."""
        ref = self.ref
        while not (self.at and self.at == ref.size):
            call = _Get(self.blobs, ref, self.url, self._range())
            response = await self.blobs.ask(call, _origin(self.url))
            failed: FailedAttempt | None = None
            async with response:
                begins = self._begins(response, call.place)
                if begins is None:
                    return
                if begins not in (self.at, 0) or response.status == 416:
                    if self.part is None or not self.ranges:
                        raise IntegrityError(self._wrong(begins, response, call.place))
                    self.ranges = False
                    continue
                if _is_coded(response):
                    again, self.ranges = self.ranges and response.status == 206, False
                    if again:  # a piece of packed content cannot be unpacked
                        continue
                skip = self._met(response, begins, call.place)
                if begins < self.at and self.part is not None:
                    self.at = skip = 0
                    yield None
                try:
                    async for chunk in _gathered(response, skip):
                        self.at += len(chunk)
                        if ref.size is not None and self.at > ref.size:
                            raise IntegrityError(f"{ref.name} has {ref.size:,} bytes, but {call.place} sends more")
                        yield chunk
                except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                    failed = of_exception(error, call.proxy)
                    if failed is None:
                        raise
                    failed.__cause__ = bare(error)
                except Exception as error:
                    if not is_garbled(error):
                        raise
                    raise IntegrityError(f"{ref.name}: {call.place} sent it packed, and it does not unpack") from None
            if failed is None and (ref.size is None or self.at == ref.size):
                return
            await self._stumble(failed, call.place)

    def _range(self) -> dict[str, str]:
        if not self.at or not self.ranges:
            return {}
        strong = _strong(self.etag)
        return {"Range": f"bytes={self.at}-", **({"If-Range": strong} if strong else {})}

    def _begins(self, response: aiohttp.ClientResponse, place: str) -> int | None:
        """Where in the file a response begins: -1 if it does not say, None if the file ends where we are."""
        name, size = self.ref.name, self.ref.size
        found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        total = None if found is None or found[3] == "*" else int(found[3])
        if response.status == 416:
            return None if self.at and total == self.at and size in (None, self.at) else -1
        total = response.content_length if response.status == 200 else total
        if total is not None and size not in (None, total) and not _is_coded(response):
            raise IntegrityError(f"{name} has {size:,} bytes, but {place} has {total:,}")
        if response.status == 200:
            return 0
        return -1 if found is None or found[1] is None else int(found[1])

    def _wrong(self, begins: int, response: aiohttp.ClientResponse, place: str) -> str:
        if response.status == 416:
            return f"{self.ref.name} cannot be read from byte {self.at:,} on: {place} does not have so many (HTTP 416)"
        sent = "an unknown part of it" if begins < 0 else f"it from byte {begins:,} on"
        return f"{self.ref.name}: {place} sent {sent}, and was asked for it from byte {self.at:,} on"

    def _met(self, response: aiohttp.ClientResponse, begins: int, place: str) -> int:
        """Take note of the version that a response is of. Returns how many bytes of it are known already."""
        now = _strong(response.headers.get("ETag"))
        if self.part is not None:
            self.etag = self.part.etag = now or (self.etag if begins else None)
        else:
            if self.at and now is not None and _strong(self.etag) not in (None, now):
                raise IntegrityError(f"{self.ref.name} changed at {place} while it was read; read it again")
            self.etag = now or self.etag
        return self.at - begins

    async def _stumble(self, failed: FailedAttempt | None, place: str) -> None:
        """Wait before going on after a body that broke off, or give up."""
        if self.at >= self._best + _BUFFER:
            self._stumbles, self._since, self._best = 0, time.monotonic(), self.at
        self._stumbles += 1
        options, name = self.blobs.client.options, self.ref.name
        pause = min(0.1 * 2**self._stumbles, 10.0)
        late = time.monotonic() + pause > self._since + options.timeout or self._stumbles >= options.max_attempts
        if failed is None and (late or self._stumbles > _SHORT):
            raise IntegrityError(f"{name} has {self.ref.size:,} bytes, but {place} stopped after {self.at:,}")
        if failed is not None and (late or failed.retry not in (Retry.ALWAYS, Retry.IF_IDEMPOTENT)):
            kind = failed.error if issubclass(failed.error, ServerError) else ServerUnreachable
            raise kind(
                f"{place} {failed.what} after {self.at:,} bytes of {name} ({self._stumbles} attempts)"
                + (f"; {failed.advice}" if failed.advice else ""),
                attempts=self._stumbles,
                operation=f"reading {name}",
            ) from failed.__cause__
        await asyncio.sleep(pause)


class _Get:
    """The request for a file from some byte on. Its answer is the response, whose body is still to be read."""

    def __init__(self, blobs: Blobs, ref: BlobRef, url: str, headers: Mapping[str, str]) -> None:
        self.intent = Intent(f"reading {ref.name}", False, True)
        self.place = _origin(url)
        self.proxy: str | None = None
        self._blobs, self._ref, self._url, self._headers = blobs, ref, url, headers
        self._session: aiohttp.ClientSession | None = None
        self._login: str | None = None
        self._with_key = False

    async def prepare(self) -> None:
        """Open the connections, and log in where the file is on the server itself."""
        self._session = await self._blobs.session()
        if _origin(self._url) == self._blobs.home and not _SIGNED.search(self._url):
            self._login = await self._blobs.client.login()

    async def send(self) -> Answer[aiohttp.ClientResponse]:
        """Ask for the file, and follow redirects. What was not asked for raises BadReply."""
        url, own = self._url, dict(self._ref.headers)
        for _ in range(_REDIRECTS + 1):
            response = await self._get(url, own)
            where = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or where is None:
                break
            response.close()
            url, own = self._followed(url, where, own)
        else:
            raise FailedAttempt(f"redirected more than {_REDIRECTS} times", ServerError, advice="ask its administrator")
        if response.status in (200, 206, 416):
            return Answer(response, Reply(response.status, response.reason or "", response.headers, b"", 0, 0))
        async with response:
            found = await read_body(response, ERROR_LIMIT)
        reply = Reply(response.status, response.reason or "", response.headers, found.content, found.received, 0)
        raise BadReply(reply, broken=False)

    async def _get(self, url: str, own: Mapping[str, str]) -> aiohttp.ClientResponse:
        client, session = self._blobs.client, self._session
        assert session is not None
        self.place = _origin(url)
        headers = {"Accept-Encoding": "identity", **own, **self._headers}
        self._with_key = False
        if self.place == self._blobs.home:
            headers = {**client.options.headers, **headers}
            if self._login is not None and not _SIGNED.search(url):
                headers["Authorization"] = self._login
                self._with_key = True
        self.proxy = self._blobs.proxy(self.place)
        return await session.get(
            URL(url, encoded=_SENT_AS_IT_IS.fullmatch(url) is not None),  # a signed URL must not be written otherwise
            headers=headers,
            allow_redirects=False,
            auto_decompress=False,
            read_bufsize=_BUFFER,
            proxy=self.proxy,
            ssl=client.transport.ssl,
            timeout=client.clock,
        )

    def _followed(self, url: str, where: str, own: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Where a redirect leads, and the headers of the file's own for it: none on another host."""
        try:
            target = urljoin(url, split_credentials(where)[0])
            origin = _origin(target)
        except ValueError:
            raise FailedAttempt("redirects to what is not an address of http or https", ServerError) from None
        if origin.startswith("http:") and self.place.startswith("https:") and self._with_key:
            raise FailedAttempt(
                f"redirects from https to {origin}, which anyone on the way can read and change",
                ServerError,
                advice="ask its administrator",
            )
        return target, own if origin == self.place else {}

    def failure(self, error: Exception) -> FailedAttempt | None:
        """Classify what went wrong."""
        if isinstance(error, FailedAttempt):
            return error
        if isinstance(error, BadReply):
            return self._of_reply(error.reply)
        if isinstance(error, UnknownCoding):
            return of_body(error)
        failed = of_exception(error, self.proxy)
        if failed is not None and not isinstance(error, aiohttp.ClientResponseError):
            failed.__cause__ = bare(error)
        return failed

    def _of_reply(self, reply: Reply) -> FailedAttempt:
        status = reply.status
        if status in (404, 410):
            return FailedAttempt("does not have the file", DoesNotExist, status=status)
        if not self._with_key and (status in (401, 403) or (status == 400 and _EXPIRED.search(reply.body))):
            return FailedAttempt(
                f"refuses the file's URL (HTTP {status}), as it does once that has expired",
                LinkExpired,
                advice="ask for the file again: the server gives it a new URL",
                status=status,
            )
        if status in (401, 403, 407, 429) or status >= 500:
            return of_reply(
                reply, self.place, broken=False, key_hint=self._blobs.client.credentials.hint, proxy=self.proxy
            )
        return FailedAttempt(f"answered HTTP {status}", ServerError, status=status)


_SENT_AS_IT_IS = re.compile(r"[!-~]+")


def _origin(url: str) -> str:
    """``https://host:port`` of an address, the port only where it is not the scheme's own. Raises ``ValueError`` if it
    is not one of http or https."""
    found = _ADDRESS.match(url)
    return _origin_of(found[0] if found is not None else "")


_ADDRESS = re.compile(r"[^:/?#]+://[^/?#]*")


@functools.lru_cache(maxsize=256)
def _origin_of(address: str) -> str:
    parts = urlsplit(address)
    host, port = (parts.hostname or "").lower(), parts.port
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("not an address of http or https")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port in (None, 80 if parts.scheme == 'http' else 443) else f':{port}'}"


def _strong(etag: str | None) -> str | None:
    return etag if etag and etag.startswith('"') else None


def _is_coded(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


async def _gathered(response: aiohttp.ClientResponse, skip: int) -> AsyncIterator[bytes]:
    """The content of ``response`` from ``skip`` on, unpacked, in chunks of 256 KiB to 1 MiB."""
    stages = stages_of(response.headers.getall("Content-Encoding", ()), _NO_LIMIT)
    parts: list[bytes] = []
    size = 0
    async for received in response.content.iter_any():
        for piece in unpacked_by(stages, received):
            if skip:
                piece, skip = piece[skip:], max(skip - len(piece), 0)
            for begin in range(0, len(piece), _PIECE):
                parts.append(piece[begin : begin + _PIECE])
                size += len(parts[-1])
                if size >= _LEAST:
                    yield parts[0] if len(parts) == 1 else b"".join(parts)
                    parts, size = [], 0
    if parts:
        yield b"".join(parts)
    if not all(stage.ended for stage in stages):
        raise aiohttp.ClientPayloadError("the packed content ends early")
