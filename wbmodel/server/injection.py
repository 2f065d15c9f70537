"""The interface for injecting faults between a server and its clients; :mod:`wbmodel.testing` has the faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import attrs

from wbmodel.server.answers import Answer

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Exchange", "FaultInjector", "InjectedFault", "NoFaults", "Pause"]

Pause = Callable[[float], Awaitable[bool]]
"""Waits for the given seconds; returns False if the server stops meanwhile."""


@attrs.frozen(slots=True, eq=False)
class Exchange:
    """One request that has been read but not answered."""

    request: web.BaseRequest
    answer: Callable[[], Awaitable[Answer]]
    """Carries out the request and returns the real answer."""
    pause: Pause


class InjectedFault(Protocol):
    """What happens to one request instead of its normal answer."""

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """The response to send. Raises ConnectionResetError after resetting the connection."""
        ...


class FaultInjector(Protocol):
    """Picks the faults. Called on the server's event loop for each request."""

    @property
    def latency(self) -> float:
        """Seconds that every request waits before it is processed."""
        ...

    @property
    def active(self) -> bool:
        """Whether any fault may be picked. Only then does the server determine whether each request is a mutation."""
        ...

    def pick(
        self, method: str, path: str, operation: str | None, document: str, kind: str | None
    ) -> InjectedFault | None:
        """The fault for a request, or None to answer it."""
        ...


@attrs.frozen(slots=True)
class NoFaults:
    """Answers every request, after ``latency`` seconds."""

    latency: float = 0.0

    @property
    def active(self) -> bool:
        """Always False."""
        return False

    def pick(self, method: str, path: str, operation: str | None, document: str, kind: str | None) -> None:
        """Return None: no request has a fault."""
