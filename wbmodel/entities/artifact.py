"""Artifacts: types, collections, and the versions in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from wbmodel.entities.artifact_verbs import WithContent
from wbmodel.entities.base import Model, entity
from wbmodel.entities.contents.file_set import ToFiles
from wbmodel.errors import FieldError
from wbmodel.meta import (
    Arg,
    Belongs,
    Beside,
    Difference,
    Expansion,
    Kind,
    Options,
    ReadOnly,
    Route,
    Step,
    Writes,
    field,
    relation,
)
from wbmodel.meta.scopes import ARTIFACT, ENTITY, MEMBER, PROJECT, RUN, TEXT, VERSION
from wbmodel.meta.state import is_loaded
from wbmodel.meta.wiring import EVERY_PROJECT, PROJECT_STEP, RUN_STEP, TOTAL, in_project, listing
from wbmodel.objects.manager import Manager
from wbmodel.objects.relations import ToMany

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wbmodel.entities.file import File
    from wbmodel.entities.project import Project
    from wbmodel.entities.run import Run
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Artifact", "ArtifactCollection", "ArtifactType"]

_TYPE_STEP = Step("artifactType", (Arg("name", "type"),), entity="ArtifactType")
_COLLECTION_STEP = Step(
    "artifactCollection", (Arg("name", "collection"),), entity="ArtifactCollection", relation="collection"
)
# A version is a member of its sequence, and of every portfolio that links to it. Its number, name, path and aliases
# are those of the membership through which it was reached.
_MEMBERS: dict[str, Any] = {"count": TOTAL, "context": "collection", "edge": {"version_index": "version"}}
_NAMED = (PROJECT_STEP, Step("artifact", (Arg("name", "name"),)))
_MEMBERSHIP = Beside(
    field="artifactCollectionMembership",
    args=(Arg("name", "name"),),
    gives=("versionIndex",),
    relation="collection",
    wire="artifactCollection",
)
_EVERY_COLLECTION = Expansion(
    via="ArtifactCollection",
    gives={PROJECT: "project.path", "collection": "name"},
    takes=(PROJECT, ENTITY, "type"),
)


# What 0.31.0 sends (seen): aliases by mutations of their own, tags as what was added and removed.
_ALIASES = Difference(
    item="alias",
    apart="aliases",
    add="addAliases",
    remove="deleteAliases",
    type="[ArtifactCollectionAliasInput!]!",
    place={
        "entityName": "collection.project.entity",
        "projectName": "collection.project.name",
        "artifactCollectionName": "collection.name",
    },
    pattern=r"(?!v[0-9]+$)[^/:\x00-\x1f]+",
    rule="an alias has no slash and no colon, and is not a version number, which only the server gives",
)
_TAGS = Difference(
    item="tagName",
    add="tagsToAdd",
    remove="tagsToDelete",
    type="[TagInput!]",
    pattern=r"[-\w]+( +[-\w]+)*",
    rule="a tag has letters, digits, - and _, with blanks only between them",
)


@entity
class ArtifactType(Model):
    """A type of artifact in a project: ``dataset``, ``model``."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id.", nullable=False)
    name: ReadOnly[str] = field("name", Kind.TEXT, "The name of the type.", nullable=False)
    description: ReadOnly[str | None] = field("description", Kind.TEXT, "The description.")
    created_at: ReadOnly[datetime] = field(
        "createdAt", Kind.TIME, "When it was made.", nullable=False, aliases=("createdAt",)
    )
    # This type has no such field on the wire: it is only reached through a project, which provides the value.
    project: ReadOnly[Project] = relation(
        "Project", "project", "The project it belongs to.", identity=("name", "entity")
    )

    collections: ClassVar[ToMany[ArtifactCollection]] = ToMany(
        "ArtifactCollection", "type", "The collections of this type."
    )

    objects = Manager["QuerySet[ArtifactType]"]()
    __wbmodel__ = in_project(
        "artifactTypes",
        node="artifactType",
        key="name",
        filtered=False,
        order=("name",),
        scope_value={TEXT: "name"},
    )


@entity
class ArtifactCollection(Model):
    """A named series of artifact versions: a sequence (its own versions) or a portfolio (links to others)."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False)
    name: ReadOnly[str] = field("name", Kind.TEXT, "The name, unique in its project.", nullable=False, path="name")
    kind: ReadOnly[str] = field("__typename", Kind.TEXT, "ArtifactSequence or ArtifactPortfolio.", nullable=False)
    type: ReadOnly[str] = field(
        "defaultArtifactType", Kind.TEXT, "The type of its artifacts.", sub=("name",), nullable=False
    )
    description: str | None = field("description", Kind.TEXT, "What it is about.", editable=True)
    created_at: ReadOnly[datetime] = field(
        "createdAt", Kind.TIME, "When it was made.", nullable=False, path="created_at", aliases=("createdAt",)
    )
    updated_at: ReadOnly[datetime | None] = field(
        "updatedAt", Kind.TIME, "When it last changed.", selected=False, aliases=("updatedAt",)
    )
    project: ReadOnly[Project] = relation(
        "Project", "project", "The project it belongs to.", identity=("name", "entity")
    )

    artifacts: ClassVar[ToMany[Artifact]] = ToMany("Artifact", "collection", "The versions in the collection.")

    @property
    def path(self) -> str:
        """``"entity/project/collection"``."""
        return f"{self.project.path}/{self.name}"

    objects = Manager["QuerySet[ArtifactCollection]"]()
    __wbmodel__ = in_project(
        "artifactCollections",
        node="artifactCollection",
        key="name",
        count=TOTAL,
        scopes={"type": TEXT},
        checks={"type": "type"},
        routes=(listing("artifactCollections", PROJECT_STEP, _TYPE_STEP, count=TOTAL, context=PROJECT),),
        scope_value={TEXT: "name"},
    )


@entity
class Artifact(WithContent):
    """One version of an artifact. ``objects`` has the committed ones; a filter on ``state`` finds the others."""

    node_id: ReadOnly[str] = field(
        "id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False, aliases=("id",)
    )
    version_index: ReadOnly[int | None] = field(
        "versionIndex",
        Kind.INT,
        "The number of the version in ``collection``.",
        path="version_index",
        aliases=("versionIndex",),
    )
    type_name: ReadOnly[str] = field(
        "artifactType", Kind.TEXT, "The type of artifact.", sub=("name",), nullable=False, shared=True
    )
    state: ReadOnly[str] = field(
        "state",
        Kind.TEXT,
        "PENDING, COMMITTED or DELETED.",
        nullable=False,
        path="state",
        shared=True,
        choices=("PENDING", "COMMITTED", "DELETED"),
    )
    aliases: list[str] = field(
        "aliases",
        Kind.TEXTS,
        "The aliases in ``collection``, such as latest.",
        sub=("alias",),
        editable=True,
        belongs=Belongs("collection", "artifactCollection", "artifactCollectionName"),
    )
    digest: ReadOnly[str] = field("digest", Kind.TEXT, "The digest of the content.", nullable=False, filter="digest")
    size: ReadOnly[int] = field("size", Kind.INT, "The size of all files in bytes.", nullable=False, path="size")
    file_count: ReadOnly[int] = field(
        "fileCount", Kind.INT, "How many files it has.", nullable=False, selected=False, aliases=("fileCount",)
    )
    description: str | None = field("description", Kind.TEXT, "What it is about.", filter="description", editable=True)
    metadata: dict[str, Any] | None = field(
        "metadata", Kind.JSON, "The metadata that its creator recorded.", filter="metadata", editable=True
    )
    tags: list[str] = field("tags", Kind.TEXTS, "The tags.", sub=("name",), selected=False, editable=True)
    created_at: ReadOnly[datetime] = field(
        "createdAt", Kind.TIME, "When it was made.", nullable=False, path="created_at", aliases=("createdAt",)
    )
    updated_at: ReadOnly[datetime | None] = field(
        "updatedAt", Kind.TIME, "When it last changed.", selected=False, aliases=("updatedAt",)
    )
    commit_hash: ReadOnly[str | None] = field(
        "commitHash", Kind.TEXT, "The hash of the commit.", selected=False, aliases=("commitHash",)
    )
    collection: ReadOnly[ArtifactCollection] = relation(
        "ArtifactCollection",
        "artifactSequence",
        "The collection through which it was queried: a sequence or a portfolio; else the sequence it is a version of.",
        identity=("name", "project"),
    )
    logged_by: ReadOnly[Run | None] = relation(
        "Run", "createdBy", "The run that created it, if any.", identity=("id", "project"), on="Run"
    )

    files: ClassVar[ToFiles[File]] = ToFiles("File", "artifact", "The files of this version.")
    used_by: ClassVar[ToMany[Run]] = ToMany("Run", "used_artifact", "The runs that used this version.")

    @property
    def version(self) -> str:
        """``"v3"``; the digest if the version has no number yet."""
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

    def delete(self, *, delete_aliases: bool = False) -> None:
        """Delete the version and its files for good.

        A version that has aliases is refused unless ``delete_aliases`` is set, before anything is sent; so is a link in
        a portfolio, as the version itself would be deleted. The object keeps its loaded values.
        """
        self._delete(delete_aliases=delete_aliases)

    async def adelete(self, *, delete_aliases: bool = False) -> None:
        """The async twin of :meth:`delete`."""
        await self._adelete(delete_aliases=delete_aliases)

    def _refuse_deletion(self, flags: Mapping[str, bool]) -> None:
        if is_loaded(self, "aliases") and self.aliases and not flags.get("delete_aliases"):
            raise FieldError(
                f"{self!r} has the aliases {', '.join(self.aliases)}, so it was not deleted; give them to another "
                "version, or pass delete_aliases=True"
            )
        if is_loaded(self.collection, "kind") and self.collection.kind == "ArtifactPortfolio":
            raise FieldError(
                f"{self!r} is a link in a portfolio, so it was not deleted: that would delete the version itself. To "
                f"do so, get it from its sequence: Artifact.objects.get(node_id={self.node_id!r})"
            )

    def _label(self) -> str:
        return self.path

    def _found_by(self) -> dict[str, Any]:
        # By the node id alone, it would come back as a member of its sequence.
        return {"node_id": self.node_id} if self.version_index is None else {"name": self.name}

    objects = Manager["QuerySet[Artifact]"]()
    __wbmodel__ = Options(
        key="node_id",
        scopes={
            PROJECT: PROJECT,
            ENTITY: ENTITY,
            "type": TEXT,
            "collection": TEXT,
            "name": MEMBER,
            "path": VERSION,
            "logged_by": RUN,
            "used_by": RUN,
        },
        checks={
            PROJECT: "collection.project.path",
            ENTITY: "collection.project.entity",
            "type": "type_name",
            "collection": "collection.name",
        },
        routes=(
            listing("artifacts", PROJECT_STEP, _COLLECTION_STEP, **_MEMBERS),
            listing("artifacts", PROJECT_STEP, _TYPE_STEP, _COLLECTION_STEP, **_MEMBERS),
            Route(needs=("logged_by",), steps=(PROJECT_STEP, RUN_STEP), connection="outputArtifacts", count=TOTAL),
            Route(needs=("used_by",), steps=(PROJECT_STEP, RUN_STEP), connection="inputArtifacts", count=TOTAL),
        ),
        points=(
            Route(steps=_NAMED, beside=_MEMBERSHIP),
            Route(needs=("path",), steps=_NAMED, beside=_MEMBERSHIP),
            Route(key="node_id", steps=(Step("artifact", (Arg("id", "key", "ID!"),)),)),
        ),
        expand=(EVERY_PROJECT, _EVERY_COLLECTION),
        scope_value={ARTIFACT: "node_id", VERSION: "path"},
        node_context=("collection", "version_index"),
        within="collection",
        computed={"name": (), "version": ("digest",), "type": ("type_name",), "project": ()},
        listed={"state": ("COMMITTED",)},
        writes=Writes(
            upsert="updateArtifact",
            answer="artifact",
            id="artifactID",
            existing=True,
            differences={"aliases": _ALIASES, "tags": _TAGS},
            types={"artifactID": "ID!", "metadata": "JSONString"},
            delete="deleteArtifact",
            flags={"delete_aliases": "deleteAliases"},
            delete_reads=("aliases", "collection"),
            delete_related=("collection",),
        ),
    )
