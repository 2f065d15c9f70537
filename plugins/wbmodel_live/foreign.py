"""Requests through a gql transport that the user supplies. It is connected, used and closed here, and gets nothing from
the session: no key, no headers, no proxy.

A transport's exceptions say less than wbmodel's own client, so less is retried:

========================================  ================  ======================================================
what it raised                            retried           final error
========================================  ================  ======================================================
TransportServerError with a code          as that status    as that status (``failures.py``)
no connection was made (refused, name)    twice             ServerUnreachable
a certificate that cannot be trusted      never             ServerUnreachable
connected already, closed, other loop     never             ConfigurationError
any other loss of the connection          never             ServerUnreachable
a timeout                                 never             RequestTimeout
TransportProtocolError                    never             NotWandbServer
TransportServerError without a code       never             ServerError
TransportQueryError, GraphQL errors       never             none here: a response, whose errors the caller raises
any other exception                       never             BackendError, with the exception as its cause
========================================  ================  ======================================================

If a mutation may have reached the server, the error is OutcomeUnknown instead.
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
from wbmodel.safe_text import brief
from wbmodel.urls import mask_url
from wbmodel_live.calls import Answer
from wbmodel_live.credentials import OWN_LOGIN
from wbmodel_live.failures import FEW, FailedAttempt, Retry, of_exception, of_reply
from wbmodel_live.idempotency import intent_of
from wbmodel_live.transport import Reply, WireRequest

if TYPE_CHECKING:
    from gql.transport import AsyncTransport

__all__ = ["Foreign", "ForeignCall"]

_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
_OPTIONAL = ("httpx", "httpx2", "websockets")  # recognised by name: they may not be installed
# asyncio's messages; the last one is aiohttp's for a session that belongs to another loop.
_ANOTHER_LOOP = re.compile(r"different (event )?loop|loop is closed|should be used inside a task")
_SHUT = re.compile(r"^Session is closed$|client has been closed")
_OVER_HTTP = ("gql.transport.aiohttp", "gql.transport.httpx")
_OVER_WEBSOCKETS = "gql.transport.common.base"
_log = get_logger("wbmodel.live")


class Foreign:
    """A user's ``transport`` to the server at ``url``. Belongs to one event loop."""

    def __init__(self, transport: AsyncTransport, url: str) -> None:
        self.transport: Any = transport  # gql annotates neither connect() nor close()
        self.url = mask_url(url)
        self._connecting: asyncio.Task[None] | None = None
        self._broken = False

    @property
    def name(self) -> str:
        """The transport's name in messages."""
        return type(self.transport).__name__

    @property
    def refuses_when_closed(self) -> bool:
        """Whether ``TransportClosed`` means that nothing was sent. gql's HTTP transports check before they send; its
        websocket transports also raise it in the middle of a response."""
        return self._derives_from(*_OVER_HTTP)

    @property
    def keeps_connection(self) -> bool:
        """Whether all requests share one connection, so that none can be sent once it is lost. Of a transport that is
        not derived from gql's own this is unknown, and requests in flight could need what would be closed."""
        return self._derives_from(_OVER_WEBSOCKETS)

    def _derives_from(self, *modules: str) -> bool:
        return any(kind.__module__ in modules for kind in type(self.transport).__mro__)

    def document(self, request: Request) -> ForeignCall:
        """The call for a GraphQL request."""
        return ForeignCall(request, self)

    async def connect(self) -> object:
        """Connect the transport, once for all concurrent callers, and again after a failure or a lost connection.

        Returns a token of this connection for :meth:`lost`.
        """
        task = self._connecting
        if task is None:
            task = self._connecting = asyncio.ensure_future(self._connect())
            # Retrieves the exception, which asyncio would otherwise log if every caller has given up waiting.
            task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        try:
            await asyncio.shield(task)  # a caller that times out stops waiting without cancelling the others
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
            raise  # other code connected it, and will close it
        except BaseException:
            # A websocket that was refused in the handshake would stay half open and report that it is connected.
            with contextlib.suppress(Exception):
                await self.transport.close()
            raise

    async def close(self) -> None:
        """Close the transport if it was connected here."""
        task, self._connecting = self._connecting, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
        connected = task is not None and not task.cancelled() and task.exception() is None
        if not connected and not self._broken:
            return
        self._broken = False
        try:
            await self.transport.close()
        except Exception as error:  # the session closes whatever a third-party transport raises
            _log.warning("%s: the %s could not be closed (%s)", self.url, self.name, _words(error))


class ForeignCall:
    """A GraphQL request sent through a :class:`Foreign`."""

    place = None

    def __init__(self, request: Request, channel: Foreign) -> None:
        self.intent = intent_of(request)
        self._channel = channel
        self._wire = WireRequest(request)
        self._sending = False
        self._connection: object = None
        try:
            json.dumps(self._wire.variable_values, allow_nan=False)
        except (TypeError, ValueError) as error:
            # Checked before sending: an error raised by the transport would not say whether the request was sent.
            raise ConfigurationError(f"{self.intent.name} cannot be sent: {error} ({channel.url})") from None

    async def prepare(self) -> None:
        """Connect the transport."""
        self._sending = False
        self._connection = await self._channel.connect()

    async def send(self) -> Answer[Response]:
        """Execute the document. The answer has no HTTP reply."""
        self._sending = True
        try:
            result = await self._channel.transport.execute(self._wire)
        except TransportQueryError as error:  # some gql transports raise GraphQL errors instead of returning them
            errors = error.errors or [{"message": str(error)}]
            return Answer(_response(ExecutionResult(error.data, errors, error.extensions)))
        return Answer(_response(result))

    def failure(self, error: Exception) -> FailedAttempt | None:
        """Classify an exception from the transport. The exception is not kept: it may hold credentials."""
        if isinstance(error, WbmodelError):
            return None
        channel = self._channel
        unsure = Retry.UNSURE if self._sending else Retry.NEVER
        if isinstance(error, TransportServerError) and error.code is not None:
            return _of_status(error.code, channel.url)
        if isinstance(error, TransportServerError):
            return FailedAttempt("answered with an error", ServerError, unsure, said=_words(error))
        if isinstance(error, TransportProtocolError):
            return FailedAttempt(
                "answered with something that is not GraphQL",
                NotWandbServer,
                unsure,
                advice="check the transport's address",
                said=_words(error),
            )
        refused = _handshake_status(error)
        if refused is not None:
            return _of_status(refused, channel.url)
        used = _of_use(error, channel, unsure)
        if used is not None:
            return used
        broken = _of_network(error, self._sending)
        if broken is None:
            return self._of_bug(error, unsure)
        if self._sending and channel.keeps_connection:
            channel.lost(self._connection)
        return broken

    def _of_bug(self, error: Exception, retry: Retry) -> FailedAttempt:
        cause = error.__cause__ if isinstance(error, TransportConnectionFailed) else None
        shown = cause or error
        failure = FailedAttempt(
            f"could not be reached: the {self._channel.name} raised {type(shown).__name__}: {_words(shown)}",
            BackendError,
            retry,
        )
        failure.__cause__ = shown
        return failure


# -- answers ---------------------------------------------------------------------------------------


def _response(result: object) -> Response:
    if not isinstance(result, ExecutionResult):
        raise TransportProtocolError(f"execute() returned {type(result).__name__}, not an ExecutionResult")
    if not isinstance(result.data, dict | None):
        raise TransportProtocolError(f"its data is {type(result.data).__name__}, not an object")
    return Response(
        data=result.data, errors=[_plain(error) for error in result.errors or ()], extensions=result.extensions or {}
    )


def _plain(error: object) -> Mapping[str, Any]:
    """A GraphQL error as a JSON object. A schema in this process gives exceptions, HTTP gives objects."""
    if isinstance(error, GraphQLError):
        return dict(error.formatted)
    return error if isinstance(error, Mapping) else {"message": str(error)}


# -- exceptions ------------------------------------------------------------------------------------


def _of_status(code: int, url: str) -> FailedAttempt:
    if 300 <= code < 400:
        return FailedAttempt(
            f"redirects to another address (HTTP {code})",
            NotWandbServer,
            advice="configure the transport with the address that it redirects to",
            status=code,
        )
    reply = Reply(status=code, reason=responses.get(code, ""), headers={}, body=b"", received=0, sent=0)
    return of_reply(reply, url, broken=False, key_hint=OWN_LOGIN)


def _of_use(error: Exception, channel: Foreign, unsure: Retry) -> FailedAttempt | None:
    """Classify misuse: a transport that other code connected or closed, or that belongs to another event loop."""
    chain = list(_chain(error))
    if isinstance(error, TransportAlreadyConnected):
        return FailedAttempt(
            f"cannot be reached through this {channel.name}: it is already connected",
            ConfigurationError,
            unsure,
            advice="pass a transport that no gql client or other session has connected, as wbmodel connects and closes "
            "it; in a forked process, connect() again with a new one",
        )
    shut = any(isinstance(link, RuntimeError) and _SHUT.search(str(link)) for link in chain)
    if shut or isinstance(error, TransportClosed):
        return FailedAttempt(
            f"cannot be reached through this {channel.name}: it was closed, but not by wbmodel",
            ConfigurationError,
            Retry.NEVER if shut or channel.refuses_when_closed else unsure,
            advice="let the session close it, and connect() again with a new transport",
        )
    if any(isinstance(link, RuntimeError | ValueError) and _ANOTHER_LOOP.search(str(link)) for link in chain):
        return FailedAttempt(
            f"cannot be reached through this {channel.name}: it belongs to another event loop",
            ConfigurationError,
            unsure,
            advice="wbmodel runs transports on its own event loop: pass an unused transport, without connectors or "
            "clients created on another loop",
        )
    return None


def _of_network(error: Exception, sending: bool) -> FailedAttempt | None:
    """Classify a network failure; None if ``error`` is not one."""
    cause: BaseException = error.__cause__ or error if isinstance(error, TransportConnectionFailed) else error
    names = {kind.__name__ for kind in type(cause).__mro__ if kind.__module__.partition(".")[0] in _OPTIONAL}
    words = _words(cause)
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in _chain(cause)):
        return FailedAttempt(
            f"cannot be trusted: {words}",
            ServerUnreachable,
            advice="the transport has its own certificate authorities; add the server's to them",
        )
    if isinstance(cause, _BEFORE_SENDING):
        return of_exception(cause, None)
    if names & {"ConnectError", "ConnectTimeout", "PoolTimeout"}:
        return FailedAttempt(
            f"cannot be reached: {words}",
            ServerUnreachable,
            Retry.ALWAYS,
            advice="check the address and that the server is running",
            most=FEW,
        )
    retry, most = (Retry.UNSURE, None) if sending else (Retry.ALWAYS, FEW)
    if isinstance(cause, asyncio.TimeoutError | TimeoutError) or "TimeoutException" in names:
        return FailedAttempt(
            "did not answer",
            RequestTimeout,
            retry,
            advice="allow more time (timeout=, of connect() or of the transport)",
            most=most,
        )
    lost = names & {"RequestError", "WebSocketException"}
    if lost or isinstance(cause, TransportConnectionFailed | OSError | aiohttp.ClientError):
        return FailedAttempt(
            f"lost the connection ({words})" if sending else f"cannot be reached: {words}",
            ServerUnreachable,
            retry,
            advice="check the transport's address, and any proxy or firewall in between",
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
    return brief(str(error)) or type(error).__name__
