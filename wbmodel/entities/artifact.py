"""Artifacts: types, collections, and the versions in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from wbmodel.entities.base import Model, entity
from wbmodel.entities.project import PROJECT_STEP
from wbmodel.meta import Arg, Expansion, Kind, Options, Route, Step, field, relation
from wbmodel.objects.manager import Manager
from wbmodel.objects.relations import ToMany

if TYPE_CHECKING:
    from wbmodel.entities.file import File
    from wbmodel.entities.project import Project
    from wbmodel.entities.run import Run
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Artifact", "ArtifactCollection", "ArtifactType"]

_TYPE_STEP = Step("artifactType", (Arg("name", "type"),), entity="ArtifactType")
_COLLECTION_STEP = Step("artifactCollection", (Arg("name", "collection"),), entity="ArtifactCollection")
_RUN_STEP_LOGGED = Step("run", (Arg("name", "run"),), entity="Run")
_EVERY_PROJECT = Expansion(via="Project", gives={"project": "path"}, takes=("entity",))


@entity
class ArtifactType(Model):
    """A type of artifact in a project: ``dataset``, ``model``."""

    __wbmodel__: ClassVar[Options] = Options(
        graphql="ArtifactType",
        plural="ArtifactTypes",
        key="name",
        scopes={"project": "project", "entity": "entity"},
        checks={"project": "project.path", "entity": "project.entity"},
        routes=(Route(needs=("project",), steps=(PROJECT_STEP,), connection="artifactTypes", context="project"),),
        points=(
            Route(
                key="name",
                needs=("project",),
                steps=(PROJECT_STEP, Step("artifactType", (Arg("name", "key"),), entity="ArtifactType")),
                context="project",
            ),
        ),
        expand=(_EVERY_PROJECT,),
        order=("name",),
        node_context=("project",),
    )
    objects = Manager["QuerySet[ArtifactType]"]()

    node_id: str = field("id", Kind.ID, "The GraphQL id.", nullable=False)
    name: str = field("name", Kind.TEXT, "The name of the type.", nullable=False)
    description: str | None = field("description", Kind.TEXT, "What it is for.")
    created_at: datetime = field("createdAt", Kind.TIME, "When it was made.", nullable=False, aliases=("createdAt",))
    # The wire has no field for it on this type: only routes through a project reach it, and they answer it.
    project: Project = relation("Project", "project", "The project it belongs to.", identity=("name", "entity"))

    collections: ClassVar[ToMany[ArtifactCollection]] = ToMany(
        "ArtifactCollection", "type", "The collections of this type."
    )


@entity
class ArtifactCollection(Model):
    """A named series of artifact versions: a sequence (its own versions) or a portfolio (links to others')."""

    __wbmodel__: ClassVar[Options] = Options(
        graphql="ArtifactCollection",
        plural="ArtifactCollections",
        key="name",
        scopes={"project": "project", "entity": "entity", "type": "text"},
        checks={"project": "project.path", "entity": "project.entity", "type": "type"},
        routes=(
            Route(
                needs=("project",),
                steps=(PROJECT_STEP,),
                connection="artifactCollections",
                filters=True,
                order=True,
                count="connection:totalCount",
                context="project",
            ),
            Route(
                needs=("project", "type"),
                steps=(PROJECT_STEP, _TYPE_STEP),
                connection="artifactCollections",
                filters=True,
                order=True,
                count="connection:totalCount",
                context="project",
            ),
        ),
        points=(
            Route(
                key="name",
                needs=("project",),
                steps=(PROJECT_STEP, Step("artifactCollection", (Arg("name", "key"),), entity="ArtifactCollection")),
                context="project",
            ),
        ),
        expand=(_EVERY_PROJECT,),
        node_context=("project",),
    )
    objects = Manager["QuerySet[ArtifactCollection]"]()

    node_id: str = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False)
    name: str = field(
        "name", Kind.TEXT, "The name, unique in its project.", nullable=False, filter="name", order="name"
    )
    kind: str = field("__typename", Kind.TEXT, "ArtifactSequence or ArtifactPortfolio.", nullable=False)
    type: str = field("defaultArtifactType", Kind.TEXT, "The type of its artifacts.", sub=("name",), nullable=False)
    description: str | None = field("description", Kind.TEXT, "What it is about.", editable=True)
    created_at: datetime = field(
        "createdAt",
        Kind.TIME,
        "When it was made.",
        nullable=False,
        filter="created_at",
        order="created_at",
        aliases=("createdAt",),
    )
    updated_at: datetime | None = field(
        "updatedAt", Kind.TIME, "When it last changed.", selected=False, aliases=("updatedAt",)
    )
    project: Project = relation("Project", "project", "The project it belongs to.", identity=("name", "entity"))

    artifacts: ClassVar[ToMany[Artifact]] = ToMany("Artifact", "collection", "The versions in the collection.")


@entity
class Artifact(Model):
    """One version of an artifact."""

    __wbmodel__: ClassVar[Options] = Options(
        graphql="Artifact",
        plural="Artifacts",
        key="node_id",
        scopes={
            "project": "project",
            "entity": "entity",
            "type": "text",
            "collection": "text",
            "name": "text",
            "logged_by": "run",
            "used_by": "run",
        },
        checks={
            "project": "collection.project.path",
            "entity": "collection.project.entity",
            "type": "type_name",
            "collection": "collection.name",
        },
        routes=(
            Route(
                needs=("project", "collection"),
                steps=(PROJECT_STEP, _COLLECTION_STEP),
                connection="artifacts",
                filters=True,
                order=True,
                count="connection:totalCount",
            ),
            Route(
                needs=("project", "type", "collection"),
                steps=(PROJECT_STEP, _TYPE_STEP, _COLLECTION_STEP),
                connection="artifacts",
                filters=True,
                order=True,
                count="connection:totalCount",
            ),
            Route(
                needs=("logged_by",),
                steps=(PROJECT_STEP, _RUN_STEP_LOGGED),
                connection="outputArtifacts",
                count="connection:totalCount",
            ),
            Route(
                needs=("used_by",),
                steps=(PROJECT_STEP, _RUN_STEP_LOGGED),
                connection="inputArtifacts",
                count="connection:totalCount",
            ),
        ),
        points=(
            Route(
                key=None,
                needs=("project", "name"),
                steps=(PROJECT_STEP, Step("artifact", (Arg("name", "name"),), entity="Artifact")),
            ),
            Route(key="node_id", needs=(), steps=(Step("artifact", (Arg("id", "key", "ID!"),), entity="Artifact"),)),
        ),
        expand=(
            _EVERY_PROJECT,
            Expansion(
                via="ArtifactCollection",
                gives={"project": "project.path", "collection": "name"},
                takes=("project", "entity", "type"),
            ),
        ),
        node_context=("collection", "version_index"),
    )
    objects = Manager["QuerySet[Artifact]"]()

    node_id: str = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False, aliases=("id",))
    version_index: int | None = field(
        "versionIndex",
        Kind.INT,
        "The number of the version in its collection.",
        filter="version_index",
        order="version_index",
        aliases=("versionIndex",),
    )
    type_name: str = field(
        "artifactType", Kind.TEXT, "The type of artifact.", sub=("name",), nullable=False, shared=True
    )
    state: str = field(
        "state", Kind.TEXT, "PENDING, COMMITTED or DELETED.", nullable=False, filter="state", order="state", shared=True
    )
    aliases: list[str] = field("aliases", Kind.TEXTS, "The aliases, as latest and v3.", sub=("alias",))
    digest: str = field("digest", Kind.TEXT, "The digest of the content.", nullable=False, filter="digest")
    size: int = field("size", Kind.INT, "The size of all files in bytes.", nullable=False, filter="size", order="size")
    file_count: int = field(
        "fileCount", Kind.INT, "How many files it has.", nullable=False, selected=False, aliases=("fileCount",)
    )
    description: str | None = field("description", Kind.TEXT, "What it is about.", filter="description", editable=True)
    metadata: dict[str, Any] | None = field(
        "metadata", Kind.JSON, "What its maker noted about it.", filter="metadata", editable=True
    )
    tags: list[str] = field("tags", Kind.TEXTS, "The tags.", sub=("name",), selected=False, editable=True)
    created_at: datetime = field(
        "createdAt",
        Kind.TIME,
        "When it was made.",
        nullable=False,
        filter="created_at",
        order="created_at",
        aliases=("createdAt",),
    )
    updated_at: datetime | None = field(
        "updatedAt", Kind.TIME, "When it last changed.", selected=False, aliases=("updatedAt",)
    )
    commit_hash: str | None = field(
        "commitHash", Kind.TEXT, "The hash of the commit.", selected=False, aliases=("commitHash",)
    )
    collection: ArtifactCollection = relation(
        "ArtifactCollection", "artifactSequence", "The sequence it is a version of.", identity=("name", "project")
    )
    logged_by: Run | None = relation(
        "Run", "createdBy", "The run that made it, when a run did.", identity=("id", "project"), on="Run"
    )

    files: ClassVar[ToMany[File]] = ToMany("File", "artifact", "The files of this version.")
    used_by: ClassVar[ToMany[Run]] = ToMany("Run", "used_artifact", "The runs that used this version.")

    @property
    def version(self) -> str:
        """``"v3"``; the digest where the version has no number yet."""
        return self.digest if self.version_index is None else f"v{self.version_index}"

    @property
    def name(self) -> str:
        """``"collection:v3"``."""
        return f"{self.collection.name}:{self.version}"

    @property
    def type(self) -> str:
        """The type of artifact: ``dataset``, ``model``."""
        return self.type_name

    @property
    def project(self) -> Project:
        """The project that its collection belongs to."""
        return self.collection.project

    @property
    def path(self) -> str:
        """``"entity/project/collection:v3"``."""
        return f"{self.project.path}/{self.name}"

    def _label(self) -> str:
        return self.path
