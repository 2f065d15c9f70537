"""The target of a plan: the backend's capabilities, and the session's defaults for a query."""

from __future__ import annotations

from typing import Any

import attrs
from typing_extensions import Self

from wbmodel.backend.capabilities import Capabilities
from wbmodel.compiler.extras import Extra, Refusals, lesser
from wbmodel.errors import ConfigurationError

__all__ = ["Target"]


@attrs.frozen(slots=True, kw_only=True)
class Target:
    """The backend and session that a plan is compiled for.

    ``project`` and ``entity`` are the defaults of queries that do not name one, ``place`` is the name of the backend in
    messages, and ``owner`` is the session of the resulting entities. ``viewer`` finds the account's default entity.
    ``refused`` are the additions that plans do without; ``refusals`` remembers them for the session.
    """

    capabilities: Capabilities = attrs.field(factory=Capabilities)
    project: str | None = None
    entity: str | None = None
    place: str = "this backend"
    owner: Any = None
    viewer: Any = attrs.field(default=None, eq=False, repr=False)
    refused: frozenset[Extra] = frozenset()
    refusals: Refusals = attrs.field(factory=Refusals, eq=False, repr=False)

    def without(self, extra: Extra) -> Self:
        """The same target, whose plans do without ``extra``."""
        refused = self.refused | {extra}
        return attrs.evolve(self, refused=refused, capabilities=lesser(self.capabilities, refused))

    def refuse_foreign(self, row: Any) -> None:
        """Raise :class:`~wbmodel.errors.ConfigurationError` for an object that came from another backend."""
        if self.owner is None or row.session is self.owner or row.session.origin == self.owner.origin:
            return
        raise ConfigurationError(
            f"{row!r} came from {row.session.url}, but this operation runs on {self.place}; "
            "use the session that the object came from"
        )
