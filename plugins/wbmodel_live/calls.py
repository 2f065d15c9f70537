"""What can be asked of a server: a call knows how it is sent once, and the connection does the rest for any of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from wbmodel.request import CallNote, Request, Response
from wbmodel_live.intent import Intent

if TYPE_CHECKING:
    from wbmodel_live.transport import Reply
    from wbmodel_live.trouble import Trouble

__all__ = ["Answer", "Call", "Course", "Way"]

T = TypeVar("T")


@attrs.frozen(slots=True)
class Answer(Generic[T]):
    """What came of one attempt: what the answer says (``value``), and the HTTP ``reply`` that said it, None where the
    call cannot tell."""

    value: T
    reply: Reply | None = None


class Call(Protocol[T]):
    """One thing that is asked of the server."""

    @property
    def intent(self) -> Intent:
        """Its name for messages, and what repeating it does."""
        ...

    async def prepare(self) -> None:
        """Do what comes before sending: connect, log in. When this raises, the server has carried out nothing."""
        ...

    async def send(self) -> Answer[T]:
        """Send it once."""
        ...

    def trouble(self, error: Exception) -> Trouble | None:
        """What it means that :meth:`prepare` or :meth:`send` raised ``error``; the cause of the trouble is what may be
        shown of it. None for an error that is raised as it is."""
        ...


class Way(Protocol):
    """How calls get to a server. Lives on one event loop."""

    def document(self, request: Request) -> Call[Response]:
        """The call that asks a GraphQL request."""
        ...

    async def close(self) -> None:
        """Give back what was opened. May be called twice."""
        ...


@attrs.define(slots=True)
class Course(Generic[T]):
    """A call on its way: what all its attempts added up to."""

    call: Call[T]
    deadline: float
    begun: float
    attempts: int = 0
    pauses: int = 0
    sent: int = 0
    received: int = 0
    in_flight: bool = False
    unsure: bool = False
    """Whether an attempt was sent and its answer got lost."""
    last: Trouble | None = None
    reply: Reply | None = None
    """The answer that ended it; None before that, and where the call does not say."""

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.begun

    def note(self, peak: int) -> CallNote:
        """What is to be said of its answer; ``peak`` is how many calls were under way at once, at most."""
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
