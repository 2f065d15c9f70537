"""The backend protocol, and two base classes that supply the missing colour (sync or async).

Every backend answers documents (``execute``). The other doors, of :mod:`wbmodel.backend.doors`, are optional: columns
(``read``, ``append``) and bytes (``open``, ``fetch``, ``put``). An author writes each method in one colour, plain in a
:class:`SyncBackend` or prefixed with ``a`` in an :class:`AsyncBackend`; the base class makes the other. Construction
does no I/O.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from wbmodel import forks
from wbmodel.backend.asks import DOOR_OF_ASK, FetchItem, Request, Response, subject_of
from wbmodel.backend.capabilities import Capabilities
from wbmodel.backend.doors import DOORS
from wbmodel.backend.fetching import afetch_by_open, fetch_by_open
from wbmodel.backend.owner_loop import OwnerLoop
from wbmodel.errors import ConfigurationError, RequestTimeout
from wbmodel.urls import without_account

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["API_VERSION", "AsyncBackend", "Backend", "SyncBackend"]

API_VERSION = 0
"""The version of the backend contract. It increases when existing backends would stop working; 0 means that the
contract may still change."""

REPLACED_VERSIONS = frozenset({1})
"""Versions that were published before this one and are no longer supported."""

T = TypeVar("T")
_THREADS = 8
_END: Any = object()


class Backend(Protocol):
    """The interface between a session and a backend. To write one, subclass :class:`SyncBackend` or
    :class:`AsyncBackend`.

    All methods are safe to call from any thread, and the ``a...`` twins from any event loop. Errors are
    :class:`~wbmodel.errors.WbmodelError`; an answer with GraphQL errors is returned, not raised. Facts about an answer
    go in its ``note``. The other doors are separate protocols (:mod:`wbmodel.backend.doors`): a backend has a door if
    its class has the methods.
    """

    @property
    def api_version(self) -> int:
        """The version of this contract that the backend was written against, as a literal in its code."""
        ...

    @property
    def name(self) -> str:
        """The backend's registered name, used in messages."""
        ...

    @property
    def origin(self) -> str:
        """The identity of host and account, without secrets; "" if the session's URL is enough."""
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
        """Answer several requests, in order; mutations among them are carried out in that order. All or nothing: if
        one fails, the error is raised and there is no partial result."""
        ...

    async def aexecute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """The twin of :meth:`execute_many`."""
        ...

    def submit(self, request: Request, *, timeout: float | None = None) -> Future[Response]:
        """Start one request and return at once. Called only if ``capabilities.concurrent``."""
        ...

    def close(self) -> None:
        """Release all resources. May be called twice."""
        ...

    async def aclose(self) -> None:
        """The twin of :meth:`close`."""
        ...


class _Base:
    """Identity, shared by both base classes."""

    # No default for api_version: an inherited one would always match the installed wbmodel, so the check could not tell
    # which version the author wrote against.
    api_version: int
    name: str = ""
    origin: str = ""

    if TYPE_CHECKING:  # may be a class attribute, an instance attribute or a property

        @property
        def capabilities(self) -> Capabilities: ...

    else:
        capabilities = Capabilities()

    def __repr__(self) -> str:
        try:
            place = self.origin or self.name
        except Exception:  # origin may be a property that fails on a half-built object; debuggers show those too
            place = self.name
        return f"<{type(self).__name__} {place!r}>"


def _author_wrote(cls: type, name: str) -> bool:
    """Whether ``name`` is a method that an author wrote, not a twin that a base class made."""
    return callable(found := getattr(cls, name, None)) and not hasattr(found, "made_of")


def _made_of(name: str, twin: Callable[..., Any]) -> Callable[..., Any]:
    twin.__name__ = twin.__qualname__ = f"twin of {name}"
    twin.made_of = name  # type: ignore[attr-defined]
    return twin


class SyncBackend(_Base):
    """Base class for a backend written in blocking code. Its author writes ``execute`` and the methods of the doors
    that it has: ``read``, ``append``, ``open``, ``fetch`` (if calling ``open`` for one file at a time is not good
    enough) and ``put``.

    ``blocking`` says whether ``execute`` waits for something outside the process. If so, the twins run it in a thread
    and keep the event loop free; otherwise they call it in place, which costs less than a thread.
    """

    blocking: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if _author_wrote(cls, "open") and not callable(getattr(cls, "fetch", None)):
            cls.fetch = _fetch  # type: ignore[attr-defined]
        for name in DOORS:
            if _author_wrote(cls, name) and not _author_wrote(cls, f"a{name}"):
                setattr(cls, f"a{name}", _steps_of(name) if name in _STREAMS else _call_of(name))

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer one request. The only method an author must write."""
        raise NotImplementedError(f"{type(self).__name__} must define execute(request, *, timeout=None)")

    def execute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """Loop over ``execute``, or use a few threads if ``capabilities.concurrent``."""
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
        """Run ``execute`` on a thread of a small pool that :meth:`close` shuts down."""
        return self._threads().submit(self.execute, request, timeout=timeout)

    def close(self) -> None:
        """Stop the thread pool, if there is one. Overrides must call ``super().close()``."""
        with _pool_lock:
            owner, pool = self.__dict__.pop("_pool", (None, None))
        if pool is not None and owner == os.getpid():
            pool.shutdown(wait=False, cancel_futures=True)

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Run ``execute`` in place, or in a thread if ``blocking``."""
        return await self._call(functools.partial(self.execute, request, timeout=timeout))

    async def aexecute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """Run ``execute_many`` in place, or in a thread if ``blocking``."""
        return await self._call(functools.partial(self.execute_many, requests, timeout=timeout))

    async def aclose(self) -> None:
        """Run ``close`` in place, or in a thread if ``blocking``."""
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
            if inspect.isgenerator(source) and not source.gi_running:  # else a thread is running it, and will end it
                source.close()

    def _threads(self) -> ThreadPoolExecutor:
        with _pool_lock:
            owner, pool = self.__dict__.get("_pool", (None, None))
            if pool is None or owner != os.getpid():  # a pool's threads do not survive a fork
                from concurrent.futures import ThreadPoolExecutor

                pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"wbmodel {self.name}")
                self.__dict__["_pool"] = (os.getpid(), pool)
            return pool  # type: ignore[no-any-return]


_pool_lock = forks.lock()
_STREAMS = ("read", "open", "fetch")


def _fetch(self: Any, items: Sequence[FetchItem], /) -> Iterator[Any]:
    """Fetch files by calling ``open`` for one at a time."""
    return fetch_by_open(self.open, items)


def _steps_of(name: str) -> Callable[..., Any]:
    """The async twin of a stream method of a :class:`SyncBackend`: step by step, in place or in a thread."""

    def twin(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        steps: AsyncIterator[Any] = self._steps(functools.partial(getattr(self, name), *args, **kwargs))
        return steps

    return _made_of(name, twin)


def _call_of(name: str) -> Callable[..., Any]:
    """The async twin of a method of a :class:`SyncBackend`: in place or in a thread."""

    async def twin(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._call(functools.partial(getattr(self, name), *args, **kwargs))

    return _made_of(name, twin)


def _on_owner_loop(method: Callable[..., Any]) -> Callable[..., Any]:
    """Route an asynchronous method of an :class:`AsyncBackend` to its owner loop, and enforce its timeout."""
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        def stepwise(self: AsyncBackend, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            source = method(self, *args, **kwargs)
            return source if self.owner_loop.inside else self.owner_loop.aiterate(source)

        return stepwise

    @functools.wraps(method)
    async def routed(self: AsyncBackend, *args: Any, **kwargs: Any) -> Any:
        owner = self.owner_loop
        if owner.inside:  # called by the author's own code: the outer call enforces the deadline
            return await method(self, *args, **kwargs)
        start = functools.partial(method, self, *args, **kwargs)
        return await owner.arun(_within(start, kwargs.get("timeout"), self, args[0] if args else None))

    return routed


async def _within(
    start: Callable[[], Coroutine[Any, Any, T]], timeout: float | None, backend: _Base, asked: Any = None
) -> T:
    if timeout is None:
        return await start()
    import asyncio

    try:
        # One second of grace: a backend that keeps the deadline itself raises a more specific error.
        return await asyncio.wait_for(start(), timeout + 1)
    except RequestTimeout:
        raise
    except asyncio.TimeoutError:
        place = without_account(backend.origin) or backend.name or type(backend).__name__
        first: Any = asked[0] if isinstance(asked, Sequence) and asked else asked
        subject = subject_of(first) if type(first) in DOOR_OF_ASK else None
        raise RequestTimeout(
            f"{place}{f' ({subject})' if subject else ''} did not answer within {timeout:g} s; "
            "allow more time with connect(..., timeout=seconds)",
            operation=subject,
        ) from None


async def _silent(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``start`` so that asyncio does not log its error if the future was cancelled. A caller that still holds the
    future gets the error."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    return await start()


async def _afetch(self: Any, items: Sequence[FetchItem], /) -> AsyncIterator[Any]:
    """Fetch files by calling ``aopen`` for several at once."""
    source = afetch_by_open(self.aopen, items)
    try:
        async for group in source:
            yield group
    finally:
        await source.aclose()


def _iterated(name: str) -> Callable[..., Any]:
    """The sync twin of a stream method of an :class:`AsyncBackend`: step by step on its owner loop."""

    def twin(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        steps: Iterator[Any] = self.owner_loop.iterate(getattr(self, f"a{name}")(*args, **kwargs))
        return steps

    return _made_of(f"a{name}", twin)


def _blocked(name: str) -> Callable[..., Any]:
    """The sync twin of a method of an :class:`AsyncBackend`: on its owner loop, while the caller blocks."""

    def twin(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = functools.partial(getattr(self, f"a{name}"), *args, **kwargs)
        return self.owner_loop.run(_within(start, kwargs.get("timeout"), self))

    return _made_of(f"a{name}", twin)


class AsyncBackend(_Base):
    """Base class for a backend written in asynchronous code. Its author writes ``aexecute`` and the methods of the
    doors that it has: ``aread``, ``aappend``, ``aopen``, ``afetch`` (if calling ``aopen`` for several files at once is
    not good enough) and ``aput``.

    The author's coroutines always run on one event loop, on a thread that the backend owns (:attr:`owner_loop`),
    whether the caller is sync code, a notebook's running loop, or several loops at once. Create clients and locks
    lazily, inside the coroutines; close clients in :meth:`release`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if _author_wrote(cls, "aopen") and not callable(getattr(cls, "afetch", None)):
            cls.afetch = _on_owner_loop(_afetch)  # type: ignore[attr-defined]
        for name in ("execute", "execute_many", *DOORS):
            written = cls.__dict__.get(f"a{name}")
            if written is not None and not hasattr(written, "made_of") and not hasattr(written, "__wrapped__"):
                setattr(cls, f"a{name}", _on_owner_loop(written))
        for name in DOORS:
            if callable(getattr(cls, f"a{name}", None)) and not _author_wrote(cls, name):
                setattr(cls, name, _iterated(name) if name in _STREAMS else _blocked(name))

    @property
    def owner_loop(self) -> OwnerLoop:
        """The event loop that this backend's coroutines run on; its thread starts with the first call."""
        found = self.__dict__.get("_owner_loop")
        if isinstance(found, OwnerLoop):
            return found
        fresh = OwnerLoop(self.name or type(self).__name__, self.forked)
        kept: OwnerLoop = self.__dict__.setdefault("_owner_loop", fresh)  # atomic: two threads get one loop
        return kept

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer one request. The only method an author must write."""
        raise NotImplementedError(f"{type(self).__name__} must define async aexecute(request, *, timeout=None)")

    @_on_owner_loop
    async def aexecute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """Answer concurrently if ``capabilities.concurrent``, else one by one; the first error cancels the rest."""
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

    async def release(self) -> None:
        """Close clients and sockets. Runs once on the owner loop when the backend is closed. Override freely."""

    def forked(self) -> None:
        """Drop, without closing, what the parent process owns. Called once in a forked child. Override freely."""

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Run ``aexecute`` on the owner loop while the caller blocks. Ctrl-C cancels it."""
        return self.owner_loop.run(
            _within(functools.partial(self.aexecute, request, timeout=timeout), timeout, self, request)
        )

    def execute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        """Run ``aexecute_many`` on the owner loop while the caller blocks."""
        return self.owner_loop.run(
            _within(functools.partial(self.aexecute_many, requests, timeout=timeout), timeout, self, requests)
        )

    def submit(self, request: Request, *, timeout: float | None = None) -> Future[Response]:
        """Start ``aexecute`` on the owner loop and return at once."""
        execute = functools.partial(self.aexecute, request, timeout=timeout)
        return self.owner_loop.submit(_silent(functools.partial(_within, execute, timeout, self, request)))

    def close(self) -> None:
        """Call :meth:`release`, then stop the owner loop. A later call starts a new one."""
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
