"""The engine behind a websocket, in the ``graphql-transport-ws`` protocol that gql's websocket transports speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import WSMsgType, web

from wbmodel.backend.owner_loop import OwnerLoop
from wbmodel.engine import Engine
from wbmodel.request import Request

__all__ = ["SocketServer", "websocket_server"]


class SocketServer:
    """``url`` is the address. ``refuse`` closes connections before they are acknowledged, ``status`` answers handshakes
    with that of HTTP. ``break_after(n)`` cuts the connection instead of answering the n-th operation from now.
    ``operations`` are the documents that arrived, ``logins`` the credentials, ``open`` counts connections."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.url = ""
        self.refuse = False
        self.status: int | None = None
        self.operations: list[str] = []
        self.logins: list[str | None] = []
        self.open = 0
        self._left: int | None = None

    def break_after(self, operations: int) -> None:
        self._left = operations

    async def handle(self, http: web.Request) -> web.StreamResponse:
        self.logins.append(http.headers.get("Authorization"))
        if self.status is not None:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse(protocols=["graphql-transport-ws"])
        await socket.prepare(http)
        self.open += 1
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                await self._answer(socket, message.json())
        finally:
            self.open -= 1
        return socket

    async def _answer(self, socket: web.WebSocketResponse, told: dict) -> None:
        if told["type"] == "connection_init":
            if self.refuse:
                await socket.close(code=4403, message=b"Forbidden")
                return
            await socket.send_json({"type": "connection_ack"})
        elif told["type"] == "ping":
            await socket.send_json({"type": "pong"})
        elif told["type"] == "subscribe":
            asked = told["payload"]
            self.operations.append(asked["query"])
            if self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    self._left = None
                    await socket.close(code=1011, message=b"restarting")
                    return
            request = Request(asked["query"], asked.get("variables") or {}, asked.get("operationName"))
            answer = await asyncio.to_thread(self.engine.execute, request)
            payload = {"data": answer.data, **({"errors": list(answer.errors)} if answer.errors else {})}
            await socket.send_json({"type": "next", "id": told["id"], "payload": payload})
            await socket.send_json({"type": "complete", "id": told["id"]})


@contextmanager
def websocket_server(engine: Engine) -> Iterator[SocketServer]:
    """The server, on a loop and a thread of its own."""
    server = SocketServer(engine)
    loop = OwnerLoop("websocket-server")

    async def begin() -> Callable[[], object]:
        app = web.Application()
        app.router.add_get("/graphql", server.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"ws://{host}:{port}/graphql"
        return runner.cleanup

    end = loop.run(begin())
    try:
        yield server
    finally:
        loop.run(end())
        loop.stop()
