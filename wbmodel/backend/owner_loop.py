"""An event loop on its own thread, to which sync callers and other event loops submit coroutines.

An asynchronous client (an aiohttp session, say) belongs to the loop that created it and fails on any other. An
:class:`OwnerLoop` is that loop: it starts on first use, restarts in a forked child, and stops at exit or on
:meth:`OwnerLoop.stop`.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeVar

from wbmodel import forks
from wbmodel.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

__all__ = ["LoopIterator", "OwnerLoop", "WaitedTooLong", "within"]

T = TypeVar("T")
_STOP_SECONDS = 5.0
_END: Any = object()
_ending = False
_alive: weakref.WeakSet[OwnerLoop] = weakref.WeakSet()


class OwnerLoop:
    """A lazily started event loop thread.

    ``name`` names the thread and is used in messages. ``forked`` is called once in a forked child, before anything else
    there, so that the owner can drop sockets that belong to the parent; a bound method does not keep its object alive.
    """

    def __init__(self, name: str, forked: Callable[[], None] | None = None) -> None:
        self.name = name
        self._forked: Callable[[], Callable[[], None] | None] = (
            weakref.WeakMethod(forked) if isinstance(forked, MethodType) else lambda: forked
        )
        self._lock = forks.lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._last: list[Callable[[], Coroutine[Any, Any, Any]]] = []
        # All threads that ever ran this loop: code on a loop that is ending must not start another one.
        self._own: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        _alive.add(self)
        forks.renewing(self)

    @property
    def running(self) -> bool:
        """Whether the thread has been started and not stopped."""
        return self._loop is not None

    @property
    def inside(self) -> bool:
        """Whether the calling code runs on this loop's own thread, even one that is about to end."""
        return threading.current_thread() in self._own

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``coroutine`` on the loop. Cancelling the future cancels the coroutine."""
        import asyncio

        try:
            # Under the lock, so that stop() sees and cancels everything submitted before it.
            with self._lock:
                return asyncio.run_coroutine_threadsafe(coroutine, self._started())
        except BaseException:
            coroutine.close()
            raise

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` on the loop and block until it is done.

        Works inside a running event loop too (which it blocks). Ctrl-C cancels the coroutine. Raises
        :class:`~wbmodel.errors.ConfigurationError` on the loop's own thread, where it would deadlock.
        """
        if self.inside:
            coroutine.close()
            raise ConfigurationError(
                f"a blocking call was made on the event loop thread of {self.name}, where it would deadlock; "
                "await the twin whose name starts with 'a' instead"
            )
        return self._outcome(self.submit(coroutine))

    async def arun(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await ``coroutine`` on the loop from any other loop. Cancellation is passed on."""
        if self.inside:
            return await coroutine
        import asyncio

        future = self.submit(coroutine)
        loop = self._loop
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # Cancelled by the awaiting task, or by stop(), which the awaiting task knows nothing about.
            task = asyncio.current_task()
            asked = getattr(task, "cancelling", int)()  # from Python 3.11 on
            if asked or (loop is not None and self._loop is loop):
                raise
            if _dies_now():
                await asyncio.get_running_loop().create_future()
            raise self._closed() from None

    def iterate(self, source: AsyncIterator[T]) -> LoopIterator[T]:
        """The items of ``source``, each produced on the loop while the caller blocks."""
        return LoopIterator(self, source)

    async def aiterate(self, source: AsyncIterator[T]) -> AsyncIterator[T]:
        """The items of ``source``, each produced on the loop, for a consumer on any loop."""
        try:
            while True:
                item = await self.arun(_step(source))
                if item is _END:
                    return
                yield item
        finally:
            if isinstance(source, AsyncGenerator) and self.running:
                await self.arun(source.aclose())

    def at_end(self, last: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Register ``last`` to run on the loop when it ends: on :meth:`stop`, at exit, or when this object is garbage
        collected. ``last`` must not hold a reference to this object, and may run after its resources are freed. Call
        this on the loop."""
        self._last.append(last)

    def stop(self) -> None:
        """Cancel running tasks, stop the loop and join the thread. Does nothing if the loop is not running."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or not self._finalizer.detach():
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_STOP_SECONDS)

    def _outcome(self, future: Future[T]) -> T:
        from concurrent.futures import CancelledError

        try:
            return future.result()
        except CancelledError:
            if _dies_now():
                threading.Event().wait()
            raise self._closed() from None
        except BaseException:
            # A KeyboardInterrupt arrives here, in the waiting thread: without this, the work would continue.
            future.cancel()
            raise

    def _closed(self) -> ConfigurationError:
        return ConfigurationError(f"{self.name} was closed while a request was under way")

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            import asyncio

            loop = asyncio.new_event_loop()
            self._last = []
            self._thread = threading.Thread(
                target=_serve, args=(loop, self._last), name=f"{self.name} loop", daemon=True
            )
            self._own.add(self._thread)
            self._thread.start()
            self._loop = loop
            # Stops the thread when the owner is garbage collected.
            self._finalizer = weakref.finalize(self, loop.call_soon_threadsafe, loop.stop)
            self._finalizer.atexit = False
        return self._loop

    def after_fork(self) -> None:
        """Start over: the loop's thread does not exist in the child."""
        had_loop = self._loop is not None
        self._loop = self._thread = None
        self._own = weakref.WeakSet()
        if had_loop:
            self._finalizer.detach()
        forked = self._forked()
        if had_loop and forked is not None:
            forked()


class WaitedTooLong(Exception):
    """The wait for an item took too long. Not a ``TimeoutError``, because the source itself may raise one, and because
    asyncio has its own ``TimeoutError`` class in Python 3.10."""


async def within(item: Awaitable[T], seconds: float) -> T:
    """Await ``item``; raise :class:`WaitedTooLong` after ``seconds``."""
    import asyncio

    task = asyncio.ensure_future(item)
    try:
        await asyncio.wait((task,), timeout=seconds)
        if task.done():
            return task.result()
        raise WaitedTooLong
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class LoopIterator(Iterator[T]):
    """The items of ``source``, each produced on ``loop`` while the caller blocks for at most :attr:`timeout` seconds
    (None: no limit). Raises :class:`WaitedTooLong` on timeout."""

    def __init__(self, loop: OwnerLoop, source: AsyncIterator[T]) -> None:
        self._loop, self._source = loop, source
        self._over = False
        self.timeout: float | None = None

    def __next__(self) -> T:
        item = self._loop.run(_step(self._source, self.timeout))
        if item is _END:
            self._over = True
            raise StopIteration
        return item

    def close(self) -> None:
        """Close the source."""
        loop, source, over = self._loop, self._source, self._over
        self._over = True
        if not over and isinstance(source, AsyncGenerator) and loop.running and not loop.inside:
            loop.run(source.aclose())

    def __del__(self) -> None:
        self.close()


async def _step(source: AsyncIterator[T], timeout: float | None = None) -> T:
    # A future cannot carry StopAsyncIteration, so the end is marked by a value.
    try:
        return await (source.__anext__() if timeout is None else within(source.__anext__(), timeout))
    except StopAsyncIteration:
        return _END  # type: ignore[no-any-return]


def _serve(loop: asyncio.AbstractEventLoop, last: list[Callable[[], Coroutine[Any, Any, Any]]]) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        # Tasks that fail from here on have been given up, and no caller is left to get the error.
        loop.set_exception_handler(lambda loop, context: None)
        loop.run_until_complete(asyncio.sleep(0))  # turns the last submitted coroutines into tasks
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for leave in last:
            try:
                loop.run_until_complete(asyncio.wait_for(leave(), _STOP_SECONDS / 2))
            except Exception:  # no caller is left to get the error, and the other callbacks must run too
                pass
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def _dies_now() -> bool:
    """Whether the process is exiting and this is a daemon thread. The caller then waits for the end: an error would
    only print a traceback during exit. (Non-daemon threads have ended by then.)"""
    return _ending and threading.current_thread().daemon


def _stop_all() -> None:
    global _ending
    _ending = True
    for owner in list(_alive):
        owner.stop()


atexit.register(_stop_all)
