"""``Server``: the engine behind HTTP, in the protocol of W&B's clients. ``serving`` runs one beside your own code.

    with serving(Engine(store), api_key="k" * 40) as server:
        ...  # WANDB_BASE_URL=server.url, WANDB_API_KEY=the key

The server answers ``POST /graphql`` (Basic authentication, user ``api``), and ``GET`` of run files under ``/files/``
and of artifact files and manifests under ``/artifact-files/``, at the URLs that GraphQL returns. Everything else is an
error in GraphQL's shape: 503 for ``/files/.../file_stream`` and 501 for uploads until they are implemented, 404 for
other paths. Limits are in :class:`~wbmodel.server.limits.Limits`. Tests that need faults use
:func:`wbmodel.testing.served`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from aiohttp import web

from wbmodel.engine.execute import Engine
from wbmodel.errors import ConfigurationError
from wbmodel.server import errors
from wbmodel.server.answers import Answer
from wbmodel.server.bodies import Budget, Share, read_body
from wbmodel.server.connections import Connection, log
from wbmodel.server.errors import Refusal
from wbmodel.server.front import Front
from wbmodel.server.injection import Exchange, FaultInjector, NoFaults
from wbmodel.server.limits import Limits
from wbmodel.server.routes import Call, Routes, host_name
from wbmodel.server.wire import response_of
from wbmodel.urls import is_loopback
from wbmodel.weighted_cache import WeightedCache

if TYPE_CHECKING:
    import ssl

__all__ = ["Seen", "Server", "Stats", "running", "serving"]

T = TypeVar("T")
S = TypeVar("S", bound="Server")
_SMALL = 64 * 1024
"""Maximum size of a body that is parsed on the event loop, in bytes; a thread parses longer ones."""


@attrs.define(slots=True)
class Stats:
    """Counts of a server. Updated on its event loop; may be read from any thread."""

    requests: int = 0
    """Requests begun, whatever their outcome."""
    in_flight: int = 0
    """Requests in flight now."""
    peak: int = 0
    """The largest number of requests in flight at once."""
    received: int = 0
    """Bytes of request bodies, decompressed."""
    sent: int = 0
    """Bytes of response bodies as sent."""
    executed: int = 0
    """GraphQL requests that the engine executed."""
    mutations: int = 0
    """How many of those were mutations."""
    cached: int = 0
    """GraphQL requests answered from the cache."""
    faults: int = 0
    """Injected faults."""
    statuses: Counter[int] = attrs.field(factory=Counter)
    """Status -> number of responses with it. Reset connections do not count."""


@attrs.frozen(slots=True)
class Seen:
    """One request as the server saw it. ``authorization`` is whether it had that header, not its value."""

    method: str
    path: str
    operation: str | None
    kind: str | None
    agent: str
    authorization: bool


class Server:
    """Serves ``engine`` over HTTP on ``host`` and ``port`` (0: any free port).

    ``api_key`` is text or an object with ``reveal()``; only its digest is kept. None allows every client, and raises
    :class:`~wbmodel.errors.ConfigurationError` unless ``host`` is the loopback device. With an ``ssl_context`` the
    server speaks HTTPS. ``faults`` is for tests. Nothing is opened before :meth:`start`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: Any = None,
        limits: Limits | None = None,
        faults: FaultInjector | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        local = is_loopback(host)
        if api_key is None and not local:
            raise ConfigurationError(
                f"a server on {host!r} without an API key would let anyone who can reach this machine read and change "
                "its data; pass api_key= (wbmodel serve: --api-key-file, or WBMODEL_SERVE_API_KEY), or use 127.0.0.1"
            )
        if api_key is not None and not (api_key.reveal() if hasattr(api_key, "reveal") else api_key):
            raise ConfigurationError("the API key of a server must not be empty; use api_key=None for an open server")
        self.host = host
        self._faults: FaultInjector = faults if faults is not None else NoFaults()
        self.limits = limits if limits is not None else Limits()
        self.stats = Stats()
        self.seen: deque[Seen] = deque(maxlen=1000)
        """The last 1,000 requests, oldest first."""
        self._wanted_port = port
        self._ssl = ssl_context
        self._routes = Routes(engine, api_key, self.limits, local)
        self._cache: WeightedCache[Answer] = WeightedCache(self.limits.cache)
        self._address: tuple[str, int] | None = None
        self._runner: web.ServerRunner | None = None
        self._listener: asyncio.Server | None = None
        self._bodies = Budget(self.limits.bodies)
        self._working = 0
        self._abandoned = threading.Event()

    def __repr__(self) -> str:
        return f"<Server {self.url if self._address else 'that is not running'}>"

    @property
    def url(self) -> str:
        """``http(s)://host:port``. Raises :class:`~wbmodel.errors.ConfigurationError` before :meth:`start`."""
        if self._address is None:
            raise ConfigurationError("the server has no address before it has started")
        host, port = self._address
        return f"{'https' if self._ssl else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def requests(self) -> int:
        """The number of requests so far; :attr:`stats` has more counts."""
        return self.stats.requests

    # -- starting and stopping ---------------------------------------------------------------------

    async def start(self) -> None:
        """Listen. Raises :class:`~wbmodel.errors.ConfigurationError` if the address is in use or not local."""
        if self._runner is not None:
            raise ConfigurationError("the server is already running")
        self._closing = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._abandoned.clear()
        front = Front(self._handle, self.limits)
        runner = web.ServerRunner(front, shutdown_timeout=0.5)
        await runner.setup()
        # "localhost" may resolve to two addresses, which would mean two ports.
        host = "127.0.0.1" if self.host.lower() == "localhost" else self.host
        try:
            listener = await front.listen(host, self._wanted_port, self._ssl)
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                f"cannot listen on {self.host}:{self._wanted_port}: {error.strerror or error}; port 0 picks a free port"
            ) from error
        self._threads = ThreadPoolExecutor(self.limits.workers, thread_name_prefix="wbmodel server")
        self._runner, self._listener = runner, listener
        self._address = (self.host, listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop accepting requests, finish those in flight (for at most ``limits.grace`` seconds), and close every
        socket and thread. A stall or a slow fault ends at once, with a reset."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._closing.set()
        if self._listener is not None:
            self._listener.close()
        try:
            await asyncio.wait_for(self._idle.wait(), self.limits.grace)
        except asyncio.TimeoutError:
            log.warning("stopped with %d requests in flight", self.stats.in_flight)
        self._abandoned.set()
        await runner.cleanup()
        await self._end_threads()

    async def _end_threads(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._threads.shutdown(wait=False, cancel_futures=True)

        def wait() -> None:
            self._threads.shutdown()
            try:
                loop.call_soon_threadsafe(ended.set)
            except RuntimeError:  # the grace period is over and the loop is closed
                pass

        waiter = threading.Thread(target=wait, name="wbmodel server end", daemon=True)
        waiter.start()
        try:
            await asyncio.wait_for(ended.wait(), self.limits.grace)
            waiter.join()
        except asyncio.TimeoutError:
            log.warning("a thread is still working on a request that was given up")

    # -- one request -------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection: Any = request.protocol
        assert isinstance(connection, Connection)
        stats = self.stats
        stats.requests += 1
        stats.in_flight += 1
        stats.peak = max(stats.peak, stats.in_flight)
        self._idle.clear()
        share = Share(self._bodies)
        try:
            response = await self._respond(request, connection, share)
            if isinstance(response, web.Response) and isinstance(response.body, bytes) and request.method != "HEAD":
                stats.sent += len(response.body)
            stats.statuses[response.status] += 1
            # Sent here and not by aiohttp afterwards, so that it counts as in flight until its last byte has been sent.
            late = asyncio.get_running_loop().call_later(self.limits.seconds, connection.abort)
            try:
                await response.prepare(request)
                await response.write_eof()
            finally:
                late.cancel()
        finally:
            share.release()
            stats.in_flight -= 1
            if not stats.in_flight:
                self._idle.set()
        if not request.content.is_eof():
            await connection.drop()
        elif connection.state != "closing":
            connection.to("idle")
        return response

    async def _respond(self, request: web.BaseRequest, connection: Connection, share: Share) -> web.StreamResponse:
        connection.to("body")
        faults = self._faults
        if faults.latency > 0:
            await self._pause(faults.latency)
        call = self._call(request)
        refusal: Refusal | None = None
        try:
            if not faults.active:
                self._admit(call)
            # Only GraphQL has bodies to read. Faults are picked by the content of a request, before its key is checked.
            if call.is_graphql and call.method == "POST":
                call.body = await read_body(request, self.limits, share)
                self.stats.received += len(call.body)
                connection.to("working")
                await self._near(len(call.body), lambda: self._routes.understand(call))
        except Refusal as error:
            refusal = error.with_traceback(None)  # or this frame and its body would wait for the garbage collector
        connection.to("working")
        kind = await self._near(len(call.document), lambda: self._routes.kind(call)) if faults.active else None
        self._note(call, kind)
        fault = faults.pick(call.method, call.path, call.operation, call.document, kind)
        if fault is None:
            answer = await self._answer(call, refusal)
            if not request.content.is_eof() or (request.body_exists and not call.body):
                answer = attrs.evolve(answer, headers={**answer.headers, "Connection": "close"})
            return response_of(answer, self._packed(call, answer))
        self.stats.faults += 1
        return await fault.play(Exchange(request, lambda: self._answer(call, refusal), self._pause))

    def _admit(self, call: Call) -> None:
        if self._closing.is_set():
            raise errors.overloaded("this server is about to stop")
        self._routes.check_host(call)
        if call.is_graphql:
            self._routes.admit(call)

    def _call(self, request: web.BaseRequest) -> Call:
        target = request.raw_path
        if not target.startswith("/"):  # the form for proxies: http://host/path
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("#")[0].partition("?")
        call = Call(method=request.method, path=path, query=query, headers=request.headers)
        # File URLs use the host by which the client found this server: it sends its key only there (0.31.0, seen).
        host = request.headers.get("Host", "")
        call.base = f"{'https' if self._ssl else 'http'}://{host}" if host_name(host) else self.url
        return call

    def _note(self, call: Call, kind: str | None) -> None:
        agent = call.headers.get("User-Agent", "")[:200]
        self.seen.append(Seen(call.method, call.path, call.operation, kind, agent, "Authorization" in call.headers))

    async def _pause(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
            return False
        except asyncio.TimeoutError:
            return True

    def _packed(self, call: Call, answer: Answer) -> bool:
        is_text = answer.content_type.startswith(("application/json", "text/"))
        return is_text and call.takes_gzip and len(answer.body) > self.limits.compress and answer.status != 206

    # -- the answer --------------------------------------------------------------------------------

    async def _answer(self, call: Call, refusal: Refusal | None) -> Answer:
        try:
            self._admit(call)
            if refusal is not None:
                raise refusal
            return await (self._graphql(call) if call.is_graphql else self._in_time(lambda _: self._routes.file(call)))
        except Refusal as error:
            return Answer(error.status, error.body, headers=error.headers)
        except Exception:
            log.exception("a request could not be answered")
            return Answer(500, errors.error_body("internal error; see the server's log", "INTERNAL_ERROR"))

    async def _graphql(self, call: Call) -> Answer:
        key = self._routes.key(call)
        kept = None if key is None else self._cache.get(key)
        if kept is not None:
            self.stats.cached += 1
            if kept.packed is None and self._packed(call, kept):
                await self._in_time(lambda _: kept.pack())
                self._cache.put(key, kept, kept.weight)
            return kept

        def work(given_up: Callable[[], bool]) -> Answer:
            done = self._routes.execute(call, given_up)
            loop.call_soon_threadsafe(self._executed, done)
            return done.answer

        loop = asyncio.get_running_loop()
        return await self._in_time(work)

    def _executed(self, done: Any) -> None:
        if done.answer.status != 200:
            return
        self.stats.executed += 1
        self.stats.mutations += done.kind == "mutation"
        if done.key is not None:
            self._cache.put(done.key, done.answer, done.answer.weight)

    async def _near(self, size: int, work: Callable[[], T]) -> T:
        """Run small work in place and large work in a thread."""
        if size <= _SMALL:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _in_time(self, work: Callable[[Callable[[], bool]], T]) -> T:
        """Run work in a thread within ``limits.seconds``. Raises :class:`Refusal` on timeout, or if too many
        requests are waiting."""
        if self._working >= self.limits.waiting:
            raise errors.overloaded(f"more than {self.limits.waiting} requests are in flight here; try again")
        started = False
        over = False

        def given_up() -> bool:
            return over or self._abandoned.is_set()

        def run() -> T:
            nonlocal started
            started = True
            if given_up():
                raise errors.overloaded("nobody waits for this answer")
            return work(given_up)

        future = asyncio.get_running_loop().run_in_executor(self._threads, run)
        self._working += 1
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.limits.seconds)
        except asyncio.TimeoutError:
            if not started:
                raise errors.overloaded(f"this request waited {self.limits.seconds:g} s for its turn") from None
            raise Refusal(
                504,
                f"this request took more than {self.limits.seconds:g} s: request smaller pages or fewer fields; a "
                "mutation may have been carried out",
                "TIMEOUT",
            ) from None
        finally:
            # After a timeout, or a cancellation because the client has disconnected, the work stops.
            over = True
            self._working -= 1
            if not started:
                future.cancel()
            future.add_done_callback(lambda done: done.cancelled() or done.exception())


@contextmanager
def serving(engine: Engine, **options: Any) -> Iterator[Server]:
    """Run a :class:`Server` for the length of the block; the options are those of the class."""
    with running(Server(engine, **options)) as server:
        yield server


@contextmanager
def running(server: S) -> Iterator[S]:
    """Run ``server`` on its own thread and event loop.

    The end of the block stops it as in :meth:`Server.stop`, and ends its thread.
    """
    ready = threading.Event()
    failed: list[BaseException] = []
    handle: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        ending = asyncio.Event()
        try:
            await server.start()
        except BaseException as error:
            failed.append(error)
            ready.set()
            return
        handle.append((asyncio.get_running_loop(), ending))
        ready.set()
        await ending.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="wbmodel server", daemon=True)
    thread.start()
    ready.wait()
    if failed:
        thread.join()
        raise failed[0]
    loop, ending = handle[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(2 * server.limits.grace + 5)
