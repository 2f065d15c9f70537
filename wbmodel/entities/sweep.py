"""Sweeps."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from wbmodel.entities.base import entity
from wbmodel.entities.written import Written
from wbmodel.errors import ConflictError, FieldError, FieldNotLoaded
from wbmodel.meta import Arg, Kind, ReadOnly, Route, Step, Writes, field, relation
from wbmodel.meta.scopes import ENTITY, PROJECT, SWEEP
from wbmodel.meta.state import put
from wbmodel.meta.wiring import PROJECT_STEP, in_project
from wbmodel.objects.manager import Manager
from wbmodel.objects.relations import ToMany
from wbmodel.query.f import PathExpr
from wbmodel.query.spelling import split_dotted

if TYPE_CHECKING:
    from wbmodel.backend.asks import Response
    from wbmodel.compiler.target import Target
    from wbmodel.entities.project import Project
    from wbmodel.entities.run import Run
    from wbmodel.entities.sweep_config import Metric
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.operations.answer import Operation

__all__ = ["Sweep"]


@entity
class Sweep(Written):
    """A search over settings: its definition (``config``) and its runs."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False)
    id: ReadOnly[str] = field(
        "name",
        Kind.TEXT,
        "The short id, unique in its project.",
        nullable=False,
        path="name",
        fixed="the server chooses the short id",
    )
    name: str | None = field(
        "displayName",
        Kind.TEXT,
        "The display name.",
        path="display_name",
        aliases=("display_name", "displayName"),
        editable=True,
    )
    state: ReadOnly[str] = field(
        "state",
        Kind.TEXT,
        "PENDING, RUNNING, PAUSED, CANCELED or FINISHED.",
        choices=("PENDING", "RUNNING", "PAUSED", "CANCELED", "FINISHED"),
        nullable=False,
        path="state",
        shared=True,
        fixed="say pause(), resume(), stop() or cancel()",
    )
    method: ReadOnly[str] = field(
        "method", Kind.TEXT, "How settings are chosen: grid, random, bayes.", nullable=False, shared=True
    )
    config: ReadOnly[dict[str, Any]] = field(
        "config",
        Kind.YAML,
        "The definition of the sweep.",
        nullable=False,
        fixed="a sweep keeps the definition that it was made with; create() makes another sweep",
    )
    created_at: ReadOnly[datetime] = field(
        "createdAt", Kind.TIME, "When it was made.", nullable=False, path="created_at", aliases=("createdAt",)
    )
    description: str | None = field("description", Kind.TEXT, "What it is about.", editable=True)
    best_loss: ReadOnly[float | None] = field(
        "bestLoss", Kind.FLOAT, "The best value of its metric so far.", aliases=("bestLoss",)
    )
    run_count: ReadOnly[int] = field(
        "runCount", Kind.INT, "How many runs it has.", nullable=False, aliases=("runCount",)
    )
    expected_run_count: ReadOnly[int | None] = field(
        "runCountExpected",
        Kind.INT,
        "How many runs it will have, for a grid.",
        selected=False,
        aliases=("runCountExpected",),
    )
    updated_at: ReadOnly[datetime | None] = field(
        "updatedAt", Kind.TIME, "When it last changed.", selected=False, aliases=("updatedAt",)
    )
    project: ReadOnly[Project] = relation(
        "Project", "project", "The project it belongs to.", identity=("name", "entity")
    )

    runs: ClassVar[ToMany[Run]] = ToMany("Run", "sweep", "The sweep's runs.")

    @property
    def path(self) -> str:
        """``"entity/project/sweeps/id"``."""
        return f"{self.project.path}/sweeps/{self.id}"

    @property
    def url(self) -> str | None:
        """The address of its web page; None if the session's backend is not a server (files, a demo)."""
        return self._page(self.project.entity, self.project.name, "sweeps", self.id)

    @property
    def metric(self) -> str | None:
        """The name of the metric that the sweep optimises, or None.

        Raises ``FieldError``, which names sweep and path, where the metric in ``config`` is damaged."""
        return self._metric().name or None

    @property
    def goal(self) -> str:
        """``"min"`` or ``"max"``: what the sweep wants of its metric. A definition that does not say means min.

        Raises what :attr:`metric` raises."""
        return "max" if self._metric().goal == "maximize" else "min"

    def _metric(self) -> Metric:
        from wbmodel.entities.sweep_config import sweep_config

        try:
            named = self.path
        except FieldNotLoaded:
            named = repr(self)
        return sweep_config(self.config, named).metric

    def pause(self) -> None:
        """Start no new runs until :meth:`resume`; running ones go on. Looks at the state first, as the official client
        does: a sweep that has ended raises :class:`~wbmodel.errors.ConflictError`, a paused one is left as it is."""
        self._run(_steer, "pause")

    async def apause(self) -> None:
        """The twin of :meth:`pause`."""
        await self._arun(_steer, "pause")

    def resume(self) -> None:
        """Go on with new runs, also after :meth:`stop`."""
        self._run(_steer, "resume")

    async def aresume(self) -> None:
        """The twin of :meth:`resume`."""
        await self._arun(_steer, "resume")

    def stop(self) -> None:
        """End the sweep: no new runs, running ones go on to their end. Raises
        :class:`~wbmodel.errors.ConflictError` for a cancelled one."""
        self._run(_steer, "stop")

    async def astop(self) -> None:
        """The twin of :meth:`stop`."""
        await self._arun(_steer, "stop")

    def cancel(self) -> None:
        """End the sweep and its running runs. Raises :class:`~wbmodel.errors.ConflictError` for a sweep that has ended
        in another way."""
        self._run(_steer, "cancel")

    async def acancel(self) -> None:
        """The twin of :meth:`cancel`."""
        await self._arun(_steer, "cancel")

    def best_run(self, path: str | PathExpr | None = None) -> Run | None:
        """The run with the best last value of the sweep's metric (or of ``path``); None when none has a number there.
        Raises ``FieldError`` when the sweep names no metric and no path is given."""
        for target in self._targets(path):
            found = self.runs.best(target, goal="max" if self.goal == "max" else "min")
            if found is not None:
                return found
        return None

    async def abest_run(self, path: str | PathExpr | None = None) -> Run | None:
        """The twin of :meth:`best_run`."""
        for target in self._targets(path):
            found = await self.runs.abest(target, goal="max" if self.goal == "max" else "min")
            if found is not None:
                return found
        return None

    def _targets(self, path: str | PathExpr | None) -> list[PathExpr]:
        """Where the metric may stand in a summary, the likeliest first."""
        if isinstance(path, PathExpr):
            return [path]
        if path is not None:
            _, parts = split_dotted(path)
            return [PathExpr(parts[0], tuple(parts[1:]))]
        if self.metric is None:
            raise FieldError(f"the sweep {self.path} names no metric; say which, as in best_run('summary.loss')")
        # "val.loss" is what log({"val.loss": 1}) writes as one key and log({"val": {"loss": 1}}) as two.
        literal, nested = PathExpr("summary", (self.metric,)), PathExpr("summary", tuple(self.metric.split(".")))
        return [literal] if literal.keys == nested.keys else [literal, nested]

    objects = Manager["QuerySet[Sweep]"]()
    # The official client sends the project beside the id when it sets the state (0.31.0, seen).
    __wbmodel__ = in_project(
        "sweeps",
        node="sweep",
        argument="sweepName",
        count="parent:totalSweeps",
        keyed=True,
        scopes={"path": SWEEP},
        points=(
            Route(needs=("path",), steps=(PROJECT_STEP, Step("sweep", (Arg("sweepName", SWEEP),))), context=PROJECT),
        ),
        scope_value={SWEEP: "path"},
        computed={"metric": ("config",), "goal": ("config",)},
        writes=Writes(
            upsert="upsertSweep",
            answer="sweep",
            place={PROJECT: "projectName", ENTITY: "entityName"},
            placed=True,
            creates={"config": "config"},
            required={"config": "a sweep needs its definition: config={'method': 'grid', 'parameters': {...}}"},
            warnings="configValidationWarnings",
        ),
    )


# -- pausing, resuming and ending ------------------------------------------------------------------

_STATES = {"pause": "PAUSED", "resume": "RUNNING", "stop": "FINISHED", "cancel": "CANCELED"}
"""What each verb writes (0.31.0's `wandb sweep --pause` and the like, seen)."""

_FROM = {
    "pause": frozenset({"RUNNING"}),
    "resume": frozenset({"RUNNING", "PAUSED", "PENDING", "FINISHED", "CANCELED"}),
    "stop": frozenset({"RUNNING", "PAUSED", "PENDING"}),
    "cancel": frozenset({"RUNNING", "PAUSED", "PENDING"}),
}
"""The states that a verb may start from. The official client holds to them; the server is not known to."""


def _steer(row: Sweep, target: Target, verb: str) -> Operation[None]:
    """Look at the state of a sweep, then write the one that ``verb`` means, unless it is that already."""
    from wbmodel.backend.verbs import Send
    from wbmodel.compiler.mutations import upsert
    from wbmodel.operations.reload import look_again
    from wbmodel.operations.save import check_answer, place_of, require_writable

    require_writable(target)
    now = yield from look_again(row, target, ("node_id", "state"))
    wanted, state = _STATES[verb], now.state.upper()
    if state != wanted:
        if state not in _FROM[verb]:
            raise ConflictError(f"the sweep {row.path} is {state} on {target.place}, so there is nothing to {verb}")
        request = upsert(
            type(row).__wbmodel_meta__,
            {"id": now.node_id, **place_of(row), "state": wanted},
            {"id": "ID", "state": "String"},
        )
        response: Response = yield Send(request)
        check_answer(row, now.node_id, request, response, target)
    put(row, "node_id", now.node_id)
    put(row, "state", wanted)
