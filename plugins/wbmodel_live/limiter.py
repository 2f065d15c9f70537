"""One limiter per host: caps concurrent requests and holds the pauses that the server asks for.

All sessions in a process that use a host share its limiter, whatever threads and event loops they run on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import attrs

from wbmodel import forks
from wbmodel.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["CONCURRENCY", "HostLimiter", "Slot", "TooLong", "limiter_for"]

CONCURRENCY = 16
"""Maximum concurrent requests to one host, unless ``connect(..., concurrency=)`` says otherwise."""

_log = get_logger("wbmodel.live")


class TooLong(Exception):
    """The pause outlasts the caller's deadline. ``seconds`` is how much of it remains."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"paused for another {seconds:.1f} s")
        self.seconds = seconds


@attrs.define(slots=True)
class Slot:
    """A request's permission to run; ``pauses`` counts the pauses it waited through."""

    pauses: int = 0


class HostLimiter:
    """Allows ``limit`` requests at once, and none while the host is paused. Usable from any thread and event loop."""

    def __init__(self, host: str, limit: int = CONCURRENCY) -> None:
        self.host = host
        self.limit = limit
        self._lock = forks.lock()
        self._active = 0
        self._paused_until = 0.0
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    @property
    def active(self) -> int:
        """How many requests are running now."""
        return self._active

    @asynccontextmanager
    async def slot(self, deadline: float) -> AsyncIterator[Slot]:
        """A block in which one request may run. ``deadline`` is a ``time.monotonic`` time.

        Raises :class:`TooLong` at once if the host is paused beyond the deadline, and ``TimeoutError`` if no slot
        becomes free in time.
        """
        slot = Slot()
        await self._enter(deadline, slot)
        try:
            yield slot
        finally:
            self._leave()

    def pause(self, seconds: float, why: str) -> None:
        """Hold back all requests for ``seconds``. Logged once per pause: a pause that begins during another extends
        it."""
        now = time.monotonic()
        with self._lock:
            fresh = now >= self._paused_until
            self._paused_until = max(self._paused_until, now + seconds)
        if fresh:
            _log.warning("%s: pausing for %.1f s (%s)", self.host, seconds, why)

    async def _enter(self, deadline: float, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        called = False
        try:
            while True:
                now = time.monotonic()
                place: asyncio.Future[None] | None = None
                with self._lock:
                    pause = self._paused_until - now
                    if pause <= 0:
                        if self._active < self.limit:
                            self._active += 1
                            return
                        place = loop.create_future()
                        self._waiting.append((loop, place))
                if place is not None:
                    await self._wait(loop, place, deadline - now)
                    called = True
                elif now + pause >= deadline:
                    raise TooLong(pause)
                else:
                    slot.pauses += 1
                    await asyncio.sleep(pause)
        except BaseException:
            if called:
                # A waiter that was woken but gives up wakes the next one.
                with self._lock:
                    self._call_next()
            raise

    async def _wait(self, loop: asyncio.AbstractEventLoop, place: asyncio.Future[None], seconds: float) -> None:
        try:
            await asyncio.wait_for(place, seconds)
        except BaseException:
            with self._lock:
                try:
                    self._waiting.remove((loop, place))
                except ValueError:
                    self._call_next()  # it was woken at the same moment
            raise

    def _leave(self) -> None:
        with self._lock:
            self._active -= 1
            self._call_next()

    def _call_next(self) -> None:
        """Wake the longest waiter, which checks for itself whether a slot is free. Call with the lock held."""
        while self._waiting:
            loop, place = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(_wake, place)
            except RuntimeError:  # its event loop is closed, so nothing waits there any more
                continue
            return


def _wake(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)


# Weak values: a limiter lives as long as some session to its host, so a pause does not outlast the sessions it was for.
_limiters: WeakValueDictionary[str, HostLimiter] = WeakValueDictionary()
_registry_lock = forks.lock()


def limiter_for(host: str, limit: int | None = None) -> HostLimiter:
    """The limiter for ``host`` (``"https://api.wandb.ai"``), created on first use. A ``limit`` applies from now on to
    every session that shares the limiter."""
    with _registry_lock:
        found = _limiters.get(host)
        if found is None:
            found = _limiters[host] = HostLimiter(host, limit or CONCURRENCY)
        elif limit is not None:
            found.limit = limit
        return found


forks.in_child(_limiters.clear)  # active requests and waiters belong to the parent
