"""``LiveBackend``: a W&B server behind the documents door."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urlsplit

import attrs

from wbmodel.backend import AsyncBackend, Capabilities
from wbmodel.errors import ConfigurationError
from wbmodel.request import Request, Response
from wbmodel.urls import mask_url, split_credentials
from wbmodel_live.credentials import ApiKey, Credentials, IdentityToken, Nobody, SecretText

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp

    from wbmodel_live.connection import Connection
    from wbmodel_live.lowering import ServerInfo

__all__ = ["LiveBackend", "Options"]

T = TypeVar("T")

_CAPABILITIES = Capabilities(concurrent=True, writable=True)


@attrs.frozen(slots=True, kw_only=True)
class Options:
    """How a server is reached. All times are in seconds.

    ``timeout`` is for one request with all its repeats and pauses, where the session or the query gives none;
    ``connect_timeout`` for making a connection; ``read_timeout`` for the longest silence of a server that owes an
    answer. ``max_attempts`` is how often a request is sent at most. ``proxy`` is a URL; ``trust_env`` takes the proxy
    from HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the certificate authorities from REQUESTS_CA_BUNDLE (OpenSSL itself
    reads SSL_CERT_FILE). ``ca_file`` is a PEM file to trust instead, ``ssl_context`` decides all about TLS.
    ``client_session`` makes the aiohttp session, with connector, tracing or whatever is wanted; it is called on the
    event loop that will use it and what it makes is closed with the backend. ``headers`` go with every request.
    """

    timeout: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    max_attempts: int = 20
    concurrency: int | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    trust_env: bool = True
    ca_file: str | os.PathLike[str] | None = None
    ssl_context: SSLContext | None = None
    client_session: Callable[[], aiohttp.ClientSession | Awaitable[aiohttp.ClientSession]] | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        for name in ("timeout", "connect_timeout", "read_timeout"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not value > 0:
                raise ConfigurationError(f"{name} is a number of seconds above 0, not {value!r}")
        for name in ("max_attempts", "concurrency"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigurationError(f"{name} is a whole number above 0, not {value!r}")
        if self.ca_file is not None and self.ssl_context is not None:
            raise ConfigurationError("ca_file= and ssl_context= both say whom to trust; give one of them")
        if any(name.lower() == "authorization" for name in self.headers):
            raise ConfigurationError("headers= cannot hold Authorization: give the key as api_key=")


def _address(bare: str, url: str) -> SplitResult:
    """The parts of a server's address. Raises :class:`~wbmodel.errors.ConfigurationError` for what is none."""
    wrong = ""
    try:
        parts = urlsplit(bare)
        if parts.scheme in ("http", "https") and parts.hostname and not any(map(str.isspace, bare)):
            parts.hostname.encode("idna")  # as it is looked up: 63 characters between two dots at most
            if parts.port != 0:
                return parts
            wrong = " (port 0)"
    except ValueError as error:
        wrong = f" ({error})"
    raise ConfigurationError(f"{mask_url(url)!r} is no address of a server{wrong}: it is https://HOST or http://HOST")


class LiveBackend(AsyncBackend):
    """The backend of ``https://HOST`` and ``http://HOST``, where HOST serves W&B's API at ``/graphql``.

    ``options`` are those of :class:`Options`. Nothing is asked before the first request. One connection pool and one
    event loop thread serve all callers, from any thread and any event loop.
    """

    api_version = 1
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
            raise ConfigurationError(f"{mask_url(url)!r}: the address of a server has no '?' and no '#'")
        if parts.hostname == "wandb.ai":
            place = "/".join(parts.path.strip("/").split("/")[:2]) or "entity/project"
            raise ConfigurationError(
                f"{mask_url(url)} is a web page; the API is connect('https://api.wandb.ai', project={place!r})"
            )
        if inner is not None:
            raise ConfigurationError("an API key is given as api_key=, not inside the URL")
        self.url = f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/').removesuffix('/graphql')}"
        self.options = options or Options()
        host = parts.hostname or ""
        self.credentials: Credentials = (
            ApiKey(api_key, host)
            if api_key is not None
            else IdentityToken(identity_token_file, self.url, host)
            if identity_token_file
            else Nobody(host)
        )
        account = self.credentials.account
        self.origin = f"{self.url}#{account}" if account else self.url
        self._connection: Connection | None = None

    def __repr__(self) -> str:
        return f"<LiveBackend {self.url}>"

    @property
    def capabilities(self) -> Capabilities:
        """The weakest promises, as little is known of how a server behaves."""
        return _CAPABILITIES

    def _connected(self) -> Connection:
        # Only ever called on the owner loop's thread.
        if self._connection is None:
            from wbmodel_live.connection import Connection

            self._connection = Connection(self.url, self.credentials, self.options)
            self.owner_loop.at_end(self._connection.close)
        return self._connection

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer one request: see ``trouble.py`` for what is repeated, within ``timeout`` seconds in all."""
        return await self._connected().answer(request, timeout)

    def server_info(self) -> ServerInfo:
        """What the server says of itself, asked once: version, enabled features, and the fields it lacks."""
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
        """Forget the parent's connections; the child makes its own."""
        self._connection = None
