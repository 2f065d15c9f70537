"""wbmodel's own client: gql's aiohttp transport, with the login, proxy and certificates given to ``connect()``."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from wbmodel._version import __version__
from wbmodel.errors import ConfigurationError
from wbmodel.request import Request, Response
from wbmodel.urls import is_loopback
from wbmodel_live.bodies import ACCEPTED, TooLarge, UnknownCoding
from wbmodel_live.calls import Answer
from wbmodel_live.failures import FailedAttempt, bare, of_body, of_exception, of_reply
from wbmodel_live.idempotency import intent_of
from wbmodel_live.proxies import proxy_for
from wbmodel_live.transport import BadReply, Transport, WireRequest, reply_of

if TYPE_CHECKING:
    from wbmodel_live.credentials import Credentials, Login
    from wbmodel_live.options import Options

__all__ = ["Client", "DocumentCall"]


class Client:
    """The connection pool of one backend. Belongs to one event loop."""

    def __init__(self, url: str, credentials: Credentials, options: Options) -> None:
        self.url = url
        self.credentials = credentials
        self.proxy = proxy_for(url, options)
        self.transport = Transport(
            f"{url}/graphql", max_response=options.max_response, ssl=_trust(options), ssl_close_timeout=1
        )
        self.options = options
        self._opening = asyncio.Lock()
        clock = aiohttp.ClientTimeout(total=None, connect=options.connect_timeout, sock_read=options.read_timeout)
        self.clock = clock
        self.extra: Mapping[str, Any] = {"timeout": clock, "proxy": self.proxy}
        """Keyword arguments passed to aiohttp with each request."""

    def document(self, request: Request) -> DocumentCall:
        """The call for a GraphQL request."""
        return DocumentCall(request, self)

    async def login(self) -> Login | None:
        """What to log in with, or None for nothing. Opens the aiohttp session, and requests an access token if one is
        needed."""
        session = self.transport.session
        if session is None:
            async with self._opening:
                if self.transport.session is None:
                    self.transport.session = await self._open_for_documents()
                session = self.transport.session
        return await self.credentials.login(session, ssl=self.transport.ssl, **self.extra)

    async def close(self) -> None:
        """Close the sockets."""
        await self.transport.close()

    async def open(self) -> aiohttp.ClientSession:
        """A new aiohttp session, with the connector that the options ask for."""
        if self.options.client_session is not None:
            made = self.options.client_session()
            session = await made if inspect.isawaitable(made) else made
            if not isinstance(session, aiohttp.ClientSession):
                raise ConfigurationError(
                    f"client_session() returned {type(session).__name__}, not an aiohttp.ClientSession"
                )
        else:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),  # HostLimiter limits concurrency
                # The protocol does not use cookies, and one account's must not leak into another's requests.
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=2**20,
            )
        session.headers.setdefault("User-Agent", f"wbmodel/{__version__}")
        return session

    async def _open_for_documents(self) -> aiohttp.ClientSession:
        session = await self.open()
        # Between two processes on one machine, compression costs more than it saves.
        near = is_loopback(urlsplit(self.url).hostname or "")
        session.headers["Accept-Encoding"] = "identity" if near else ACCEPTED
        for name, value in self.options.headers.items():
            session.headers[name] = value
        return session


class DocumentCall:
    """A GraphQL request sent through a :class:`Client`."""

    place = None

    def __init__(self, request: Request, client: Client) -> None:
        self.intent = intent_of(request)
        self._client = client
        self._wire = WireRequest(request)
        self._headers: dict[str, str] = {}

    async def prepare(self) -> None:
        """Open the connection pool and log in."""
        login = await self._client.login()
        self._headers = {"Content-Type": "application/json"}
        if login is not None:
            self._headers["Authorization"] = login

    async def send(self) -> Answer[Response]:
        """Post the document. GraphQL errors count as an answer under the statuses with which servers send them (below
        400, 400, 404, 409, 422); any other status of 400 or above raises :class:`~wbmodel_live.transport.BadReply`."""
        result = await self._client.transport.execute(
            self._wire, extra_args={"headers": self._headers, **self._client.extra}
        )
        reply, response = reply_of(result)
        if reply.status < 400 or (reply.status in (400, 404, 409, 422) and response.errors):
            return Answer(response, reply)
        raise BadReply(reply, broken=False, refused=bool(response.errors))

    def failure(self, error: Exception) -> FailedAttempt | None:
        """Classify a bad reply, or an exception raised by aiohttp."""
        client = self._client
        if isinstance(error, BadReply):
            return of_reply(
                error.reply,
                client.transport.url,
                broken=error.broken,
                refused=error.refused,
                key_hint=client.credentials.hint,
                proxy=client.proxy,
            )
        if isinstance(error, TooLarge | UnknownCoding):
            return of_body(error)
        if isinstance(error, ValueError) and "AUTHORIZATION header" in str(error):
            return FailedAttempt(
                "was not sent the request: client_session() made a session with a login of its own, from auth= or, "
                "with trust_env=True, from netrc",
                ConfigurationError,
                advice="leave both out: the key goes in as api_key=, and wbmodel reads HTTPS_PROXY and NO_PROXY itself",
            )
        failure = of_exception(error, client.proxy)
        # aiohttp's response errors hold the request headers and the proxy URL, both with credentials.
        if failure is not None and not isinstance(error, aiohttp.ClientResponseError):
            failure.__cause__ = bare(error)
        return failure


def _trust(options: Options) -> ssl.SSLContext | bool:
    if options.ssl_context is not None:
        return options.ssl_context
    path = options.ca_file
    if path is None and options.trust_env:
        path = os.environ.get("REQUESTS_CA_BUNDLE") or None
    if path is None:
        return True
    path = os.fspath(path)
    try:
        return _authorities(path, os.stat(path).st_mtime_ns)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"the certificate authorities in {path!r} cannot be read: {error}") from None


@functools.lru_cache(maxsize=8)
def _authorities(path: str, changed: int) -> ssl.SSLContext:
    """The context that trusts a PEM file or folder as it was at ``changed``. Parsing the file of a system takes 0.05 s,
    more than all else that a session does at its start."""
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
