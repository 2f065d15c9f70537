"""gql's aiohttp transport, with an ``execute`` that keeps what gql's own one discards, in a :class:`Reply` per request.

``tests/plugins/live/test_upstream.py`` fails once gql no longer needs this replacement.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import attrs
from gql import GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportClosed, TransportError
from graphql import ExecutionResult

from wbmodel.codec import loads, loads_in_steps
from wbmodel.request import Request, Response
from wbmodel_live.bodies import AT_ONCE, aside, read_body, values_in
from wbmodel_live.words import message_of

__all__ = ["BadReply", "Reply", "Transport", "WireRequest", "reply_of"]

_REPLY = "wbmodel"
_BIG = 2**20
"""Bodies of this many bytes are decoded on another thread."""


@attrs.frozen(slots=True, eq=False)
class Reply:
    """One HTTP response: ``received`` and ``sent`` count bytes on the wire, ``body`` is the decoded content."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)
    received: int
    sent: int

    @property
    def kind(self) -> str:
        """The media type in lower case, without parameters; "" if the response has none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text, for messages."""
        return self.body.decode("utf-8", "replace")


class BadReply(TransportError):
    """A response without a GraphQL result, or with an error status. ``broken`` is whether it looks like a GraphQL
    result that was truncated or garbled, ``refused`` whether it has GraphQL errors."""

    def __init__(self, reply: Reply, broken: bool, refused: bool = False) -> None:
        super().__init__(f"HTTP {reply.status}, not a GraphQL result")
        self.reply = reply
        self.broken = broken
        self.refused = refused


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
        """The JSON payload, as in :class:`gql.GraphQLRequest`."""
        # gql prints the document again on every send, which takes 1 ms for a small listing; here the text is cached.
        made: dict[str, Any] = {"query": self._text, "variables": self.variable_values}
        if self.operation_name:
            made["operationName"] = self.operation_name
        return made


class Transport(AIOHTTPTransport):
    """gql's aiohttp transport, with a :class:`Reply` of at most ``max_response`` bytes for each request."""

    def __init__(self, url: str, *, max_response: int, **given: Any) -> None:
        super().__init__(url, **given)
        self.max_response = max_response

    async def execute(
        self, request: GraphQLRequest, *, extra_args: dict[str, Any] | None = None, upload_files: bool = False
    ) -> ExecutionResult:
        """Send one request. ``extra_args`` go to aiohttp (headers, timeout, proxy).

        The result's ``extensions`` hold the :class:`Reply` for :func:`reply_of`, whatever the status. Raises
        :class:`BadReply` for a response without a GraphQL result, :class:`~wbmodel_live.bodies.TooLarge`, and aiohttp's
        own exceptions.
        """
        # gql (4.4.0) discards what decides about a retry: a JSON response loses its status, be it 401 or 502, and
        # `response_headers` are those of the request that ended last. With a user's aiohttp session it also sends NaN,
        # because that session serializes the JSON.
        session = self.session
        if session is None or session.closed:
            raise TransportClosed("the connection is closed")
        if upload_files:
            raise TransportError("files cannot be sent in GraphQL requests; W&B takes them by PUT")
        body = json.dumps(request.payload, separators=(",", ":"), allow_nan=False).encode()
        async with session.post(
            self.url, data=body, ssl=self.ssl, allow_redirects=False, auto_decompress=False, **(extra_args or {})
        ) as answer:
            found = await read_body(answer, self.max_response)
            reply = Reply(
                status=answer.status,
                reason=answer.reason or "",
                headers=answer.headers,
                body=found.content,
                received=found.received,
                sent=len(body),
            )
        if not found.whole:
            raise BadReply(reply, broken=True)
        if len(reply.body) < _BIG:
            return _result(reply, self.max_response)
        gone = threading.Event()
        try:
            return await aside(_result, reply, self.max_response, gone.is_set)
        finally:
            gone.set()  # after a timeout nobody waits for it


def reply_of(result: ExecutionResult) -> tuple[Reply, Response]:
    """Split the result of :meth:`Transport.execute` into the HTTP reply and the GraphQL response."""
    extensions = dict(result.extensions or {})
    reply: Reply = extensions.pop(_REPLY)
    errors = cast("Sequence[Mapping[str, Any]]", result.errors or ())  # plain objects, see _result
    return reply, Response(data=result.data, errors=errors, extensions=extensions)


def _errors(found: Any) -> Any:
    """The errors as GraphQL writes them. Servers and what stands before them also send texts, or one object."""
    if not found:
        return None
    return [
        error if isinstance(error, dict) and isinstance(error.get("message"), str) else {"message": message_of(error)}
        for error in (found if isinstance(found, list) else [found])
    ]


def _result(reply: Reply, limit: int, stopped: Callable[[], bool] = lambda: False) -> ExecutionResult:
    many = values_in(reply.body, limit) > AT_ONCE
    try:
        decoded = loads_in_steps(reply.body, stopped) if many else loads(reply.body)
    except ValueError:
        # A body that begins like JSON, or is declared as JSON, was truncated on the way.
        cut = reply.kind.endswith("json") or reply.body.lstrip()[:1] == b"{"
        raise BadReply(reply, broken=cut) from None
    if not isinstance(decoded, dict) or not (decoded.keys() & {"data", "errors"}):
        raise BadReply(reply, broken=False)
    data, extensions = decoded.get("data"), decoded.get("extensions")
    if not isinstance(data, dict | None):
        raise BadReply(reply, broken=False)
    return ExecutionResult(
        data=data,
        errors=_errors(decoded.get("errors")),  # plain objects, as from gql's own transport
        extensions={**(extensions if isinstance(extensions, dict) else {}), _REPLY: reply},
    )
