"""Answers onto the socket, with whatever fault is to be played there."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from wbmodel._version import __version__
from wbmodel.codec import loads
from wbmodel.server.answers import Answer, encode_strict
from wbmodel.server.errors import Refusal, error_body
from wbmodel.server.faults import Fault
from wbmodel.server.limits import Limits

__all__ = ["Front", "reset", "response_of", "send", "spoiled"]

log = logging.getLogger("wbmodel.engine.server")
_SERVER = f"wbmodel/{__version__}"
Pause = Callable[[float], Awaitable[bool]]
"""Waits so many seconds; False when the server stops instead."""


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is not even HTTP, in the shape of all other errors."""
        if isinstance(exc, ConnectionError) or request.transport is None or request.transport.is_closing():
            # Reset on purpose, or by the client: nobody is there to be told.
            return web.Response(status=status)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer has been sent already")
        if isinstance(exc, LineTooLong) or "Too many" in str(message):
            answer = Answer(431, error_body("the request line or a header is too long", "LIMIT_EXCEEDED"))
        elif isinstance(exc, BadHttpMessage) or status < 500:
            answer = Answer(400, error_body("this is no HTTP request that can be read", "BAD_REQUEST"))
        else:
            log.error("a request could not be answered", exc_info=exc)
            answer = Answer(500, error_body("the server failed", "INTERNAL_ERROR"))
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
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp is told to write none
            max_line_size=self._limits.header,
            max_field_size=self._limits.header,
            max_headers=self._limits.headers,
        )


def response_of(answer: Answer, packed: bool = False) -> web.Response:
    """aiohttp's form of an answer."""
    headers = {"Content-Type": answer.content_type, "Server": _SERVER, **answer.headers}
    if packed:
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(status=answer.status, body=answer.pack() if packed else answer.body, headers=headers)


def spoiled(answer: Answer | None, fault: Fault) -> Answer:
    """The answer that ``fault`` makes of the true one (None where it needs none)."""
    status, body, kind = fault.status, fault.body, None
    if answer is None:
        answer = Answer(200, b"")
        if body is None:
            body = {"errors": [{"message": f"a fault was asked for: status {status or 200}"}]}
    if body is None:
        made = answer.body
        if fault.edit is not None:
            value: Any = loads(made)
            edited = fault.edit(value)
            made = encode_strict(value if edited is None else edited)
    elif isinstance(body, str):
        made, kind = body.encode(), "text/plain; charset=utf-8"
    else:
        made = body if isinstance(body, bytes) else encode_strict(body)
    if fault.keep < 1:
        made = made[: int(len(made) * fault.keep)]
    return Answer(
        answer.status if status is None else status,
        made,
        fault.content_type or kind or answer.content_type,
        {**answer.headers, **fault.headers},
    )


def reset(request: web.BaseRequest) -> ConnectionResetError:
    """Reset the connection as seen from the client (RST, not FIN); the caller raises what is given back."""
    transport = request.transport
    if transport is not None:
        found = transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return ConnectionResetError("reset on purpose")


async def send(request: web.BaseRequest, answer: Answer, fault: Fault, pause: Pause) -> web.StreamResponse:
    """Send an answer as ``fault`` says. Raises ConnectionResetError where it ends in a reset."""
    body = answer.body
    in_parts = fault.reset == "body" or fault.rate is not None or (fault.stall > 0 and fault.stall_at == "body")
    if not in_parts:
        return response_of(answer)
    response = web.StreamResponse(
        status=answer.status, headers={"Content-Type": answer.content_type, "Server": _SERVER, **answer.headers}
    )
    response.content_length = len(body)
    await response.prepare(request)
    half = len(body) // 2
    await _trickle(request, response, body[:half], fault.rate, pause)
    if fault.reset == "body":
        await asyncio.sleep(0.02)  # so that what was sent so far has left before the reset
        raise reset(request)
    if fault.stall and fault.stall_at == "body" and not await pause(fault.stall):
        raise reset(request)
    await _trickle(request, response, body[half:], fault.rate, pause)
    await response.write_eof()
    return response


async def _trickle(
    request: web.BaseRequest, response: web.StreamResponse, data: bytes, rate: float | None, pause: Pause
) -> None:
    if rate is None:
        if data:
            await response.write(data)
        return
    # Ten parts a second, or one byte at a time where that is less.
    step = max(1, int(rate / 10))
    for start in range(0, len(data), step):
        await response.write(data[start : start + step])
        if not await pause(step / rate):
            raise reset(request)


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """The body, unpacked. Raises :class:`Refusal` for one beyond ``limit``, or that cannot be unpacked."""
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
