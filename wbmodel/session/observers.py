"""Observers of calls to a backend and their outcomes. Statistics, traces and spans are observers.

An observer is called on the calling thread just before the call goes out; the function it returns is called once, with
the :class:`Outcome`. Observers do not see answers that a wrapper gives by itself; requests that a wrapper splits or
retries are seen as they go out.
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
    """The part of a session that observers may use."""

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
    """One call to the backend of ``session``. ``asks`` holds several asks for a batch of requests, else one."""

    session: Observed
    asks: Sequence[Ask]


@attrs.frozen(slots=True)
class Outcome:
    """The outcome of a call: the ``answers`` in the order of the asks, or the ``error``. An error that is not an
    ``Exception`` (a cancellation, a closed operation) means that the caller stopped waiting. A stream has no answers;
    ``rows`` (of columns) and ``bytes`` count what was read from it."""

    answers: Sequence[Any] | None
    error: BaseException | None = None
    rows: int | None = None
    bytes: int | None = None


Ended = Callable[[Outcome], object]
Observer = Callable[[Call], "Ended | None"]

_lock = forks.lock()
_observers: tuple[Observer, ...] = ()


def add(observer: Observer) -> None:
    """Notify ``observer`` of every call of any session from now on."""
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
    """A block in which ``observer`` is notified of every call of any session."""
    add(observer)
    try:
        yield
    finally:
        remove(observer)


def told(call: Call, own: Sequence[Observer]) -> Ended:
    """Notify a session's ``own`` observers and the global ones. The function returned notifies them of the outcome."""
    ends = [ended for observer in (*own, *_observers) if (ended := observer(call)) is not None]
    if len(ends) == 1:
        return ends[0]

    def end(outcome: Outcome) -> None:
        for each in ends:
            each(outcome)

    return end
