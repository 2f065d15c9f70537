"""``Runs`` and ``Run``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from wbmodel.api.attrs import Siblings
from wbmodel.api.console_logs import ConsoleLogs
from wbmodel.api.errors import UsageError, normalize_exceptions
from wbmodel.api.histories import (
    HistoryScan,
    asked_keys,
    history_of,
    pandas_frame,
    sampled,
    system_rows,
)
from wbmodel.api.orders import order_keys
from wbmodel.api.paginator import Paginator
from wbmodel.api.paths import UNCATEGORIZED
from wbmodel.api.run_fields import RunFields
from wbmodel.api.summary import HTTPSummary
from wbmodel.codec import dumps
from wbmodel.entities.run import Run as RunEntity
from wbmodel.errors import DoesNotExist, warn
from wbmodel.query.dialects.mongo import condition
from wbmodel.table.exports import need

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.api.artifacts import Artifact, RunArtifacts
    from wbmodel.api.client import Client, HasClient
    from wbmodel.api.files import File, Files
    from wbmodel.api.sweeps import Sweep
    from wbmodel.api.users import User
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.query.q import Q

__all__ = ["Run", "Runs", "runs_of"]

LIGHT = (
    "id",
    "name",
    "state",
    "tags",
    "group",
    "job_type",
    "created_at",
    "heartbeat_at",
    "notes",
    "user",
    "sweep",
)
"""What a listing loads at first. The rest is loaded for all its runs when one of them is asked for it."""

WHOLE = ("config", "summary", "description", "commit", "read_only", "system_metrics", "history_line_count")
"""What a single run loads besides, in the same request. ``history_keys`` may be long: it is loaded when it is read."""


def runs_of(client: Client, entity: str | None, project: str) -> QuerySet[RunEntity]:
    """The runs of a project."""
    return RunEntity.objects.using(client.session).filter(project=client.place(entity, project))


class Runs(Paginator["Run"]):
    """The runs of a project that match a Mongo filter, in an order.

    A page has what a table of runs shows; a field that is first read of one run (``config``, ``summary`` ...) is loaded
    for all runs that were read so far, in one request. ``lazy=False`` loads config and summary with the pages.
    """

    def __init__(
        self,
        client: Client,
        entity: str | None,
        project: str,
        filters: Mapping[str, Any] | None = None,
        order: str | None = None,
        per_page: int | None = 50,
        include_sweeps: bool = True,
        lazy: bool = True,
        *,
        also: Q | None = None,
    ) -> None:
        super().__init__(client, per_page)
        self._entity = entity
        self.project = project
        self.filters = dict(filters) if isinstance(filters, Mapping) else {}
        self.order = order
        self._condition = condition(RunEntity, filters)
        if also is not None:
            self._condition = self._condition & also
        self._keys = order_keys(RunEntity, order)
        RunEntity.objects.filter(self._condition).order_by(*self._keys)  # names and values are checked now
        self._lazy = lazy
        self._sweeps: dict[str, Sweep] = {}

    @property
    def entity(self) -> str | None:
        """The entity of the project."""
        return self._entity or self.client.default_entity

    def _make_rows(self) -> QuerySet[RunEntity]:
        rows = runs_of(self.client, self._entity, self.project).filter(self._condition).order_by(*self._keys)
        return rows.only(*LIGHT) if self._lazy else rows

    def _related(self) -> QuerySet[RunEntity]:
        return runs_of(self.client, self._entity, self.project)

    def _make(self, row: RunEntity) -> Run:
        return Run.of(self.client, row, self._siblings, self._sweeps)

    def _missing(self, error: DoesNotExist) -> Exception:
        return ValueError(f"Could not find project {self.project}")

    def upgrade_to_full(self) -> None:
        """Load config, summary and system metrics of the runs that were read so far."""
        for run in self.objects[:1]:
            run.load_full_data()

    @normalize_exceptions
    def histories(
        self,
        samples: int = 500,
        keys: list[str] | None = None,
        x_axis: str = "_step",
        format: Literal["default", "pandas", "polars"] = "default",
        stream: Literal["default", "system"] = "default",
    ) -> Any:
        """What :meth:`Run.history` gives for every run, with the column ``run_id``: a list of dicts, or with ``format``
        a frame of pandas or polars, whose columns are sorted. Many runs are read by one request."""
        if format not in ("default", "pandas", "polars"):
            raise ValueError(f"format must be 'default', 'pandas' or 'polars', not {format!r}")
        names = asked_keys(keys, stream)
        by_run: Iterable[tuple[str, list[dict[str, Any]]]]
        if stream == "system":
            by_run = ((run.id, system_rows(run, samples)) for run in self)
        else:
            by_run = sampled(self._rows.history, samples, names and list(dict.fromkeys([x_axis, *names])))
        rows = [{**row, "run_id": run} for run, items in by_run for row in items]
        if format == "default":
            return rows
        columns = sorted({name for row in rows for name in row})
        if format == "pandas":
            return need("pandas").DataFrame.from_records(rows, columns=columns)
        return need("polars").DataFrame(rows, infer_schema_length=None, strict=False).select(columns)

    def __repr__(self) -> str:
        return f"<Runs {self._entity or self.client.entity or ''}/{self.project}>".replace("<Runs /", "<Runs ")


class Run(RunFields):
    """One run. Its fields are attributes; ``config``, ``tags``, ``notes`` ... can be changed and sent by ``update()``.

    Made with a run id, it is loaded at once.
    """

    def __init__(
        self, client: Client, entity: str | None, project: str, run_id: str, attrs: Mapping[str, Any] | None = None
    ) -> None:
        if attrs:
            raise UsageError("a Run is made from the server's answer, not from attrs; pass the run id alone")
        self.client = client
        self.model = _fetch(client, entity, project, run_id)
        self._sweeps = {}

    @classmethod
    def of(
        cls,
        client: Client,
        row: RunEntity,
        siblings: Siblings | None = None,
        sweeps: dict[str, Sweep] | None = None,
    ) -> Self:
        """A run of a listing, whose runs share their ``sweeps``."""
        made = super().of(client, row, siblings)
        made._sweeps = {} if sweeps is None else sweeps
        return made

    _sweeps: dict[str, Sweep]
    _summary: HTTPSummary | None = None

    def _again(self) -> QuerySet[RunEntity]:
        return runs_of(self.client, self.entity, self.project)

    @classmethod
    def create(
        cls,
        api: HasClient,
        run_id: str | None = None,
        project: str | None = None,
        entity: str | None = None,
        state: str = "running",
    ) -> Run:
        """Create a run, in the project ``uncategorized`` if none is named; with the id of an existing run, get it."""
        client = api.client
        place = client.place(entity or client.entity, project or client.project or UNCATEGORIZED)
        rows = RunEntity.objects.using(client.session)
        if run_id is None:
            row = rows.create(project=place, state=state)
        else:
            row, _ = rows.get_or_create({"state": state}, project=place, id=run_id)
        return cls.of(client, row)

    # -- who and where --

    @property
    def user(self) -> User | None:
        """Who started it."""
        from wbmodel.api.users import User

        found = self._read("user")
        return None if found is None else User.of(self.client, found)

    @property
    def sweep_name(self) -> str | None:
        """The id of its sweep."""
        found = self._read("sweep")
        return None if found is None else found.id

    @property
    def sweep(self) -> Sweep | None:
        """Its sweep, which is loaded when something of it is read."""
        from wbmodel.api.sweeps import Sweep

        name = self.sweep_name
        if name is None:
            return None
        if name not in self._sweeps:
            self._sweeps[name] = Sweep.later(self.client, self.entity, self.project, name)
        return self._sweeps[name]

    # -- config and summary --

    @property
    def config(self) -> dict[str, Any]:
        """The settings, unwrapped; edit it in place."""
        found: dict[str, Any] = self._read("config")
        return found

    @config.setter
    def config(self, value: dict[str, Any]) -> None:
        self._read("config")  # the server's own keys in it are kept
        self.model.config = value

    @property
    def rawconfig(self) -> dict[str, Any]:
        """The settings with W&B's own keys (``_wandb``)."""
        config = self.config
        inner = {
            key: item["value"] if isinstance(item, dict) and "value" in item else item
            for key, item in self.model.raw_config.items()
            if key in ("_wandb", "wandb_version")
        }
        return {**config, **inner}

    @property
    def json_config(self) -> str:
        """The settings as JSON, each value as ``{"value": ..., "desc": null}``."""
        return dumps({key: {"value": value, "desc": None} for key, value in self.rawconfig.items()})

    @property
    def summary(self) -> HTTPSummary:
        """The results: a dict-like object, whose ``update()`` sends changes."""
        if self._summary is None:
            self._summary = HTTPSummary(
                lambda: self.summary_metrics, self._send_summary, lambda key: self._read_key("summary", key)
            )
        return self._summary

    @property
    def summary_metrics(self) -> dict[str, Any]:
        """The results as a plain dict, the one that ``summary`` edits."""
        found: dict[str, Any] = self._read("summary")
        return found

    @normalize_exceptions
    def _send_summary(self) -> None:
        self._row().save(["summary"])

    @property
    def system_metrics(self) -> dict[str, Any]:
        """The last system metrics."""
        return self._read("system_metrics") or {}

    # -- history, console and metadata --

    @normalize_exceptions
    def history(
        self,
        samples: int = 500,
        keys: list[str] | None = None,
        x_axis: str = "_step",
        pandas: bool = True,
        stream: Literal["default", "system"] = "default",
    ) -> Any:
        """About ``samples`` rows of the history, as the server thins it: a pandas frame, or a list of dicts.

        With ``keys``, the rows that have all of them, with ``x_axis`` and these. Where keys were logged at different
        steps, a warning says so. ``stream="system"`` gives the system metrics.
        """
        names = asked_keys(keys, stream)
        if stream == "system":
            rows = system_rows(self, samples)
        else:
            names = names and list(dict.fromkeys([x_axis, *names]))
            rows = [row for _, items in sampled(history_of(self), samples, names) for row in items]
        return pandas_frame(rows) if pandas else rows

    @normalize_exceptions
    def scan_history(
        self,
        keys: list[str] | None = None,
        page_size: int = 1000,
        min_step: int | None = None,
        max_step: int | None = None,
        use_cache: bool = True,
    ) -> HistoryScan:
        """Every row of the history, from ``min_step`` to before ``max_step``: loops over dicts.

        With ``keys``, the rows that have all of them, with these alone. Where keys were logged at different steps, a
        warning says so. ``page_size`` and ``use_cache`` are taken and mean nothing here.
        """
        return HistoryScan(self.client, self, min_step, max_step, page_size, keys)

    def beta_scan_history(
        self,
        keys: list[str] | None = None,
        page_size: int = 1000,
        min_step: int | None = None,
        max_step: int | None = None,
        use_cache: bool = True,
    ) -> HistoryScan:
        """Deprecated: :meth:`scan_history`."""
        warn("Run.beta_scan_history is deprecated; use Run.scan_history", DeprecationWarning)
        return self.scan_history(keys, page_size, min_step, max_step, use_cache)

    def console_logs(self, *, per_page: int = 1000, last: int | None = None) -> ConsoleLogs:
        """What the run printed, line by line; with ``last`` the last lines alone."""
        return ConsoleLogs(self.client, self, per_page, last)

    @property
    def metadata(self) -> dict[str, Any] | None:
        """What its client noted of the program and the machine; None if it noted nothing."""
        return self._row().metadata()

    @property
    def lastHistoryStep(self) -> int:  # noqa: N802
        """The last step of its history, asked anew each time; -1 if it has none."""
        row = self._again().only("history_keys").get(id=self.model.id)
        found = (row.history_keys or {}).get("lastStep", -1)
        return found if isinstance(found, int) else -1

    # -- loading and sending --

    @normalize_exceptions
    def load(self, force: bool = False) -> dict[str, Any]:
        """Load it again with ``force``; changes that were not sent are dropped."""
        if force:
            self.model = _fetch(self.client, self.entity, self.project, self.model.id)
            self._siblings = None
        return self._attrs

    @normalize_exceptions
    def load_full_data(self, force: bool = False) -> dict[str, Any]:
        """Load config, summary and system metrics, of all runs of the listing."""
        if force:
            return self.load(force=True)
        for name in ("config", "summary", "system_metrics"):
            self._read(name)
        return self._attrs

    @normalize_exceptions
    def update(self) -> None:
        """Send what was changed, and nothing else: what others changed meanwhile is kept."""
        self._row().save()

    def save(self) -> None:
        """The same as :meth:`update`."""
        self.update()

    @normalize_exceptions
    def delete(self, delete_artifacts: bool = False) -> None:
        """Delete the run, and with ``delete_artifacts`` the artifact versions that it logged."""
        self._row().delete(delete_artifacts=delete_artifacts)

    def wait_until_finished(self) -> None:
        """Wait until the run has ended, in whatever state."""
        self._row().wait()

    # -- what belongs to it --

    @normalize_exceptions
    def files(self, names: list[str] | None = None, per_page: int | None = 50, pattern: str | None = None) -> Files:
        """Its files: those of these names, or whose names match a pattern of SQL's ``LIKE``; without either, all."""
        from wbmodel.api.files import Files

        return Files(self.client, self, names, per_page, pattern=pattern)

    @normalize_exceptions
    def file(self, name: str) -> File:
        """The file of this name."""
        return self.files([name])[0]

    @normalize_exceptions
    def logged_artifacts(self, per_page: int | None = 100) -> RunArtifacts:
        """The artifact versions that it made."""
        from wbmodel.api.artifacts import RunArtifacts

        return RunArtifacts(self.client, self, "logged", per_page)

    @normalize_exceptions
    def used_artifacts(self, per_page: int | None = 100) -> RunArtifacts:
        """The artifact versions that it used."""
        from wbmodel.api.artifacts import RunArtifacts

        return RunArtifacts(self.client, self, "used", per_page)

    @normalize_exceptions
    def use_artifact(self, artifact: Artifact, use_as: str | None = None) -> Artifact:
        """Note that the run uses a version, and return it."""
        from wbmodel.api.artifacts import Artifact

        if not isinstance(artifact, Artifact):
            raise ValueError(f"use_artifact() takes an artifact that api.artifact() gave, not {artifact!r:.80}")
        self._row().use_artifact(artifact.model)
        return artifact

    _out = {
        **dict.fromkeys(("upload_file", "log_artifact"), "wbmodel does not upload yet"),
        "download_history_exports": "`run.model.history.to_parquet(path)` writes all rows to a file",
        **dict.fromkeys(("stop", "update_state"), "wbmodel changes what was recorded, and steers no process"),
    }

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_summary": None}

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.state})>"


def _fetch(client: Client, entity: str | None, project: str, run_id: str) -> RunEntity:
    place = client.place(entity, project)
    try:
        return runs_of(client, entity, project).also(*WHOLE).get(id=run_id)
    except DoesNotExist as error:
        raise ValueError(f"Could not find run <Run {place}/{run_id} (not found)>") from error
