"""Where a plan is asked: what the backend can do there, and what the session adds to a query."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.capabilities import Capabilities

__all__ = ["Target"]


@attrs.frozen(slots=True, kw_only=True)
class Target:
    """For whom a plan is compiled and run. ``project`` and ``entity`` are what a query that names none means, ``place``
    is what messages call the backend, and ``owner`` is the session that entities keep."""

    capabilities: Capabilities = attrs.field(factory=Capabilities)
    project: str | None = None
    entity: str | None = None
    place: str = "this backend"
    owner: Any = None
