"""Cases about relations: to one and to many, both ways, in the same document and prefetched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wbmodel.errors import FieldNotLoaded
from wbmodel.meta import Kind, all_entities
from wbmodel.meta.state import prefetched
from wbmodel.testing import oracle
from wbmodel.testing.conformance.cases import Group
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.world import World

__all__ = ["MANY", "ONE", "WIDENED", "group"]

group = Group("relation")

Row = dict[str, Any]

ONE: dict[tuple[str, str], tuple[str, Callable[[World, Row], Any]]] = {
    ("Run", "project"): ("path", lambda world, row: row["project"]),
    ("Run", "sweep"): ("id", lambda world, row: row["sweep"]),
    ("Run", "user"): ("username", lambda world, row: row["user"]),
    ("Sweep", "project"): ("path", lambda world, row: row["project"]),
    ("Report", "project"): ("path", lambda world, row: row["project"]),
    ("Report", "user"): ("username", lambda world, row: row["user"]),
    ("ArtifactType", "project"): ("path", lambda world, row: row["project"]),
    ("ArtifactCollection", "project"): ("path", lambda world, row: row["project"]),
    ("Artifact", "collection"): ("name", lambda world, row: row["collection"]),
    ("Artifact", "logged_by"): ("id", lambda world, row: row["logged_by"]),
}
"""To-one relations: the target's attribute that is compared, and its value in the world."""

WIDENED = {"Project": "description", "User": "name", "ArtifactCollection": "type", "Run": "state", "Sweep": "method"}
"""A field of each target that a reference does not have by itself, or has only when it is widened."""


def _artifacts(world: World, **wanted: Any) -> list[str]:
    return [
        item["name"] for item in world.rows("Artifact")
        if all(value in item[key] if key == "used_by" else item[key] == value for key, value in wanted.items())
    ]  # fmt: skip


MANY: dict[tuple[str, str], tuple[Callable[[World, Row], list[Any]], str]] = {
    ("Project", "runs"): (lambda world, row: [run["id"] for run in world.rows("Run", row["path"])], "Run"),
    ("Project", "sweeps"): (lambda world, row: [item["id"] for item in world.rows("Sweep", row["path"])], "Sweep"),
    ("Project", "reports"): (lambda world, row: [item["id"] for item in world.rows("Report", row["path"])], "Report"),
    ("Project", "artifact_types"): (
        lambda world, row: [item["name"] for item in world.rows("ArtifactType", row["path"])], "ArtifactType",
    ),
    ("Project", "artifact_collections"): (
        lambda world, row: [item["name"] for item in world.rows("ArtifactCollection", row["path"])],
        "ArtifactCollection",
    ),
    ("Sweep", "runs"): (lambda world, row: [run["id"] for run in world.runs_of(row)], "Run"),
    ("Run", "files"): (lambda world, row: list(row["files"]), "File"),
    ("Run", "logged_artifacts"): (lambda world, row: _artifacts(world, logged_by=row["id"]), "Artifact"),
    ("Run", "used_artifacts"): (lambda world, row: _artifacts(world, used_by=row["id"]), "Artifact"),
    ("ArtifactType", "collections"): (
        lambda world, row: [item["name"] for item in world.rows("ArtifactCollection") if item["type"] == row["name"]],
        "ArtifactCollection",
    ),
    ("ArtifactCollection", "artifacts"): (lambda world, row: _artifacts(world, collection=row["name"]), "Artifact"),
    ("Artifact", "files"): (lambda world, row: list(row["files"]), "File"),
    ("Artifact", "used_by"): (lambda world, row: list(row["used_by"]), "Run"),
    ("Entity", "projects"): (
        lambda world, row: [item["name"] for item in world.projects if item["entity"] == row["name"]], "Project",
    ),
}  # fmt: skip
"""To-many relations: the keys of the related rows in the world, and their class."""


def _parts(name: str, relation: str) -> list[str]:
    parts = []
    if "rtifact" in f"{name}.{relation}" or relation == "logged_by":
        parts.append("artifacts")
    if (name, relation) == ("Run", "files"):
        parts.append("files")
    return parts


def _keyed(kit: Kit, name: str, found: list[Any]) -> list[tuple[Any, Row]]:
    rows = {row[kit.key(name)]: row for row in kit.rows(name)}
    return [(item, rows[getattr(item, kit.key(name))]) for item in found if getattr(item, kit.key(name)) in rows]


def _one(name: str, relation: str) -> Callable[[Kit], None]:
    attribute, expect = ONE[name, relation]

    def run(kit: Kit) -> None:
        for item, row in _keyed(kit, name, kit.all(kit.objects(name))):
            target = getattr(item, relation)
            found = None if target is None else getattr(target, attribute)
            kit.equal(found, expect(kit.world, row), f"{name} {row[kit.key(name)]}: {relation}.{attribute}")

    return run


def _related(name: str, relation: str, target: str) -> Callable[[Kit], None]:
    attribute, expect = ONE[name, relation]

    def run(kit: Kit) -> None:
        wide = WIDENED[target]
        known = {row["path" if target == "Project" else kit.key(target)]: row for row in kit.world.rows(target)}
        for item, row in _keyed(kit, name, kit.all(kit.objects(name).select_related(relation))):
            found = getattr(item, relation)
            label = f"{name} {row[kit.key(name)]}: {relation}, by select_related,"
            wanted = expect(kit.world, row)
            kit.equal(None if found is None else getattr(found, attribute), wanted, f"{label} {attribute}")
            if found is not None:
                kit.equal(getattr(found, wide), known[wanted][wide], f"{label} {wide}")

    return run


def _prefetch_one(name: str, relation: str, target: str) -> Callable[[Kit], None]:
    attribute, expect = ONE[name, relation]

    def run(kit: Kit) -> None:
        wide = WIDENED[target]
        known = {row[kit.key(target)]: row for row in kit.world.rows(target)}
        for item, row in _keyed(kit, name, kit.all(kit.objects(name).prefetch_related(relation))):
            found = getattr(item, relation)
            label = f"{name} {row[kit.key(name)]}: {relation}, by prefetch_related,"
            wanted = expect(kit.world, row)
            kit.equal(None if found is None else getattr(found, attribute), wanted, f"{label} {attribute}")
            if found is not None:
                try:
                    value = getattr(found, wide)
                except FieldNotLoaded as error:
                    kit.fail(f"{label} was not loaded: {error}; was one of several aliases not answered?")
                kit.equal(value, known[wanted][wide], f"{label} {wide}")

    return run


def _many(name: str, relation: str) -> Callable[[Kit], None]:
    expect, target = MANY[name, relation]

    def run(kit: Kit) -> None:
        for item, row in _keyed(kit, name, kit.all(kit.objects(name))[:8]):
            what = f"{name} {row[kit.key(name)]}: {relation}"
            found = [getattr(other, kit.key(target)) for other in kit.all(getattr(item, relation))]
            wanted = expect(kit.world, row)
            if name == "Entity":
                found = [other for other in found if other in wanted]  # a server may hold other projects too
            kit.same_rows(found, wanted, what, lambda _: "")

    return run


def _prefetch(name: str, relation: str) -> Callable[[Kit], None]:
    expect, target = MANY[name, relation]

    def run(kit: Kit) -> None:
        for item, row in _keyed(kit, name, kit.all(kit.objects(name).prefetch_related(relation))):
            what = f"{name} {row[kit.key(name)]}: {relation}, by prefetch_related,"
            found = [getattr(other, kit.key(target)) for other in kit.all(getattr(item, relation))]
            kept = [getattr(other, kit.key(target)) for other in prefetched(item, relation) or ()]
            wanted = expect(kit.world, row)
            if name == "Entity":
                found, kept = ([other for other in rows if other in wanted] for rows in (found, kept))
            kit.same_rows(kept, wanted, what, lambda _: "")
            kit.same_rows(found, wanted, f"{name} {row[kit.key(name)]}: {relation}, asked again,", lambda _: "")

    return run


def _add_all() -> None:
    for name, meta in all_entities().items():
        if not meta.cls.__module__.startswith("wbmodel."):
            continue
        for field in meta.fields.values():
            if field.kind is not Kind.REF or (name, field.name) not in ONE:
                continue
            assert field.target is not None
            label, parts = f"{name}.{field.name}", _parts(name, field.name)
            group.add(f"one/{label}", _one(name, field.name), f"{label} refers to what the world says.", parts=parts)
            if field.by_key:
                group.add(
                    f"prefetch/{label}", _prefetch_one(name, field.name, field.target),
                    f"{label} is loaded by prefetch_related.", parts=parts,
                )  # fmt: skip
            else:
                group.add(
                    f"related/{label}", _related(name, field.name, field.target),
                    f"{label} is loaded in the same document by select_related.", parts=parts,
                )  # fmt: skip
        for relation in meta.to_many:
            if (name, relation) not in MANY:
                continue
            label, parts = f"{name}.{relation}", _parts(name, relation)
            group.add(f"many/{label}", _many(name, relation), f"{label} holds what the world says.", parts=parts)
            group.add(
                f"prefetch/{label}", _prefetch(name, relation), f"{label} is loaded by prefetch_related.", parts=parts
            )


_add_all()


@group("same-name-elsewhere", parts=["projects"])
def _same_name(kit: Kit) -> None:
    """A sweep of the same id in another project is another sweep, with its own runs."""
    from wbmodel import Sweep

    for project in (kit.world.project, kit.world.second):
        row = next(
            item for item in kit.world.rows("Sweep", project)
            if item["name"] in ("first", "nlp")
        )  # fmt: skip
        sweep = kit.ask(Sweep.objects.using(kit.session).filter(project=project, id=row["id"]), "get")
        kit.equal(sweep.project.path, project, f"the project of sweep {row['id']} of {project}")
        found = kit.names("Run", sweep.runs)
        kit.same_rows(
            found, [run["id"] for run in kit.world.runs_of(row)], f"the runs of that sweep of {project}", lambda _: ""
        )


@group("narrowed")
def _narrowed(kit: Kit) -> None:
    """A relation is a queryset: it is filtered, ordered, sliced and counted like any other."""
    from wbmodel import Project

    project = kit.ask(Project.objects.using(kit.session), "get", path=kit.world.project)
    rows = project.runs.filter(state="finished").order_by("-config.rank")
    tree = ("leaf", ("state",), "exact", "finished")
    expected = oracle.answer(kit.rows("Run"), tree, [(("config", "rank"), True)])
    kit.same_order(kit.names("Run", rows), expected, "project.runs.filter(...).order_by(...)", lambda _: "")
    kit.same_order(kit.names("Run", rows[1:3]), expected[1:3], "the same, sliced [1:3],", lambda _: "")
    kit.equal(kit.ask(rows, "count"), len(expected), "its count()")
    kit.equal(kit.ask(project.runs, "count"), len(kit.rows("Run")), "project.runs.count()")


@group("report-runs")
def _report_runs(kit: Kit) -> None:
    """The runs of a report's section are those that its filters mean, in its order."""
    tree = ("leaf", ("state",), "exact", "finished")
    expected = oracle.answer(kit.rows("Run"), tree, [(("created_at",), True)])
    for report in kit.all(kit.objects("Report")):
        kit.equal(len(report.sections), 1, f"the number of sections of report {report.id}")
        kit.same_order(kit.names("Run", report.runs(0)), expected, f"the runs of report {report.id}", lambda _: "")


@group("drafts", parts=["drafts"])
def _drafts(kit: Kit) -> None:
    """Drafts of reports are not among the reports."""
    found = kit.names("Report", kit.objects("Report"))
    drafts = [item["id"] for item in kit.world.reports if item["draft"] and item["id"] in found]
    kit.equal(drafts, [], "the drafts among the reports", 'allViews(viewType: "runs") gives what is published')


@group("nested")
def _nested(kit: Kit) -> None:
    """A relation of a relation is prefetched too."""
    rows = kit.all(kit.objects("Project").prefetch_related("sweeps.runs"))
    for project in rows:
        if project.path not in (kit.world.project, kit.world.second):
            continue
        for sweep in prefetched(project, "sweeps") or ():
            row = next(item for item in kit.world.rows("Sweep", project.path) if item["id"] == sweep.id)
            found = [run.id for run in prefetched(sweep, "runs") or ()]
            what = f"the runs of sweep {sweep.id} of {project.path}, by prefetch_related('sweeps.runs'),"
            kit.same_rows(found, [run["id"] for run in kit.world.runs_of(row)], what, lambda _: "")
