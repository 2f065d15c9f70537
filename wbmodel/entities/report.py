"""Reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wbmodel.entities.base import entity
from wbmodel.entities.written import Written
from wbmodel.errors import FieldNotLoaded
from wbmodel.meta import Kind, ReadOnly, Writes, field, relation
from wbmodel.meta.scopes import ENTITY, PROJECT
from wbmodel.meta.wiring import in_project
from wbmodel.objects.manager import Manager

if TYPE_CHECKING:
    from wbmodel.entities.project import Project
    from wbmodel.entities.run import Run
    from wbmodel.entities.user import User
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Report"]

_EMPTY: dict[str, Any] = {
    "version": 5,
    "panelSettings": {},
    "blocks": [],
    "width": "readable",
    "authors": [],
    "discussionThreads": [],
}


@entity
class Report(Written):
    """A report: a page of text and panels over the runs of a project."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False)
    id: ReadOnly[str] = field(
        "name",
        Kind.TEXT,
        "The short name, unique in its project.",
        path="name",
        fixed="the short name is the report's for ever; its title is name",
    )
    name: str | None = field(
        "displayName",
        Kind.TEXT,
        "The title.",
        path="display_name",
        aliases=("title", "display_name", "displayName"),
        editable=True,
    )
    description: str | None = field("description", Kind.TEXT, "What it is about.", editable=True)
    spec: dict[str, Any] | None = field("spec", Kind.JSON, "The whole content.", editable=True)
    created_at: ReadOnly[datetime] = field(
        "createdAt", Kind.TIME, "When it was made.", nullable=False, path="created_at", aliases=("createdAt",)
    )
    updated_at: ReadOnly[datetime | None] = field(
        "updatedAt", Kind.TIME, "When it last changed.", path="updated_at", aliases=("updatedAt",)
    )
    project: ReadOnly[Project] = relation(
        "Project", "project", "The project it belongs to.", identity=("name", "entity")
    )
    user: ReadOnly[User | None] = relation("User", "user", "Who made it.", identity=("username", "name"))

    @property
    def sections(self) -> list[dict[str, Any]]:
        """The parts that show runs: ``panelGroups`` of older reports, the ``panel-grid`` blocks of newer ones.

        Raises ``FieldError``, which names report and path, where the spec is damaged."""
        from wbmodel.entities.report_spec import sections_of

        return [section for _, section in sections_of(self.spec, self._named())]

    def runs(self, section: int | Mapping[str, Any] = 0, *, only_selected: bool = True) -> QuerySet[Run]:
        """The runs that a section shows: its open run set's filters and order as a queryset. ``only_selected`` leaves
        out the runs that were hidden in it. Raises ``FieldError`` for a section or filter that cannot be read; for a
        damaged spec it names the path, such as ``spec.blocks[3].metadata.runSets[0].filters``."""
        from wbmodel.entities.report_filters import run_set_query
        from wbmodel.entities.report_spec import run_set, sections_of
        from wbmodel.entities.run import Run

        chosen = run_set(sections_of(self.spec, self.path), section, self.path)
        condition, order = run_set_query(chosen, only_selected, self.path)
        rows = Run.objects.using(self.session).filter(condition, project=self.project)
        return rows.order_by(*order) if order else rows

    @property
    def runsets(self) -> list[QuerySet[Run]]:
        """A queryset for every run set of the report, in order: each with its own project, filters and order, and
        without the runs that are hidden in it. A run set without a project is about the report's own.

        Raises ``FieldError``, which names report and path, where the spec is damaged or a filter cannot be read."""
        from wbmodel.entities.report_filters import run_set_query
        from wbmodel.entities.report_spec import run_sets_of
        from wbmodel.entities.run import Run

        made = []
        for chosen in run_sets_of(self.spec, self._named()):
            condition, order = run_set_query(chosen, True, self._named())
            place = chosen.project
            name = place.name if place is not None else None
            project = f"{place.entity or self.project.entity}/{name}" if place is not None and name else self.project
            rows = Run.objects.using(self.session).filter(condition, project=project)
            made.append(rows.order_by(*order) if order else rows)
        return made

    def _named(self) -> str:
        try:
            return self.path
        except FieldNotLoaded:
            return repr(self)

    def delete(self, *, delete_drafts: bool = True) -> None:
        """Delete the report for good, and its drafts (unfinished changes of it), as the official client does."""
        self._delete(delete_drafts=delete_drafts)

    async def adelete(self, *, delete_drafts: bool = True) -> None:
        """The twin of :meth:`delete`."""
        await self._adelete(delete_drafts=delete_drafts)

    @property
    def path(self) -> str:
        """``"entity/project/reports/id"``."""
        return f"{self.project.path}/reports/{self.id}"

    @property
    def url(self) -> str | None:
        """The address of its web page: the title for people, then the node id, as the official client writes it (its
        source, seen). None if the session's backend is not a server (files, a demo)."""
        title = re.sub(r"-+", "-", re.sub(r"\W", "-", self.name or "")).strip("-")
        return self._page(
            self.project.entity, self.project.name, "reports", f"{title}--{self.node_id.replace('=', '')}"
        )

    objects = Manager["QuerySet[Report]"]()
    # As wandb-workspaces 0.4.13 sends it (seen): its ids have 12 letters, spec is declared as String, and an empty
    # report of it has these parts.
    __wbmodel__ = in_project(
        "allViews",
        graphql="View",
        fixed=(("viewType", "runs"),),
        computed={"url": ("name",)},
        writes=Writes(
            upsert="upsertView",
            answer="view",
            place={PROJECT: "projectName", ENTITY: "entityName"},
            placed=True,
            key="name",
            key_length=12,
            defaults={"name": "Untitled Report", "description": "", "spec": _EMPTY},
            fixed={"type": '"runs"', "createdUsing": "WANDB_SDK"},
            types={"spec": "String"},
            delete="deleteView",
            flags={"delete_drafts": "deleteDrafts"},
            confirms=True,
        ),
    )
