"""Counts the requests that a block sends: ``with assert_num_requests(1): ...``, in both colours."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from wbmodel.backend.asks import Ask, Request, subject_of
from wbmodel.session.current import get_session
from wbmodel.session.observers import Call, observing

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = ["SentRequests", "assert_num_requests", "count_requests"]


class SentRequests:
    """The requests sent inside a block, in order; a context manager for ``with`` and ``async with``.

    Counts the requests that reach a backend, from any thread or task, while the block runs; ``using`` (a session or its
    name) limits it to one session. Each request of a batch counts.
    """

    def __init__(self, expected: int | None = None, using: str | Session | None = None) -> None:
        self.expected = expected
        self.requests: list[Ask] = []
        self._using = using
        self._session: Session | None = None
        self._observation: Any = None

    def __len__(self) -> int:
        return len(self.requests)

    def __bool__(self) -> bool:
        return True

    @property
    def count(self) -> int:
        """The number of requests so far."""
        return len(self.requests)

    def _note(self, call: Call) -> None:
        if self._session is None or call.session is self._session:
            self.requests += call.asks

    def __enter__(self) -> Self:
        self._session = None if self._using is None else get_session(self._using)
        self._observation = observing(self._note)
        self._observation.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observation.__exit__(None, None, None)
        if kind is None and self.expected is not None and self.count != self.expected:
            raise AssertionError(self._report())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _report(self) -> str:
        lines = [f"expected {self.expected} requests, but {self.count} were sent" + (":" if self.requests else "")]
        for number, request in enumerate(self.requests, 1):
            named = isinstance(request, Request) and not request.operation_name
            lines.append(f"-- {number}. {'(no name)' if named else subject_of(request)}")
            lines.append(str(request))
        return "\n".join(lines)


def assert_num_requests(expected: int, *, using: str | Session | None = None) -> SentRequests:
    """A block that must send exactly ``expected`` requests. Otherwise ``AssertionError`` lists those that were sent."""
    return SentRequests(expected, using)


def count_requests(*, using: str | Session | None = None) -> SentRequests:
    """Count the requests of a block: ``with count_requests() as sent: ...; sent.count``."""
    return SentRequests(None, using)
