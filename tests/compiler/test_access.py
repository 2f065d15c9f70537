"""Scopes that the chosen way does not go through are asked of each row, refused, or meet; never dropped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.backends import served
from tests.support.worlds import make_world
from wbmodel import Artifact, Project, Q, Run, Sweep
from wbmodel.errors import FieldError
from wbmodel.testing import assert_num_requests

KINDS = ("full", "weak")
WORLD = make_world()


def ids(rows: Any) -> list[str]:
    return sorted(row.id for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_relation_of_an_artifact_can_be_narrowed(kind: str) -> None:
    with served(WORLD.store(), kind):
        artifact = Artifact.objects.get(project="acme/vision", name="images:v0")
        users = artifact.used_by
        assert ids(users.filter(project="acme/vision")) == ids(users) == ["v01", "v02"]
        assert users.filter(project="acme/vision").count() == 2
        assert ids(users.filter(project="acme/nlp")) == []
        run = Run.objects.get(project="acme/vision", id="v02")
        assert [item.name for item in run.logged_artifacts.filter(type="model")] == ["weights:v0"]
        assert list(run.logged_artifacts.filter(type="dataset")) == []
        assert list(run.logged_artifacts.filter(collection="images")) == []
        named = Artifact.objects.filter(project="acme/vision", name="images:v0")
        assert len(named.filter(type="dataset")) == 1
        assert len(named.filter(type="model")) == 0
        with pytest.raises(FieldError, match="lead to the rows by different routes"):
            run.logged_artifacts.filter(used_by=run).count()


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_and_a_project_agree_or_nothing_is_there(kind: str) -> None:
    with served(WORLD.store(), kind):
        assert ids(Run.objects.filter(project="acme/vision", path="acme/vision/v00")) == ["v00"]
        assert ids(Run.objects.filter(path="acme/vision/v00", project="acme/nlp")) == []
        for rows in (
            Project.objects.filter(entity="ada", path="acme/vision"),
            Project.objects.filter(path="acme/vision", entity="ada"),
        ):
            assert list(rows) == []


@pytest.mark.parametrize("kind", KINDS)
def test_two_spellings_of_a_project_are_one(kind: str) -> None:
    with served(WORLD.store(), kind, project="acme/vision", entity="acme"):
        one = Run.objects.filter(project="acme/vision")
        assert ids(one.filter(project="vision")) == ids(one) != []
        assert ids(one & Run.objects.filter(project="vision")) == ids(one)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_means_its_own_project(kind: str) -> None:
    with served(WORLD.store(), kind):
        vision, nlp = (Sweep.objects.get(project=name, id="sw1") for name in ("acme/vision", "acme/nlp"))
        runs = Run.objects.filter(project__in=["acme/vision", "acme/nlp"])
        own = {
            name: sorted(run["id"] for run in WORLD.of(name) if run["sweep"] == "sw1")
            for name in ("acme/vision", "acme/nlp")
        }
        assert ids(Run.objects.filter(sweep__in=[vision, nlp])) == sorted([*own["acme/vision"], *own["acme/nlp"]])
        for rows in (runs.filter(Q(sweep=nlp) | Q(id="nobody")), Run.objects.filter(sweep=nlp)):
            assert ids(rows) == own["acme/nlp"] != []
        everything = Run.objects.filter(project="acme/vision")
        assert ids(everything.exclude(sweep=nlp)) == ids(everything)
        assert ids(Run.objects.filter(sweep=vision, project="acme/nlp")) == []
        assert ids(Run.objects.filter(project="acme/nlp", sweep=vision)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_found_where_the_project_has_to_be_found_first(kind: str) -> None:
    with served(WORLD.store(), kind):
        rows = Run.objects.filter(entity="acme", id="v00")
        assert (ids(rows), rows.count(), rows.exists(), rows.get().project.path) == (["v00"], 1, True, "acme/vision")
        assert Sweep.objects.filter(entity="acme").get_or_none(id="sw2") is not None
        assert Run.objects.filter(entity__in=["acme", "ada"], id="s00").get().project.path == "ada/scratch"
    with served(WORLD.store(), "full", project=None):
        assert Run.objects.get(id="v00").project.path == "acme/vision"
        assert Run.objects.get_or_none(id="nobody") is None


def test_counts_of_overlapping_parents_are_not_added() -> None:
    with served(WORLD.store(), "full", project=None):
        rows = Run.objects.filter(project__in=["ada/scratch", "scratch"])
        assert rows.count() == len(rows.all()) == len(WORLD.of("ada/scratch"))
        apart = Run.objects.filter(project__in=["ada/scratch", "acme/nlp"])
        with assert_num_requests(1):
            assert apart.count() == len(WORLD.of("ada/scratch", "acme/nlp"))


def test_what_one_of_many_projects_lacks_is_no_error() -> None:
    with served(WORLD.store(), "full", project=None):
        names = [item.path for item in Artifact.objects.filter(type="model")]
        assert names == ["acme/vision/weights:v0"]
