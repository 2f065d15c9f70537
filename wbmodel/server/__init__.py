"""The engine behind HTTP, in the protocol of W&B's clients: a server to run beside your own code."""

from __future__ import annotations

from wbmodel.server.limits import Limits
from wbmodel.server.server import Seen, Server, Stats, serving

__all__ = ["Limits", "Seen", "Server", "Stats", "serving"]
