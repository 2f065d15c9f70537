"""``get`` and ``get_or_none``: one row, none, or too many."""

from __future__ import annotations

import pickle

import pytest

from tests.support.queries import on, run_dict
from wbmodel import Artifact, Project, Run, Sweep, errors
from wbmodel.testing import assert_num_requests, count_requests

KINDS = ["full", "weak", "hostile2"]


@pytest.mark.parametrize("kind", KINDS)
def test_by_id_is_one_request(kind: str) -> None:
    with on(kind), count_requests() as sent:
        run = Run.objects.get(id="v03")
        assert (run.id, run.name) == ("v03", run_dict("v03")["name"])
    assert sent.count == 1
    assert sent.requests[0].operation_name == "Run"


@pytest.mark.parametrize("kind", KINDS)
def test_by_path_finds_it_in_its_own_project(kind: str) -> None:
    with on(kind), assert_num_requests(3):
        assert Run.objects.get(path="acme/nlp/n00").path == "acme/nlp/n00"
        assert Run.objects.get(path="acme/nlp/runs/n00").path == "acme/nlp/n00"
        assert Run.objects.get(id="n00", project="acme/nlp").path == "acme/nlp/n00"


@pytest.mark.parametrize("kind", KINDS)
def test_none(kind: str) -> None:
    with on(kind):
        for condition in (
            {"id": "zzz"},
            {"id": "v01", "state": "no such"},
            {"name": "zzz"},
            {"path": "acme/vision/zzz"},
        ):
            with pytest.raises(Run.DoesNotExist, match="or this account may not see it") as caught:
                Run.objects.get(**condition)
            assert isinstance(caught.value, errors.DoesNotExist)
            assert isinstance(caught.value, LookupError)
            assert next(iter(condition.values())) in str(caught.value)
            assert Run.objects.get_or_none(**condition) is None


def test_the_classes_are_told_apart() -> None:
    assert not issubclass(Run.DoesNotExist, Sweep.DoesNotExist)
    assert Run.DoesNotExist.__qualname__ == "Run.DoesNotExist"
    with on(), pytest.raises(Sweep.DoesNotExist):
        Sweep.objects.get(id="zzz")
    error = Run.DoesNotExist("gone")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is Run.DoesNotExist
    assert str(copy) == "gone"


@pytest.mark.parametrize("kind", KINDS)
def test_too_many(kind: str) -> None:
    with on(kind), pytest.raises(Run.MultipleObjectsReturned, match=r"more than one Run .*'finished'.*first\(\)"):
        Run.objects.get(state="finished")
    with on(kind), pytest.raises(Run.MultipleObjectsReturned):
        Run.objects.get_or_none(state="finished")


def test_too_many_asks_for_two_rows_only() -> None:
    with on("full"), count_requests() as sent, pytest.raises(Run.MultipleObjectsReturned):
        Run.objects.get()
    assert [request.variables["first"] for request in sent.requests] == [2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_project_is_said(kind: str) -> None:
    with on(kind):
        for rows in (Run.objects.filter(project="acme/nothing"), Sweep.objects.filter(project="acme/nothing")):
            for ask in (list, len, lambda rows: rows.count(), lambda rows: rows.first(), lambda rows: rows.exists()):
                with pytest.raises(Project.DoesNotExist, match="Project 'acme/nothing' does not exist"):
                    ask(rows)  # type: ignore[operator]
        with pytest.raises(Project.DoesNotExist):
            Run.objects.get(path="acme/nothing/v01")
        with pytest.raises(Project.DoesNotExist):
            Project.objects.get(path="acme/nothing")


def test_get_on_other_entities() -> None:
    with on():
        assert Project.objects.get(path="acme/nlp").name == "nlp"
        assert Project.objects.get(name="vision", entity="acme").path == "acme/vision"
        assert Sweep.objects.get(id="sw1").runs is not None
        artifact = Artifact.objects.get(name="images:latest", project="acme/vision")
        assert (artifact.name, artifact.version) == ("images:v1", "v1")
        assert Artifact.objects.get(node_id=artifact.node_id) == artifact
        with pytest.raises(Artifact.DoesNotExist):
            Artifact.objects.get(name="images:v9", project="acme/vision")


async def test_the_twins() -> None:
    with on("weak"):
        assert (await Run.objects.aget(id="v03")).id == "v03"
        assert await Run.objects.aget_or_none(id="zzz") is None
        with pytest.raises(Run.DoesNotExist):
            await Run.objects.aget(id="zzz")
