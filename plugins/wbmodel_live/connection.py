"""The connection to one server on one event loop: sends requests, retries what is safe to retry, reports failures.

A request has one deadline for everything: waiting for a free slot, pauses that the server asks for, every attempt.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import attrs
from graphql import GraphQLError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random
from tenacity.stop import stop_base

from wbmodel.errors import (
    ConfigurationError,
    OutcomeUnknown,
    RateLimited,
    RequestTimeout,
    ServerError,
    WbmodelError,
)
from wbmodel.request import Request, Response
from wbmodel.safe_text import brief
from wbmodel.urls import mask_url
from wbmodel_live.blobs import Blobs
from wbmodel_live.calls import Call, Channel, Progress
from wbmodel_live.client import Client
from wbmodel_live.credentials import Credentials
from wbmodel_live.failures import TWO, FailedAttempt, Retry
from wbmodel_live.foreign import Foreign
from wbmodel_live.idempotency import intent_of
from wbmodel_live.limiter import HostLimiter, TooLong, limiter_for
from wbmodel_live.lowering import Lowering
from wbmodel_live.options import Options
from wbmodel_live.transport import BadReply, Reply

if TYPE_CHECKING:
    from wbmodel_live.server_info import ServerInfo

__all__ = ["Connection", "mutates"]

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 30.0
_LONGEST_PAUSE = 3600.0
_MOST, _LONGEST, _DEEPEST = 100, 5_000, 8
"""How much of a server's errors is kept: items of a list, characters of a text, levels."""

T = TypeVar("T")


class Connection:
    """One backend's connection to its server. Belongs to one event loop."""

    def __init__(self, url: str, credentials: Credentials, options: Options) -> None:
        self.url, self.options = mask_url(url), options  # for messages: a path may hold what is as long as a key
        self._credentials = credentials
        parts = urlsplit(url)
        self._limiter = limiter_for(f"{parts.scheme}://{parts.netloc}", options.concurrency)
        transport = options.transport
        # A user's transport speaks GraphQL only; files are read by our own client, which gets no key then.
        client = Client(url, credentials, options if transport is None else Options())
        self._channel: Channel = client if transport is None else Foreign(transport, url)
        self.blobs = Blobs(client, self.exchange)
        self._lowering = Lowering(self.url, self._exchange_plain)
        self._in_flight = self._peak = 0
        self._closed = False

    async def close(self) -> None:
        """Close the connections. Requests in flight fail with :class:`ConfigurationError`."""
        self._closed = True
        try:
            await self._channel.close()
        finally:
            await self.blobs.close()

    async def info(self) -> ServerInfo:
        """The server's version, enabled features and missing fields."""
        return await self._lowering.info()

    async def answer(self, request: Request, timeout: float | None) -> Response:
        """Answer a request within ``timeout`` seconds, without the fields that the server lacks."""
        try:
            intent_of(request)
        except GraphQLError as error:
            # Every backend answers a syntax error this way; there is nothing to send.
            return Response(errors=[error.formatted])
        end = time.monotonic() + (self.options.timeout if timeout is None else timeout)
        # A lowered document that is sent again gets the remaining time, not the full timeout.
        return await self._lowering.answer(request, lambda asked: self._document(asked, end))

    async def _exchange_plain(self, request: Request) -> Response:
        return await self._document(request, time.monotonic() + self.options.timeout)

    async def _document(self, request: Request, deadline: float) -> Response:
        progress, response = await self.exchange(self._channel.document(request), deadline)
        return attrs.evolve(response, errors=self._hidden(response.errors), note=progress.note(self._peak))

    # -- a call and its attempts -------------------------------------------------------------------

    async def exchange(
        self, call: Call[T], deadline: float, limiter: HostLimiter | None = None
    ) -> tuple[Progress[T], T]:
        """Send a call until it is answered or must not be retried. Returns its progress and the answer. ``limiter`` is
        that of the host, if it is not the server itself."""
        progress = Progress(call, deadline, time.monotonic(), limiter or self._limiter)
        try:
            return progress, await self._attempt(progress)
        except FailedAttempt as failure:
            failed = failure
        if failed.may_retry(call.intent):
            try:
                return progress, await self._again(progress, failed)
            except FailedAttempt as failure:
                failed = failure
        # Raised outside the except block so that no __context__ leads to the frames that sent the request: a tool that
        # shows local variables in tracebacks would show the credentials.
        raise self.error(progress, failed) from failed.__cause__

    async def _again(self, progress: Progress[T], failed: FailedAttempt) -> T:
        """The attempts after the first one, which ``failed``. (Most calls succeed at once, and tenacity takes a tenth
        of the time of a small one.)"""
        first = [failed]

        async def attempt() -> T:
            if first:
                raise first.pop()
            return await self._attempt(progress)

        retrying = AsyncRetrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, FailedAttempt) and error.may_retry(progress.call.intent)
            ),
            wait=_wait,
            stop=_Stop(progress, self.options.max_attempts),
            before_sleep=functools.partial(self._slow_down, progress),
            sleep=asyncio.sleep,
            reraise=True,
        )
        return await retrying(attempt)

    def _slow_down(self, progress: Progress[Any], state: RetryCallState) -> None:
        """Count the pause and, if the server is rate limiting without naming a delay, hold back all requests to it."""
        failure = state.outcome.exception() if state.outcome is not None else None
        if isinstance(failure, FailedAttempt) and (failure.wait is not None or failure.status == 429):
            progress.pauses += 1
            if failure.wait is None:
                progress.limiter.pause(state.upcoming_sleep, failure.what)

    async def _attempt(self, progress: Progress[T]) -> T:
        progress.attempts += 1
        progress.in_flight = False
        try:
            async with progress.limiter.slot(progress.deadline) as slot:
                progress.pauses += slot.pauses
                self._in_flight += 1
                self._peak = max(self._peak, self._in_flight)
                try:
                    return await self._send(progress)
                finally:
                    self._in_flight -= 1
        except TooLong as error:
            progress.pauses += 1
            raise self._remember(
                progress,
                FailedAttempt(
                    f"asks for a pause of another {error.seconds:.1f} s",
                    RateLimited,
                    advice="allow more time (timeout=) or try again later",
                    status=progress.last.status if progress.last is not None else None,
                ),
            ) from None
        except FailedAttempt as failure:
            raise self._remember(progress, failure) from failure.__cause__
        except asyncio.TimeoutError:
            raise self._remember(progress, self._out_of_time(progress)) from None

    def _remember(self, progress: Progress[Any], failure: FailedAttempt) -> FailedAttempt:
        if failure.wait is not None:
            progress.limiter.pause(min(failure.wait, _LONGEST_PAUSE), failure.what)
        progress.unsure = progress.unsure or (
            progress.in_flight and failure.retry in (Retry.IF_IDEMPOTENT, Retry.UNSURE)
        )
        if not (failure.error is RequestTimeout and progress.last is not None):
            progress.last = failure
        return failure

    def _out_of_time(self, progress: Progress[Any]) -> FailedAttempt:
        what = "did not answer" if progress.in_flight else "was not sent the request (other requests are in flight)"
        retry = Retry.IF_IDEMPOTENT if progress.in_flight else Retry.ALWAYS
        return FailedAttempt(what, RequestTimeout, retry, advice="allow more time (timeout=)")

    async def _send(self, progress: Progress[T]) -> T:
        if self._closed:
            raise ConfigurationError(f"{self.url} was closed while a request was under way")
        call = progress.call
        try:
            await asyncio.wait_for(call.prepare(), progress.left)
            progress.in_flight = True
            answer = await asyncio.wait_for(call.send(), progress.left)
        except Exception as error:
            if isinstance(error, BadReply):
                self._heard(progress, error.reply)
            elif self._closed:
                raise ConfigurationError(f"{self.url} was closed while a request was under way") from None
            failure = call.failure(error)
            if failure is None and progress.in_flight and isinstance(error, ValueError):
                raise ConfigurationError(f"{call.intent.name} cannot be sent: {error} ({self.url})") from None
            if failure is None:
                raise
            failure.hide(self._credentials.hide)
            if not progress.in_flight and failure.retry is Retry.IF_IDEMPOTENT:
                failure.retry = Retry.ALWAYS
            raise failure from failure.__cause__
        progress.reply = answer.reply
        if answer.reply is not None:
            self._heard(progress, answer.reply)
        return answer.value

    def _hidden(self, errors: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """GraphQL errors without the API key: a server may quote what it was sent."""
        return [cast("Mapping[str, Any]", _hidden(error, self._credentials.hide)) for error in errors[:_MOST]]

    def _heard(self, progress: Progress[Any], reply: Reply) -> None:
        progress.received += reply.received
        progress.sent += reply.sent
        self._pace(progress, reply.headers)

    def _pace(self, progress: Progress[Any], headers: Mapping[str, str]) -> None:
        """Pause when the server says that the current rate limit window is used up.

        wandb-core paces itself by ``RateLimit-Remaining`` and ``RateLimit-Reset`` (seconds) (0.31.0, read).
        """
        try:
            remaining, reset = float(headers["RateLimit-Remaining"]), float(headers["RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        if remaining < 1 and 0 < reset < 3600:
            progress.limiter.pause(reset, "the rate limit is used up")

    # -- the final error ---------------------------------------------------------------------------

    def error(self, progress: Progress[Any], failure: FailedAttempt) -> WbmodelError:
        """The error for a call that ended with ``failure``."""
        intent, hide = progress.call.intent, self._credentials.hide
        earlier = progress.last if progress.last is not failure else None
        if failure.error is RequestTimeout and earlier is not None and not (intent.mutates and progress.in_flight):
            # The earlier failure says more than "timed out", unless a mutation has been sent since.
            advice, failure = failure.advice, earlier
            if failure.retry is not Retry.NEVER and not failure.advice:
                failure.advice = advice
        parts = [f"{progress.call.place or self.url} {failure.what} ({intent.name}"]
        if progress.attempts > 1:
            parts.append(f", {progress.attempts} attempts in {progress.seconds:.1f} s")
        elif failure.error is RequestTimeout:
            parts.append(f", within {progress.seconds:.1f} s")
        parts.append(")")
        said = brief(hide(failure.said)) if failure.said else None
        if said:
            parts.append(f"; it says: {said}")
        error = failure.error
        if intent.mutates and progress.unsure:
            error = OutcomeUnknown
            parts.append("; it is unknown whether the server carried it out")
            parts.append(
                ". Retrying is safe: the mutation is idempotent (it names its object and sets values)"
                if intent.idempotent
                else ". It was not retried because that could apply it twice: check the object on the server "
                "(refresh() or get()) before you retry"
            )
        elif failure.advice:
            parts.append(f"; {failure.advice}")
        message = hide("".join(parts))
        if not issubclass(error, ServerError):
            return error(message)
        return error(
            message,
            status=failure.status,
            operation=intent.name,
            attempts=progress.attempts,
            server_message=said,
            errors=({"message": said},) if failure.refused else (),
        )


def mutates(request: Request) -> bool:
    """Whether a request is a mutation. Text that is not GraphQL is not."""
    try:
        return intent_of(request).mutates
    except GraphQLError:
        return False


def _hidden(value: Any, hide: Callable[[str], str], depth: int = 0) -> Any:
    """A copy of a JSON value without keys in it, of bounded size."""
    if isinstance(value, str):
        return hide(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}...")
    if depth > _DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {hide(name): _hidden(item, hide, depth + 1) for name, item in itertools.islice(value.items(), _MOST)}
    if isinstance(value, list | tuple):
        return [_hidden(item, hide, depth + 1) for item in value[:_MOST]]
    return value


class _Stop(stop_base):
    """Stops at the deadline, or after the allowed number of attempts."""

    def __init__(self, progress: Progress[Any], most: int) -> None:
        self._course, self._most = progress, most

    def __call__(self, state: RetryCallState) -> bool:
        failure = state.outcome.exception() if state.outcome is not None else None
        most = self._most
        if isinstance(failure, FailedAttempt) and failure.most is not None:
            most = min(most, failure.most)
        if isinstance(failure, FailedAttempt) and failure.status in (502, 504) and self._course.call.intent.divisible:
            most = min(most, TWO)  # a page may be too heavy for the server
        return state.attempt_number >= most or state.upcoming_sleep >= self._course.left


_backoff = wait_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT) + wait_random(0, _FIRST_WAIT)


def _wait(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome is not None else None
    if isinstance(failure, FailedAttempt) and failure.wait is not None:
        return failure.wait
    return _backoff(state)
