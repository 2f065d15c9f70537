"""The server for tests under its old import path. See :mod:`wbmodel.server`, and :mod:`wbmodel.testing` for faults."""

from __future__ import annotations

from wbmodel.server import Limits, Seen, Stats
from wbmodel.testing.faults import Fault, Faults, Rule
from wbmodel.testing.serving import FaultyServer as Server
from wbmodel.testing.serving import served as serving

__all__ = ["Fault", "Faults", "Limits", "Rule", "Seen", "Server", "Stats", "serving"]
