"""Where a test may put faults between a server and its clients. The faults themselves are in :mod:`wbmodel.testing`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import attrs

from wbmodel.server.answers import Answer

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Exchange", "FaultInjector", "InjectedFault", "NoFaults", "Pause"]

Pause = Callable[[float], Awaitable[bool]]
"""Waits so many seconds; False when the server stops instead."""


@attrs.frozen(slots=True, eq=False)
class Exchange:
    """One request that has been read and not been answered."""

    request: web.BaseRequest
    answer: Callable[[], Awaitable[Answer]]
    """Carries the request out and gives the true answer."""
    pause: Pause


class InjectedFault(Protocol):
    """What becomes of one request in place of its answer."""

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """The response that goes out. Raises ConnectionResetError once it has reset the connection."""
        ...


class FaultInjector(Protocol):
    """What picks the faults. Asked on the server's event loop for each request."""

    @property
    def latency(self) -> float:
        """Seconds that every request waits before it is looked at."""
        ...

    @property
    def active(self) -> bool:
        """Whether anything may be picked. Only then is it found out for each request whether it is a mutation."""
        ...

    def pick(
        self, method: str, path: str, operation: str | None, document: str, kind: str | None
    ) -> InjectedFault | None:
        """The fault of a request; None: it is answered."""
        ...


@attrs.frozen(slots=True)
class NoFaults:
    """Every request is answered, after ``latency`` seconds."""

    latency: float = 0.0

    @property
    def active(self) -> bool:
        """Never."""
        return False

    def pick(self, method: str, path: str, operation: str | None, document: str, kind: str | None) -> None:
        """None."""
