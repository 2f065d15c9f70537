"""``LiveBackend``: a W&B server behind the documents door, and the files that its documents name by URL."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from wbmodel.backend import AsyncBackend, Capabilities
from wbmodel.errors import ConfigurationError
from wbmodel.request import BlobRef, Fetched, FetchItem, Request, Response
from wbmodel.urls import mask_url, split_credentials
from wbmodel_live.credentials import Anonymous, ApiKey, Credentials, IdentityToken, OwnLogin, SecretText
from wbmodel_live.options import Options

if TYPE_CHECKING:
    from wbmodel_live.connection import Connection
    from wbmodel_live.server_info import ServerInfo

__all__ = ["LiveBackend"]

_CAPABILITIES = Capabilities(concurrent=True, writable=True, blobs=True)


def _address(bare: str, url: str) -> SplitResult:
    """The parts of a server's address. Raises :class:`~wbmodel.errors.ConfigurationError` if it is not one."""
    wrong = ""
    try:
        parts = urlsplit(bare)
        if parts.scheme in ("http", "https") and parts.hostname and not any(map(str.isspace, bare)):
            parts.hostname.encode("idna")  # as name resolution does: at most 63 characters between two dots
            if parts.port != 0:
                return parts
            wrong = " (port 0)"
    except ValueError:
        pass  # its words quote what may be a key
    raise ConfigurationError(
        f"{mask_url(url)!r} is not the address of a server{wrong}; use https://HOST or http://HOST"
    )


class LiveBackend(AsyncBackend):
    """The backend for ``https://HOST`` and ``http://HOST``, where HOST serves W&B's API at ``/graphql``.

    ``options`` is an :class:`~wbmodel_live.options.Options`. Nothing is sent before the first request. One connection
    pool (or the given transport) and one event loop thread serve all callers, from any thread and any event loop.
    """

    api_version = 0
    name = "live"

    def __init__(
        self,
        url: str,
        /,
        *,
        api_key: SecretText | None = None,
        identity_token_file: str | None = None,
        options: Options | None = None,
    ) -> None:
        bare, inner = split_credentials(url)
        parts = _address(bare, url)
        if parts.query or parts.fragment:
            raise ConfigurationError(f"{mask_url(url)!r}: the address of a server cannot contain '?' or '#'")
        if parts.hostname == "wandb.ai":
            place = "/".join(parts.path.strip("/").split("/")[:2]) or "entity/project"
            raise ConfigurationError(
                f"{mask_url(url)} is a web page; for the API, use connect('https://api.wandb.ai', project={place!r})"
            )
        if inner is not None:
            raise ConfigurationError("pass the API key as api_key=, not inside the URL")
        self.url = f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/').removesuffix('/graphql')}"
        self.options = options or Options()
        host = parts.hostname or ""
        self.credentials: Credentials = (
            OwnLogin(api_key)
            if self.options.transport is not None
            else ApiKey(api_key, host)
            if api_key is not None
            else IdentityToken(identity_token_file, self.url, host)
            if identity_token_file
            else Anonymous(host)
        )
        account = self.credentials.account
        self.origin = f"{self.url}#{account}" if account else self.url
        self._connection: Connection | None = None

    def __repr__(self) -> str:
        return f"<LiveBackend {mask_url(getattr(self, 'url', 'without an address'))}>"

    @property
    def capabilities(self) -> Capabilities:
        """The weakest promises: little is known about how a given server behaves."""
        return _CAPABILITIES

    def _connected(self) -> Connection:
        # Called only on the owner loop's thread.
        if self._connection is None:
            from wbmodel_live.connection import Connection

            self._connection = Connection(self.url, self.credentials, self.options)
            self.owner_loop.at_end(self._connection.close)
        return self._connection

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer one request within ``timeout`` seconds, retries included; ``failures.py`` lists what is retried."""
        return await self._connected().answer(request, timeout)

    async def aexecute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """Answer the requests concurrently, or one by one if any is a mutation, so that mutations keep their order."""
        from wbmodel_live.connection import mutates

        if not any(map(mutates, requests)):
            side_by_side: list[Response] = await super().aexecute_many(requests, timeout=timeout)
            return side_by_side
        # The caller's timeout covers all of them; without one, each request has its own.
        end = None if timeout is None else time.monotonic() + timeout
        return [
            await self.aexecute(request, timeout=None if end is None else max(end - time.monotonic(), 0.0))
            for request in requests
        ]

    async def aopen(self, ref: BlobRef, /, *, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes at the URL of ``ref`` from ``start`` on. The API key goes to the server only, to no other host."""
        async with contextlib.aclosing(self._connected().blobs.read(ref, start)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def afetch(self, items: Sequence[FetchItem], /) -> AsyncIterator[Sequence[Fetched]]:
        """Write the bytes at the URLs of many files to disk, several at once."""
        async with contextlib.aclosing(self._connected().blobs.fetch(items)) as groups:
            async for group in groups:
                yield group

    def server_info(self) -> ServerInfo:
        """The server's version, enabled features and missing fields. Asks the server once."""
        return self.owner_loop.run(self._info())

    async def aserver_info(self) -> ServerInfo:
        """The twin of :meth:`server_info`."""
        return await self.owner_loop.arun(self._info())

    async def _info(self) -> ServerInfo:
        return await self._connected().info()

    async def release(self) -> None:
        """Close the connections."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def forked(self) -> None:
        """Drop the parent's connections; the child opens its own."""
        self._connection = None
        self.credentials.forked()
