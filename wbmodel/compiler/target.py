"""The target of a plan: the backend's capabilities, and the session's defaults for a query."""

from __future__ import annotations

from typing import Any

import attrs
from typing_extensions import Self

from wbmodel.backend.capabilities import Capabilities
from wbmodel.compiler.extras import Extra, Refusals, lesser
from wbmodel.errors import ConfigurationError
from wbmodel.query.scopes import OfPage
from wbmodel.urls import app_url, mask_url, web_host

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

    def refuse_page(self, value: Any) -> None:
        """Raise :class:`~wbmodel.errors.ConfigurationError` for what the URL of another server's page named.

        A backend without web pages, such as fixtures, takes every page.
        """
        if not isinstance(value, OfPage) or (app := app_url(self.place)) is None:
            return
        page, here = web_host(value.page), web_host(app)
        if page not in (here, web_host(self.place)):
            raise ConfigurationError(
                f"the page {mask_url(value.page)} is on {page}, but this session asks {here}; connect() to {page}, or "
                f"write {str(value)!r} if it is on {here} too"
            )

    def refuse_foreign(self, row: Any) -> None:
        """Raise :class:`~wbmodel.errors.ConfigurationError` for an object that came from another backend."""
        if self.owner is None or row.session is self.owner or row.session.origin == self.owner.origin:
            return
        raise ConfigurationError(
            f"{row!r} came from {row.session.url}, but this operation runs on {self.place}; "
            "use the session that the object came from"
        )
