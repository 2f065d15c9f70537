"""Users, and entities (users or teams that can own projects)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from wbmodel.entities.base import Model, entity
from wbmodel.meta import Arg, Kind, Options, ReadOnly, Route, Step, field
from wbmodel.meta.scopes import ENTITY
from wbmodel.objects.manager import Manager
from wbmodel.objects.relations import ToMany

if TYPE_CHECKING:
    from wbmodel.entities.project import Project
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Entity", "User"]


@entity
class User(Model):
    """A person or service account."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id.", nullable=False)
    username: ReadOnly[str] = field("username", Kind.TEXT, "The account's unique name.")
    name: ReadOnly[str] = field("name", Kind.TEXT, "The name people read.", nullable=False)
    email: ReadOnly[str | None] = field(
        "email", Kind.TEXT, "The e-mail address, if this account may see it.", selected=False
    )
    admin: ReadOnly[bool | None] = field(
        "admin", Kind.BOOL, "Whether the account administers the server.", selected=False
    )

    objects = Manager["QuerySet[User]"]()
    __wbmodel__ = Options(
        key="username",
        routes=(Route(connection="users", paged=False),),
        order=(),
        scope_value={ENTITY: "username"},
    )


@entity
class Entity(Model):
    """A user or team that owns projects."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id.", nullable=False)
    name: ReadOnly[str] = field("name", Kind.TEXT, "The name, the first part of its projects' paths.", nullable=False)
    is_team: ReadOnly[bool] = field(
        "isTeam", Kind.BOOL, "Whether it is a team.", nullable=False, selected=False, aliases=("isTeam",)
    )
    entity_type: ReadOnly[str | None] = field(
        "entityType", Kind.TEXT, "What it is, in the server's words.", selected=False, aliases=("entityType",)
    )

    projects: ClassVar[ToMany[Project]] = ToMany("Project", "entity", "The entity's projects.")

    objects = Manager["QuerySet[Entity]"]()
    __wbmodel__ = Options(
        plural="Entities",
        key="name",
        routes=(Route(steps=(Step("viewer", entity="User"),), connection="teams", paged=False),),
        points=(Route(key="name", steps=(Step("entity", (Arg("name", "key", "String"),)),)),),
        order=(),
        scope_value={ENTITY: "name"},
    )
