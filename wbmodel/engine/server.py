"""The server under its older name: see :mod:`wbmodel.server`."""

from __future__ import annotations

from wbmodel.server import Fault, Faults, Limits, Rule, Seen, Server, Stats, serving

__all__ = ["Fault", "Faults", "Limits", "Rule", "Seen", "Server", "Stats", "serving"]
