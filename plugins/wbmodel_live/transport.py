"""gql's aiohttp transport, with an ``execute`` that keeps what the stock one loses.

The stock one turns 401, 403 and 5xx with a JSON body into errors without a status, shares ``response_headers`` between
requests that run at once, and with ``auth=`` sends the key on across a redirect (all tried). Here each request has a
:class:`Reply` of its own, redirects are not followed, and the key is a header of the request.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from ssl import SSLContext
from typing import Any

import aiohttp
import attrs
from gql import GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportClosed, TransportError
from graphql import ExecutionResult

from wbmodel.codec import loads
from wbmodel.request import Request

__all__ = ["NOTE", "Reply", "Transport", "UnreadableReply", "WireRequest"]

NOTE = "wbmodel"
"""The key of ``extensions`` under which a request's :class:`Reply` is found."""


@attrs.frozen(slots=True, eq=False)
class Reply:
    """One HTTP answer: ``received`` and ``sent`` are bytes on the wire, ``body`` is what they were after decoding."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)
    received: int
    sent: int

    @property
    def kind(self) -> str:
        """The media type, lower case and without parameters; "" when none was given."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text, for messages."""
        return self.body.decode("utf-8", "replace")


class UnreadableReply(TransportError):
    """An answer that holds no GraphQL result. ``broken`` is whether it looks like one that was cut or garbled."""

    def __init__(self, reply: Reply, broken: bool) -> None:
        super().__init__(f"HTTP {reply.status}, no GraphQL result")
        self.reply = reply
        self.broken = broken


class WireRequest(GraphQLRequest):
    """A :class:`~wbmodel.request.Request` in gql's form, which prints the document once and not at every sending."""

    def __init__(self, request: Request) -> None:
        super().__init__(
            request.document.ast,
            variable_values=dict(request.variables),
            operation_name=request.operation_name,
        )
        self._text = request.document.text

    @property
    def payload(self) -> dict[str, Any]:
        """What is sent, as :class:`gql.GraphQLRequest` has it."""
        made: dict[str, Any] = {"query": self._text, "variables": self.variable_values}
        if self.operation_name:
            made["operationName"] = self.operation_name
        return made


class Transport(AIOHTTPTransport):
    """Sends documents to ``url``. ``open_session`` makes the aiohttp session, on the loop that will use it."""

    def __init__(
        self, url: str, open_session: Callable[[], Awaitable[aiohttp.ClientSession]], ssl: SSLContext | bool = True
    ) -> None:
        super().__init__(url, ssl=ssl, ssl_close_timeout=1)
        self._open_session = open_session

    async def connect(self) -> None:
        """Make the aiohttp session, unless there is one."""
        if self.session is None:
            self.session = await self._open_session()

    async def execute(
        self, request: GraphQLRequest, *, extra_args: dict[str, Any] | None = None, upload_files: bool = False
    ) -> ExecutionResult:
        """Send one request. ``extra_args`` go to aiohttp (headers, timeout, proxy).

        The result's ``extensions`` hold the :class:`Reply` under :data:`NOTE`, whatever the status. Raises
        :class:`UnreadableReply` for an answer without a GraphQL result, and what aiohttp raises.
        """
        session = self.session
        if session is None or session.closed:
            raise TransportClosed("the connection is closed")
        if upload_files:
            raise TransportError("files are not sent inside GraphQL requests: W&B takes them by PUT")
        body = json.dumps(request.payload, separators=(",", ":"), allow_nan=False).encode()
        async with session.post(
            self.url, data=body, ssl=self.ssl, allow_redirects=False, **(extra_args or {})
        ) as answer:
            content = await answer.read()
            reply = Reply(
                status=answer.status,
                reason=answer.reason or "",
                headers=answer.headers,
                body=content,
                received=answer.content.total_raw_bytes,
                sent=len(body),
            )
        return _result(reply)


def _result(reply: Reply) -> ExecutionResult:
    try:
        decoded = loads(reply.body)
    except ValueError:
        # What begins like JSON, or says that it is, was cut on the way.
        cut = reply.kind.endswith("json") or reply.body.lstrip()[:1] == b"{"
        raise UnreadableReply(reply, broken=cut) from None
    if not isinstance(decoded, dict) or not (decoded.keys() & {"data", "errors"}):
        raise UnreadableReply(reply, broken=False)
    errors = decoded.get("errors")
    extensions = decoded.get("extensions")
    return ExecutionResult(
        data=decoded.get("data"),
        errors=errors if isinstance(errors, list) else None,  # as gql's own transport gives them: plain objects
        extensions={**(extensions if isinstance(extensions, dict) else {}), NOTE: reply},
    )
