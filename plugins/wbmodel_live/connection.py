"""One server as one event loop sees it: sends requests, repeats what may be repeated, and says what went wrong.

A request has one deadline for everything: waiting for a free place, pauses that the server asks for, every attempt.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import attrs
from graphql import GraphQLError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random
from tenacity.stop import stop_base

from wbmodel.codec import dumps, loads
from wbmodel.errors import (
    ConfigurationError,
    OutcomeUnknown,
    RateLimited,
    RequestTimeout,
    ServerError,
    WbmodelError,
)
from wbmodel.request import Request, Response
from wbmodel_live.calls import Call, Course, Way
from wbmodel_live.client import Client
from wbmodel_live.credentials import Credentials
from wbmodel_live.foreign import Foreign
from wbmodel_live.intent import intent_of
from wbmodel_live.limiter import TooLong, limiter_for
from wbmodel_live.lowering import Lowering
from wbmodel_live.transport import BadReply, Reply
from wbmodel_live.trouble import Again, Trouble

if TYPE_CHECKING:
    from wbmodel_live.options import Options
    from wbmodel_live.server_info import ServerInfo

__all__ = ["Connection", "mutates"]

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 30.0
_LONGEST_PAUSE = 3600.0

T = TypeVar("T")


class Connection:
    """What one backend asks its server through. Lives on one event loop."""

    def __init__(self, url: str, credentials: Credentials, options: Options) -> None:
        self.url, self.options = url, options
        self._credentials = credentials
        parts = urlsplit(url)
        self._limiter = limiter_for(f"{parts.scheme}://{parts.netloc}", options.concurrency)
        transport = options.transport
        self._way: Way = Client(url, credentials, options) if transport is None else Foreign(transport, url)
        self._lowering = Lowering(self.url, self._exchange_plain)
        self._in_flight = self._peak = 0
        self._closed = False

    async def close(self) -> None:
        """Close the way to the server. What is under way ends with a :class:`ConfigurationError`."""
        self._closed = True
        await self._way.close()

    async def info(self) -> ServerInfo:
        """What the server says of itself."""
        return await self._lowering.info()

    async def answer(self, request: Request, timeout: float | None) -> Response:
        """The answer to a request, within ``timeout`` seconds; for a server that lacks a field, to what it has."""
        try:
            intent_of(request)
        except GraphQLError as error:
            # As every backend answers it: nothing of it is worth sending.
            return Response(errors=[error.formatted])
        end = time.monotonic() + (self.options.timeout if timeout is None else timeout)
        # A document that is sent once more in other words has what is left of the time, not all of it again.
        return await self._lowering.answer(request, lambda asked: self._document(asked, end))

    async def _exchange_plain(self, request: Request) -> Response:
        return await self._document(request, time.monotonic() + self.options.timeout)

    async def _document(self, request: Request, deadline: float) -> Response:
        course, response = await self._exchange(self._way.document(request), deadline)
        return attrs.evolve(response, errors=self._hidden(response.errors), note=course.note(self._peak))

    # -- any call, with all its attempts -----------------------------------------------------------

    async def _exchange(self, call: Call[T], deadline: float) -> tuple[Course[T], T]:
        """Send a call until it is answered, or may not be sent again; the answer, and what it took."""
        course = Course(call, deadline, time.monotonic())
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, Trouble) and error.may_repeat(call.intent)),
            wait=_wait,
            stop=_Stop(course, self.options.max_attempts),
            before_sleep=functools.partial(self._slow_down, course),
            sleep=asyncio.sleep,
            reraise=True,
        )
        try:
            return course, await retrying(self._attempt, course)
        except Trouble as trouble:
            failed = trouble
        # Outside of the block, so that nothing leads from here to where the request was sent: a tool that shows the
        # variables of a traceback would show the login.
        raise self._error(course, failed) from failed.__cause__

    def _slow_down(self, course: Course[Any], state: RetryCallState) -> None:
        """Hold everybody back, not this request alone, when the server asks for less and does not say for how long."""
        trouble = state.outcome.exception() if state.outcome is not None else None
        if isinstance(trouble, Trouble) and (trouble.wait is not None or trouble.status == 429):
            course.pauses += 1
            if trouble.wait is None:
                self._limiter.pause(state.upcoming_sleep, trouble.what)

    async def _attempt(self, course: Course[T]) -> T:
        course.attempts += 1
        course.in_flight = False
        try:
            async with self._limiter.slot(course.deadline) as slot:
                course.pauses += slot.pauses
                self._in_flight += 1
                self._peak = max(self._peak, self._in_flight)
                try:
                    return await self._send(course)
                finally:
                    self._in_flight -= 1
        except TooLong as error:
            course.pauses += 1
            raise self._remember(
                course,
                Trouble(
                    f"asks for a pause of {error.seconds:.1f} s more",
                    RateLimited,
                    advice="give it more time (timeout=), or ask again later",
                    status=course.last.status if course.last is not None else None,
                ),
            ) from None
        except Trouble as trouble:
            raise self._remember(course, trouble) from trouble.__cause__
        except asyncio.TimeoutError:
            raise self._remember(course, self._out_of_time(course)) from None

    def _remember(self, course: Course[Any], trouble: Trouble) -> Trouble:
        if trouble.wait is not None:
            self._limiter.pause(min(trouble.wait, _LONGEST_PAUSE), trouble.what)
        course.unsure = course.unsure or (course.in_flight and trouble.again in (Again.HARMLESS, Again.UNSURE))
        if not (trouble.error is RequestTimeout and course.last is not None):
            course.last = trouble
        return trouble

    def _out_of_time(self, course: Course[Any]) -> Trouble:
        what = "gave no answer" if course.in_flight else "could not be asked (other requests are under way)"
        again = Again.HARMLESS if course.in_flight else Again.ALWAYS
        return Trouble(what, RequestTimeout, again, advice="give it more time (timeout=)")

    async def _send(self, course: Course[T]) -> T:
        if self._closed:
            raise ConfigurationError(f"{self.url} was closed while a request was under way")
        call = course.call
        try:
            await asyncio.wait_for(call.prepare(), course.left)
            course.in_flight = True
            answer = await asyncio.wait_for(call.send(), course.left)
        except Exception as error:
            if isinstance(error, BadReply):
                self._heard(course, error.reply)
            elif self._closed:
                raise ConfigurationError(f"{self.url} was closed while a request was under way") from None
            trouble = call.trouble(error)
            if trouble is None and course.in_flight and isinstance(error, ValueError):
                raise ConfigurationError(f"{call.intent.name} cannot be sent: {error} ({self.url})") from None
            if trouble is None:
                raise
            if not course.in_flight and trouble.again is Again.HARMLESS:
                trouble.again = Again.ALWAYS
            raise trouble from trouble.__cause__
        course.reply = answer.reply
        if answer.reply is not None:
            self._heard(course, answer.reply)
        return answer.value

    def _hidden(self, errors: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """GraphQL errors without the key: a server may quote what it was sent."""
        if not errors:
            return errors
        text = dumps(errors)
        hidden = self._credentials.hide(text)
        return errors if hidden == text else cast("Sequence[Mapping[str, Any]]", loads(hidden))

    def _heard(self, course: Course[Any], reply: Reply) -> None:
        course.received += reply.received
        course.sent += reply.sent
        self._pace(reply.headers)

    def _pace(self, headers: Mapping[str, str]) -> None:
        """Pause when the server says that nothing is left of the current window.

        wandb-core reads ``RateLimit-Remaining`` and ``RateLimit-Reset`` (seconds) to pace itself (0.31.0, read).
        """
        try:
            remaining, reset = float(headers["RateLimit-Remaining"]), float(headers["RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        if remaining < 1 and 0 < reset < 3600:
            self._limiter.pause(reset, "the rate limit is used up")

    # -- the end of it -----------------------------------------------------------------------------

    def _error(self, course: Course[Any], trouble: Trouble) -> WbmodelError:
        intent, hide = course.call.intent, self._credentials.hide
        earlier = course.last if course.last is not trouble else None
        if trouble.error is RequestTimeout and earlier is not None and not (intent.mutates and course.in_flight):
            # What went wrong before says more than that the time is over (but not of a mutation that was sent since).
            advice, trouble = trouble.advice, earlier
            if trouble.again is not Again.NEVER and not trouble.advice:
                trouble.advice = advice
        parts = [f"{self.url} {trouble.what} ({intent.name}"]
        if course.attempts > 1:
            parts.append(f", {course.attempts} attempts in {course.seconds:.1f} s")
        elif trouble.error is RequestTimeout:
            parts.append(f", within {course.seconds:.1f} s")
        parts.append(")")
        if trouble.said:
            parts.append(f"; it says: {trouble.said}")
        error = trouble.error
        if intent.mutates and course.unsure:
            error = OutcomeUnknown
            parts.append("; whether it was carried out is not known")
            parts.append(
                ", and doing it again is harmless: it names its object and says what that shall be"
                if intent.harmless
                else ", and it was not repeated as that might do it twice: look at the object on the server "
                "(refresh(), or get() it again) before you ask once more"
            )
        elif trouble.advice:
            parts.append(f"; {trouble.advice}")
        message = hide("".join(parts))
        if not issubclass(error, ServerError):
            return error(message)
        return error(
            message,
            status=trouble.status,
            operation=intent.name,
            attempts=course.attempts,
            server_message=None if trouble.said is None else hide(trouble.said),
        )


def mutates(request: Request) -> bool:
    """Whether a request changes anything; one that is no GraphQL does not."""
    try:
        return intent_of(request).mutates
    except GraphQLError:
        return False


class _Stop(stop_base):
    """No attempt after the deadline, nor more of them than are allowed."""

    def __init__(self, course: Course[Any], most: int) -> None:
        self._course, self._most = course, most

    def __call__(self, state: RetryCallState) -> bool:
        trouble = state.outcome.exception() if state.outcome is not None else None
        most = self._most
        if isinstance(trouble, Trouble) and trouble.most is not None:
            most = min(most, trouble.most)
        return state.attempt_number >= most or state.upcoming_sleep >= self._course.left


_backoff = wait_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT) + wait_random(0, _FIRST_WAIT)


def _wait(state: RetryCallState) -> float:
    trouble = state.outcome.exception() if state.outcome is not None else None
    if isinstance(trouble, Trouble) and trouble.wait is not None:
        return trouble.wait
    return _backoff(state)
