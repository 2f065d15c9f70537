"""Who asked: the words that "does not exist" needs, since the protocol cannot tell it from "not visible to you"."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Send, Verb
from wbmodel.errors import DoesNotExist

if TYPE_CHECKING:
    from wbmodel.hookspecs import SessionView

__all__ = ["VIEWER", "Viewer"]

T = TypeVar("T")

VIEWER = Request("query Viewer { viewer { username entity } }", {}, "Viewer")


class Viewer:
    """The account of a session, found out when a message needs it and remembered then."""

    def __init__(self) -> None:
        self._words: str | None = None

    def naming(self, operation: Generator[Verb, Any, T], session: SessionView) -> Generator[Verb, Any, T]:
        """``operation``, with the account named in a :class:`~wbmodel.errors.DoesNotExist` that leaves it. That costs
        one request, the first time; an operation that handles the error itself pays nothing."""
        made: Any = self._naming(operation, session)
        # What is said of an operation that is used the wrong way names it, and not this.
        made.__qualname__ = getattr(operation, "__qualname__", type(operation).__name__)
        named: Generator[Verb, Any, T] = made
        return named

    def _naming(self, operation: Generator[Verb, Any, T], session: SessionView) -> Generator[Verb, Any, T]:
        try:
            return (yield from operation)
        except DoesNotExist as error:
            # A backend in this process has no accounts worth naming.
            if self._words is None and not session.backend.capabilities.in_process:
                self._words = yield from _who()
            if self._words:
                error.args = (f"{error}; {self._words}", *error.args[1:])
            raise


def _who() -> Generator[Verb, Any, str | None]:
    """Who the server takes this session for, in words; None when it does not say. Never raises: the error that is to
    be explained is the one that matters."""
    try:
        response: Response = yield Send(VIEWER)
        if response.errors or response.data is None:
            return None
        viewer = response.data["viewer"]
        if viewer is None:
            return "this session is not logged in"
        name, home = viewer["username"], viewer["entity"]
    except Exception:
        return None
    return f"asked as {name}" if home in (None, name) else f"asked as {name} (entity {home})"
