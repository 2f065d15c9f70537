"""A deadline for one operation over all its requests: the doors of a session, with a clock.

Each request is given what is left of the time, and none is sent once nothing is left. The clock runs while the
operation does; it stands still while whoever iterates keeps the rows it was handed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.base import Backend, SyncBackend
from wbmodel.errors import RAN_OUT, RequestTimeout
from wbmodel.hookspecs import CallInfo
from wbmodel.session import drive

__all__ = ["Deadline", "aiterate", "arun", "iterate", "run"]

T = TypeVar("T")


class Deadline:
    """A session's doors (:class:`~wbmodel.session.drive.Doors`) for one operation that has ``seconds`` in all."""

    def __init__(self, doors: drive.Doors, seconds: float) -> None:
        self._doors = doors
        self._seconds = seconds
        self._spent = 0.0
        self._since: float | None = None
        self._sent = 0
        # Whether the last request was given what is left here, and not the session's limit.
        self._binding = False
        self._operation: str | None = None

    @property
    def left(self) -> float:
        """Seconds that are left; below zero when there are none."""
        running = 0.0 if self._since is None else time.monotonic() - self._since
        return self._seconds - self._spent - running

    @contextmanager
    def running(self) -> Iterator[None]:
        """A block in which the clock runs. A request that ran out of this time raises an error that says so."""
        self._since = time.monotonic()
        try:
            yield
        except RequestTimeout as error:
            # Else it is the session's own limit for one request that was overrun, and the error says that.
            if error.server_message == RAN_OUT or not (self._binding or self.left <= 0):
                raise
            raise self._error() from error
        finally:
            self._spent += time.monotonic() - self._since
            self._since = None

    def _error(self) -> RequestTimeout:
        if self._operation is None:
            what = "nothing was sent yet"
        else:
            what = f"{self._operation} was under way, request {self._sent}"
        return RequestTimeout(
            f"{self._doors.call_info.origin}: this query was given {self._seconds:g} s in all and is not done "
            f"({what}); give it more with timeout(seconds), or ask for less: fewer rows, or only(...) of their fields",
            operation=self._operation,
            server_message=RAN_OUT,
        )

    # -- what the drivers need of a session ---------------------------------------------------------

    @property
    def backend(self) -> Backend:
        """The session's."""
        return self._doors.backend

    @property
    def timeout(self) -> float | None:
        """Seconds for the next request: what is left, and no more than the session gives to one request."""
        left, one = self.left, self._doors.timeout
        if left <= 0:
            raise self._error()
        self._binding = one is None or left <= one
        return left if self._binding else one

    @property
    def in_turn(self) -> bool:
        """Whether the backend answers a batch by a loop, so that each request is to be given what is left then."""
        backend = self._doors.backend
        loops = isinstance(backend, SyncBackend) and type(backend).execute_many is SyncBackend.execute_many
        return loops and not backend.capabilities.concurrent

    @property
    def wrappers(self) -> Sequence[drive.NamedWrapper]:
        """The session's."""
        return self._doors.wrappers

    @property
    def call_info(self) -> CallInfo:
        """The session's."""
        return self._doors.call_info

    def sending(self, requests: Sequence[Request]) -> None:
        """Refuses when no time is left, before anything is sent."""
        if self.left <= 0:
            raise self._error()
        self._sent += len(requests)
        self._operation = requests[-1].operation_name or "a query"
        self._doors.sending(requests)

    def received(self, responses: Sequence[Response]) -> None:
        """Passed on."""
        self._doors.received(responses)

    def failed(self, requests: Sequence[Request], error: BaseException) -> None:
        """Passed on."""
        self._doors.failed(requests, error)


def run(operation: drive.Operation[T], doors: drive.Doors, seconds: float) -> T:
    """:func:`wbmodel.session.drive.run` within ``seconds``. Raises :class:`~wbmodel.errors.RequestTimeout`."""
    limit = Deadline(doors, seconds)
    with limit.running():
        return drive.run(operation, limit)


async def arun(operation: drive.Operation[T], doors: drive.Doors, seconds: float) -> T:
    """The twin of :func:`run`."""
    limit = Deadline(doors, seconds)
    with limit.running():
        return await drive.arun(operation, limit)


def iterate(operation: drive.Operation[Any], doors: drive.Doors, seconds: float) -> Iterator[Sequence[Any]]:
    """:func:`wbmodel.session.drive.iterate` within ``seconds``, without the time between what it gives."""
    limit = Deadline(doors, seconds)
    source = drive.iterate(operation, limit)
    try:
        while True:
            with limit.running():
                rows = next(source, None)
            if rows is None:
                return
            yield rows
    finally:
        source.close()  # type: ignore[attr-defined]  # the drivers' iterators are generators


async def aiterate(
    operation: drive.Operation[Any], doors: drive.Doors, seconds: float
) -> AsyncGenerator[Sequence[Any], None]:
    """The twin of :func:`iterate`."""
    limit = Deadline(doors, seconds)
    source = drive.aiterate(operation, limit)
    try:
        while True:
            try:
                with limit.running():
                    rows = await source.__anext__()
            except StopAsyncIteration:
                return
            yield rows
    finally:
        await source.aclose()
