"""One limiter per host: how many requests run at once, and pauses that the server asks for.

All sessions of a process that ask one host share its limiter, whatever threads and event loops they run on.
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
"""Requests to one host at once, unless ``connect(..., concurrency=)`` says otherwise."""

_log = get_logger("wbmodel.live")


class TooLong(Exception):
    """The host is paused for longer than the caller can wait. ``seconds`` is how long from now."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"paused for {seconds:.1f} s more")
        self.seconds = seconds


@attrs.define(slots=True)
class Slot:
    """What a request met on its way to being sent: how many pauses it sat through."""

    pauses: int = 0


class HostLimiter:
    """At most ``limit`` requests at once, none while the host is paused. Usable from any thread and event loop."""

    def __init__(self, host: str, limit: int = CONCURRENCY) -> None:
        self.host = host
        self.limit = limit
        self._lock = forks.lock()
        self._active = 0
        self._paused_until = 0.0
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    @property
    def active(self) -> int:
        """How many requests run now."""
        return self._active

    @asynccontextmanager
    async def slot(self, deadline: float) -> AsyncIterator[Slot]:
        """A block in which one request may run. ``deadline`` is a time of ``time.monotonic``.

        Raises :class:`TooLong` at once when the host is paused beyond it, and ``TimeoutError`` when no place became
        free before it.
        """
        slot = Slot()
        await self._enter(deadline, slot)
        try:
            yield slot
        finally:
            self._leave()

    def pause(self, seconds: float, why: str) -> None:
        """Let nothing out for so many seconds. One log line per pause: one that is asked for while another lasts
        only makes it longer."""
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
                # Who was called and does not go in lets the next one know.
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
                    self._call_next()  # it was called at the same moment
            raise

    def _leave(self) -> None:
        with self._lock:
            self._active -= 1
            self._call_next()

    def _call_next(self) -> None:
        """Wake whoever waits longest; it looks for itself whether there is room. Called with the lock held."""
        while self._waiting:
            loop, place = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(_wake, place)
            except RuntimeError:  # its loop is closed, so nobody waits there any more
                continue
            return


def _wake(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)


# A limiter lives as long as a session to its host: what a server asked for is not held against whatever answers at
# that address after all sessions to it were closed.
_limiters: WeakValueDictionary[str, HostLimiter] = WeakValueDictionary()
_registry_lock = forks.lock()


def limiter_for(host: str, limit: int | None = None) -> HostLimiter:
    """The limiter of ``host`` (``"https://api.wandb.ai"``), made when it is first asked for. ``limit``, where it is
    given, holds for all who share it from now on."""
    with _registry_lock:
        found = _limiters.get(host)
        if found is None:
            found = _limiters[host] = HostLimiter(host, limit or CONCURRENCY)
        elif limit is not None:
            found.limit = limit
        return found


forks.in_child(_limiters.clear)  # what is active and who waits is the parent's
