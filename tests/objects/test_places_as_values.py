"""A project read as a value is its path, and paths and URLs are values like any other."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest

from tests.support.places import on, world
from wbmodel import Artifact, Count, Project, Report, Run, Sweep, connect
from wbmodel.errors import FieldError

PATHS = ["acme/vision", "beta/vision"]


@pytest.fixture(params=["fixtures", "live"], autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    given = world(1)
    twin = copy.deepcopy(given["entities"]["acme"]["projects"]["vision"])
    given["entities"]["beta"] = {"members": ["ada"], "projects": {"vision": twin}}
    with on(request.param, given):
        yield request.param


def test_a_project_is_its_path_wherever_it_is_a_value() -> None:
    rows = Run.objects.filter(project__in=PATHS)
    assert list(rows.values_list("project", flat=True)) == PATHS
    assert list(rows.values("project").distinct()) == [{"project": path} for path in PATHS]
    assert list(rows.group_by("project").annotate(n=Count())) == [{"project": path, "n": 1} for path in PATHS]
    assert [line.split(",")[0] for line in rows.values("project").to_csv().splitlines()[1:]] == PATHS
    assert all(path in rows.to_csv() for path in PATHS)
    assert rows.to_pandas()["project"].tolist() == PATHS
    assert list(Sweep.objects.filter(project__in=PATHS).values_list("project", flat=True)) == PATHS
    assert list(pickle.loads(pickle.dumps(rows.values("project")))) == list(rows.values("project"))
    # The name alone, where it is asked for.
    assert list(rows.values_list("project.name", flat=True)) == ["vision", "vision"]


def test_what_is_named_inside_a_project_is_its_path_as_a_value() -> None:
    """A short name that two projects have does not merge what it names."""
    for path in PATHS:
        Run.objects.create(id="mine", project=path, sweep="sw")
    rows = Run.objects.filter(project__in=PATHS, id="mine").order_by("project.name", "created_at")
    sweeps = {f"{path}/sweeps/sw" for path in PATHS}
    assert {row["sweep"]: row["n"] for row in rows.group_by("sweep").annotate(n=Count())} == dict.fromkeys(sweeps, 1)
    assert {row["sweep"] for row in rows.values("sweep").distinct()} == sweeps
    assert set(rows.values_list("sweep", flat=True)) == sweeps
    assert set(rows.to_pandas()["sweep"]) == sweeps
    assert len(rows.group_by("sweep").best("summary.loss", goal="min")) == 0
    assert list(rows.values_list("sweep.id", flat=True)) == ["sw", "sw"]  # the name alone, where it is asked for
    for sweep in sweeps:  # what a value says can be asked for
        assert Run.objects.filter(sweep=sweep).count() == 1


def test_artifacts_name_their_collection_and_run_by_path() -> None:
    project = {"runs": [{"id": "r"}], "artifacts": {"model": {"type": "model", "versions": [{"logged_by": "r"}]}}}
    world = {"entities": {name: {"projects": {"vision": copy.deepcopy(project)}} for name in ("acme", "beta")}}
    with connect("fixtures:", world=world, name="two-collections", default=False) as session:
        rows = Artifact.objects.using(session).filter(project__in=PATHS)
        made = {
            (row["collection"], row["logged_by"]): row["n"]
            for row in rows.group_by("collection", "logged_by").annotate(n=Count())
        }
    assert made == {(f"{path}/model", f"{path}/r"): 1 for path in PATHS}


def test_paths_and_urls_are_values(place: str) -> None:
    (row,) = Run.objects.filter(project="acme/vision").values("path", "url", "entity")
    assert (row["path"], row["entity"]) == ("acme/vision/r0", "acme")
    assert row["url"] is None if place == "fixtures" else row["url"].endswith("/acme/vision/runs/r0")
    assert list(Sweep.objects.values_list("path", "metric", "goal")) == [("acme/vision/sweeps/sw", None, "min")]
    assert list(Report.objects.values_list("path", flat=True)) == ["acme/vision/reports/rep1"]
    (url,) = Report.objects.values_list("url", flat=True)
    assert url is None if place == "fixtures" else "/reports/Old--" in url
    assert set(Project.objects.filter(entity="acme").values_list("path", flat=True)) == {"acme/vision", "acme/empty"}
    with pytest.raises(FieldError, match="path"):
        Run.objects.order_by("path")
