"""The backend for ``https:`` and ``http:`` URLs: a W&B server behind gql, through aiohttp or a transport that the user
supplies (``foreign.py``).

All waiting happens on one event loop thread, whichever thread the caller runs on. Network failures and busy servers are
handled here (``failures.py`` lists what is retried); the caller gets a response, or one error that says what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wbmodel_live.backend import LiveBackend

__all__ = ["LiveBackend"]


def __getattr__(name: str) -> Any:
    # Registering the backend at startup must not import what only requests need.
    if name == "LiveBackend":
        from wbmodel_live import backend

        return backend.LiveBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
