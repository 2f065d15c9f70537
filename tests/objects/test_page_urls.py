"""Paths, and the URLs that a browser shows, lead to the same objects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.places import HOME, on
from wbmodel import Artifact, Project, Run, Sweep
from wbmodel.errors import FieldError
from wbmodel.testing import assert_num_requests

HOST = "https://wandb.example"


@pytest.fixture(params=["fixtures", "live"], autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[None]:
    with on(request.param):
        yield


@pytest.mark.parametrize("before", ["", f"{HOST}/", f"{HOST}/under/", "http://127.0.0.1:8080/"])
@pytest.mark.parametrize("after", ["", "?nw=nwuserada", "/overview#top", "/"])
def test_a_run_by_its_page(before: str, after: str) -> None:
    text = f"{before}{HOME}/runs/r1{after}" if before else f"{HOME}/runs/r1"
    assert Run.objects.get(path=text).id == "r1"


def test_projects_and_sweeps_by_their_pages() -> None:
    assert Project.objects.get(path=f"{HOST}/{HOME}/workspace?nw=x").path == HOME
    assert Run.objects.filter(project=f"{HOST}/{HOME}/table").count() == 5
    for text in (f"{HOME}/sw", f"{HOME}/sweeps/sw", f"{HOST}/{HOME}/sweeps/sw?x=1"):
        assert Sweep.objects.get(path=text).id == "sw"


def test_a_relation_takes_the_key_the_path_and_the_page() -> None:
    Run.objects.create(id="mine", sweep="sw")
    for text in ("sw", f"{HOME}/sw", f"{HOME}/sweeps/sw", f"{HOST}/{HOME}/sweeps/sw"):
        assert [run.id for run in Run.objects.filter(sweep=text)] == ["mine"]
        assert [run.id for run in Run.objects.filter(sweep__in=[text])] == ["mine"]
        assert Run.objects.exclude(sweep=text).count() == 5
    assert Run.objects.filter(sweep="acme/empty/sw").count() == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: Run.objects.get(path=f"{HOST}/x"), "entity/project/run_id"),
        (lambda: Run.objects.get(path=f"{HOST}/{HOME}/sweeps/sw"), "entity/project/run_id"),
        (lambda: Run.objects.filter(sweep="vision/sw"), "does not name the entity"),
        (lambda: Run.objects.filter(sweep="a/b/c/d/e"), "entity/project/sweep_id"),
        (lambda: Artifact.objects.get(name="acme/p/model:v0"), "path='acme/p/model:v0'"),
        (lambda: Project.objects.get(path=f"{HOST}/"), "is not a project"),
    ],
)
def test_what_names_nothing_says_how_to_write_it(asked: object, words: str) -> None:
    with assert_num_requests(0), pytest.raises(FieldError, match=words):
        asked()  # type: ignore[operator]
