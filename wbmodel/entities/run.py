"""Runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from wbmodel.codec import loads
from wbmodel.entities.base import entity, unreadable
from wbmodel.entities.contents.file_set import ToFiles
from wbmodel.entities.run_verbs import WithFiles
from wbmodel.errors import FieldNotLoaded
from wbmodel.meta import Arg, Kind, ReadOnly, Route, Step, Streams, Tally, Writes, field, relation
from wbmodel.meta.scopes import ARTIFACT, ENTITY, PROJECT, RUN
from wbmodel.meta.state import is_loaded, kept, parts
from wbmodel.meta.wiring import PROJECT_STEP, RUN_STEP, in_project
from wbmodel.objects.manager import Manager
from wbmodel.objects.relations import ToMany

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.entities.artifact import Artifact
    from wbmodel.entities.file import File
    from wbmodel.entities.project import Project
    from wbmodel.entities.sweep import Sweep
    from wbmodel.entities.user import User
    from wbmodel.objects.console import ConsoleLog
    from wbmodel.objects.history import HistorySet
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.objects.watch import Waiting

__all__ = ["STATES", "TERMINAL", "Run"]

TERMINAL = ("finished", "crashed", "failed", "killed", "preempted")
"""The states in which a run has ended. (A preempted run may be started again, but has ended until then.)"""

STATES = ("pending", "running", "preempting", *TERMINAL)
"""The possible states of a run, as in W&B's own clients (0.31.0, seen)."""

_USED_STEP = Step("artifact", (Arg("id", "used_artifact", "ID!"),), entity="Artifact")

_GROUPS = Tally(
    "groupedRuns", "group", "totalRuns", arguments='groupKeys: ["group"], first: 1000', on="GroupedRunConnection"
)


@entity
class Run(WithFiles):
    """One run of a script: its settings (``config``), its results (``summary``), and related objects."""

    node_id: ReadOnly[str] = field(
        "id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False, aliases=("storage_id",)
    )
    id: ReadOnly[str] = field(
        "name",
        Kind.TEXT,
        "The short id, unique in its project.",
        nullable=False,
        path="name",
        aliases=("run_id",),
        fixed="the short id of a run is permanent; use create() for a new run",
    )
    name: str = field(
        "displayName",
        Kind.TEXT,
        "The display name; need not be unique.",
        path="display_name",
        aliases=("display_name", "displayName"),
        editable=True,
    )
    state: ReadOnly[str] = field(
        "state",
        Kind.TEXT,
        "running, pending, finished, crashed, failed, killed, preempting or preempted.",
        path="state",
        shared=True,
        fixed="the run's own process reports its state",
        choices=STATES,
    )
    config: dict[str, Any] = field(
        "config",
        Kind.CONFIG,
        "The settings, unwrapped; a plain dict.",
        path="config",
        editable=True,
        in_part=True,
        index="fields",
    )
    summary: dict[str, Any] = field(
        "summaryMetrics",
        Kind.SUMMARY,
        "The results; a plain dict.",
        path="summary_metrics",
        aliases=("summary_metrics", "summaryMetrics"),
        editable=True,
        in_part=True,
        index="fields",
    )
    tags: list[str] = field(
        "tags", Kind.TEXTS, "The tags.", filter="tags", editable=True, tally=Tally("tagCounts", "name", "count")
    )
    group: str | None = field(
        "group",
        Kind.TEXT,
        "The group that the run belongs to.",
        path="group",
        editable=True,
        input="groupName",
        shared=True,
        tally=_GROUPS,
    )
    job_type: str | None = field(
        "jobType",
        Kind.TEXT,
        "What kind of job it was.",
        path="job_type",
        aliases=("jobType",),
        editable=True,
        shared=True,
    )
    notes: str | None = field("notes", Kind.TEXT, "Notes, in Markdown.", editable=True)
    description: str | None = field(
        "description", Kind.TEXT, "The description, as older clients set it.", selected=False, editable=True
    )
    created_at: ReadOnly[datetime] = field(
        "createdAt", Kind.TIME, "When it started.", nullable=False, path="created_at", aliases=("createdAt",)
    )
    heartbeat_at: ReadOnly[datetime | None] = field(
        "heartbeatAt", Kind.TIME, "When it last sent a heartbeat.", path="heartbeat_at", aliases=("heartbeatAt",)
    )
    commit: ReadOnly[str | None] = field("commit", Kind.TEXT, "The Git commit of the code.", selected=False)
    read_only: ReadOnly[bool | None] = field(
        "readOnly", Kind.BOOL, "Whether this account may not change it.", selected=False, aliases=("readOnly",)
    )
    system_metrics: ReadOnly[dict[str, Any] | None] = field(
        "systemMetrics", Kind.JSON, "The last system metrics.", selected=False, aliases=("systemMetrics",)
    )
    history_line_count: ReadOnly[int | None] = field(
        "historyLineCount", Kind.INT, "How many rows its history has.", selected=False, aliases=("historyLineCount",)
    )
    history_keys: ReadOnly[dict[str, Any] | None] = field(
        "historyKeys",
        Kind.VALUE,
        "Which keys its history has, and its last step.",
        selected=False,
        aliases=("historyKeys",),
    )
    file_count: ReadOnly[int | None] = field(
        "fileCount", Kind.INT, "How many files it has.", selected=False, aliases=("fileCount",)
    )
    project: ReadOnly[Project] = relation(
        "Project", "project", "The project it belongs to.", identity=("name", "entity")
    )
    sweep: ReadOnly[Sweep | None] = relation(
        "Sweep",
        "sweepName",
        "The sweep it belongs to, a reference by id.",
        by_key=True,
        identity=("id",),
        filters={"id": "sweep"},
        aliases=("sweep_name", "sweepName"),
    )
    user: ReadOnly[User | None] = relation(
        "User", "user", "Who started it.", identity=("username", "name"), filters={"username": "username"}
    )

    files: ClassVar[ToFiles[File]] = ToFiles("File", "run", "The run's files.")
    logged_artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", "logged_by", "The artifact versions that the run made."
    )
    used_artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", "used_by", "The artifact versions that the run used."
    )

    def delete(self, *, delete_artifacts: bool = False) -> None:
        """Delete the run permanently, and with ``delete_artifacts`` also the artifact versions that it logged.

        The object keeps its loaded values.
        """
        self._delete(delete_artifacts=delete_artifacts)

    async def adelete(self, *, delete_artifacts: bool = False) -> None:
        """The async twin of :meth:`delete`."""
        await self._adelete(delete_artifacts=delete_artifacts)

    @property
    def path(self) -> str:
        """``"entity/project/id"``."""
        return f"{self.project.path}/{self.id}"

    @property
    def url(self) -> str | None:
        """The URL of its web page; None if the session's backend is not a server (files, a demo)."""
        return self._page(self.project.entity, self.project.name, "runs", self.id)

    def wait(self, timeout: float | None = None, until: str | Iterable[str] = TERMINAL, interval: float = 5.0) -> Self:
        """Poll every ``interval`` seconds until the run is in a state of ``until``, then refresh and return it.

        The wait also ends when the run ends in any other state, so check ``state``. Raises
        :class:`~wbmodel.errors.WaitTimeout` after ``timeout`` seconds (None: never), and ``Run.DoesNotExist`` if the
        run is deleted meanwhile.
        """
        self._waiting(timeout, until, interval).wait()
        return self

    async def await_(
        self, timeout: float | None = None, until: str | Iterable[str] = TERMINAL, interval: float = 5.0
    ) -> Self:
        """The async twin of :meth:`wait`; it cannot be called ``await``, which is a keyword."""
        await self._waiting(timeout, until, interval).await_()
        return self

    def _waiting(self, timeout: float | None, until: str | Iterable[str], interval: float) -> Waiting:
        from wbmodel.objects.watch import Pace, Waiting

        return Waiting(self, Pace(interval, timeout), until, states=STATES, ended=TERMINAL)

    @property
    def entity(self) -> str:
        """The user or team that owns the run's project."""
        return self.project.entity

    @property
    def history(self) -> HistorySet:
        """The rows that the run logged, as :class:`~wbmodel.objects.history.HistorySet`. Makes no requests."""
        from wbmodel.objects.history import HistorySet

        return HistorySet.of_run(self)

    @property
    def system_history(self) -> HistorySet:
        """The system metrics of the run's machine (``_timestamp``, ``system.cpu`` ...). Their rows have no steps."""
        from wbmodel.objects.history import HistorySet

        return HistorySet.of_run(self, "events")

    @property
    def console(self) -> ConsoleLog:
        """What the run printed: lines with ``number``, ``level``, ``timestamp``, ``label`` and ``line``;
        ``run.console.text()`` is the whole text."""
        from wbmodel.objects.console import ConsoleLog

        return ConsoleLog.of_run(self, "console")

    @property
    def raw_config(self) -> dict[str, Any]:
        """The config as the server stores it: each value wrapped in ``{"value": ...}``, including ``_wandb``."""
        try:
            text: str | None = kept(self, "config")
        except AttributeError:
            raise FieldNotLoaded("Run.raw_config needs config; a query without defer('config') loads it") from None
        if "config" in parts(self):
            raise FieldNotLoaded("Run.raw_config needs all of config; a query with .also('config') loads it")
        try:
            raw: dict[str, Any] = loads(text) if text else {}
        except (ValueError, TypeError) as error:
            raise unreadable(self, "config", text, error) from error
        return raw

    def _label(self) -> str:
        state = f" ({self.state})" if is_loaded(self, "state") else ""
        return f"{self.path}{state}"

    objects = Manager["QuerySet[Run]"]()
    # The 0.31.0 client creates a run in the state "running" (its create_run, seen).
    __wbmodel__ = in_project(
        "runs",
        node="run",
        count="parent:runCount(filters)",
        scopes={"used_artifact": ARTIFACT, "path": RUN},
        checks={"path": "path"},
        routes=(Route(steps=(_USED_STEP,), connection="usedBy"),),
        points=(Route(needs=("path",), steps=(PROJECT_STEP, RUN_STEP), context=PROJECT),),
        scope_value={RUN: "path"},
        computed={"entity": ()},
        shown=("id", "name", "state", "created_at"),
        streams=Streams(fields=("node_id", "id", "project", "state", "history_line_count"), ended=TERMINAL),
        writes=Writes(
            upsert="upsertBucket",
            answer="bucket",
            place={PROJECT: "modelName", ENTITY: "entityName"},
            key="name",
            claimed=True,
            creates={"state": "state", "commit": "commit", "sweep": "sweep"},
            defaults={"state": "running"},
            types={"id": "String"},
            delete="deleteRun",
            flags={"delete_artifacts": "deleteArtifacts"},
        ),
    )
