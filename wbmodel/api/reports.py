"""``Reports`` and ``BetaReport``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from wbmodel.api.attrs import OfProject, as_text
from wbmodel.api.paginator import Paginator
from wbmodel.api.query_generator import QueryGenerator
from wbmodel.api.runs import Runs
from wbmodel.entities.report import Report as ReportEntity
from wbmodel.errors import DoesNotExist
from wbmodel.query.q import Q

if TYPE_CHECKING:
    from wbmodel.api.client import Client
    from wbmodel.api.projects import Project
    from wbmodel.api.users import User
    from wbmodel.objects.queryset import QuerySet

__all__ = ["BetaReport", "Reports"]


class BetaReport(OfProject[ReportEntity]):
    """A report."""

    query_generator = QueryGenerator()

    def _again(self) -> QuerySet[ReportEntity]:
        return ReportEntity.objects.using(self.client.session).filter(project=self.model.project)

    @property
    def id(self) -> str:
        """The GraphQL id."""
        return self.model.node_id

    @property
    def name(self) -> str:
        """The short name."""
        return self.model.id

    @property
    def display_name(self) -> str | None:
        """The title."""
        found: str | None = self._read("name")
        return found

    @property
    def description(self) -> str | None:
        """What it is about."""
        found: str | None = self._read("description")
        return found

    @property
    def user(self) -> User | None:
        """Who made it."""
        from wbmodel.api.users import User

        found = self._read("user")
        return None if found is None else User.of(self.client, found)

    @property
    def spec(self) -> dict[str, Any]:
        """The whole content."""
        return self._read("spec") or {}

    @property
    def created_at(self) -> str:
        """When it was made, as the server's text."""
        found: str = as_text(self._read("created_at"))
        return found

    @property
    def updated_at(self) -> str | None:
        """When it last changed, as the server's text."""
        found: str | None = as_text(self._read("updated_at"))
        return found

    @property
    def url(self) -> str | None:
        """The address of its page; None on a backend without web pages."""
        return self.model.url

    @property
    def sections(self) -> list[dict[str, Any]]:
        """The parts that show runs: ``panelGroups`` of older reports, the panel grids of newer ones."""
        return self.model.sections

    def runs(self, section: int | Mapping[str, Any], per_page: int | None = 50, only_selected: bool = True) -> Runs:
        """The runs that a section shows; ``only_selected`` leaves out those that are hidden in it.

        Raises ``ValueError`` for a section whose filters cannot be read.
        """
        rows = self.model.runs(section, only_selected=only_selected)
        return _Shown(self.client, self.entity, self.project, per_page, rows)

    def __repr__(self) -> str:
        return f"<BetaReport {self.entity}/{self.project}/{self.name}>"


class _Shown(Runs):
    """The runs of a section, which has its own query."""

    def __init__(self, client: Client, entity: str, project: str, per_page: int | None, rows: QuerySet[Any]) -> None:
        super().__init__(client, entity, project, None, None, per_page)
        self._shown = rows

    def _make_rows(self) -> QuerySet[Any]:
        from wbmodel.api.runs import LIGHT

        return self._shown.only(*LIGHT)


class Reports(Paginator[BetaReport]):
    """The reports of a project, or those of one name or title."""

    def __init__(
        self,
        client: Client,
        project: Project,
        name: str | None = None,
        entity: str | None = None,
        per_page: int | None = 50,
    ) -> None:
        super().__init__(client, per_page)
        self.project = project
        self.entity = entity
        self.name = unquote(name) if name else None

    def _make_rows(self) -> QuerySet[ReportEntity]:
        place = self.client.place(self.entity, self.project.name)
        rows = ReportEntity.objects.using(self.client.session).filter(project=place)
        return rows.filter(Q(id=self.name) | Q(name=self.name)) if self.name else rows

    def _make(self, row: ReportEntity) -> BetaReport:
        return BetaReport.of(self.client, row, self._siblings)

    def _missing(self, error: DoesNotExist) -> Exception:
        return ValueError(f"Could not find project {self.project.name}")

    def __repr__(self) -> str:
        return f"<Reports {self.entity or self.client.entity or ''}/{self.project.name}>"
