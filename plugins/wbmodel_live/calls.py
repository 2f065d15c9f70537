"""What can be asked of a server: a call knows how it is sent once, and the connection does the rest for any of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import attrs

from wbmodel.request import CallNote, Request, Response
from wbmodel_live.intent import Intent, intent_of
from wbmodel_live.transport import NOTE, Reply, Transport, WireRequest

if TYPE_CHECKING:
    from wbmodel_live.trouble import Trouble

__all__ = ["Answer", "Call", "Course", "DocumentCall"]

T = TypeVar("T")


@attrs.frozen(slots=True)
class Answer(Generic[T]):
    """What came of one attempt: the HTTP ``reply``, what it says (``value``), and whether that is an answer whatever
    the status (``heard``)."""

    reply: Reply
    value: T
    heard: bool


class Call(Protocol[T]):
    """One thing that is asked of the server."""

    @property
    def intent(self) -> Intent:
        """Its name for messages, and what repeating it does."""
        ...

    async def send(self, headers: Mapping[str, str], options: Mapping[str, Any]) -> Answer[T]:
        """Send it once. ``options`` go to aiohttp. Raises what aiohttp raises, and
        :class:`~wbmodel_live.transport.UnreadableReply`."""
        ...


class DocumentCall:
    """A GraphQL request."""

    def __init__(self, request: Request, transport: Transport) -> None:
        self.request, self._transport = request, transport
        self.intent = intent_of(request)

    async def send(self, headers: Mapping[str, str], options: Mapping[str, Any]) -> Answer[Response]:
        """Post the document. An answer with GraphQL errors is heard at the statuses that servers give such."""
        wire = WireRequest(self.request)
        result = await self._transport.execute(wire, extra_args={"headers": headers, **options})
        extensions = dict(result.extensions or {})
        reply: Reply = extensions.pop(NOTE)
        errors = cast("Sequence[Mapping[str, Any]]", result.errors or ())  # plain objects, see Transport
        heard = reply.status < 400 or (reply.status in (400, 404, 409, 422) and bool(errors))
        return Answer(reply, Response(data=result.data, errors=errors, extensions=extensions), heard)


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
    """The answer that ended it."""

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
        assert self.reply is not None
        return CallNote(
            attempts=self.attempts,
            pauses=self.pauses,
            received=self.received,
            sent=self.sent,
            size=len(self.reply.body),
            in_flight=peak,
            status=self.reply.status,
            seconds=self.seconds,
        )
