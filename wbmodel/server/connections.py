"""The open connections of a server: how many there may be, how long each may take, and which one has to go.

A server that is full closes the connection that has kept it waiting longest: first one whose headers are not complete,
then one that is idle between requests, then one whose body has not arrived. Among these, the address with the most
connections goes first. A connection whose request is being answered is never closed for another.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from wbmodel.loggers import get_logger
from wbmodel.server.answers import Answer
from wbmodel.server.errors import error_body
from wbmodel.server.limits import Limits
from wbmodel.server.wire import raw_response, response_of

__all__ = ["Connection", "Connections", "room"]

log = get_logger("wbmodel.server")
State = Literal["headers", "idle", "body", "working", "closing"]
_LEAVE: tuple[State, ...] = ("headers", "idle", "body")
"""The states in which a connection may be closed for another one, first one first."""
_DROPPED = 256 * 1024
"""Bytes of a refused body that are read and thrown away, so that most clients finish sending and see the answer."""
_DROP_SECONDS = 1.0

_FULL = raw_response(
    503, error_body("this server has no room for more connections; try again", "UNAVAILABLE"), {"Retry-After": "1"}
)
_LATE = raw_response(408, error_body("the headers did not arrive in time", "TIMEOUT"))


class Connections:
    """The open connections of one server, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # In order of the last change of state, oldest first.
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in, closing another one if the server is full. False if there is no room."""
        if len(self._open) >= self.limit:
            leaving = self._leaving(self._open)
            if leaving is None:
                return False
            self._open.pop(leaving)
            leaving.abort()
        self._open[connection] = None
        return True

    def changed(self, connection: Connection) -> None:
        """Note that the state of a connection has changed."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        self._open.pop(connection, None)

    def _leaving(self, connections: Iterable[Connection]) -> Connection | None:
        by_state: dict[State, list[Connection]] = {}
        for connection in connections:
            by_state.setdefault(connection.state, []).append(connection)
        for state in _LEAVE:
            waiting = by_state.get(state)
            if waiting:
                crowds = Counter(connection.address for connection in waiting)
                return max(waiting, key=lambda connection: crowds[connection.address])
        return None


def room(wanted: int) -> tuple[int, int]:
    """How many connections this process has room for, and how many to accept at once: a server without descriptors
    could not even refuse. Half of the descriptors stay for everything else."""
    try:
        import resource
    except ImportError:  # Windows, where sockets are not descriptors
        return wanted, 100
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted, 100
    return max(1, min(wanted, soft // 2)), max(1, min(100, soft // 16))


class Connection(web.RequestHandler):
    """One connection, with deadlines and our error shapes."""

    __slots__ = ("_connections", "_due", "_gone", "_limits", "_received", "address", "state")

    def __init__(self, manager: web.Server, connections: Connections, limits: Limits, **options: Any) -> None:
        super().__init__(manager, **options)
        self.state: State = "headers"
        self.address: str | None = None
        self._connections = connections
        self._limits = limits
        self._due: asyncio.TimerHandle | None = None
        self._gone: asyncio.Event | None = None
        self._received = 0

    # -- states ------------------------------------------------------------------------------------

    def to(self, state: State) -> None:
        """Note what this connection is doing now."""
        self.state = state
        self._connections.changed(self)
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if state == "headers":
            self._due = asyncio.get_running_loop().call_later(self._limits.stall, self._late)

    def abort(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    async def drop(self) -> None:
        """Let the client see an answer whose request has a body that was not read: read and throw away a little of it.
        The connection is closed afterwards."""
        self.to("closing")
        transport = self.transport
        if not isinstance(transport, asyncio.Transport) or transport.is_closing():
            return
        self._gone, self._received = asyncio.Event(), 0
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        try:
            await asyncio.wait_for(self._gone.wait(), _DROP_SECONDS)
        except asyncio.TimeoutError:
            pass

    def _late(self) -> None:
        self._due = None
        if isinstance(self.transport, asyncio.Transport):
            if self._received:
                self.transport.write(_LATE)
            self.transport.close()

    # -- asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection in, or refuse it."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else None
        if not self._connections.admit(self):
            self.state = "closing"
            if isinstance(transport, asyncio.Transport):
                transport.write(_FULL)
            transport.close()
            return
        super().connection_made(transport)
        self.to("headers")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection out."""
        self._connections.leave(self)
        if self._due is not None:
            self._due.cancel()
        if self._gone is not None:
            self._gone.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, unless nobody is going to read it."""
        self._received += len(data)
        if self.state == "closing":
            if self._gone is not None and self._received > _DROPPED:
                self._gone.set()
            return
        if self.state == "idle" and data:
            self.to("headers")
        super().data_received(data)

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
