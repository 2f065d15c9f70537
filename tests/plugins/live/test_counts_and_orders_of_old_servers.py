"""A live server that refuses, or does not have, what wbmodel adds to a request: the answers are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.old_server import OldEngine
from tests.support.places import HOME, KEY, world
from wbmodel import Artifact, File, Run, Session, Sweep, connect
from wbmodel.engine import Engine
from wbmodel.engine.server import serving
from wbmodel.errors import ServerError
from wbmodel.testing import Fault, Faults
from wbmodel_fixtures import world_from

pytestmark = pytest.mark.filterwarnings("ignore::wbmodel.errors.QueryWarning")


@contextmanager
def served_by(engine: Engine, faults: Faults | None = None) -> Iterator[Session]:
    with serving(engine, api_key=KEY, faults=faults) as server:
        with connect(server.url, api_key=KEY, default=False, project=HOME, max_attempts=3) as session:
            with session.as_current():
                yield session


def refusal(status: int, words: str) -> Fault:
    return Fault(status=status, body={"data": None, "errors": [{"message": words}]})


@pytest.mark.parametrize("status", [200, 400, 422, 500])
def test_a_refused_count_is_a_scan_under_any_status(status: int) -> None:
    faults = Faults()
    with served_by(Engine(world_from(world(30)).world), faults) as session:
        faults.add(refusal(status, "runCount: no such resolver"), contains="runCount", times=None)
        assert Run.objects.count() == 30
        assert session.refused == {"counts by runCount": "the rows are counted here"}
        assert Run.objects.count() == 30


def test_a_resolver_that_fails_is_asked_few_times_and_says_why() -> None:
    faults = Faults()
    with served_by(Engine(world_from(world()).world), faults) as session:
        faults.add(refusal(500, "invalid column summary_metrics.x"), contains="Runs", times=None)
        with pytest.raises(
            ServerError, match="refused the request with HTTP 500 .*2 attempts.*invalid column"
        ) as caught:
            list(Run.objects.filter(summary__x__gt=1))
        assert caught.value.errors
        assert session.refused == {}


@pytest.mark.parametrize("status", [500, 502])
def test_a_failure_is_no_lack(status: int) -> None:
    faults = Faults()
    with served_by(Engine(world_from(world()).world), faults) as session:
        faults.add(
            refusal(status, 'Cannot query field "heartbeatAt" on type "Run".'), contains="heartbeatAt", times=None
        )
        with pytest.raises(ServerError):
            list(Run.objects.all())
        assert session.backend.server_info().lacking == frozenset()  # type: ignore[attr-defined]
        assert session.refused == {}


LACKS: dict[str, Callable[[], Any]] = {
    "Project.runCount": lambda: (Run.objects.count(), Run.objects.filter(state="finished").count()),
    "Project.runCount(filters:)": lambda: Run.objects.filter(state="finished").count(),
    "Project.totalSweeps": Sweep.objects.count,
    "Run.fileCount": lambda: File.objects.filter(run="r1").count(),
    "ArtifactConnection.totalCount": lambda: Artifact.objects.filter(logged_by="r1").count(),
    "Project.runs(order:)": lambda: [run.id for run in Run.objects.order_by("-summary.loss")],
    "Run.files(names:)": lambda: [file.name for file in File.objects.filter(run="r1", name="config.yaml")],
}


@pytest.mark.parametrize("lack", LACKS)
@pytest.mark.parametrize("introspection", [True, False])
def test_what_the_server_does_not_have_is_done_here(lack: str, introspection: bool) -> None:
    store = world_from(world()).world
    with served_by(Engine(store)):
        right = LACKS[lack]()
    engine = OldEngine(store, {lack}, introspection)
    with served_by(engine):
        assert LACKS[lack]() == right
        refused = engine.refused
        assert LACKS[lack]() == right
        assert engine.refused == refused, "refused again after it was learnt"
