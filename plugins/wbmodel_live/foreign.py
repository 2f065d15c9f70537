"""The way through a gql transport of the user's own: it is connected, asked and closed here, and gets nothing of the
session's: no key, no headers, no proxy.

What it raises says less than our own client does, so less is repeated:

========================================  ================  ======================================================
what it raised                            sent again        error in the end
========================================  ================  ======================================================
TransportServerError with a code          as that status    as that status (``trouble.py``)
no connection was made (refused, name)    twice             ServerUnreachable
a certificate that cannot be trusted      never             ServerUnreachable
connected already, closed, other loop     never             ConfigurationError
any other loss of the connection          never             ServerUnreachable
a timeout                                 never             RequestTimeout
TransportProtocolError                    never             NotWandbServer
TransportServerError without a code       never             ServerError
TransportQueryError, GraphQL errors       never             none here: an answer, whose errors the asker raises
any other exception                       never             BackendError, with that as its cause
========================================  ================  ======================================================

Where it is not certain that a mutation did not reach the server, the error is OutcomeUnknown.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from http.client import responses
from typing import TYPE_CHECKING, Any

import aiohttp
from gql.transport.exceptions import (
    TransportAlreadyConnected,
    TransportClosed,
    TransportConnectionFailed,
    TransportProtocolError,
    TransportQueryError,
    TransportServerError,
)
from graphql import ExecutionResult, GraphQLError

from wbmodel.errors import (
    BackendError,
    ConfigurationError,
    NotWandbServer,
    RequestTimeout,
    ServerError,
    ServerUnreachable,
    WbmodelError,
)
from wbmodel.loggers import get_logger
from wbmodel.request import Request, Response
from wbmodel_live.calls import Answer
from wbmodel_live.credentials import BROUGHT
from wbmodel_live.intent import intent_of
from wbmodel_live.transport import Reply, WireRequest
from wbmodel_live.trouble import FEW, Again, Trouble, of_exception, of_reply

if TYPE_CHECKING:
    from gql.transport import AsyncTransport

__all__ = ["Foreign", "ForeignCall"]

_WORDS = 300
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
_OPTIONAL = ("httpx", "httpx2", "websockets")  # told by name: they may not be installed
# asyncio's words; the last are aiohttp's for a session whose loop runs elsewhere.
_ANOTHER_LOOP = re.compile(r"different (event )?loop|loop is closed|should be used inside a task")
_SHUT = re.compile(r"^Session is closed$|client has been closed")
_OVER_HTTP = ("gql.transport.aiohttp", "gql.transport.httpx")
_log = get_logger("wbmodel.live")


class Foreign:
    """The way through ``transport`` to the server at ``url``. Lives on one event loop."""

    def __init__(self, transport: AsyncTransport, url: str) -> None:
        self.transport: Any = transport  # gql annotates neither connect() nor close()
        self.url = url
        self._connecting: asyncio.Task[None] | None = None
        self._broken = False

    @property
    def name(self) -> str:
        """What to call the transport in messages."""
        return type(self.transport).__name__

    @property
    def over_http(self) -> bool:
        """Whether it connects for each request, and refuses when closed before it sends. gql's transports over
        websockets keep one connection, and raise ``TransportClosed`` in the middle of an answer, too."""
        return any(kind.__module__ in _OVER_HTTP for kind in type(self.transport).__mro__)

    def document(self, request: Request) -> ForeignCall:
        """The call that asks a GraphQL request."""
        return ForeignCall(request, self)

    async def connect(self) -> object:
        """Connect the transport, once for all concurrent requests, and again after a failure or a lost connection.

        Returns a token of this connection for :meth:`lost`.
        """
        task = self._connecting
        if task is None:
            task = self._connecting = asyncio.ensure_future(self._connect())
            # It may fail when nobody waits any more.
            task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        try:
            await asyncio.shield(task)  # who has no time left gives up waiting, and the others do not
        except Exception:
            if task is self._connecting and task.done():
                self._connecting = None
            raise
        return task

    def lost(self, connection: object) -> None:
        """Connect again before the next request. Does nothing when a later connection has taken its place."""
        if connection is self._connecting:
            self._connecting, self._broken = None, True

    async def _connect(self) -> None:
        if self._broken:  # it may still believe that it is connected
            self._broken = False
            with contextlib.suppress(Exception):
                await self.transport.close()
        try:
            await self.transport.connect()
        except TransportAlreadyConnected:
            raise  # by somebody else, who will close it
        except BaseException:
            # A websocket that was refused in the handshake would stay half open, and say that it is connected.
            with contextlib.suppress(Exception):
                await self.transport.close()
            raise

    async def close(self) -> None:
        """Close it, where it was connected here."""
        task, self._connecting = self._connecting, None
        if task is None:
            return
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if task.cancelled() or task.exception() is not None:
            return
        try:
            await self.transport.close()
        except Exception as error:  # whatever a transport of somebody else's raises: the session is closed all the same
            _log.warning("%s: the %s could not be closed (%s)", self.url, self.name, _words(error))


class ForeignCall:
    """A GraphQL request that goes through a :class:`Foreign`."""

    def __init__(self, request: Request, way: Foreign) -> None:
        self.intent = intent_of(request)
        self._way = way
        self._wire = WireRequest(request)
        self._sending = False
        self._connection: object = None
        try:
            json.dumps(self._wire.variable_values, allow_nan=False)
        except (TypeError, ValueError) as error:
            # Looked at here, as afterwards nobody could tell whether it was sent.
            raise ConfigurationError(f"{self.intent.name} cannot be sent: {error} ({way.url})") from None

    async def prepare(self) -> None:
        """Connect."""
        self._sending = False
        self._connection = await self._way.connect()

    async def send(self) -> Answer[Response]:
        """Execute the document. There is no HTTP reply."""
        self._sending = True
        try:
            result = await self._way.transport.execute(self._wire)
        except TransportQueryError as error:  # gql's other way to say that the answer has errors
            errors = error.errors or [{"message": str(error)}]
            return Answer(_response(ExecutionResult(error.data, errors, error.extensions)))
        return Answer(_response(result))

    def trouble(self, error: Exception) -> Trouble | None:
        """The trouble of what the transport raised. What it is made of is not kept: it may hold the login."""
        if isinstance(error, WbmodelError):
            return None
        way = self._way
        unsure = Again.UNSURE if self._sending else Again.NEVER
        if isinstance(error, TransportServerError) and error.code is not None:
            return _of_status(error.code, way.url)
        if isinstance(error, TransportServerError):
            return Trouble("answered with an error", ServerError, unsure, said=_words(error))
        if isinstance(error, TransportProtocolError):
            return Trouble(
                "answered with something that is not GraphQL",
                NotWandbServer,
                unsure,
                advice="check the address that the transport was given",
                said=_words(error),
            )
        refused = _handshake_status(error)
        if refused is not None:
            return _of_status(refused, way.url)
        used = _of_use(error, way, unsure)
        if used is not None:
            return used
        broken = _of_network(error, self._sending)
        if broken is None:
            return self._of_bug(error, unsure)
        if self._sending and not way.over_http:
            way.lost(self._connection)
        return broken

    def _of_bug(self, error: Exception, again: Again) -> Trouble:
        cause = error.__cause__ if isinstance(error, TransportConnectionFailed) else None
        shown = cause or error
        trouble = Trouble(
            f"could not be asked: the {self._way.name} raised {type(shown).__name__}: {_words(shown)}",
            BackendError,
            again,
        )
        trouble.__cause__ = shown
        return trouble


# -- answers ---------------------------------------------------------------------------------------


def _response(result: object) -> Response:
    if not isinstance(result, ExecutionResult):
        raise TransportProtocolError(f"execute() gave {type(result).__name__}, not an ExecutionResult")
    if not isinstance(result.data, dict | None):
        raise TransportProtocolError(f"its data is of type {type(result.data).__name__}, not an object")
    return Response(
        data=result.data, errors=[_plain(error) for error in result.errors or ()], extensions=result.extensions or {}
    )


def _plain(error: object) -> Mapping[str, Any]:
    """An error as JSON has it. A schema in this process gives exceptions, and HTTP gives objects."""
    if isinstance(error, GraphQLError):
        return dict(error.formatted)
    return error if isinstance(error, Mapping) else {"message": str(error)}


# -- exceptions ------------------------------------------------------------------------------------


def _of_status(code: int, url: str) -> Trouble:
    if 300 <= code < 400:
        return Trouble(
            f"redirects to another address (HTTP {code})",
            NotWandbServer,
            advice="give the transport the address that it leads to",
            status=code,
        )
    reply = Reply(status=code, reason=responses.get(code, ""), headers={}, body=b"", received=0, sent=0)
    return of_reply(reply, url, broken=False, key_hint=BROUGHT)


def _of_use(error: Exception, way: Foreign, unsure: Again) -> Trouble | None:
    """The trouble of a transport that somebody else has used, or that was made for another event loop."""
    chain = list(_chain(error))
    if isinstance(error, TransportAlreadyConnected):
        return Trouble(
            f"cannot be asked through this {way.name}: it is connected already",
            ConfigurationError,
            unsure,
            advice="give transport= one that no gql client and no other session has connected; wbmodel connects and "
            "closes it by itself",
        )
    shut = any(isinstance(link, RuntimeError) and _SHUT.search(str(link)) for link in chain)
    if shut or isinstance(error, TransportClosed):
        return Trouble(
            f"cannot be asked through this {way.name}: it was closed, and not by wbmodel",
            ConfigurationError,
            Again.NEVER if shut or way.over_http else unsure,
            advice="leave closing it to the session, and connect() again with a fresh one",
        )
    if any(isinstance(link, RuntimeError | ValueError) and _ANOTHER_LOOP.search(str(link)) for link in chain):
        return Trouble(
            f"cannot be asked through this {way.name}: it belongs to another event loop",
            ConfigurationError,
            unsure,
            advice="wbmodel runs it on an event loop of its own: give transport= one that was not used before, without "
            "connectors or clients that were made on the loop of somebody else",
        )
    return None


def _of_network(error: Exception, sending: bool) -> Trouble | None:
    """The trouble of a connection; None for what has nothing to do with one."""
    cause: BaseException = error.__cause__ or error if isinstance(error, TransportConnectionFailed) else error
    names = {kind.__name__ for kind in type(cause).__mro__ if kind.__module__.partition(".")[0] in _OPTIONAL}
    words = _words(cause)
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in _chain(cause)):
        return Trouble(
            f"cannot be trusted: {words}",
            ServerUnreachable,
            advice="the transport has certificate authorities of its own; give that of the server to it",
        )
    if isinstance(cause, _BEFORE_SENDING):
        return of_exception(cause, None)
    if names & {"ConnectError", "ConnectTimeout", "PoolTimeout"}:
        return Trouble(
            f"cannot be reached: {words}",
            ServerUnreachable,
            Again.ALWAYS,
            advice="check the address and that the server runs",
            most=FEW,
        )
    again, most = (Again.UNSURE, None) if sending else (Again.ALWAYS, FEW)
    if isinstance(cause, asyncio.TimeoutError | TimeoutError) or "TimeoutException" in names:
        return Trouble(
            "gave no answer", RequestTimeout, again, advice="give it more time (timeout=, here or there)", most=most
        )
    lost = names & {"RequestError", "WebSocketException"}
    if lost or isinstance(cause, TransportConnectionFailed | OSError | aiohttp.ClientError):
        return Trouble(
            f"lost the connection ({words})" if sending else f"cannot be reached: {words}",
            ServerUnreachable,
            again,
            advice="check the address that the transport was given, and what lies in between",
            most=most,
        )
    return None


def _handshake_status(error: Exception) -> int | None:
    """The status with which a server refused to open a websocket; None for what may pass, or is another error."""
    for link in _chain(error):
        if isinstance(link, aiohttp.WSServerHandshakeError):
            status: Any = link.status
        elif type(link).__module__.startswith("websockets."):
            status = getattr(getattr(link, "response", None), "status_code", None)
        else:
            continue
        if isinstance(status, int) and 300 <= status < 500 and status != 429:
            return status
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:_WORDS] or type(error).__name__
