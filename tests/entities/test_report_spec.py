"""Report specs are read by cattrs: unknown keys are left aside, and damage is told with report and path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.backends import served
from wbmodel import Report
from wbmodel.codec import loads
from wbmodel.engine import MemoryStore
from wbmodel.errors import FieldError
from wbmodel.session import connect

SPECS = Path(__file__).parents[3] / "shared" / "data" / "exports" / "report-spec"
LEAF = {"key": {"section": "run", "name": "state"}, "op": "=", "value": "finished"}


def report_of(spec: Any) -> Any:
    project = {"reports": {"r": {"spec": spec}}, "runs": [{"id": "a"}, {"id": "b", "state": "failed"}]}
    world = {"entities": {"acme": {"projects": {"vision": project}}}}
    return connect("fixtures:", world=world, project="acme/vision", max_depth=200)


def grid(metadata: Any) -> dict[str, Any]:
    """A spec of version 5 whose fourth block is a panel grid."""
    text = {"type": "paragraph", "children": [{"text": "x"}]}
    return {"version": 5, "blocks": [text, text, text, {"type": "panel-grid", "metadata": metadata}]}


def filters(*nodes: Any) -> dict[str, Any]:
    return grid({"runSets": [{"filters": {"op": "OR", "filters": [{"op": "AND", "filters": list(nodes)}]}}]})


SET = "spec.blocks[3].metadata.runSets[0]"
DAMAGED: list[tuple[Any, str]] = [
    ({"blocks": "x"}, "spec.blocks: a list is needed, and this is text 'x'"),
    ({"blocks": [1, "x"]}, "spec.blocks[0]: a mapping is needed, and this is a number 1; spec.blocks[1]: a mapping"),
    ({"panelGroups": {}}, "spec.panelGroups: a list is needed, and this is a mapping"),
    ({"panelGroups": ["x"]}, "spec.panelGroups[0]: a mapping is needed, and this is text 'x'"),
    (grid([1]), "spec.blocks[3].metadata: a mapping is needed, and this is a list"),
    (grid({"runSets": {}}), "spec.blocks[3].metadata.runSets: a list is needed, and this is a mapping"),
    (grid({"runSets": [1], "openRunSet": "x"}), "spec.blocks[3].metadata.openRunSet: a whole number is needed"),
    (grid({"runSets": ["x"]}), f"{SET}: a mapping is needed, and this is text 'x'"),
    (grid({"runSets": [{"filters": "x"}]}), f"{SET}.filters: a mapping is needed, and this is text 'x'"),
    (filters("x"), f"{SET}.filters.filters[0].filters[0]: a mapping is needed, and this is text 'x'"),
    (filters(LEAF, {**LEAF, "key": 1}), f"{SET}.filters.filters[0].filters[1].key: a mapping is needed"),
    (filters({**LEAF, "op": 1}, {"filters": 3}), "filters[0].filters[0].op: text is needed, and this is a number 1"),
    (grid({"runSets": [{"sort": {"keys": [{"key": "x"}]}}]}), f"{SET}.sort.keys[0].key: a mapping is needed"),
    (grid({"runSets": [{"selections": {"tree": "x"}}]}), f"{SET}.selections.tree: a list is needed"),
    (grid({}), "the section at spec.blocks[3].metadata has no run set"),
]


@pytest.mark.parametrize(("spec", "message"), DAMAGED, ids=[str(n) for n in range(len(DAMAGED))])
def test_damage_is_told_with_report_and_path(spec: Any, message: str) -> None:
    with report_of(spec), pytest.raises(FieldError) as caught:
        Report.objects.get(id="r").runs()
    assert str(caught.value).startswith("acme/vision/reports/r: ")
    assert message in str(caught.value)


def test_several_mistakes_are_told_together() -> None:
    with report_of(filters({**LEAF, "op": 1}, {**LEAF, "disabled": "no"}, 7)), pytest.raises(FieldError) as caught:
        Report.objects.get(id="r").runs()
    told = str(caught.value)
    assert told.count(f"{SET}.filters.filters[0].filters") == 3
    assert "[1].disabled: true or false is needed, and this is text 'no'" in told


def test_one_damaged_section_leaves_the_others_readable() -> None:
    spec = {"panelGroups": [{"runSets": 1}, {"runSets": [{"filters": LEAF}]}]}
    with report_of(spec):
        report = Report.objects.get(id="r")
        assert report.sections == spec["panelGroups"]
        assert list(report.runs(1)) == list(report.runs({"runSets": [{"filters": LEAF}]}))
        with pytest.raises(FieldError, match=r"spec\.panelGroups\[0\]\.runSets: a list is needed"):
            report.runs(0)
        with pytest.raises(FieldError, match=r"reports/r: section\.runSets: a list is needed"):
            report.runs({"runSets": "elsewhere"})


def test_what_is_absent_or_null_has_defaults() -> None:
    for run_set in ({}, {"filters": None, "sort": None, "selections": None, "more": 1}, {"filters": {"filters": None}}):
        with report_of(grid({"runSets": [run_set], "openRunSet": None})):
            assert len(Report.objects.get(id="r").runs()) > 0
    for spec in ({}, {"blocks": None}, {"blocks": [{}]}, {"blocks": [{"type": "panel-grid", "metadata": None}]}):
        with report_of(spec):
            assert Report.objects.get(id="r").sections in ([], [{}])


def test_a_filter_that_nests_too_deeply() -> None:
    node: Any = LEAF
    for _ in range(60):
        node = {"op": "AND", "filters": [node]}
    with report_of(grid({"runSets": [{"filters": node}]})), pytest.raises(FieldError) as caught:
        Report.objects.get(id="r").runs()
    assert f"{SET} is nested more than 100 deep" in str(caught.value)


@pytest.mark.skipif(not SPECS.exists(), reason="the shared data folder is not here")
@pytest.mark.parametrize("name", ["report.json", "report_spec_v5.json"])
def test_real_specs(name: str) -> None:
    spec = loads((SPECS / name).read_text(encoding="utf-8"))
    grids = [block for block in spec.get("blocks", ()) if block["type"] == "panel-grid"]
    with report_of(spec):
        report = Report.objects.get(id="r")
        assert report.sections == (spec.get("panelGroups") or [block["metadata"] for block in grids])
        assert report.sections
        for index in range(len(report.sections)):
            report.runs(index).explain()


def test_a_section_that_is_not_a_mapping() -> None:
    with report_of({}), pytest.raises(FieldError, match="section: a mapping is needed, and this is text 'odd'"):
        Report.objects.get(id="r").runs("odd")  # type: ignore[arg-type]


def test_run_sets_are_querysets_with_their_own_project_and_filters() -> None:
    """Of every section, in order; a run set without a project is about the report's own."""
    key = {"section": "run", "name": "state"}
    finished = {"op": "OR", "filters": [{"op": "AND", "filters": [{"key": key, "op": "=", "value": "finished"}]}]}
    sets = [
        {"filters": finished, "selections": {"root": 1, "tree": []}},
        {"project": {"entityName": "other", "name": "p2"}, "sort": {"key": {"section": "run", "name": "createdAt"}}},
        {"project": {"name": "p3"}},
    ]
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    project = made.add_project("acme", "v")
    made.add_run(project, "r1", state="finished")
    made.add_run(project, "r2", state="running")
    there = made.add_project(made.add_entity("other").name, "p2")
    made.add_run(there, "far")
    spec = {"version": 5, "blocks": [{"type": "panel-grid", "metadata": {"runSets": sets}}]}
    made.add_view(project, "rep", spec=spec)
    made.add_view(project, "bad", spec={"blocks": [{"type": "panel-grid", "metadata": {"runSets": [{"project": 7}]}}]})
    with served(made, project="acme/v"):
        one, two, three = Report.objects.get(id="rep").runsets
        assert [run.id for run in one] == ["r1"]
        assert [run.path for run in two] == ["other/p2/far"]
        assert three.plan.scopes["project"] == ("acme/p3",)
        with pytest.raises(FieldError, match=r"acme/v/reports/bad: spec.*runSets\[0\].project"):
            _ = Report.objects.get(id="bad").runsets
