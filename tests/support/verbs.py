"""Every verb that makes requests, as data: what is called, and on what. Each runs in both colours."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import attrs

from wbmodel import (
    Artifact,
    ArtifactCollection,
    ArtifactType,
    Count,
    Entity,
    File,
    Max,
    Project,
    Report,
    Run,
    Sweep,
    User,
)
from wbmodel.entities.base import Model
from wbmodel.meta import Kind, state
from wbmodel.objects.watch import Change

__all__ = ["VERBS", "Verb", "plain"]


@attrs.frozen
class Verb:
    """A queryset or object to call, and the method; ``writes`` needs a world of its own."""

    of: Callable[[], Any]
    method: str = ""
    args: tuple[Any, ...] = ()
    given: dict[str, Any] = attrs.field(factory=dict)
    writes: bool = False

    def now(self) -> Any:
        """Call it, synchronously."""
        subject = self.of()
        found = getattr(subject, self.method)(*self.args, **self.given) if self.method else subject
        if inspect.isgenerator(found) or not self.method:
            found = list(found)
        return subject if found is None else found

    async def later(self) -> Any:
        """Call its async twin."""
        subject = self.of()
        # Not await, which is a keyword.
        name = "await_" if self.method == "wait" else f"a{self.method}"
        found = getattr(subject, name)(*self.args, **self.given) if self.method else subject
        if inspect.isasyncgen(found) or not self.method:
            found = [row async for row in found]
        else:
            found = await found
        return subject if found is None else found

    def run(self, colour: str) -> Any:
        """Call it in this colour (``sync`` or ``async``), and read all that it gives."""
        return plain(self.now() if colour == "sync" else asyncio.run(self.later()))


def _run(key: str = "v05") -> Any:
    return Run.objects.get(id=key)


def _edited(row: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    return row


def _edited_run() -> Any:
    run = _run()
    run.config["z"], run.notes = 1, "new"
    return run


def _project(path: str = "acme/vision") -> Any:
    return Project.objects.get(path=path)


def _sweep(key: str = "sw1") -> Any:
    return Sweep.objects.get(id=key)


def _report() -> Any:
    return Report.objects.get(id="rep1")


SWEEP = {"method": "grid", "parameters": {"lr": {"values": [1]}}}
VERBS = {
    "list": Verb(Run.objects.all),
    "list, by a key": Verb(lambda: Run.objects.order_by("summary.loss")[:9]),
    "list, by name": Verb(lambda: Run.objects.order_by("name")),
    "related": Verb(lambda: Run.objects.select_related("user", "project")[:6]),
    "prefetched": Verb(lambda: Run.objects.prefetch_related("sweep", "files")[:4]),
    "two projects": Verb(lambda: Run.objects.filter(project__in=["acme/vision", "acme/nlp"])),
    "values": Verb(lambda: Run.objects.values("id", "config.lr", "created_at")),
    "count": Verb(lambda: Run.objects.filter(state="finished"), "count"),
    "count of all": Verb(Run.objects.all, "count"),
    "exists": Verb(lambda: Run.objects.exclude(state="running"), "exists"),
    "get": Verb(lambda: Run.objects, "get", (), {"id": "v05"}),
    "first": Verb(lambda: Run.objects.order_by("-summary.loss"), "first"),
    "best": Verb(lambda: Run.objects, "best", ("summary.loss",), {"goal": "min"}),
    "in_bulk": Verb(lambda: Run.objects, "in_bulk", (["v01", "v05"],)),
    "fields": Verb(Run.objects.all, "fields", ("config",)),
    "varying fields": Verb(Run.objects.all, "fields", ("config",), {"varying": True}),
    "aggregate": Verb(Run.objects.all, "aggregate", (), {"n": Count(), "last": Max("created_at")}),
    "groups": Verb(lambda: Run.objects.group_by("state")),
    "csv": Verb(Run.objects.all, "to_csv"),
    "projects": Verb(lambda: Project.objects.filter(entity="acme").only("name", "run_count", "read_only")),
    "project": Verb(lambda: Project.objects, "get", (), {"path": "acme/vision"}),
    "sweeps": Verb(Sweep.objects.all),
    "reports": Verb(Report.objects.all),
    "artifacts": Verb(
        lambda: Artifact.objects.filter(type="model").only("type_name", "size", "aliases", "file_count", "logged_by")
    ),
    "artifact types": Verb(ArtifactType.objects.all),
    "collections": Verb(lambda: ArtifactCollection.objects.filter(type="model")),
    "used": Verb(lambda: _run("v01").used_artifacts),
    "users of a version": Verb(lambda: Artifact.objects.get(path="acme/vision/weights:v0").used_by),
    "files of a version": Verb(lambda: Artifact.objects.get(path="acme/vision/weights:v0").files),
    "runs of a sweep": Verb(lambda: _sweep().runs),
    "best run": Verb(_sweep, "best_run"),
    "best of each": Verb(lambda: Run.objects.group_by("state"), "best", ("summary.loss",), {"goal": "min"}),
    "values_list": Verb(lambda: Run.objects.order_by("config.lr").values_list("id", "state", "summary.loss")),
    "watch": Verb(lambda: Run.objects.only("state"), "watch", (), {"interval": 1, "timeout": 0, "existing": True}),
    "watch on": Verb(lambda: Run.objects.filter(id="v05"), "watch", (), {"interval": 0.001, "timeout": 0.1}),
    "wait": Verb(lambda: Run.objects.filter(state="finished").first(), "wait", (0,)),
    "files": Verb(lambda: File.objects.filter(run="v05")),
    "users": Verb(User.objects.all),
    "entities": Verb(Entity.objects.all),
    "refresh": Verb(_run, "refresh"),
    "refresh a project": Verb(_project, "refresh"),
    "refresh a version": Verb(lambda: Artifact.objects.get(path="acme/vision/weights:v0"), "refresh"),
    "save a project": Verb(lambda: _edited(_project(), description="new"), "save", writes=True),
    "create": Verb(lambda: Run.objects, "create", (), {"id": "new", "config": {"lr": 1}}, writes=True),
    "create a sweep": Verb(lambda: Sweep.objects, "create", (), {"config": SWEEP}, writes=True),
    "save": Verb(_edited_run, "save", writes=True),
    "update": Verb(lambda: Run.objects.filter(id__in=["v01", "v05"]), "update", (), {"notes": "x"}, writes=True),
    "delete": Verb(lambda: Run.objects.filter(id__in=["v01", "v05"]), "delete", writes=True),
    "delete a run": Verb(_run, "delete", writes=True),
    "get or create": Verb(lambda: Run.objects, "get_or_create", ({"notes": "x"},), {"id": "new"}, writes=True),
    "update or create": Verb(lambda: Run.objects, "update_or_create", ({"notes": "x"},), {"id": "v05"}, writes=True),
    "create a project": Verb(lambda: Project.objects, "create", (), {"name": "new"}, writes=True),
    "delete a project": Verb(lambda: _project("acme/nlp"), "delete", writes=True),
    "save a sweep": Verb(lambda: _edited(_sweep(), description="new"), "save", writes=True),
    "pause a sweep": Verb(_sweep, "pause", writes=True),
    "create a report": Verb(lambda: Report.objects, "create", (), {"name": "new"}, writes=True),
    "save a report": Verb(lambda: _edited(_report(), description="new", spec={"blocks": []}), "save", writes=True),
    "delete a report": Verb(_report, "delete", writes=True),
    "delete reports": Verb(Report.objects.all, "delete", writes=True),
    "update reports": Verb(Report.objects.all, "update", (), {"description": "x"}, writes=True),
}


def plain(value: Any, depth: int = 0) -> Any:
    """Everything that a result holds, read."""
    if isinstance(value, Model):
        fields = type(value).__wbmodel_meta__.fields
        names = [name for name in value.loaded_fields() if depth < 3 or fields[name].kind is not Kind.REF]
        many = {name: state.prefetched(value, name) for name in type(value).__wbmodel_meta__.to_many}
        return {**{name: plain(getattr(value, name), depth + 1) for name in names}, **plain(many, depth + 1)}
    if isinstance(value, Change):
        return [value.kind, plain(value.obj, depth), plain(value.before, depth), list(value.fields)]
    if isinstance(value, dict):
        return {str(key): plain(item, depth) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth) for item in value]
    return repr(value) if not isinstance(value, str) else value
