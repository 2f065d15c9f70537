"""The viewer: the account of a session, whose default entity is meant where a query names none.

It is also named in "does not exist", which the protocol cannot tell from "not visible to you".
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Send, Verb
from wbmodel.errors import DoesNotExist, ServerError

if TYPE_CHECKING:
    from wbmodel.hookspecs import SessionView

__all__ = ["VIEWER", "Viewer"]

T = TypeVar("T")

VIEWER = Request("query Viewer { viewer { username entity } }", {}, "Viewer")


class Viewer:
    """The account of a session, requested when a query or a message first needs it.

    ``home`` is its default entity, once it is known.
    """

    def __init__(self) -> None:
        self.home: str | None = None
        self._looked = False
        self._words: str | None = None

    def find_home(self) -> Generator[Verb, Any, str | None]:
        """The default entity, requested once; None if the server does not say."""
        if not self._looked:
            try:
                response: Response = yield Send(VIEWER)
            except ServerError:
                return None
            self._looked = True
            viewer = response.data.get("viewer") if isinstance(response.data, dict) else None
            home = viewer.get("entity") if isinstance(viewer, dict) else None
            self.home = home if isinstance(home, str) and home else None
        return self.home

    def naming(self, operation: Generator[Verb, Any, T], session: SessionView) -> Generator[Verb, Any, T]:
        """Wrap ``operation`` to name the account in a :class:`~wbmodel.errors.DoesNotExist` that it raises. The first
        time costs one request; an operation that handles the error itself costs nothing."""
        made: Any = self._naming(operation, session)
        # So that messages about a misused operation show its name and not this wrapper's.
        made.__qualname__ = getattr(operation, "__qualname__", type(operation).__name__)
        named: Generator[Verb, Any, T] = made
        return named

    def _naming(self, operation: Generator[Verb, Any, T], session: SessionView) -> Generator[Verb, Any, T]:
        try:
            return (yield from operation)
        except DoesNotExist as error:
            # A backend in this process has no accounts.
            if self._words is None and not session.backend.capabilities.in_process:
                self._words = yield from _who()
            if self._words:
                error.args = (f"{error}; {self._words}", *error.args[1:])
            raise


def _who() -> Generator[Verb, Any, str | None]:
    """Describe the account as the server sees it; None if it does not say. Never raises, so that the error it explains
    is not lost."""
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
