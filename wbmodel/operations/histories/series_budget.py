"""How much to ask of histories in one request: specs by specs, less after a failure, slowly more after successes."""

from __future__ import annotations

from wbmodel.compiler.target import Target

__all__ = ["SeriesBudget"]

_START = 64
"""Specs in one request: W&B's own MCP server asks for 8 specs of 8 runs."""

_MOST = 512
_ROWS_PER_UNIT = 5000
"""So many rows weigh as much as a spec, so that a request is answered with some 10 MB at first."""

_MOST_AHEAD = 8


class SeriesBudget:
    """The budget of one reading. A unit is a spec, or the part of a spec that is :data:`_ROWS_PER_UNIT` rows."""

    def __init__(self, target: Target) -> None:
        can = target.capabilities
        self.units: float = _START
        self.ahead = 1
        """The number of requests that may be in flight at once."""
        self._looks_ahead = can.concurrent and not can.in_process
        self._aliases = max(1, can.max_aliases)

    def cost(self, specs: int, rows: int | None) -> float:
        """The units of some specs of a run of so many rows."""
        return specs * max(1.0, (rows or 0) / _ROWS_PER_UNIT)

    def fits(self, cost: float, slots: int) -> bool:
        """Whether a request may cost so much, and have so many slots."""
        return slots <= self._aliases and cost <= self.units

    def grow(self) -> None:
        """A request was answered."""
        self.units = min(_MOST, self.units * 1.25)
        if self._looks_ahead:
            self.ahead = min(_MOST_AHEAD, self.ahead + 1)

    def shrink(self, cost: float) -> None:
        """A request that cost so much was too much."""
        self.units = max(1.0, min(self.units, cost) / 2)
        self.ahead = 1
