"""Cases about relations: to one and to many, both ways, in the same document and prefetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from wbmodel.errors import FieldNotLoaded
from wbmodel.meta.state import prefetched
from wbmodel.testing import oracle
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, case, cases
from wbmodel.testing.conformance.declared import OURS
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.world import World, parts_of

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["MANY", "ONE", "WIDENED", "RelationTests"]

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
    def fits(item: Row) -> bool:
        return all(value in item[key] if key == "used_by" else item[key] == value for key, value in wanted.items())

    return [item["name"] for item in world.rows("Artifact") if fits(item)]


MANY: dict[tuple[str, str], tuple[Callable[[World, Row], list[Any]], str]] = {
    ("Project", "runs"): (lambda world, row: [run["id"] for run in world.rows("Run", row["path"])], "Run"),
    ("Project", "sweeps"): (lambda world, row: [item["id"] for item in world.rows("Sweep", row["path"])], "Sweep"),
    ("Project", "reports"): (lambda world, row: [item["id"] for item in world.rows("Report", row["path"])], "Report"),
    ("Project", "artifact_types"): (
        lambda world, row: [item["name"] for item in world.rows("ArtifactType", row["path"])],
        "ArtifactType",
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
        lambda world, row: [item["name"] for item in world.projects if item["entity"] == row["name"]],
        "Project",
    ),
}
"""To-many relations: the keys of the related rows in the world, and their class."""


def _keyed(kit: Kit, name: str, found: list[Any]) -> list[tuple[Any, Row]]:
    rows = {row[kit.key(name)]: row for row in kit.rows(name)}
    return [(item, rows[getattr(item, kit.key(name))]) for item in found if getattr(item, kit.key(name)) in rows]


def _ours(name: str, found: list[Any], wanted: list[Any]) -> list[Any]:
    # A server may hold other projects of an entity too.
    return [item for item in found if item in wanted] if name == "Entity" else found


def _loaded(kit: Kit, name: str, relation: str, rows: QuerySet[Any, Any], way: str) -> None:
    """What a relation to one refers to is right, and so is a field of it that only loading gives."""
    attribute, expect = ONE[name, relation]
    target = OURS[name].fields[relation].target
    assert target is not None
    wide = WIDENED[target]
    known = {row["path" if target == "Project" else kit.key(target)]: row for row in kit.world.rows(target)}
    for item, row in _keyed(kit, name, kit.all(rows)):
        found = getattr(item, relation)
        label = f"{name} {row[kit.key(name)]}: {relation}, by {way},"
        wanted = expect(kit.world, row)
        kit.equal(None if found is None else getattr(found, attribute), wanted, f"{label} {attribute}")
        if found is None:
            continue
        try:
            value = getattr(found, wide)
        except FieldNotLoaded as error:
            kit.fail(f"{label} was not loaded: {error}; was one of several aliases not answered?")
        kit.equal(value, known[wanted][wide], f"{label} {wide}")


def _cases(way: str, pairs: Iterable[tuple[str, str]], about: str) -> list[Case]:
    return [
        Case(
            f"relation/{way}/{name}.{relation}",
            f"{name}.{relation} {about}",
            values={"name": name, "relation": relation},
            parts=parts_of(name, relation),
        )
        for name, relation in pairs
    ]


_BY_KEY = [(name, relation) for name, relation in ONE if OURS[name].fields[relation].by_key]
_IN_DOCUMENT = [pair for pair in ONE if pair not in _BY_KEY]


class RelationTests(BackendTests):
    """Cases about relations: to one and to many, both ways, in the same document and prefetched."""

    @cases(_cases("one", ONE, "refers to what the world says."))
    def test_relation_one(self, kit: Kit, name: str, relation: str) -> None:
        """A relation to one refers to what the world says."""
        attribute, expect = ONE[name, relation]
        for item, row in _keyed(kit, name, kit.all(kit.objects(name))):
            target = getattr(item, relation)
            found = None if target is None else getattr(target, attribute)
            kit.equal(found, expect(kit.world, row), f"{name} {row[kit.key(name)]}: {relation}.{attribute}")

    @cases(_cases("related", _IN_DOCUMENT, "is loaded in the same document by select_related."))
    def test_relation_related(self, kit: Kit, name: str, relation: str) -> None:
        """A relation to one is loaded in the same document by select_related."""
        _loaded(kit, name, relation, kit.objects(name).select_related(relation), "select_related")

    @cases(_cases("prefetch", _BY_KEY, "is loaded by prefetch_related."))
    def test_relation_prefetch_one(self, kit: Kit, name: str, relation: str) -> None:
        """A relation to one is loaded by prefetch_related."""
        _loaded(kit, name, relation, kit.objects(name).prefetch_related(relation), "prefetch_related")

    @cases(_cases("many", MANY, "holds what the world says."))
    def test_relation_many(self, kit: Kit, name: str, relation: str) -> None:
        """A relation to many holds what the world says."""
        expect, target = MANY[name, relation]
        for item, row in _keyed(kit, name, kit.all(kit.objects(name))[:8]):
            wanted = expect(kit.world, row)
            found = [getattr(other, kit.key(target)) for other in kit.all(getattr(item, relation))]
            kit.same_rows(_ours(name, found, wanted), wanted, f"{name} {row[kit.key(name)]}: {relation}")

    @cases(_cases("prefetch", MANY, "is loaded by prefetch_related."))
    def test_relation_prefetch_many(self, kit: Kit, name: str, relation: str) -> None:
        """A relation to many is loaded by prefetch_related."""
        expect, target = MANY[name, relation]
        for item, row in _keyed(kit, name, kit.all(kit.objects(name).prefetch_related(relation))):
            what = f"{name} {row[kit.key(name)]}: {relation}"
            wanted = expect(kit.world, row)
            again = [getattr(other, kit.key(target)) for other in kit.all(getattr(item, relation))]
            kept = [getattr(other, kit.key(target)) for other in prefetched(item, relation) or ()]
            kit.same_rows(_ours(name, kept, wanted), wanted, f"{what}, by prefetch_related,")
            kit.same_rows(_ours(name, again, wanted), wanted, f"{what}, asked again,")

    @case("relation/same-name-elsewhere", parts=["projects", "sweeps"])
    def test_relation_same_name_elsewhere(self, kit: Kit) -> None:
        """A sweep of the same id in another project is another sweep, with its own runs."""
        from wbmodel import Sweep

        for project in (kit.world.project, kit.world.second):
            row = next(item for item in kit.world.rows("Sweep", project) if item["name"] in ("first", "nlp"))
            sweep = kit.ask(Sweep.objects.using(kit.session).filter(project=project, id=row["id"]), "get")
            kit.equal(sweep.project.path, project, f"the project of sweep {row['id']} of {project}")
            found = kit.names("Run", sweep.runs)
            kit.same_rows(
                found,
                [run["id"] for run in kit.world.runs_of(row)],
                f"the runs of that sweep of {project}",
                lambda _: "",
            )

    @case("relation/narrowed")
    def test_relation_narrowed(self, kit: Kit) -> None:
        """A relation is a queryset: it is filtered, ordered, sliced and counted like any other."""
        from wbmodel import Project

        project = kit.ask(Project.objects.using(kit.session), "get", path=kit.world.project)
        rows = project.runs.filter(state="finished").order_by("-config.rank")
        tree = ("leaf", ("state",), "exact", "finished")
        expected = oracle.answer(kit.rows("Run"), tree, [(("config", "rank"), True)])
        kit.same_order(kit.names("Run", rows), expected, "project.runs.filter(...).order_by(...)")
        kit.same_order(kit.names("Run", rows[1:3]), expected[1:3], "the same, sliced [1:3],")
        kit.equal(kit.ask(rows, "count"), len(expected), "its count()")
        kit.equal(kit.ask(project.runs, "count"), len(kit.rows("Run")), "project.runs.count()")

    @case("relation/report-runs", parts=["reports"])
    def test_relation_report_runs(self, kit: Kit) -> None:
        """The runs of a report's section are those that its filters mean, in its order."""
        tree = ("leaf", ("state",), "exact", "finished")
        expected = oracle.answer(kit.rows("Run"), tree, [(("created_at",), True)])
        for report in kit.all(kit.objects("Report")):
            kit.equal(len(report.sections), 1, f"the number of sections of report {report.id}")
            kit.same_order(kit.names("Run", report.runs(0)), expected, f"the runs of report {report.id}")

    @case("relation/drafts", parts=["drafts", "reports"])
    def test_relation_drafts(self, kit: Kit) -> None:
        """Drafts of reports are not among the reports."""
        found = kit.names("Report", kit.objects("Report"))
        drafts = [item["id"] for item in kit.world.reports if item["draft"] and item["id"] in found]
        kit.equal(drafts, [], "the drafts among the reports", 'allViews(viewType: "runs") gives what is published')

    @case("relation/nested", parts=["sweeps"])
    def test_relation_nested(self, kit: Kit) -> None:
        """A relation of a relation is prefetched too."""
        rows = kit.all(kit.objects("Project").prefetch_related("sweeps.runs"))
        for project in rows:
            if project.path not in (kit.world.project, kit.world.second):
                continue
            for sweep in prefetched(project, "sweeps") or ():
                row = next(item for item in kit.world.rows("Sweep", project.path) if item["id"] == sweep.id)
                found = [run.id for run in prefetched(sweep, "runs") or ()]
                what = f"the runs of sweep {sweep.id} of {project.path}, by prefetch_related('sweeps.runs'),"
                kit.same_rows(found, [run["id"] for run in kit.world.runs_of(row)], what)
