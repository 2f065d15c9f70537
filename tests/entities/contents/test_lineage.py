"""Lineage: breadth-first in few requests, in both directions, through circles and to a depth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.artifact_worlds import at
from wbmodel import Artifact, Run
from wbmodel.engine import MemoryStore
from wbmodel.errors import FieldError, QueryError
from wbmodel.testing import count_requests


@pytest.fixture(params=["memory", "loopback"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with at(request.param):
        yield request.param


def edges(graph: object) -> set[str]:
    return set(str(graph).splitlines())


CIRCLE = {
    "acme/v/r1 logged acme/v/data:v0",
    "acme/v/r2 used acme/v/data:v0",
    "acme/v/r2 logged acme/v/model:v0",
    "acme/v/r3 used acme/v/model:v0",
    "acme/v/r3 logged acme/v/data:v1",
    "acme/v/r1 used acme/v/data:v1",
}


def test_a_circle_is_walked_once(place: str) -> None:
    graph = Artifact.objects.get(name="data:v0").lineage()
    assert edges(graph) == CIRCLE
    assert graph.is_whole
    assert (len(graph.artifacts), len(graph.runs)) == (3, 3)
    assert edges(Run.objects.get(id="r2").lineage()) == CIRCLE
    assert edges(Artifact.objects.only("digest").get(name="data:v0").lineage("inputs")) == CIRCLE


def test_directions_and_depth(place: str) -> None:
    item = Artifact.objects.get(name="model:v0")
    near = item.lineage("inputs", depth=2)
    assert edges(near) == {"acme/v/r2 logged acme/v/model:v0", "acme/v/r2 used acme/v/data:v0"}
    assert not near.is_whole
    assert "and more beyond" in repr(near)
    assert edges(item.lineage("outputs", depth=1)) == {"acme/v/r3 used acme/v/model:v0"}
    assert edges(item.lineage(depth=0)) == set()
    for wrong in ("up", None):
        with pytest.raises(QueryError, match="direction"):
            item.lineage(wrong)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="depth"):
        item.lineage(depth=-1)


def test_a_wide_step_takes_few_requests() -> None:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    project = made.add_project("acme", "v")
    data = made.add_version(made.add_collection(project, "data", type="t"))
    models = made.add_collection(project, "model", type="t")
    for number in range(60):
        run = made.add_run(project, f"r{number}")
        made.use(run, data)
        made.add_version(models, logged_by=run)
    with at("loopback", made):
        item = Artifact.objects.get(name="data:v0")
        with count_requests() as sent:
            graph = item.lineage()
        assert (len(graph.runs), len(graph.artifacts)) == (60, 61)
        assert sent.count < 20, sent.count


def test_a_run_notes_what_it_uses(place: str) -> None:
    run = Run.objects.get(id="r3")
    item = Artifact.objects.get(name="data:v0")
    assert run.use_artifact(item) is item
    assert run.use_artifact("data:v0") == item
    assert {other.name for other in run.used_artifacts} == {"data:v0", "model:v0"}
    with pytest.raises(FieldError, match="takes an Artifact"):
        run.use_artifact(3)  # type: ignore[arg-type]
    with pytest.raises(Artifact.DoesNotExist):
        run.use_artifact("data:nope")
