"""Reads bodies from the socket and writes answers to it, with aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from wbmodel._version import __version__
from wbmodel.loggers import get_logger
from wbmodel.server.answers import Answer
from wbmodel.server.errors import Refusal, error_body
from wbmodel.server.limits import Limits

__all__ = ["Front", "headers_of", "read_body", "response_of"]

log = get_logger("wbmodel.server")
_SERVER = f"wbmodel/{__version__}"


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer invalid HTTP in the shape of all other errors."""
        if isinstance(exc, ConnectionError) or request.transport is None or request.transport.is_closing():
            # Reset on purpose or by the client: there is no one to send an answer to.
            return web.Response(status=status)
        if request.writer.output_size > 0:
            raise ConnectionError("part of the answer has already been sent")
        if isinstance(exc, LineTooLong) or "Too many" in str(message):
            answer = Answer(431, error_body("the request line or a header is too long", "LIMIT_EXCEEDED"))
        elif isinstance(exc, BadHttpMessage) or status < 500:
            answer = Answer(400, error_body("this is not a valid HTTP request", "BAD_REQUEST"))
        else:
            log.error("a request could not be answered", exc_info=exc)
            answer = Answer(500, error_body("internal error", "INTERNAL_ERROR"))
        response = response_of(answer)
        response.force_close()
        return response


class Front(web.Server):
    """aiohttp's HTTP server with our error shapes and limits on headers."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], limits: Limits) -> None:
        super().__init__(handler)
        self._limits = limits

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None turns aiohttp's access log off
            max_line_size=self._limits.header,
            max_field_size=self._limits.header,
            max_headers=self._limits.headers,
        )


def headers_of(answer: Answer) -> dict[str, str]:
    """The headers of an answer."""
    return {"Content-Type": answer.content_type, "Server": _SERVER, **answer.headers}


def response_of(answer: Answer, packed: bool = False) -> web.Response:
    """The aiohttp response for an answer."""
    headers = headers_of(answer)
    if packed:
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(status=answer.status, body=answer.pack() if packed else answer.body, headers=headers)


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """The decompressed body. Raises :class:`Refusal` if it exceeds ``limit`` or cannot be decompressed."""
    too_long = Refusal(413, f"the body has more than {limit} bytes", "LIMIT_EXCEEDED", {"Connection": "close"})
    if (request.content_length or 0) > limit:
        raise too_long
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > limit:
                raise too_long
    except web.RequestPayloadError as error:
        raise Refusal(400, f"the body cannot be read: {error}", "BAD_REQUEST", {"Connection": "close"}) from None
    return b"".join(parts)
