"""Cases about counts: the server's own, and those of querysets."""

from __future__ import annotations

from typing import Any

from wbmodel.query.f import PathExpr
from wbmodel.testing import oracle
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, case, cases
from wbmodel.testing.conformance.kit import Kit

__all__ = ["CountTests"]

COUNT = """
query Count($project: String, $entity: String, $filters: JSONString) {
  project(name: $project, entityName: $entity) { runCount(filters: $filters) }
}
"""

_CONDITIONS: dict[str, tuple[tuple[str, ...], str, Any]] = {
    "text": (("state",), "exact", "finished"),
    "number": (("config", "rank"), "gt", 1),
    "null": (("group",), "isnull", True),
    "nan": (("summary", "loss"), "isnan", True),
    "member": (("tags",), "contains", "baseline"),
    "case": (("name",), "iexact", "BETA"),
    "mixed": (("config", "every"), "in", [1, "1", True]),
    "none": (("state",), "exact", "no such state"),
}


class CountTests(BackendTests):
    """Cases about counts: the server's own, and those of querysets."""

    @cases(
        Case(
            f"count/filtered/{label}",
            f"count() and exists() of a condition and of its opposite: {label}.",
            values={"path": path, "lookup": lookup, "operand": operand},
        )
        for label, (path, lookup, operand) in _CONDITIONS.items()
    )
    def test_count_filtered(self, kit: Kit, path: tuple[str, ...], lookup: str, operand: Any) -> None:
        """count() and exists() of a condition and of its opposite."""
        leaf = ("leaf", path, lookup, operand)
        condition = PathExpr(path[0], path[1:]).lookup(lookup, operand)
        for tree, rows in (
            (leaf, kit.objects("Run").filter(condition)),
            (("not", leaf), kit.objects("Run").exclude(condition)),
        ):
            expected = sum(oracle.matches(row, tree) for row in kit.rows("Run"))
            what = f"{'exclude' if tree[0] == 'not' else 'filter'}({condition})"
            hint = "runCount(filters:) must count what runs(filters:) gives, or the flag `count` is off"
            kit.equal(kit.ask(rows, "count"), expected, f"{what}.count()", hint)
            kit.equal(kit.ask(rows, "exists"), expected > 0, f"{what}.exists()")

    @case("count/everything")
    def test_count_everything(self, kit: Kit) -> None:
        """Without a condition, count() is the number of rows, for every class that can be counted."""
        for name in kit.there("Run", "Sweep", "Report"):
            kit.equal(kit.ask(kit.objects(name), "count"), len(kit.rows(name)), f"{name}.objects.count()")
        found, ours = kit.ask(kit.objects("Project"), "count"), len(kit.rows("Project"))
        kit.equal(found >= ours, True, "Project.objects.count() >= ours")

    @case("count/artifacts", parts=["artifacts"])
    def test_count_artifacts(self, kit: Kit) -> None:
        """Collections, versions and files are counted right."""
        kit.equal(
            kit.ask(kit.objects("ArtifactCollection"), "count"), len(kit.rows("ArtifactCollection")), "their number"
        )
        kit.equal(kit.ask(kit.objects("Artifact"), "count"), len(kit.rows("Artifact")), "Artifact.objects.count()")
        rows = kit.objects("Artifact").filter(version_index__gte=1)
        expected = sum(row["version_index"] >= 1 for row in kit.rows("Artifact"))
        kit.equal(kit.ask(rows, "count"), expected, "Artifact.objects.filter(version_index__gte=1).count()")

    @case("count/sliced")
    def test_count_sliced(self, kit: Kit) -> None:
        """The count of a slice is that of its rows."""
        rows, total = kit.objects("Run"), len(kit.rows("Run"))
        for start, stop in ((0, 3), (total - 2, total + 5), (total + 1, total + 2), (4, 4)):
            expected = len(range(total)[start:stop])
            kit.equal(kit.ask(rows[start:stop], "count"), expected, f"Run.objects[{start}:{stop}].count()")

    @case("count/raw")
    def test_count_raw(self, kit: Kit) -> None:
        """runCount without filters is the number of runs; a project without runs has 0."""
        second = [kit.world.second] if "projects" in kit.world.parts else []
        for project in (kit.world.project, *second):
            entity, name = project.split("/")
            found = kit.data(COUNT, project=name, entity=entity)["project"]["runCount"]
            before = len(kit.world.rows("Run", project))
            if project == kit.world.second:
                kit.equal(found >= before, True, f"runCount of {project} >= {before}")
            else:
                kit.equal(found, before, f"runCount of {project}")

    @case("count/contains")
    def test_count_contains(self, kit: Kit) -> None:
        """contains() and in_bulk() find the rows they are asked for, and no others."""
        rows = kit.objects("Run")
        some = kit.ask(rows.filter(id="e-one"), "get")
        kit.equal(kit.ask(rows, "contains", some), True, "Run.objects.contains(run)")
        outside = kit.ask(rows.exclude(id="e-one"), "contains", some)
        kit.equal(outside, False, "exclude(id='e-one').contains(that run)")
        bulk = kit.ask(rows, "in_bulk", ["e-one", "e-null", "nobody"])
        kit.equal({key: run.id for key, run in bulk.items()}, {"e-one": "e-one", "e-null": "e-null"}, "in_bulk()")
