"""Without an entity, the viewer's default one is asked for once, and no request sends null for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.backends import WEAK, EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Artifact, Count, File, Project, Run, Session, Sweep
from wbmodel.request import Request, Response

STORE = make_world().store()
EVERY = len(make_world().of("acme/vision"))


class Strict(EngineBackend):
    """The engine, which knows no meaning of a missing entity, and an account whose default entity is acme."""

    viewers = 0

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        if request.operation_name == "Viewer":
            Strict.viewers += 1
            return Response({"viewer": {"username": "ann", "entity": "acme"}})
        nulls = [name for name, value in request.variables.items() if name.startswith("entity") and value is None]
        assert not nulls, f"{request.operation_name} sends null for {nulls}"
        return super().execute(request, timeout=timeout)


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.backends.EngineBackend", Strict)
    Strict.viewers = 0


VERBS: dict[str, Callable[[], Any]] = {
    "list": lambda: len(Run.objects.all()) == EVERY,
    "ordered": lambda: len(Run.objects.order_by("summary.loss")) == EVERY,
    "count": lambda: Run.objects.count() == EVERY,
    "filtered count": lambda: Run.objects.filter(state="finished").count() > 0,
    "get": lambda: Run.objects.get(id="v05").path == "acme/vision/v05",
    "first": lambda: Run.objects.first().project.entity == "acme",
    "exists": Run.objects.exists,
    "aggregate": lambda: Run.objects.aggregate(n=Count("id"))["n"] == EVERY,
    "projects": lambda: {item.entity for item in Project.objects.all()} == {"acme"},
    "several projects": lambda: len(Run.objects.filter(project__in=["vision", "nlp"])) >= EVERY,
    "sweeps": lambda: list(Sweep.objects.all()) is not None,
    "files": lambda: list(File.objects.filter(run="v05")) is not None,
    "artifacts": lambda: list(Artifact.objects.filter(type="model")) is not None,
    "prefetch": lambda: len(list(Run.objects.prefetch_related("files")[:3])) == 3,
    "async": lambda: asyncio.run(Run.objects.acount()) == EVERY,
}


def session(**options: Any) -> Any:
    return served(STORE, "drops", capabilities=WEAK, project="vision", **options)


@pytest.mark.parametrize("verb", VERBS)
def test_the_default_entity_is_asked_for_once(verb: str, strict: None) -> None:
    with session():
        assert VERBS[verb]()
        assert VERBS[verb]()
    assert Strict.viewers == 1


def test_a_known_entity_is_not_asked_for(strict: None) -> None:
    with session(entity="acme"):
        assert Run.objects.count() == EVERY
    assert Strict.viewers == 0


def test_errors_name_it(strict: None) -> None:
    with session(), pytest.raises(Project.DoesNotExist, match="'acme/nowhere'"):
        list(Run.objects.filter(project="nowhere"))


def test_explain_names_it_once_it_is_known(strict: None) -> None:
    with session() as current:
        assert isinstance(current, Session)
        assert Run.objects.all().explain().documents[0].variables["entity"] is None
        assert Run.objects.exists()
        assert Run.objects.all().explain().documents[0].variables["entity"] == "acme"
