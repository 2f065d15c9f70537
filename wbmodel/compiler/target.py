"""Where a plan is asked: what the backend can do there, and what the session adds to a query."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.capabilities import Capabilities
from wbmodel.errors import ConfigurationError

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

    def refuse_foreign(self, row: Any) -> None:
        """Raise :class:`~wbmodel.errors.ConfigurationError` for an object that came from another backend."""
        if self.owner is None or row.session is self.owner or row.session.origin == self.owner.origin:
            return
        raise ConfigurationError(
            f"{row!r} came from {row.session.url}, and {self.place} is asked; use the target of the session that it "
            "came from"
        )
