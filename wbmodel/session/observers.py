"""Who is told of what goes to a backend, and of what came of it: statistics, counts, traces and spans are observers.

An observer is called on whichever thread asks, just before the call goes out; what it returns is called once, with the
:class:`Outcome`. Answers that a wrapper gives by itself are not seen, and what one splits or sends again is seen as it
goes out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from wbmodel import forks
from wbmodel.backend.asks import Ask

if TYPE_CHECKING:
    from wbmodel.backend import Capabilities
    from wbmodel.hookspecs import CallInfo
    from wbmodel.session.settings import Settings

__all__ = ["Call", "Ended", "Observed", "Observer", "Outcome", "add", "observing", "remove", "told"]


class Observed(Protocol):
    """What an observer may look at of a session."""

    @property
    def url(self) -> str: ...
    @property
    def call_info(self) -> CallInfo: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def settings(self) -> Settings: ...


@attrs.frozen(slots=True)
class Call:
    """One call to the backend of ``session``. ``asks`` are several for a batch of requests, else one."""

    session: Observed
    asks: Sequence[Ask]


@attrs.frozen(slots=True)
class Outcome:
    """What came of a call: the ``answers`` in the order of the asks, or the ``error``. An error that is no
    ``Exception`` (a cancellation, a closed operation) says that nobody waits any more. Of a stream there are no
    answers, but the ``rows`` (of columns) and ``bytes`` that were taken from it."""

    answers: Sequence[Any] | None
    error: BaseException | None = None
    rows: int | None = None
    bytes: int | None = None


Ended = Callable[[Outcome], object]
Observer = Callable[[Call], "Ended | None"]

_lock = forks.lock()
_observers: tuple[Observer, ...] = ()


def add(observer: Observer) -> None:
    """Have ``observer`` told of every call of any session from now on."""
    global _observers
    with _lock:
        _observers = (*_observers, observer)


def remove(observer: Observer) -> None:
    """Undo :func:`add`."""
    global _observers
    with _lock:
        kept = list(_observers)
        kept.remove(observer)
        _observers = tuple(kept)


@contextlib.contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """A block in which ``observer`` is told of every call of any session."""
    add(observer)
    try:
        yield
    finally:
        remove(observer)


def told(call: Call, own: Sequence[Observer]) -> Ended:
    """Tell ``own`` observers and those of all sessions; what is returned tells them of the outcome."""
    ends = [ended for observer in (*own, *_observers) if (ended := observer(call)) is not None]
    if len(ends) == 1:
        return ends[0]

    def end(outcome: Outcome) -> None:
        for each in ends:
            each(outcome)

    return end
