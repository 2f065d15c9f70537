"""Per-session request statistics."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs

from wbmodel import forks
from wbmodel.backend.asks import Response
from wbmodel.errors import ServerError
from wbmodel.safe_text import counted, readable

if TYPE_CHECKING:
    from wbmodel.session.observers import Call, Ended, Outcome

__all__ = ["Measuring", "SessionStats"]


@attrs.define(slots=True, eq=False)
class SessionStats:
    """Counts for a session since it was created, or for a block: ``with session.stats.measuring() as used: ...``.

    ``requests`` went to the backend in ``round_trips`` calls (a batch is one call), ``errors`` of which failed.
    ``retries``, ``pauses`` (waits that the server asked for), ``bytes`` (received on the wire) and ``sent`` (bytes)
    come from the backend's ``Response.note``, and are 0 if it does not say. ``bytes`` includes streams of bytes, and
    ``retries`` includes those of failed calls. ``peak_in_flight`` is the largest number of requests in flight at once,
    over all threads and tasks. Requests that were given up (cancelled, or read ahead and not used) do not count as
    errors.
    """

    requests: int = 0
    round_trips: int = 0
    errors: int = 0
    retries: int = 0
    pauses: int = 0
    bytes: int = 0
    sent: int = 0
    peak_in_flight: int = 0
    # Shared with the measuring blocks: a request must be counted in all of them under one lock.
    _lock: threading.Lock = attrs.field(factory=forks.lock, init=False, repr=False)
    # This object and the blocks that are measuring now.
    _all: tuple[SessionStats, ...] = attrs.field(default=(), init=False, repr=False)
    _in_flight: int = attrs.field(default=0, init=False, repr=False)
    # The peak of calls in flight here, and the peak of requests that the backend reports, if it does.
    _most: int = attrs.field(default=0, init=False, repr=False)
    _noted: int = attrs.field(default=0, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._all = (self,)

    def snapshot(self) -> SessionStats:
        """A consistent copy of the counts that no longer changes."""
        with self._lock:
            return SessionStats(**self._counts())

    def as_dict(self) -> dict[str, int]:
        """A consistent snapshot of the counts, by name."""
        with self._lock:
            return self._counts()

    def measuring(self) -> Measuring:
        """A block, for ``with`` and ``async with``, with its own counts: the requests that this session sends, from any
        thread or task, while the block runs. The counts stop changing when the block ends."""
        return Measuring(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionStats) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __str__(self) -> str:
        now = self.as_dict()
        parts = [f"{counted(now['requests'], 'request')} in {counted(now['round_trips'], 'round trip')}"]
        parts += [counted(now[name], name.removesuffix("s")) for name in ("errors", "pauses") if now[name]]
        if now["retries"]:
            parts.append("1 retry" if now["retries"] == 1 else f"{now['retries']:,} retries")
        parts += [f"{readable(now[name])} {label}" for name, label in _SIZES if now[name]]
        if now["peak_in_flight"] > 1:
            parts.append(f"{now['peak_in_flight']:,} at once at most")
        return ", ".join(parts)

    # -- as an observer ----------------------------------------------------------------------------

    def observe(self, call: Call) -> Ended:
        """Count a call that goes out. The function returned counts its outcome."""
        asks = len(call.asks)
        at_once = asks if asks == 1 or call.session.capabilities.concurrent else 1
        with self._lock:
            for counts in self._all:
                counts.requests += asks
                counts.round_trips += 1
                counts._in_flight += at_once
                if counts._in_flight > counts._most:
                    counts._most = counts._in_flight
                    counts._peak()
        return lambda outcome: self._ended(outcome, at_once)

    def _ended(self, outcome: Outcome, at_once: int) -> None:
        error = outcome.error
        notes = [answer.note for answer in outcome.answers or () if isinstance(answer, Response) and answer.note]
        repeats = max(0, error.attempts - 1) if isinstance(error, ServerError) else 0
        with self._lock:
            for counts in self._all:
                counts._in_flight -= at_once
                counts.retries += repeats
                # Anything else means that the call was given up.
                counts.errors += isinstance(error, Exception)
                counts.bytes += outcome.bytes or 0
                for note in notes:
                    counts.retries += max(0, note.attempts - 1)
                    counts.pauses += note.pauses
                    counts.bytes += note.received or 0
                    counts.sent += note.sent or 0
                    counts._noted = max(counts._noted, note.in_flight or 0)
                if notes:
                    counts._peak()

    def _peak(self) -> None:
        # Calls in flight here may be queued in the backend, and the backend's peak covers its whole life. Each is an
        # upper bound.
        self.peak_in_flight = min(self._most, self._noted) if self._noted else self._most

    def _counts(self) -> dict[str, int]:
        return {item.name: getattr(self, item.name) for item in attrs.fields(SessionStats) if item.init}

    def _open(self) -> SessionStats:
        block = SessionStats()
        with self._lock:
            block._lock = self._lock
            # Calls that are in flight now will be subtracted when they end.
            block._in_flight = self._in_flight
            self._all = (*self._all, block)
        return block

    def _close(self, block: SessionStats) -> None:
        with self._lock:
            self._all = tuple(known for known in self._all if known is not block)


class Measuring:
    """The block of :meth:`SessionStats.measuring`."""

    def __init__(self, stats: SessionStats) -> None:
        self._stats = stats
        self._open: list[SessionStats] = []

    def __enter__(self) -> SessionStats:
        block = self._stats._open()
        self._open.append(block)
        return block

    def __exit__(self, *exc: object) -> None:
        self._stats._close(self._open.pop())

    async def __aenter__(self) -> SessionStats:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__()


_SIZES = (("bytes", "received"), ("sent", "sent"))
