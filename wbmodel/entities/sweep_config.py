"""The parts of a sweep's definition that wbmodel reads, as attrs classes for cattrs. ``Sweep.config`` stays a dict."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.structuring import lenient

__all__ = ["Metric", "SweepConfig", "sweep_config"]


@attrs.frozen
class Metric:
    """The key that the sweep optimises, and the ``goal``: ``maximize`` or ``minimize``."""

    name: str | None = None
    goal: str | None = None


@attrs.frozen
class SweepConfig:
    """The definition of a sweep. Its other keys (``method``, ``parameters``, ``program`` ...) are ignored."""

    metric: Metric = attrs.field(factory=Metric)


def sweep_config(config: Any, sweep: str) -> SweepConfig:
    """Read a decoded definition. Raises :class:`~wbmodel.errors.FieldError`, which names ``sweep`` and the path, if it
    is damaged."""
    return lenient(config, SweepConfig, sweep, ("config",))
