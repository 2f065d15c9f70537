"""A project read as a value is its path, and paths and URLs are values like any other."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest

from tests.support.places import on, world
from wbmodel import Count, Project, Report, Run, Sweep
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
