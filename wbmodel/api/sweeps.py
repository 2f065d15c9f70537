"""``Sweep`` and ``Sweeps``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wbmodel.api.attrs import Attrs, Siblings
from wbmodel.api.errors import UsageError, normalize_exceptions
from wbmodel.api.paginator import Paginator
from wbmodel.api.query_generator import QueryGenerator
from wbmodel.api.runs import Run, Runs
from wbmodel.entities.sweep import Sweep as SweepEntity
from wbmodel.errors import DoesNotExist, QueryWarning, warn
from wbmodel.query.dialects.mongo import condition, names

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.api.client import Client
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Sweep", "Sweeps"]


def sweeps_of(client: Client, entity: str | None, project: str) -> QuerySet[SweepEntity]:
    """The sweeps of a project."""
    return SweepEntity.objects.using(client.session).filter(project=client.place(entity, project))


class Sweep(Attrs[SweepEntity]):
    """A sweep. Made with a sweep id, it is loaded at once; that of a run, when something of it is read."""

    def __init__(
        self, client: Client, entity: str | None, project: str, sweep_id: str, attrs: Mapping[str, Any] | None = None
    ) -> None:
        if attrs:
            raise UsageError("a Sweep is made from the server's answer, not from attrs; pass the sweep id alone")
        self._become(client, entity or client.default_entity or "", project, sweep_id, None, None)
        self.load()

    @classmethod
    def later(cls, client: Client, entity: str, project: str, sweep_id: str) -> Self:
        """A sweep that is loaded when something of it is read."""
        made = cls.__new__(cls)
        made._become(client, entity, project, sweep_id, None, None)
        return made

    @classmethod
    def of(cls, client: Client, row: SweepEntity, siblings: Siblings | None = None) -> Self:
        """A sweep of a listing."""
        made = cls.__new__(cls)
        made._become(client, row.project.entity, row.project.name, row.id, row, siblings)
        return made

    def _become(
        self,
        client: Client,
        entity: str,
        project: str,
        sweep_id: str,
        row: SweepEntity | None,
        siblings: Siblings | None,
    ) -> None:
        self.client = client
        self._owner = entity
        self.project = project
        self.id = sweep_id
        self._found = row
        self._siblings = siblings
        self._runs: Runs | None = None

    def _row(self) -> SweepEntity:
        if self._found is None:
            self.load()
        assert self._found is not None
        return self._found

    def _again(self) -> QuerySet[SweepEntity]:
        return sweeps_of(self.client, self.entity, self.project)

    @classmethod
    def get(
        cls,
        client: Client,
        entity: str | None = None,
        project: str | None = None,
        sid: str | None = None,
        withRuns: bool = True,  # noqa: N803
        order: str | None = None,
        query: Any = None,
        **kwargs: Any,
    ) -> Sweep | None:
        """The sweep of this id, or None. ``withRuns``, ``order`` and ``query`` change nothing: runs are a listing."""
        if not project or not sid:
            raise ValueError("Sweep.get() needs project= and sid=")
        try:
            return cls(client, entity or client.entity, project, sid)
        except ValueError as error:
            if isinstance(error.__cause__, DoesNotExist):
                return None
            raise

    def load(self, force: bool = False) -> dict[str, Any]:
        """Load it, again with ``force``. Raises ``ValueError`` if the sweep does not exist."""
        if self._found is None or force:
            try:
                self._found = self._again().get(id=self.id)
            except DoesNotExist as error:
                raise ValueError(f"Could not find sweep {self!r}") from error
            self._siblings = None
        return self._attrs

    @property
    def entity(self) -> str:
        """The entity of its project."""
        return self._owner

    @property
    def username(self) -> str:
        """Deprecated: the entity."""
        warn("Sweep.username is deprecated; use Sweep.entity", DeprecationWarning)
        return self.entity

    @property
    def name(self) -> str:
        """The display name, else the name in its definition, else the id."""
        row = self._row()
        named = row.config.get("name")
        return row.name or (named if isinstance(named, str) else None) or self.id

    @property
    def config(self) -> dict[str, Any]:
        """The definition, parsed."""
        return self._row().config

    @property
    def state(self) -> str:
        """``RUNNING``, ``FINISHED`` ..."""
        found: str = self._read("state")
        return found

    @property
    def expected_run_count(self) -> int | None:
        """How many runs it will have, for a grid; None if that is unknown."""
        found: int | None = self._read("expected_run_count")
        return found

    @property
    def runs(self) -> Runs:
        """Its runs, newest first."""
        if self._runs is None:
            self._runs = Runs(self.client, self.entity, self.project, {"sweep": self.id})
        return self._runs

    @property
    def runs_by_id(self) -> dict[str, Run]:
        """Its runs by their ids."""
        return {run.id: run for run in self.runs}

    @property
    def order(self) -> str | None:
        """The order that puts the best run first; None if its definition names no metric."""
        row = self._row()
        if row.metric is None:
            return None
        return f"{'-' if row.goal == 'max' else '+'}summary_metrics.{row.metric}"

    @normalize_exceptions
    def best_run(self, order: str | None = None) -> Run | None:
        """The best run by the sweep's metric, or the first by ``order``; None if it has no runs.

        In ``order``, a name that is not a field of runs is a key of the summary; without a sign, it descends.
        """
        if order is None and self._row().metric is not None:
            found = self._row().best_run()
            return None if found is None else Run.of(self.client, found)
        if order is None:
            warn(
                f"{self!r} names no metric, so its newest run is returned; say order='+summary_metrics.loss'",
                QueryWarning,
            )
        else:
            order = best_order(order)
        first = Runs(self.client, self.entity, self.project, {"sweep": self.id}, order, per_page=1, lazy=False)[:1]
        return first[0] if first else None

    @property
    def path(self) -> list[str]:
        """``[entity, project, id]``, each quoted for a URL."""
        return [quote(part, safe="") for part in (self.entity, self.project, self.id)]

    @property
    def url(self) -> str | None:
        """The address of its page; None on a backend without web pages."""
        base, (entity, project, name) = self.client.app_url, self.path
        return f"{base}{entity}/{project}/sweeps/{name}" if base else None

    def __repr__(self) -> str:
        return f"<Sweep {self.entity}/{self.project}/{self.id}>"


def best_order(order: str) -> str:
    """An order of runs, in which a name that is not a field of theirs is a key of the summary."""
    from wbmodel.entities.run import Run as RunEntity

    sign, key = (order[0], order[1:]) if order[:1] in ("+", "-") else ("-", order)
    root = key.partition(".")[0]
    return sign + key if root in names(RunEntity) else QueryGenerator.format_order_key(sign + key) or sign + key


class Sweeps(Paginator[Sweep]):
    """The sweeps of a project."""

    def __init__(
        self,
        client: Client,
        entity: str | None,
        project: str,
        per_page: int | None = 50,
        filters: Mapping[str, Any] | None = None,
        order: str | None = None,
    ) -> None:
        from wbmodel.api.orders import order_keys

        super().__init__(client, per_page)
        self._entity = entity
        self.project = project
        self._condition = condition(SweepEntity, filters)
        self._keys = order_keys(SweepEntity, order)

    @property
    def entity(self) -> str | None:
        """The entity of the project."""
        return self._entity or self.client.default_entity

    def _make_rows(self) -> QuerySet[SweepEntity]:
        rows = sweeps_of(self.client, self._entity, self.project)
        return rows.filter(self._condition).order_by(*self._keys)

    def _make(self, row: SweepEntity) -> Sweep:
        return Sweep.of(self.client, row, self._siblings)

    def _missing(self, error: DoesNotExist) -> Exception:
        return ValueError(f"Could not find project {self.project}")

    def __repr__(self) -> str:
        return f"<Sweeps {self._entity or ''}/{self.project}>"
