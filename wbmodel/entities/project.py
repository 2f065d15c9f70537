"""Projects."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from wbmodel.entities.base import entity
from wbmodel.entities.written import Written
from wbmodel.meta import Arg, Expansion, Kind, Options, ReadOnly, Route, Step, Writes, field
from wbmodel.meta.scopes import ENTITY, PROJECT
from wbmodel.meta.wiring import PROJECT_STEP, listing
from wbmodel.objects.manager import Manager
from wbmodel.objects.relations import ToMany

if TYPE_CHECKING:
    from wbmodel.entities.artifact import ArtifactCollection, ArtifactType
    from wbmodel.entities.report import Report
    from wbmodel.entities.run import Run
    from wbmodel.entities.sweep import Sweep
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Project"]


@entity
class Project(Written):
    """A project of an entity: runs, sweeps, artifacts and reports."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False)
    name: ReadOnly[str] = field(
        "name",
        Kind.TEXT,
        "The project's name, the last part of its path.",
        nullable=False,
        path="name",
        fixed="rename a project with the mutation renameProject, through session.execute()",
    )
    entity: ReadOnly[str] = field(
        "entityName",
        Kind.TEXT,
        "The user or team that owns it.",
        nullable=False,
        aliases=("entity_name", "entityName"),
        shared=True,
    )
    created_at: ReadOnly[datetime] = field(
        "createdAt", Kind.TIME, "When it was made.", nullable=False, path="created_at", aliases=("createdAt",)
    )
    description: str | None = field("description", Kind.TEXT, "What it is about.", editable=True, filter="description")
    updated_at: ReadOnly[datetime | None] = field(
        "updatedAt", Kind.TIME, "When it last changed.", selected=False, aliases=("updatedAt",)
    )
    access: ReadOnly[str | None] = field(
        "access", Kind.TEXT, "Who may see it, in the server's words.", selected=False, shared=True
    )
    read_only: ReadOnly[bool | None] = field(
        "readOnly", Kind.BOOL, "Whether this account may not write to it.", selected=False, aliases=("readOnly",)
    )
    is_benchmark: ReadOnly[bool] = field(
        "isBenchmark",
        Kind.BOOL,
        "Whether it is a benchmark project.",
        nullable=False,
        selected=False,
        aliases=("isBenchmark",),
    )
    run_count: ReadOnly[int | None] = field(
        "runCount", Kind.INT, "How many runs it has.", selected=False, aliases=("runCount",)
    )

    runs: ClassVar[ToMany[Run]] = ToMany("Run", "project", "The project's runs.")
    sweeps: ClassVar[ToMany[Sweep]] = ToMany("Sweep", "project", "The project's sweeps.")
    reports: ClassVar[ToMany[Report]] = ToMany("Report", "project", "The project's reports.")
    artifact_types: ClassVar[ToMany[ArtifactType]] = ToMany(
        "ArtifactType", "project", "The types of artifact in the project."
    )
    artifact_collections: ClassVar[ToMany[ArtifactCollection]] = ToMany(
        "ArtifactCollection", "project", "The collections of artifacts in the project."
    )

    def delete(self) -> None:
        """Delete the project permanently, with everything in it: runs, sweeps, reports, artifacts."""
        self._delete()

    async def adelete(self) -> None:
        """The async twin of :meth:`delete`."""
        await self._adelete()

    @property
    def path(self) -> str:
        """``"entity/project"``."""
        return f"{self.entity}/{self.name}"

    @property
    def url(self) -> str | None:
        """The URL of its web page; None if the session's backend is not a server (files, a demo)."""
        return self._page(self.entity, self.name, "workspace")

    def _home(self) -> str | None:
        return self.path

    def _label(self) -> str:
        return self.path

    objects = Manager["QuerySet[Project]"]()
    __wbmodel__ = Options(
        key="name",
        scopes={ENTITY: ENTITY, "path": PROJECT},
        checks={ENTITY: "entity", "path": "path"},
        routes=(listing("models", args=(Arg("entityName", ENTITY, "String"),)),),
        points=(
            Route(needs=("path",), steps=(PROJECT_STEP,)),
            Route(key="name", steps=(Step("project", (Arg("name", "key", "String"), PROJECT_STEP.args[1])),)),
        ),
        expand=(Expansion(via="Entity", gives={ENTITY: "name"}),),
        scope_value={PROJECT: "path"},
        node_context=("entity",),
        writes=Writes(
            upsert="upsertModel",
            answer="model",
            place={ENTITY: "entityName"},
            placed=True,
            key="name",
            key_length=0,
            claimed=True,
            creates={"access": "access"},
            types={"id": "String"},
            delete="deleteModel",
            delete_id="String!",
            confirms=True,
        ),
    )
