"""The backend of ``https:`` and ``http:`` URLs: a W&B server, asked over gql: by aiohttp, or by a transport of the
user's own (``foreign.py``).

Everything that waits runs on one event loop thread, whoever asks. What a network and a busy server do is dealt with
here (``trouble.py`` says what is repeated); what comes out is an answer or one error that says what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wbmodel_live.backend import LiveBackend

__all__ = ["LiveBackend"]


def __getattr__(name: str) -> Any:
    # Registering the backend at start must not load what only asking needs.
    if name == "LiveBackend":
        from wbmodel_live import backend

        return backend.LiveBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
