"""Who is told of each request that goes to a backend, or stands before it, and the counts that a session keeps."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from wbmodel import forks
from wbmodel.backend.asks import Request, Response
from wbmodel.errors import ServerError
from wbmodel.safe_text import counted, readable

if TYPE_CHECKING:
    from wbmodel.session.drive import NamedWrapper
    from wbmodel.session.session import Session

__all__ = [
    "Innermost",
    "Measuring",
    "Observer",
    "SessionStats",
    "innermost",
    "install",
    "notify",
    "observing",
    "remove",
    "within",
]

Observer = Callable[[Request, "Session"], None]
Innermost = Callable[["Session"], "NamedWrapper | None"]
"""Makes the wrapper of a session that stands next to its backend, or says that it wants none."""

_lock = forks.lock()
_observers: tuple[Observer, ...] = ()
_innermost: tuple[Innermost, ...] = ()


@contextlib.contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Call ``observer(request, session)`` before each request of any session goes to its backend.

    It is called on whichever thread sends the request. Answers that a wrapper gives by itself are not seen.
    """
    global _observers
    with _lock:
        _observers = (*_observers, observer)
    try:
        yield
    finally:
        with _lock:
            kept = list(_observers)
            kept.remove(observer)
            _observers = tuple(kept)


def notify(requests: Sequence[Request], session: Session) -> None:
    """Tell every observer of ``requests``, which are about to be sent."""
    for observer in _observers:
        for request in requests:
            observer(request, session)


def innermost() -> tuple[Innermost, ...]:
    """What is installed for all sessions: the same object until that changes."""
    return _innermost


def install(wrapper: Innermost) -> None:
    """Put ``wrapper`` between every session's own wrappers and its backend, from each session's next request on."""
    global _innermost
    with _lock:
        _innermost = (*_innermost, wrapper)


def remove(wrapper: Innermost) -> None:
    """Undo :func:`install`."""
    global _innermost
    with _lock:
        kept = list(_innermost)
        kept.remove(wrapper)
        _innermost = tuple(kept)


@contextlib.contextmanager
def within(wrapper: Innermost) -> Iterator[None]:
    """A block in which ``wrapper`` is installed."""
    install(wrapper)
    try:
        yield
    finally:
        remove(wrapper)


@attrs.define(slots=True, eq=False)
class SessionStats:
    """Counts of a session since it was made, or of a block: ``with session.stats.measuring() as used: ...``.

    ``requests`` went to the backend, in ``round_trips`` calls (a batch is one); ``errors`` of the calls failed.
    ``retries``, ``pauses`` (waits that the server asked for), ``bytes`` (received on the wire) and ``sent`` (bytes) are
    what the backend says in ``Response.extensions["wbmodel"]``, and 0 where it says nothing; ``retries`` counts the
    repeats of failed calls too. ``peak_in_flight`` is how many requests were under way at once, at most, from all
    threads and tasks. Requests that were given up (cancelled, read ahead and not wanted) are no errors.
    """

    requests: int = 0
    round_trips: int = 0
    errors: int = 0
    retries: int = 0
    pauses: int = 0
    bytes: int = 0
    sent: int = 0
    peak_in_flight: int = 0
    # Shared with the blocks that measure, as one lock must hold while a request is counted in all of them.
    _lock: threading.Lock = attrs.field(factory=forks.lock, init=False, repr=False)
    # This one, and the blocks that measure now.
    _all: tuple[SessionStats, ...] = attrs.field(default=(), init=False, repr=False)
    _in_flight: int = attrs.field(default=0, init=False, repr=False)
    # The most calls under way here, and the most requests that the backend has sent at once, where it says so.
    _most: int = attrs.field(default=0, init=False, repr=False)
    _noted: int = attrs.field(default=0, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._all = (self,)

    def snapshot(self) -> SessionStats:
        """A copy of the counts that does not change any more, all of one moment."""
        with self._lock:
            return SessionStats(**self._counts())

    def as_dict(self) -> dict[str, int]:
        """The counts by name, all of one moment."""
        with self._lock:
            return self._counts()

    def measuring(self) -> Measuring:
        """A block, for ``with`` and ``async with``, that gives counts of its own: those of the requests that this
        session sends, from any thread or task, while the block runs. After it they stay as they are."""
        return Measuring(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionStats) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # it changes

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

    # -- what a session tells ----------------------------------------------------------------------

    def count_sending(self, requests: int, at_once: int) -> None:
        """Count a call that goes out with ``requests``, of which the backend sends ``at_once`` together."""
        with self._lock:
            for counts in self._all:
                counts.requests += requests
                counts.round_trips += 1
                counts._in_flight += at_once
                if counts._in_flight > counts._most:
                    counts._most = counts._in_flight
                    counts._peak()

    def count_received(self, responses: Sequence[Response], at_once: int) -> None:
        """Count what came in, and that the call which sent ``at_once`` is over."""
        found = [response.extensions.get("wbmodel") for response in responses if response.extensions]
        notes = [note for note in found if isinstance(note, dict)]
        with self._lock:
            for counts in self._all:
                counts._in_flight -= at_once
                if not notes:
                    continue
                for note in notes:
                    counts.retries += max(0, int(note.get("attempts", 1)) - 1)
                    counts.pauses += int(note.get("pauses", 0))
                    counts.bytes += int(note.get("bytes", 0))
                    counts.sent += int(note.get("sent", 0))
                    counts._noted = max(counts._noted, int(note.get("in_flight", 0)))
                counts._peak()

    def count_failed(self, error: BaseException, at_once: int) -> None:
        """Count that the call which sent ``at_once`` raised. What is no ``Exception`` says that it was given up."""
        repeats = max(0, error.attempts - 1) if isinstance(error, ServerError) else 0
        with self._lock:
            for counts in self._all:
                counts._in_flight -= at_once
                counts.retries += repeats
                counts.errors += isinstance(error, Exception)

    def _peak(self) -> None:
        # What is under way here may wait in the backend for its turn, and the backend's own count is of all its life;
        # each is a bound.
        self.peak_in_flight = min(self._most, self._noted) if self._noted else self._most

    def _counts(self) -> dict[str, int]:
        return {item.name: getattr(self, item.name) for item in attrs.fields(SessionStats) if item.init}

    def _open(self) -> SessionStats:
        block = SessionStats()
        with self._lock:
            block._lock = self._lock
            # What is under way by now is over within the block, or beside it.
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
