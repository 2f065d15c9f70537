"""What a backend is: the protocol, its capabilities, and two base classes that supply the missing colour.

A backend answers through three doors: *documents* (``execute``), *columns* (``read``, ``append``) and *bytes*
(``open``, ``put``), each with an ``a...`` twin. An author writes one method, ``execute`` in a :class:`SyncBackend`
or ``aexecute`` in an :class:`AsyncBackend`, and inherits the rest. Nothing here does I/O at construction.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, TypeVar

from wbmodel import forks
from wbmodel.backend.asks import BlobRef, ColumnBatch, ReadSpec, Request, Response, Stream
from wbmodel.backend.capabilities import Capabilities
from wbmodel.backend.owner_loop import OwnerLoop
from wbmodel.errors import ConfigurationError, NotSupported, RequestTimeout

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["API_VERSION", "AsyncBackend", "Backend", "SyncBackend"]

API_VERSION = 1
"""The version of the backend contract. It is counted up when a backend that was written for it would no longer work."""

T = TypeVar("T")
_THREADS = 8
_END: Any = object()


class Backend(Protocol):
    """What a session needs of a backend. Derive from :class:`SyncBackend` or :class:`AsyncBackend` to write one.

    All doors are safe to call from any thread, and the ``a...`` twins from any event loop. Errors are
    :class:`~wbmodel.errors.WbmodelError`; an answer that holds GraphQL errors is returned, not raised.
    ``Response.extensions["wbmodel"]`` may hold, for the session's statistics and traces, any of ``attempts``,
    ``pauses``, ``bytes`` (received on the wire), ``sent`` (bytes), ``in_flight`` (requests under way at once so far, at
    most), ``status`` (of HTTP) and ``seconds`` (until the whole answer was there; a float, the others are integers).
    """

    @property
    def api_version(self) -> int:
        """The version of this contract that the author wrote against, a literal in the author's code."""
        ...

    @property
    def name(self) -> str:
        """The backend's registered name, used in messages."""
        ...

    @property
    def origin(self) -> str:
        """The identity of host and account, without secrets; "" when the session's URL says it all."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this backend promises."""
        ...

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer one request within ``timeout`` seconds (None: no limit)."""
        ...

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        """The twin of :meth:`execute`."""
        ...

    def execute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """Answer several requests, in order; mutations among them are carried out in that order. All or nothing: an
        error raises and no partial result is given."""
        ...

    async def aexecute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """The twin of :meth:`execute_many`."""
        ...

    def submit(self, request: Request, *, timeout: float | None = None) -> Future[Response]:
        """Start one request and return at once. Called only where ``capabilities.concurrent``."""
        ...

    def read(self, run: str, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """Column batches of the stream that ``spec`` names, of the run whose node id is ``run``, in step order."""
        ...

    def aread(self, run: str, spec: ReadSpec) -> AsyncIterator[ColumnBatch]:
        """The twin of :meth:`read`."""
        ...

    def append(self, run: str, stream: Stream, offset: int, rows: Sequence[Mapping[str, Any]]) -> int:
        """Write ``rows`` at row ``offset`` of a stream and return the offset after them; harmless when repeated."""
        ...

    async def aappend(self, run: str, stream: Stream, offset: int, rows: Sequence[Mapping[str, Any]]) -> int:
        """The twin of :meth:`append`."""
        ...

    def open(self, ref: BlobRef) -> Iterator[bytes]:
        """The bytes that ``ref`` names, in chunks of the backend's choosing."""
        ...

    def aopen(self, ref: BlobRef) -> AsyncIterator[bytes]:
        """The twin of :meth:`open`."""
        ...

    def put(self, ref: BlobRef, chunks: Iterable[bytes]) -> None:
        """Store ``chunks`` under ``ref``: all of them, or nothing."""
        ...

    async def aput(self, ref: BlobRef, chunks: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        """The twin of :meth:`put`."""
        ...

    def close(self) -> None:
        """Give back what was opened. May be called twice."""
        ...

    async def aclose(self) -> None:
        """The twin of :meth:`close`."""
        ...


class _Base:
    """What both base classes share: identity and the refusal of doors that an author did not write."""

    # No default for api_version: inherited from here it would always agree with the installed wbmodel,
    # and the check would say nothing about what the author wrote against.
    api_version: int
    name: str = ""
    origin: str = ""

    if TYPE_CHECKING:  # an author may give a class attribute, an instance attribute or a property

        @property
        def capabilities(self) -> Capabilities: ...

    else:
        capabilities = Capabilities()

    def _refuse(self, door: str, capability: str) -> NoReturn:
        label = self.name or type(self).__name__
        raise NotSupported(
            f"the backend {label!r} has no {door}() (its capability {capability!r} is off); "
            "ask with documents (session.execute, querysets) or connect to a backend that has it"
        )

    def __repr__(self) -> str:
        try:
            place = self.origin or self.name
        except Exception:  # a property of an author's, and ``__init__`` has failed: a debugger shows those too
            place = self.name
        return f"<{type(self).__name__} {place!r}>"


class SyncBackend(_Base):
    """A backend whose author writes ``execute`` (and, where the capability says so, the other doors).

    ``blocking`` says whether ``execute`` waits for something outside the process: then the twins run it in a thread,
    so that the event loop goes on; otherwise they call it in place, which costs less than a thread does.
    """

    blocking: ClassVar[bool] = False

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer one request. The one method an author must write."""
        raise NotImplementedError(f"{type(self).__name__} must define execute(request, *, timeout=None)")

    def execute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """A loop over ``execute``; with ``capabilities.concurrent``, a few threads."""
        if not self.capabilities.concurrent or len(requests) < 2:
            return [self.execute(request, timeout=timeout) for request in requests]
        futures = [self.submit(request, timeout=timeout) for request in requests]
        from concurrent.futures import CancelledError

        try:
            return [future.result() for future in futures]
        except CancelledError:
            raise ConfigurationError(f"{self.name} was closed while a request was under way") from None
        finally:
            for future in futures:
                future.cancel()

    def submit(self, request: Request, *, timeout: float | None = None) -> Future[Response]:
        """``execute`` on a thread of a small pool that :meth:`close` gives back."""
        return self._threads().submit(self.execute, request, timeout=timeout)

    def read(self, run: str, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """Refused, until an author writes it and sets the capability ``columns``."""
        self._refuse("read", "columns")

    def append(self, run: str, stream: Stream, offset: int, rows: Sequence[Mapping[str, Any]]) -> int:
        """Refused, until an author writes it and sets the capability ``append``."""
        self._refuse("append", "append")

    def open(self, ref: BlobRef) -> Iterator[bytes]:
        """Refused, until an author writes it and sets the capability ``blobs``."""
        self._refuse("open", "blobs")

    def put(self, ref: BlobRef, chunks: Iterable[bytes]) -> None:
        """Refused, until an author writes it and sets the capability ``blobs``."""
        self._refuse("put", "blobs")

    def close(self) -> None:
        """Stop the thread pool, if there is one. An author who extends this calls ``super().close()``."""
        with _pool_lock:
            owner, pool = self.__dict__.pop("_pool", (None, None))
        if pool is not None and owner == os.getpid():
            pool.shutdown(wait=False, cancel_futures=True)

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        """``execute``, in place or in a thread as ``blocking`` says."""
        return await self._call(functools.partial(self.execute, request, timeout=timeout))

    async def aexecute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """``execute_many``, in place or in a thread."""
        return await self._call(functools.partial(self.execute_many, requests, timeout=timeout))

    def aread(self, run: str, spec: ReadSpec) -> AsyncIterator[ColumnBatch]:
        """``read``, step by step."""
        return self._steps(functools.partial(self.read, run, spec))

    async def aappend(self, run: str, stream: Stream, offset: int, rows: Sequence[Mapping[str, Any]]) -> int:
        """``append``, in place or in a thread."""
        return await self._call(functools.partial(self.append, run, stream, offset, rows))

    def aopen(self, ref: BlobRef) -> AsyncIterator[bytes]:
        """``open``, step by step."""
        return self._steps(functools.partial(self.open, ref))

    async def aput(self, ref: BlobRef, chunks: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        """``put``. Chunks that arrive asynchronously are held in memory until the last one is there."""
        if isinstance(chunks, AsyncIterable):
            chunks = [chunk async for chunk in chunks]
        await self._call(functools.partial(self.put, ref, chunks))

    async def aclose(self) -> None:
        """``close``, in place or in a thread."""
        await self._call(self.close)

    async def _call(self, function: Callable[[], T]) -> T:
        if not self.blocking:
            return function()
        import asyncio

        return await asyncio.to_thread(function)

    async def _steps(self, start: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        source = iter(await self._call(start))
        try:
            while (item := await self._call(functools.partial(next, source, _END))) is not _END:
                yield item
        finally:
            if inspect.isgenerator(source):
                source.close()

    def _threads(self) -> ThreadPoolExecutor:
        with _pool_lock:
            owner, pool = self.__dict__.get("_pool", (None, None))
            if pool is None or owner != os.getpid():  # a pool's threads do not live on in a forked child
                from concurrent.futures import ThreadPoolExecutor

                pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"wbmodel {self.name}")
                self.__dict__["_pool"] = (os.getpid(), pool)
            return pool  # type: ignore[no-any-return]


_pool_lock = forks.lock()


def _on_owner_loop(method: Callable[..., Any]) -> Callable[..., Any]:
    """Route an asynchronous method of an :class:`AsyncBackend` to its owner loop, with the deadline it was given."""
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        def stepwise(self: AsyncBackend, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            source = method(self, *args, **kwargs)
            return source if self.owner_loop.inside else self.owner_loop.aiterate(source)

        return stepwise

    @functools.wraps(method)
    async def routed(self: AsyncBackend, *args: Any, **kwargs: Any) -> Any:
        owner = self.owner_loop
        if owner.inside:  # a call by the author's own code: the outer call keeps the deadline
            return await method(self, *args, **kwargs)
        return await owner.arun(_within(functools.partial(method, self, *args, **kwargs), kwargs.get("timeout"), self))

    return routed


async def _within(start: Callable[[], Coroutine[Any, Any, T]], timeout: float | None, backend: _Base) -> T:
    if timeout is None:
        return await start()
    import asyncio

    try:
        # A second more than was asked for: an author who keeps the deadline names the operation, and on a busy machine
        # this guard would otherwise be first.
        return await asyncio.wait_for(start(), timeout + 1)
    except RequestTimeout:
        raise
    except asyncio.TimeoutError:
        place = backend.origin or backend.name or type(backend).__name__
        raise RequestTimeout(
            f"{place} gave no answer within {timeout:g} s; give more time with connect(..., timeout=seconds)"
        ) from None


async def _silent(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """For what may be given up: an error of a task whose future was cancelled is nobody's concern, and asyncio would
    log it. Who still holds the future is told all the same."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    return await start()


class AsyncBackend(_Base):
    """A backend whose author writes ``aexecute`` (and, where the capability says so, the other ``a...`` doors).

    The author's coroutines always run on one event loop, on a thread that this backend owns (:attr:`owner_loop`),
    whoever calls: sync code, a notebook's running loop, or several loops at once. Subclassing does this for
    ``aexecute``, ``aexecute_many``, ``aread``, ``aappend``, ``aopen`` and ``aput``. Make clients and locks lazily,
    inside them; give clients back in :meth:`release`.
    """

    _DOORS: ClassVar[tuple[str, ...]] = ("aexecute", "aexecute_many", "aread", "aappend", "aopen", "aput")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for door in cls._DOORS:
            if door in cls.__dict__:
                setattr(cls, door, _on_owner_loop(cls.__dict__[door]))

    @property
    def owner_loop(self) -> OwnerLoop:
        """The loop that this backend's coroutines run on; its thread starts with the first call."""
        found = self.__dict__.get("_owner_loop")
        if isinstance(found, OwnerLoop):
            return found
        fresh = OwnerLoop(self.name or type(self).__name__, self.forked)
        kept: OwnerLoop = self.__dict__.setdefault("_owner_loop", fresh)  # atomic: two threads get one loop
        return kept

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer one request. The one method an author must write."""
        raise NotImplementedError(f"{type(self).__name__} must define async aexecute(request, *, timeout=None)")

    @_on_owner_loop
    async def aexecute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """Side by side where ``capabilities.concurrent``, else in turn; the first error cancels the rest."""
        if not self.capabilities.concurrent:
            return [await self.aexecute(request, timeout=timeout) for request in requests]
        import asyncio

        tasks = [asyncio.ensure_future(self.aexecute(request, timeout=timeout)) for request in requests]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def aread(self, run: str, spec: ReadSpec) -> AsyncIterator[ColumnBatch]:
        """Refused, until an author writes it and sets the capability ``columns``."""
        self._refuse("read", "columns")
        yield  # pragma: no cover - makes this an asynchronous generator, as the author's version is

    async def aappend(self, run: str, stream: Stream, offset: int, rows: Sequence[Mapping[str, Any]]) -> int:
        """Refused, until an author writes it and sets the capability ``append``."""
        self._refuse("append", "append")

    async def aopen(self, ref: BlobRef) -> AsyncIterator[bytes]:
        """Refused, until an author writes it and sets the capability ``blobs``."""
        self._refuse("open", "blobs")
        yield  # pragma: no cover - as in aread

    async def aput(self, ref: BlobRef, chunks: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        """Refused, until an author writes it and sets the capability ``blobs``."""
        self._refuse("put", "blobs")

    async def release(self) -> None:
        """Give back clients and sockets. Runs on the owner loop, once, when the backend is closed. Override freely."""

    def forked(self) -> None:
        """Forget, without closing, what the parent process owns. Called once in a forked child. Override freely."""

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        """``aexecute`` on the owner loop while the caller blocks. Ctrl-C cancels it."""
        return self.owner_loop.run(_within(functools.partial(self.aexecute, request, timeout=timeout), timeout, self))

    def execute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """``aexecute_many`` on the owner loop while the caller blocks."""
        return self.owner_loop.run(
            _within(functools.partial(self.aexecute_many, requests, timeout=timeout), timeout, self)
        )

    def submit(self, request: Request, *, timeout: float | None = None) -> Future[Response]:
        """Start ``aexecute`` on the owner loop and return at once."""
        execute = functools.partial(self.aexecute, request, timeout=timeout)
        return self.owner_loop.submit(_silent(functools.partial(_within, execute, timeout, self)))

    def read(self, run: str, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """``aread``, step by step."""
        return self.owner_loop.iterate(self.aread(run, spec))

    def append(self, run: str, stream: Stream, offset: int, rows: Sequence[Mapping[str, Any]]) -> int:
        """``aappend`` on the owner loop while the caller blocks."""
        return self.owner_loop.run(self.aappend(run, stream, offset, rows))

    def open(self, ref: BlobRef) -> Iterator[bytes]:
        """``aopen``, step by step."""
        return self.owner_loop.iterate(self.aopen(ref))

    def put(self, ref: BlobRef, chunks: Iterable[bytes]) -> None:
        """``aput`` on the owner loop while the caller blocks."""
        self.owner_loop.run(self.aput(ref, chunks))

    def close(self) -> None:
        """:meth:`release`, then stop the owner loop. A later call starts a new one."""
        if self.owner_loop.running:
            try:
                self.owner_loop.run(self.release())
            finally:
                self.owner_loop.stop()

    async def aclose(self) -> None:
        """The twin of :meth:`close`."""
        if self.owner_loop.running:
            try:
                await self.owner_loop.arun(self.release())
            finally:
                import asyncio

                await asyncio.to_thread(self.owner_loop.stop)
