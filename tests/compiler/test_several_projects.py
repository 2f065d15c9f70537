"""Several projects in one query: by aliases, through an entity, all there are, and none that is there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.backends import served
from tests.support.queries import HOME, STORE, WORLD, ids, on
from tests.support.strategies import ORDER_KEYS
from wbmodel import Artifact, ArtifactCollection, Entity, Project, Report, Run, Sweep
from wbmodel.errors import FieldError
from wbmodel.query.f import PathExpr
from wbmodel.testing import assert_num_requests, count_requests, oracle

KINDS = ["full", "weak", "drops", "hostile1"]
ALWAYS: Any = ("and", [])
BOTH = WORLD.of("acme/vision", "acme/nlp")


@pytest.mark.sampled("kind", "key", "descending", every=4)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [None, *ORDER_KEYS])
@pytest.mark.parametrize("descending", [False, True])
def test_two_projects_are_merged_in_order(kind: str, key: tuple[str, ...] | None, descending: bool) -> None:
    keys = [] if key is None else [(key, descending)]
    with on(kind):
        rows = Run.objects.filter(project__in=["acme/vision", "acme/nlp"], state="finished")
        if key is not None:
            rows = rows.order_by(PathExpr(key[0], key[1:], descending))
        expected = oracle.answer(BOTH, ("leaf", ("state",), "exact", "finished"), keys)
        assert ids(rows) == expected
        assert ids(rows[3:8]) == expected[3:8]
        assert rows.count() == len(expected)


def test_two_projects_are_one_request_by_aliases() -> None:
    with on(), assert_num_requests(1):
        list(Run.objects.filter(project__in=["acme/vision", "acme/nlp"]))
    with on(), assert_num_requests(1):
        Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).count()


def test_more_projects_than_aliases_take_several_documents() -> None:
    store = WORLD.store()
    for index in range(45):
        project = store.add_project("acme", f"p{index:02d}", created_at=HOME[0]["created_at"])
        store.add_run(project, f"x{index:02d}", created_at=HOME[0]["created_at"])
    names = [f"acme/p{index:02d}" for index in range(45)]
    with served(store):
        with count_requests() as sent:
            assert ids(Run.objects.filter(project__in=names)) == [f"x{index:02d}" for index in range(45)]
        assert sent.count == 3
        with count_requests() as sent:
            assert Run.objects.filter(project__in=names).count() == 45
        assert sent.count == 3
    with served(store, "weak"):
        assert ids(Run.objects.filter(project__in=names)) == [f"x{index:02d}" for index in range(45)]


@pytest.mark.parametrize("kind", KINDS)
def test_all_projects_of_an_entity(kind: str) -> None:
    with on(kind, project=None):
        assert ids(Run.objects.filter(entity="acme", state="failed")) == oracle.answer(
            BOTH, ("leaf", ("state",), "exact", "failed")
        )
        assert Run.objects.filter(entity="acme").count() == len(BOTH)
        assert sorted({run.project.path for run in Run.objects.filter(entity="acme")}) == ["acme/nlp", "acme/vision"]
        assert len(Sweep.objects.filter(entity="acme")) == 3
        assert len(Report.objects.filter(entity="acme")) == 2
        assert sorted(c.project.path + "/" + c.name for c in ArtifactCollection.objects.filter(entity="acme")) == [
            "acme/nlp/images",
            "acme/vision/images",
            "acme/vision/weights",
        ]
        assert sorted(a.path for a in Artifact.objects.filter(entity="acme")) == [
            "acme/nlp/images:v0",
            "acme/vision/images:v0",
            "acme/vision/images:v1",
            "acme/vision/weights:v0",
        ]


def test_no_project_is_every_project_where_the_backend_says_so() -> None:
    with on("full", project=None):
        assert sorted(ids(Run.objects.all())) == sorted(run["id"] for run in WORLD.runs)
        assert sorted(project.path for project in Project.objects.all()) == ["acme/nlp", "acme/vision", "ada/scratch"]
        assert Run.objects.count() == len(WORLD.runs)


@pytest.mark.parametrize("entity", [Run, Sweep, Report, ArtifactCollection])
def test_no_project_is_refused_where_it_does_not(entity: Any) -> None:
    rows = entity.objects.all()
    with on("weak", project=None), assert_num_requests(0):
        for ask in (list, lambda rows: rows.count(), lambda rows: rows.first(), lambda rows: rows.explain()):
            with pytest.raises(
                FieldError, match=r"which project\? Give project='entity/project' in filter\(\) or in connect\(\)"
            ):
                ask(rows.all())


def test_a_project_without_its_entity_is_the_sessions_or_the_viewers() -> None:
    with on("full", project=None):
        # The viewer is ada, whose own entity holds scratch.
        assert {run.project.path for run in Run.objects.filter(project="scratch")} == {"ada/scratch"}
        with pytest.raises(Project.DoesNotExist, match="Project 'vision' does not exist"):
            list(Run.objects.filter(project="vision"))
    with on("full", project=None, entity="acme"):
        assert {run.project.path for run in Run.objects.filter(project="vision")} == {"acme/vision"}
        assert {run.project.path for run in Run.objects.filter(project="vision", entity="acme")} == {"acme/vision"}
        with pytest.raises(FieldError, match="is not a project of entity='ada'"):
            list(Run.objects.filter(project="acme/vision", entity="ada"))


@pytest.mark.parametrize("kind", KINDS)
def test_one_missing_among_several_is_said(kind: str) -> None:
    with on(kind):
        rows = Run.objects.filter(project__in=["acme/vision", "acme/nothing"])
        with pytest.raises(
            Project.DoesNotExist, match=r"'acme/nothing' does not exist on (engine|slow):.*may not see it"
        ):
            list(rows)
        with pytest.raises(Project.DoesNotExist):
            rows.count()


def test_an_entity_without_projects_or_unknown() -> None:
    with on("full"):
        assert list(Run.objects.filter(entity="bob")) == []
        assert list(Project.objects.filter(entity="bob")) == []
        with pytest.raises(Entity.DoesNotExist):
            Entity.objects.get(name="nobody")


def test_projects_that_contradict_each_other_ask_nothing() -> None:
    with on("full"), assert_num_requests(0):
        assert list(Run.objects.filter(project="acme/vision").filter(project="acme/nlp")) == []
        assert list(Run.objects.filter(project__in=[])) == []


def test_the_filter_beats_the_session() -> None:
    with on("full", project="acme/vision"):
        assert ids(Run.objects.filter(project="acme/nlp"))[0].startswith("n")


def test_a_run_is_told_apart_by_its_project() -> None:
    store = WORLD.store()
    project = store.project("acme", "nlp")
    assert project is not None
    store.add_run(project, "v00", created_at=HOME[0]["created_at"])
    with served(store):
        rows = Run.objects.filter(id="v00", project__in=["acme/vision", "acme/nlp"])
        assert {run.path for run in rows} == {"acme/vision/v00", "acme/nlp/v00"}
        with pytest.raises(Run.MultipleObjectsReturned):
            rows.get()
    assert STORE.token > 0
