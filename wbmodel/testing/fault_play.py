"""Plays a fault in a test server: changes the answer, and disturbs the connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

from aiohttp import web

from wbmodel.codec import loads
from wbmodel.loggers import get_logger
from wbmodel.server.answers import Answer, encode_strict
from wbmodel.server.errors import error_body
from wbmodel.server.wire import headers_of, response_of

if TYPE_CHECKING:
    from wbmodel.server.injection import Exchange, Pause
    from wbmodel.testing.faults import Fault

__all__ = ["play"]

_log = get_logger("wbmodel.testing")


async def play(fault: Fault, exchange: Exchange) -> web.StreamResponse:
    """Play ``fault`` on one request. Raises ConnectionResetError if that resets the connection."""
    request = exchange.request
    if fault.reset == "before":
        raise _reset(request)
    waits = fault.stall > 0 and fault.stall_at == "headers"
    if waits and not fault.execute:
        await _stall(exchange, fault.stall)
    true = await exchange.answer() if fault.needs_answer else None
    if waits and fault.execute:
        await _stall(exchange, fault.stall)
    if fault.reset == "after":
        raise _reset(request)
    try:
        answer = _spoiled(true, fault)
    except Exception as error:  # fault.edit is the test's own function
        _log.exception("a fault could not be played")
        answer = Answer(500, error_body(f"the fault could not be played: {error}", "FAULT"))
    return await _send(exchange, answer, fault)


async def _stall(exchange: Exchange, seconds: float) -> None:
    """Wait. Raises ConnectionResetError if the client disconnects meanwhile, or the server stops."""
    stays = await exchange.pause(seconds)
    request = exchange.request
    if not stays or request.transport is None or request.transport.is_closing():
        raise _reset(request)


def _spoiled(answer: Answer | None, fault: Fault) -> Answer:
    """The answer to send instead of the true one (None if the fault does not need it)."""
    status, body, kind = fault.status, fault.body, None
    if answer is None:
        answer = Answer(200, b"")
        if body is None:
            body = {"errors": [{"message": f"injected fault: status {status or 200}"}]}
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


def _reset(request: web.BaseRequest) -> ConnectionResetError:
    """Reset the connection as the client sees it (RST, not FIN). The caller must raise the result."""
    transport = request.transport
    if transport is not None:
        found = transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return ConnectionResetError("reset on purpose")


async def _send(exchange: Exchange, answer: Answer, fault: Fault) -> web.StreamResponse:
    """Send an answer in the way that ``fault`` specifies. Raises ConnectionResetError if it resets the connection."""
    request, pause = exchange.request, exchange.pause
    body = answer.body
    in_parts = fault.reset == "body" or fault.rate is not None or (fault.stall > 0 and fault.stall_at == "body")
    if not in_parts:
        return response_of(answer)
    response = web.StreamResponse(status=answer.status, headers=headers_of(answer))
    response.content_length = len(body)
    await response.prepare(request)
    half = len(body) // 2
    await _trickle(request, response, body[:half], fault.rate, pause)
    if fault.reset == "body":
        await asyncio.sleep(0.02)  # lets the data sent so far leave before the reset
        raise _reset(request)
    if fault.stall and fault.stall_at == "body" and not await pause(fault.stall):
        raise _reset(request)
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
    # Ten parts per second, or one byte at a time for low rates.
    step = max(1, int(rate / 10))
    for start in range(0, len(data), step):
        await response.write(data[start : start + step])
        if not await pause(step / rate):
            raise _reset(request)
