"""aiohttp's HTTP server with our connections, and the socket that it listens on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from wbmodel.server.connections import Connection, Connections, room
from wbmodel.server.limits import Limits

if TYPE_CHECKING:
    import ssl

__all__ = ["Front"]

_WAITING = 100
"""Connections that the system holds until they are accepted."""


class Front(web.Server):
    """Listens, and calls ``handler`` for each request. A client that disconnects cancels its handler."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], limits: Limits) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._limits = limits
        most, self._backlog = room(limits.connections)
        self.open_connections = Connections(most)

    def __call__(self) -> web.RequestHandler:
        return Connection(
            self,
            self.open_connections,
            self._limits,
            loop=asyncio.get_running_loop(),
            access_log=None,  # None turns aiohttp's access log off
            keepalive_timeout=self._limits.idle,
            lingering_time=0,  # Connection.drop() does this, without unpacking
            auto_decompress=False,  # bodies.py does this, within the budget
            max_line_size=self._limits.header,
            max_field_size=self._limits.header,
            max_headers=self._limits.headers,
        )

    async def listen(self, host: str, port: int, ssl_context: ssl.SSLContext | None) -> asyncio.Server:
        """Listen on an address. Raises ``OSError``."""
        timeout = None if ssl_context is None else self._limits.stall
        # Not web.TCPSite, which has no timeout for handshakes.
        listener = await asyncio.get_running_loop().create_server(
            self, host, port, ssl=ssl_context, backlog=self._backlog, ssl_handshake_timeout=timeout
        )
        # To asyncio, the backlog is also how many connections to accept at once. The system may hold more.
        for found in listener.sockets if self._backlog < _WAITING else ():
            with socket.fromfd(found.fileno(), found.family, found.type) as same:
                same.listen(_WAITING)
        return listener
