"""``Projects`` and ``Project``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wbmodel.api.attrs import Attrs, Siblings
from wbmodel.api.errors import normalize_exceptions
from wbmodel.api.paginator import Paginator
from wbmodel.entities.project import Project as ProjectEntity
from wbmodel.errors import DoesNotExist

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.api.artifact_collections import ProjectArtifactCollections, ProjectArtifactTypes
    from wbmodel.api.client import Client
    from wbmodel.api.sweeps import Sweeps
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Project", "Projects"]


class Project(Attrs[ProjectEntity]):
    """A project. It is loaded when something but its name is read."""

    def __init__(
        self, client: Client, entity: str | None, project: str, attrs: Mapping[str, Any] | None = None
    ) -> None:
        self.client = client
        self._owner = entity
        self.name = project
        self._found: ProjectEntity | None = None

    @classmethod
    def of(cls, client: Client, row: ProjectEntity, siblings: Siblings | None = None) -> Self:
        made = cls(client, row.entity, row.name)
        made._found, made._siblings = row, siblings
        return made

    @property
    def entity(self) -> str:
        """The user or team that owns it."""
        return self._owner or self.client.default_entity or ""

    def _again(self) -> QuerySet[ProjectEntity]:
        return ProjectEntity.objects.using(self.client.session).filter(entity=self.entity)

    def _row(self) -> ProjectEntity:
        if self._found is None:
            self.load()
        assert self._found is not None
        return self._found

    def load(self, force: bool = False) -> None:
        """Load it, again with ``force``. Raises ``ValueError`` if the project does not exist."""
        if self._found is None or force:
            try:
                self._found = self._again().get(name=self.name)
            except DoesNotExist as error:
                raise ValueError(f"Could not find project {self!r}") from error
            self._siblings = None

    @property
    def id(self) -> str:
        """The GraphQL id."""
        return self._row().node_id

    @property
    def path(self) -> list[str]:
        """``[entity, name]``."""
        return [self.entity, self.name]

    @property
    def url(self) -> str | None:
        """The address of its page; None on a backend without web pages."""
        base = self.client.app_url
        return f"{base}{self.entity}/{self.name}/workspace" if base else None

    @normalize_exceptions
    def artifacts_types(self, per_page: int | None = 50) -> ProjectArtifactTypes:
        """The types of artifact in it."""
        from wbmodel.api.artifact_collections import ProjectArtifactTypes

        return ProjectArtifactTypes(self.client, self.entity, self.name, per_page)

    @normalize_exceptions
    def collections(
        self, filters: Mapping[str, Any] | None = None, order: str | None = None, per_page: int | None = 50
    ) -> ProjectArtifactCollections:
        """All collections of artifacts in it."""
        from wbmodel.api.artifact_collections import ProjectArtifactCollections

        return ProjectArtifactCollections(self.client, self.entity, self.name, None, per_page, filters, order)

    @normalize_exceptions
    def sweeps(
        self, per_page: int | None = 50, filters: Mapping[str, Any] | None = None, order: str | None = None
    ) -> Sweeps:
        """Its sweeps."""
        from wbmodel.api.sweeps import Sweeps

        return Sweeps(self.client, self.entity, self.name, per_page, filters, order)

    def __repr__(self) -> str:
        return f"<Project {self.entity}/{self.name}>"


class Projects(Paginator[Project]):
    """The projects of an entity, newest first."""

    def __init__(self, client: Client, entity: str, per_page: int | None = 200) -> None:
        super().__init__(client, per_page, 200)
        self.entity = entity

    def _make_rows(self) -> QuerySet[ProjectEntity]:
        return ProjectEntity.objects.using(self.client.session).filter(entity=self.entity)

    def _make(self, row: ProjectEntity) -> Project:
        return Project.of(self.client, row, self._siblings)

    def _missing(self, error: DoesNotExist) -> Exception:
        return ValueError(f"Could not find entity {self.entity}")

    def __repr__(self) -> str:
        return f"<Projects {self.entity}>"
