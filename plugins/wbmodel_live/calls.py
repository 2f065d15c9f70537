"""Calls to a server: a call knows how to send itself once, the connection adds the deadline, retries and limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from wbmodel.request import CallNote, Request, Response
from wbmodel_live.idempotency import Intent

if TYPE_CHECKING:
    from wbmodel_live.failures import FailedAttempt
    from wbmodel_live.limiter import HostLimiter
    from wbmodel_live.transport import Reply

__all__ = ["Answer", "Call", "Progress", "Channel"]

T = TypeVar("T")


@attrs.frozen(slots=True)
class Answer(Generic[T]):
    """The result of one successful attempt: the decoded ``value`` and the HTTP ``reply`` it came in (None if the call
    does not see HTTP)."""

    value: T
    reply: Reply | None = None


class Call(Protocol[T]):
    """One call to the server."""

    @property
    def place(self) -> str | None:
        """Whom it is sent to, for messages; None for the server itself."""
        ...

    @property
    def intent(self) -> Intent:
        """The name used in messages, and whether the call mutates and is idempotent."""
        ...

    async def prepare(self) -> None:
        """Connect and log in. When this raises, the server has not received the call."""
        ...

    async def send(self) -> Answer[T]:
        """Send it once."""
        ...

    def failure(self, error: Exception) -> FailedAttempt | None:
        """Classify an ``error`` raised by :meth:`prepare` or :meth:`send`. The ``__cause__`` of the result is the part
        that may be shown. None for an error that should propagate unchanged."""
        ...


class Channel(Protocol):
    """What carries calls to a server. Belongs to one event loop."""

    def document(self, request: Request) -> Call[Response]:
        """The call for a GraphQL request."""
        ...

    async def close(self) -> None:
        """Close connections. May be called twice."""
        ...


@attrs.define(slots=True)
class Progress(Generic[T]):
    """A call in progress, with the totals over all its attempts."""

    call: Call[T]
    deadline: float
    begun: float
    limiter: HostLimiter
    attempts: int = 0
    pauses: int = 0
    sent: int = 0
    received: int = 0
    in_flight: bool = False
    unsure: bool = False
    """Whether an attempt was sent and its response was lost."""
    last: FailedAttempt | None = None
    reply: Reply | None = None
    """The final HTTP response; None until there is one, and for calls that do not see HTTP."""

    @property
    def left(self) -> float:
        """Seconds left until the deadline."""
        return self.deadline - time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.begun

    def note(self, peak: int) -> CallNote:
        """The note for the response; ``peak`` is the largest number of calls in flight at once so far."""
        reply = self.reply
        return CallNote(
            attempts=self.attempts,
            pauses=self.pauses,
            received=None if reply is None else self.received,
            sent=None if reply is None else self.sent,
            size=None if reply is None else len(reply.body),
            in_flight=peak,
            status=None if reply is None else reply.status,
            seconds=self.seconds,
        )
