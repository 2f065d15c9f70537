"""Over HTTP, without an entity: the viewer is asked once, and no request sends null where the entity is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.worlds import make_world
from wbmodel import Project, Run, Sweep, connect
from wbmodel.engine import Engine, FileRecord
from wbmodel.engine.server import serving
from wbmodel.errors import NotAuthenticated, WbmodelError
from wbmodel.request import Request, Response

KEY = "k" * 40
STORE = make_world().store()
EVERY = len(make_world().of("acme/vision"))
NO_HOME: dict[str, Any] = {
    "no default entity": {"viewer": {"username": "ann", "entity": None}},
    "an empty one": {"viewer": {"username": "ann", "entity": ""}},
    "no viewer": {"viewer": None},
    "no data": None,
    "a number": {"viewer": {"username": "ann", "entity": 5}},
}


class Asked(Engine):
    """The engine, with a viewer that it is told; ``seen`` are the requests of each name."""

    def __init__(self, viewer: Response) -> None:
        super().__init__(STORE)
        self.viewer, self.seen = viewer, list[Request]()

    def for_server(self, url_for: Callable[[FileRecord], str]) -> Engine:
        return self

    def execute(self, request: Request, *, given_up: Callable[[], bool] | None = None) -> Response:
        self.seen.append(request)
        return self.viewer if request.operation_name == "Viewer" else super().execute(request)

    def named(self, name: str) -> int:
        """How many requests of this name came."""
        return sum(request.operation_name == name for request in self.seen)

    def nulls(self) -> list[Request]:
        """The requests that say null for an entity."""
        return [request for request in self.seen if request.variables.get("entity", "") is None]


@contextmanager
def asking(viewer: Response) -> Iterator[Asked]:
    engine = Asked(viewer)
    with serving(engine, api_key=KEY) as server:
        with connect(server.url, api_key=KEY, project="vision", default=False, max_attempts=1):
            yield engine


VERBS: dict[str, Callable[[], Any]] = {
    "list": lambda: len(Run.objects.all()) == EVERY,
    "count": lambda: Run.objects.count() == EVERY,
    "get": lambda: Run.objects.get(id="v05").path == "acme/vision/v05",
    "projects": lambda: {item.entity for item in Project.objects.all()} == {"acme"},
    "sweeps": lambda: len(Sweep.objects.all()) == 2,
    "groups": lambda: len(list(Run.objects.group_by("state"))) > 1,
    "async": lambda: asyncio.run(Run.objects.acount()) == EVERY,
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_viewer_is_asked_once(verb: str) -> None:
    with asking(Response({"viewer": {"username": "ann", "entity": "acme"}})) as engine:
        assert VERBS[verb]()
        assert VERBS[verb]()
    assert engine.named("Viewer") == 1
    assert not engine.nulls()


@pytest.mark.parametrize("who", NO_HOME)
def test_a_viewer_without_a_default_entity(who: str) -> None:
    """The server may know what is meant, and its answer is shown. The viewer is not asked again for each query."""
    with asking(Response(NO_HOME[who])) as engine:
        for _ in range(2):
            with pytest.raises(Project.DoesNotExist, match="'nowhere' does not exist"):
                list(Run.objects.filter(project="nowhere"))
    # Once for the default entity, and once for the words of "does not exist".
    assert 1 <= engine.named("Viewer") <= 2


def test_a_viewer_that_is_refused_is_told_by_the_query() -> None:
    with asking(Response(None, errors=[{"message": "viewers are for admins"}])) as engine:
        for _ in range(2):
            with pytest.raises(WbmodelError, match="nowhere"):
                list(Run.objects.filter(project="nowhere"))
    assert engine.named("Viewer") <= 3


def test_a_login_that_is_refused_is_told_at_once() -> None:
    with serving(Engine(STORE), api_key=KEY) as server:
        with connect(server.url, api_key="w" * 40, project="vision", default=False):
            with pytest.raises(NotAuthenticated, match="rejected the login"):
                Run.objects.count()
