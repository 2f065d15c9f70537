"""Sessions: settings, the current session, and the two drivers that do all waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wbmodel.session.current import connect, connections, current_session, get_session, session_for_origin
from wbmodel.session.settings import Secret, Setting, Settings

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = [
    "Secret",
    "Session",
    "Setting",
    "Settings",
    "connect",
    "connections",
    "current_session",
    "get_session",
    "session_for_origin",
]


def __getattr__(name: str) -> Any:
    # session.py imports pluggy and the hooks, which `import wbmodel` does not need.
    if name == "Session":
        from wbmodel.session import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
