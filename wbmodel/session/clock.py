"""The deadline of an operation: how long it may wait for each answer, and for all of them together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from wbmodel.backend.asks import Ask, subject_of
from wbmodel.errors import RAN_OUT, RequestTimeout

__all__ = ["Clock"]


class Clock:
    """Limits the waits of an operation: ``one`` is in seconds for one answer (or one item of a stream), ``total`` is in
    seconds for the whole operation; None means no limit. ``url`` is for messages.

    Each wait gets the time that is left, and nothing is sent once no time is left. The clock runs while the operation
    runs; it is paused while the caller processes rows.
    """

    __slots__ = ("_asked", "_binding", "_one", "_since", "_spent", "_subject", "_total", "_url")

    def __init__(self, url: str, one: float | None, total: float | None = None) -> None:
        self._url, self._one, self._total = url, one, total
        self._spent = 0.0
        self._since: float | None = None
        self._asked = 0
        # Whether the last wait was limited by the total, not by the limit for one answer.
        self._binding = False
        self._subject: str | None = None

    @property
    def limited(self) -> bool:
        """Whether the operation as a whole has a limit."""
        return self._total is not None

    def left(self) -> float | None:
        """Seconds that the next wait may take. Raises :class:`~wbmodel.errors.RequestTimeout` if no time is left."""
        if self._total is None:
            return self._one
        left = self._left(self._total)
        if left <= 0:
            raise self._ran_out()
        self._binding = self._one is None or left <= self._one
        return left if self._binding else self._one

    def note(self, asks: Sequence[Ask]) -> None:
        """Record what is about to be sent. Raises :class:`~wbmodel.errors.RequestTimeout` if no time is left."""
        if self._total is None:
            return
        if self._left(self._total) <= 0:
            raise self._ran_out()
        self._asked += len(asks)
        self._subject = subject_of(asks[-1])

    def __enter__(self) -> None:
        """Start the clock for a block."""
        if self._total is not None:
            self._since = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop the clock. A timeout that used up the total is replaced by an error that says so; any other timeout
        exceeded the limit for one answer, and its own error says that."""
        if self._total is None or self._since is None:
            return
        ran_out = isinstance(error, RequestTimeout) and (self._binding or self._left(self._total) <= 0)
        self._spent += time.monotonic() - self._since
        self._since = None
        if ran_out and isinstance(error, RequestTimeout) and error.server_message != RAN_OUT:
            raise self._ran_out() from error

    def overrun(self, ask: Ask) -> RequestTimeout:
        """The error for a wait that took too long."""
        seconds = "" if self._one is None else f" within {self._one:g} s"
        return RequestTimeout(
            f"{self._url} sent nothing more{seconds} ({subject_of(ask)}); allow more time with "
            "connect(..., timeout=seconds)",
            operation=subject_of(ask),
        )

    def _left(self, total: float) -> float:
        running = 0.0 if self._since is None else time.monotonic() - self._since
        return total - self._spent - running

    def _ran_out(self) -> RequestTimeout:
        if self._subject is None:
            what = "nothing has been sent yet"
        else:
            what = f"{self._subject} was under way, request {self._asked}"
        return RequestTimeout(
            f"{self._url}: this query did not finish within its timeout of {self._total:g} s ({what}); "
            "allow more time with timeout(seconds), or read less: fewer rows, or only(...) some fields",
            operation=self._subject,
            server_message=RAN_OUT,
        )
