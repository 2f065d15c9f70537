"""Who is told of each request that goes to a backend, and the counts that a session keeps of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from wbmodel.request import Request, Response

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = ["Observer", "SessionStats", "notify", "observing"]

Observer = Callable[[Request, "Session"], None]

_lock = threading.Lock()
_observers: tuple[Observer, ...] = ()


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


@attrs.define(slots=True)
class SessionStats:
    """Counts since the session was made. ``round_trips`` counts a batch once; ``retries`` and ``bytes`` (received)
    are what the backend says in ``Response.extensions["wbmodel"]``."""

    requests: int = 0
    round_trips: int = 0
    errors: int = 0
    retries: int = 0
    bytes: int = 0
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False, eq=False)

    def sent(self, requests: Sequence[Request]) -> None:
        """Count what goes out."""
        with self._lock:
            self.requests += len(requests)
            self.round_trips += 1

    def received(self, responses: Sequence[Response]) -> None:
        """Count what came in."""
        notes = [response.extensions.get("wbmodel") for response in responses if response.extensions]
        for note in notes:
            if isinstance(note, dict):
                with self._lock:
                    self.retries += max(0, int(note.get("attempts", 1)) - 1)
                    self.bytes += int(note.get("bytes", 0))

    def failed(self) -> None:
        """Count a call to the backend that raised."""
        with self._lock:
            self.errors += 1
