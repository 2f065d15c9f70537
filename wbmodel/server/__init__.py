"""The engine behind HTTP, as W&B's clients speak it: a server to run beside one's own code."""

from __future__ import annotations

from wbmodel.server.limits import Limits
from wbmodel.server.server import Seen, Server, Stats, serving

__all__ = ["Limits", "Seen", "Server", "Stats", "serving"]
