"""One event loop on one thread of its own, to which sync callers and other event loops hand coroutines.

An asynchronous client (an aiohttp session, say) belongs to the loop that made it and fails on any other.
An :class:`OwnerLoop` is that one loop: it starts when first needed, survives a fork by starting anew in the
child, and stops at exit or on :meth:`OwnerLoop.stop`.
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

    ``name`` is used for the thread and in messages. ``forked`` is called once in a forked child, before
    anything else there, so that the owner can drop sockets that still belong to the parent; a bound method does not
    keep its object alive.
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
        # Whoever asks on a loop that is ending must not start another one by it.
        self._own: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        _alive.add(self)
        forks.renewing(self)

    @property
    def running(self) -> bool:
        """Whether the thread has been started and not been stopped."""
        return self._loop is not None

    @property
    def inside(self) -> bool:
        """Whether the calling code runs on this loop's own thread, be it one that is about to end."""
        return threading.current_thread() in self._own

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``coroutine`` on the loop; cancelling the future cancels it there."""
        import asyncio

        try:
            # Under the lock, so that what is handed over before stop() is seen, and cancelled, by it.
            with self._lock:
                return asyncio.run_coroutine_threadsafe(coroutine, self._started())
        except BaseException:
            coroutine.close()
            raise

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` on the loop and block until it is done.

        Works inside a running event loop too (which it blocks). Ctrl-C cancels the coroutine. Raises
        :class:`~wbmodel.errors.ConfigurationError` on the loop's own thread, where waiting would never end.
        """
        if self.inside:
            coroutine.close()
            raise ConfigurationError(
                f"a blocking call was made on the event loop thread of {self.name}, where it would wait for itself "
                "for ever; use the twin whose name starts with 'a' and await it"
            )
        return self._outcome(self.submit(coroutine))

    async def arun(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await ``coroutine`` on the loop, from whichever loop the caller runs on; cancellation is passed on."""
        if self.inside:
            return await coroutine
        import asyncio

        future = self.submit(coroutine)
        loop = self._loop
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # Cancelled by whoever awaits, or by stop(), of which the awaiting task knows nothing.
            task = asyncio.current_task()
            asked = getattr(task, "cancelling", int)()  # from Python 3.11 on
            if asked or (loop is not None and self._loop is loop):
                raise
            if _dies_now():
                await asyncio.get_running_loop().create_future()
            raise self._closed() from None

    def iterate(self, source: AsyncIterator[T]) -> LoopIterator[T]:
        """The items of ``source``, each made on the loop while the caller blocks."""
        return LoopIterator(self, source)

    async def aiterate(self, source: AsyncIterator[T]) -> AsyncIterator[T]:
        """The items of ``source``, each made on the loop, for a consumer on any loop."""
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
        """Have ``last`` run on the loop when it ends: on :meth:`stop`, at exit, or when nobody holds this object any
        more. It must not refer to this object, and may be called after what it gives back is gone. Call this on the
        loop."""
        self._last.append(last)

    def stop(self) -> None:
        """Cancel what still runs, stop the loop and join the thread. Does nothing when it is not running."""
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
            # A KeyboardInterrupt lands here, in the waiting thread: the work would go on unseen.
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
            # An owner that nobody refers to any more takes its thread with it.
            self._finalizer = weakref.finalize(self, loop.call_soon_threadsafe, loop.stop)
            self._finalizer.atexit = False
        return self._loop

    def after_fork(self) -> None:
        """The loop's thread is not in the child, which starts anew."""
        had_loop = self._loop is not None
        self._loop = self._thread = None
        self._own = weakref.WeakSet()
        if had_loop:
            self._finalizer.detach()
        forked = self._forked()
        if had_loop and forked is not None:
            forked()


class WaitedTooLong(Exception):
    """The wait for an item was given up. An error of its own: a source may raise a ``TimeoutError`` by itself, and in
    Python 3.10 that of asyncio is another class."""


async def within(item: Awaitable[T], seconds: float) -> T:
    """``item``, or :class:`WaitedTooLong` after ``seconds``."""
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
    """The items of ``source``, each made on ``loop`` while the caller blocks, :attr:`timeout` seconds at most (None: no
    limit). Raises :class:`WaitedTooLong` then."""

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
    # StopAsyncIteration cannot travel through a future, so the end is a value.
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
        # What fails from here on has been given up: nobody is left to be told.
        loop.set_exception_handler(lambda loop, context: None)
        loop.run_until_complete(asyncio.sleep(0))  # what was handed over last becomes a task here
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for leave in last:
            try:
                loop.run_until_complete(asyncio.wait_for(leave(), _STOP_SECONDS / 2))
            except Exception:  # nobody is left to be told, and the others want to leave too
                pass
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def _dies_now() -> bool:
    """Whether the calling thread is a daemon and the process ends: an error would be a traceback that nobody can do
    anything about, so whoever asks this waits for the end instead. (Threads that are no daemons are gone by then.)"""
    return _ending and threading.current_thread().daemon


def _stop_all() -> None:
    global _ending
    _ending = True
    for owner in list(_alive):
        owner.stop()


atexit.register(_stop_all)
