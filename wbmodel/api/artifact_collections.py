"""The types and the collections of artifacts in a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wbmodel.api.attrs import Attrs, Siblings, as_text
from wbmodel.api.errors import normalize_exceptions
from wbmodel.api.orders import order_keys
from wbmodel.api.paginator import Paginator
from wbmodel.entities.artifact import ArtifactCollection as CollectionEntity
from wbmodel.entities.artifact import ArtifactType as TypeEntity
from wbmodel.errors import DoesNotExist
from wbmodel.query.dialects.mongo import condition

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.api.artifacts import ArtifactVersions
    from wbmodel.api.client import Client
    from wbmodel.objects.queryset import QuerySet

__all__ = ["ArtifactCollection", "ArtifactType", "ProjectArtifactCollections", "ProjectArtifactTypes"]


class ArtifactType:
    """A type of artifact in a project. It is looked up when it is made."""

    def __init__(
        self,
        client: Client,
        entity: str | None,
        project: str,
        type_name: str,
        attrs: Mapping[str, Any] | None = None,
        *,
        row: TypeEntity | None = None,
    ) -> None:
        self.client = client
        self._owner = entity
        self.project = project
        self.type = type_name
        self._row = row
        if row is None:
            self.load()

    @property
    def entity(self) -> str:
        """The entity of its project."""
        return self._owner or self.client.default_entity or ""

    def load(self) -> None:
        """Look it up. Raises ``ValueError`` if the type does not exist."""
        rows = TypeEntity.objects.using(self.client.session)
        try:
            self._row = rows.get(project=self.client.place(self._owner, self.project), name=self.type)
        except DoesNotExist as error:
            raise ValueError(f"Could not find artifact type {self.type}") from error

    @property
    def id(self) -> str:
        """The GraphQL id."""
        assert self._row is not None
        return self._row.node_id

    @property
    def name(self) -> str:
        """The name of the type."""
        return self.type

    @normalize_exceptions
    def collections(
        self, per_page: int | None = 50, filters: Mapping[str, Any] | None = None, order: str | None = None
    ) -> ProjectArtifactCollections:
        """The collections of this type."""
        return ProjectArtifactCollections(self.client, self._owner, self.project, self.type, per_page, filters, order)

    def collection(self, name: str) -> ArtifactCollection:
        """The collection of this name. Nothing is asked until something of it is read."""
        return ArtifactCollection(self.client, self._owner, self.project, name, self.type)

    def __repr__(self) -> str:
        return f"<ArtifactType {self.type}>"


class ArtifactCollection(Attrs[CollectionEntity]):
    """A named series of versions. It is loaded when something but its name is read."""

    def __init__(
        self,
        client: Client,
        entity: str | None,
        project: str,
        name: str,
        type: str | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        self.client = client
        self._owner = entity
        self.project = project
        self.name = name
        self._type = type
        self._found: CollectionEntity | None = None

    @classmethod
    def of(cls, client: Client, row: CollectionEntity, siblings: Siblings | None = None) -> Self:
        made = cls(client, row.project.entity, row.project.name, row.name, row.type)
        made._found, made._siblings = row, siblings
        return made

    @property
    def entity(self) -> str:
        """The entity of its project."""
        return self._owner or self.client.default_entity or ""

    def _again(self) -> QuerySet[CollectionEntity]:
        place = self.client.place(self._owner, self.project)
        return CollectionEntity.objects.using(self.client.session).filter(project=place)

    def _row(self) -> CollectionEntity:
        if self._found is None:
            self.load()
        assert self._found is not None
        return self._found

    def load(self) -> None:
        """Load it. Raises ``ValueError`` if the collection does not exist."""
        try:
            self._found = self._again().get(name=self.name)
        except DoesNotExist as error:
            raise ValueError(f"Could not find artifact collection {self.name}") from error
        self._siblings = None

    @property
    def id(self) -> str:
        """The GraphQL id."""
        return self._row().node_id

    @property
    def type(self) -> str:
        """The type of its artifacts."""
        if self._type is None:
            self._type = self._row().type
        return self._type

    @property
    def description(self) -> str | None:
        """What it is about."""
        found: str | None = self._read("description")
        return found

    @property
    def created_at(self) -> str:
        """When it was made, as the server's text."""
        found: str = as_text(self._read("created_at"))
        return found

    def is_sequence(self) -> bool:
        """Whether its versions are its own, not links to others."""
        return self._row().kind == "ArtifactSequence"

    @property
    def aliases(self) -> list[str]:
        """The aliases of all its versions, without version numbers."""
        return sorted({alias for version in self.versions() for alias in version.aliases})

    @normalize_exceptions
    def versions(self, per_page: int | None = 50) -> ArtifactVersions:
        """Its versions, newest first."""
        from wbmodel.api.artifacts import ArtifactVersions

        return ArtifactVersions(self.client, self._owner, self.project, self.name, self._type, per_page=per_page)

    artifacts = versions

    def __repr__(self) -> str:
        return f"<ArtifactCollection {self.name} ({self.type})>"


class ProjectArtifactTypes(Paginator[ArtifactType]):
    """The types of artifact in a project."""

    def __init__(self, client: Client, entity: str | None, project: str, per_page: int | None = 50) -> None:
        super().__init__(client, per_page)
        self._entity = entity
        self.project = project

    def _make_rows(self) -> QuerySet[TypeEntity]:
        return TypeEntity.objects.using(self.client.session).filter(
            project=self.client.place(self._entity, self.project)
        )

    def _make(self, row: TypeEntity) -> ArtifactType:
        return ArtifactType(self.client, self._entity, self.project, row.name, row=row)

    def _missing(self, error: DoesNotExist) -> Exception:
        return ValueError(f"Could not find project {self.project}")

    def __repr__(self) -> str:
        return f"<ProjectArtifactTypes {self._entity or ''}/{self.project}>"


class ProjectArtifactCollections(Paginator[ArtifactCollection]):
    """The collections of a project, of one type or of all."""

    def __init__(
        self,
        client: Client,
        entity: str | None,
        project: str,
        type_name: str | None,
        per_page: int | None = 50,
        filters: Mapping[str, Any] | None = None,
        order: str | None = None,
    ) -> None:
        super().__init__(client, per_page)
        self._entity = entity
        self.project = project
        self.type_name = type_name
        self._condition = condition(CollectionEntity, filters)
        self._keys = order_keys(CollectionEntity, order)

    def _make_rows(self) -> QuerySet[CollectionEntity]:
        rows = CollectionEntity.objects.using(self.client.session).filter(
            self._condition, project=self.client.place(self._entity, self.project)
        )
        return (rows.filter(type=self.type_name) if self.type_name else rows).order_by(*self._keys)

    def _make(self, row: CollectionEntity) -> ArtifactCollection:
        return ArtifactCollection.of(self.client, row, self._siblings)

    def _missing(self, error: DoesNotExist) -> Exception:
        return ValueError(f"Could not find project {self.project}")

    def __repr__(self) -> str:
        of = f" ({self.type_name})" if self.type_name else ""
        return f"<ProjectArtifactCollections {self._entity or ''}/{self.project}{of}>"
