"""``User``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wbmodel.api.attrs import Attrs
from wbmodel.entities.user import Entity
from wbmodel.entities.user import User as UserEntity

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["User"]


class User(Attrs[UserEntity]):
    """A person or a service account."""

    def _again(self) -> QuerySet[UserEntity]:
        return UserEntity.objects.using(self.client.session)

    @property
    def id(self) -> str:
        """The GraphQL id."""
        return self.model.node_id

    @property
    def name(self) -> str:
        """The name people read."""
        found: str = self._read("name")
        return found

    @property
    def username(self) -> str:
        """The account's unique name."""
        found: str = self._read("username")
        return found

    @property
    def email(self) -> str | None:
        """The e-mail address, if this account may see it."""
        found: str | None = self._read("email")
        return found

    @property
    def admin(self) -> bool | None:
        """Whether the account administers the server."""
        found: bool | None = self._read("admin")
        return found

    @property
    def teams(self) -> list[str]:
        """The names of the teams that the account of this client is in; for another user, an empty list."""
        viewer: Any = self.client.execute("query Viewer { viewer { id username } }").get("viewer") or {}
        if viewer.get("username") != self.username:
            return []
        return [team.name for team in Entity.objects.using(self.client.session)]

    def __repr__(self) -> str:
        return f"<User {self.username}>"
