"""What is read of a sweep's definition, as attrs classes that cattrs structures. ``Sweep.config`` stays the dict."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.structuring import lenient

__all__ = ["Metric", "SweepConfig", "sweep_config"]


@attrs.frozen
class Metric:
    """What the sweep optimises, and whether it wants much or little of it: ``maximize`` or ``minimize``."""

    name: str | None = None
    goal: str | None = None


@attrs.frozen
class SweepConfig:
    """The definition of a sweep. Its other keys (``method``, ``parameters``, ``program`` ...) are left aside."""

    metric: Metric = attrs.field(factory=Metric)


def sweep_config(config: Any, sweep: str) -> SweepConfig:
    """A definition that was decoded. Raises :class:`~wbmodel.errors.FieldError`, which names ``sweep`` and the path,
    where it is damaged."""
    return lenient(config, SweepConfig, sweep, ("config",))
