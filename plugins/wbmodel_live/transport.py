"""gql's aiohttp transport, with an ``execute`` that keeps what the stock one loses: each request has a :class:`Reply`.

``tests/plugins/live/test_upstream.py`` fails when gql no longer needs what is replaced here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs
from gql import GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportClosed, TransportError
from graphql import ExecutionResult

from wbmodel.codec import loads
from wbmodel.request import Request, Response

__all__ = ["BadReply", "Reply", "Transport", "WireRequest", "reply_of"]

_REPLY = "wbmodel"


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


class BadReply(TransportError):
    """An answer that holds no GraphQL result, or whose status says that it is none. ``broken`` is whether it looks like
    one that was cut or garbled."""

    def __init__(self, reply: Reply, broken: bool) -> None:
        super().__init__(f"HTTP {reply.status}, not a GraphQL result")
        self.reply = reply
        self.broken = broken


class WireRequest(GraphQLRequest):
    """A :class:`~wbmodel.request.Request` in gql's form."""

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
        # gql's own prints the document anew at every sending, which takes 1 ms for that of a small listing; ours has
        # its text.
        made: dict[str, Any] = {"query": self._text, "variables": self.variable_values}
        if self.operation_name:
            made["operationName"] = self.operation_name
        return made


class Transport(AIOHTTPTransport):
    """gql's transport, which sends what it is given and says what came of it."""

    async def execute(
        self, request: GraphQLRequest, *, extra_args: dict[str, Any] | None = None, upload_files: bool = False
    ) -> ExecutionResult:
        """Send one request. ``extra_args`` go to aiohttp (headers, timeout, proxy).

        The result's ``extensions`` hold the :class:`Reply` for :func:`reply_of`, whatever the status. Raises
        :class:`BadReply` for an answer without a GraphQL result, and what aiohttp raises.
        """
        # gql's own (4.4.0) loses what decides whether a request is sent again: an answer that holds JSON has no status,
        # be it 401 or 502, and `response_headers` are those of whichever request ended last. With a session of the
        # user's own it sends NaN, as the session is what writes the JSON.
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


def reply_of(result: ExecutionResult) -> tuple[Reply, Response]:
    """What :meth:`Transport.execute` gave, taken apart: the answer of HTTP, and that of GraphQL."""
    extensions = dict(result.extensions or {})
    reply: Reply = extensions.pop(_REPLY)
    errors = cast("Sequence[Mapping[str, Any]]", result.errors or ())  # plain objects, see _result
    return reply, Response(data=result.data, errors=errors, extensions=extensions)


def _result(reply: Reply) -> ExecutionResult:
    try:
        decoded = loads(reply.body)
    except ValueError:
        # What begins like JSON, or says that it is, was cut on the way.
        cut = reply.kind.endswith("json") or reply.body.lstrip()[:1] == b"{"
        raise BadReply(reply, broken=cut) from None
    if not isinstance(decoded, dict) or not (decoded.keys() & {"data", "errors"}):
        raise BadReply(reply, broken=False)
    errors = decoded.get("errors")
    extensions = decoded.get("extensions")
    return ExecutionResult(
        data=decoded.get("data"),
        errors=errors if isinstance(errors, list) else None,  # as gql's own transport gives them: plain objects
        extensions={**(extensions if isinstance(extensions, dict) else {}), _REPLY: reply},
    )
