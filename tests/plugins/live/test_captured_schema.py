"""The live backend against a server that shares nothing with wbmodel's engine: right answers, or one clear error."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.captured_server import CAPTURE, CapturedServer, listening_captured
from tests.support.servers import Ground
from wbmodel import Artifact, Count, File, Project, Q, Report, Run, Session, Sweep, User, connect
from wbmodel.errors import ServerError, WbmodelError

pytestmark = [
    pytest.mark.skipif(
        not CAPTURE.exists(),
        reason="the captured schema is not here: put it at ../shared/data/schema-capture/schema.json, or say where it "
        "is in WBMODEL_SCHEMA_CAPTURE",
    ),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def server(ground: Ground) -> Iterator[Any]:
    server: Any = CapturedServer()
    with ground.holding(listening_captured(server)) as url:
        server.url = url
        yield server


@pytest.fixture
def session(server: Any) -> Iterator[Session]:
    server.refused.clear()
    with connect(server.url, api_key="k" * 40, project="vision", default=False, timeout=30) as session:
        yield session


def ids(*numbers: int) -> list[str]:
    return [f"r{number}" for number in numbers]


def loss(number: int) -> int | None:
    return (number * 7) % 20 if number != 4 else None


NEWEST = ids(*reversed(range(20)))
BY_LOSS = ids(*sorted((number for number in range(20) if number != 4), key=loss), 4)
RIGHT: dict[str, tuple[Callable[[], Any], Any]] = {
    "list": (lambda: [run.id for run in Run.objects.all()], NEWEST),
    "async list": (lambda: asyncio.run(_alist()), NEWEST),
    "slice": (lambda: [run.id for run in Run.objects.all()[3:8]], NEWEST[3:8]),
    "get": (lambda: Run.objects.get(id="r7").config, {"lr": 0.7, "opt": "adam"}),
    "get by path": (lambda: Run.objects.get(path="acme/vision/r7").name, "run 0"),
    "count": (lambda: Run.objects.exclude(id="none").count(), 20),
    "filtered count": (lambda: Run.objects.filter(state="finished").count(), 7),
    "state": (lambda: sorted(run.id for run in Run.objects.filter(state="crashed")), sorted(ids(*range(1, 20, 3)))),
    "exclude": (lambda: Run.objects.exclude(state="crashed").count(), 13),
    "config": (lambda: [run.id for run in Run.objects.filter(config__lr__gt=1.7)], ids(19, 18)),
    "config, text": (lambda: Run.objects.filter(config__opt="adam").count(), 10),
    "in": (lambda: [run.id for run in Run.objects.filter(id__in=["r3", "r5"])], ids(5, 3)),
    "tags": (lambda: Run.objects.filter(tags__contains="even").count(), 10),
    "no tags": (lambda: Run.objects.exclude(tags__contains="even").count(), 10),
    "summary": (lambda: [run.id for run in Run.objects.filter(summary__loss__lt=2)], ids(3, 0)),
    "null": (lambda: [run.id for run in Run.objects.filter(summary__loss__isnull=True)], ids(4)),
    "text": (lambda: Run.objects.filter(name__contains="n 3").count(), 3),
    "or": (lambda: [run.id for run in Run.objects.filter(id="r1") | Run.objects.filter(id="r2")], ids(2, 1)),
    "order": (lambda: [run.id for run in Run.objects.order_by("summary.loss")], BY_LOSS),
    "order, reversed": (
        lambda: [run.id for run in Run.objects.order_by("-summary.loss")],
        [*BY_LOSS[-2::-1], "r4"],
    ),
    "first": (lambda: Run.objects.order_by("summary.loss").first().id, "r0"),
    "best": (lambda: Run.objects.best("summary.loss", goal="max").id, BY_LOSS[-2]),
    "values": (lambda: list(Run.objects.filter(id="r7").values("id", "config.lr")), [{"id": "r7", "config.lr": 0.7}]),
    "groups": (
        lambda: sorted((row["state"], row["n"]) for row in Run.objects.group_by("state").annotate(n=Count())),
        [("crashed", 7), ("finished", 7), ("running", 6)],
    ),
    "aggregate": (lambda: Run.objects.aggregate(n=Count())["n"], 20),
    "fields": (lambda: sorted(item.path for item in Run.objects.all().fields("config")), ["config.lr", "config.opt"]),
    "creators": (lambda: {run.user and run.user.username for run in Run.objects.select_related("user")}, {None, "ann"}),
    "files": (lambda: [file.name for file in File.objects.filter(run="r3")], ["config.yaml"]),
    "prefetch": (lambda: [len(run.files) for run in Run.objects.prefetch_related("files")[:3]], [1, 1, 1]),
    "project": (lambda: Project.objects.get(path="acme/vision").path, "acme/vision"),
    "projects": (lambda: [item.path for item in Project.objects.all()], ["acme/vision"]),
    "count of projects": (lambda: Project.objects.filter(entity="acme").count(), 1),
    "relation": (lambda: len(Project.objects.get(path="acme/vision").runs), 20),
    "refresh": (lambda: _refreshed().name, "run 0"),
    "in_bulk": (lambda: sorted(Run.objects.in_bulk(["r1", "r2"])), ids(1, 2)),
    "a sweep": (lambda: Sweep.objects.get(id="sw").state, "RUNNING"),
    "runs of a sweep": (lambda: Run.objects.filter(sweep="sw").count(), 10),
    "csv": (lambda: Run.objects.all().to_csv().count("\n"), 21),
}


CONDITIONS: list[tuple[Q, Callable[[int], bool]]] = [
    (Q(state="finished"), lambda number: number % 3 == 0),
    (Q(state__in=["crashed", "running"]), lambda number: number % 3 > 0),
    (Q(config__lr__gte=0.8), lambda number: number >= 8),
    (Q(config__opt="adam"), lambda number: number % 2 == 1),
    (Q(config__opt__in=["sgd", "lion"]), lambda number: number % 2 == 0),
    (Q(summary__loss__lt=9), lambda number: number != 4 and loss(number) < 9),
    (Q(summary__loss__isnull=True), lambda number: number == 4),
    (Q(tags__contains="even"), lambda number: number % 2 == 0),
    (Q(group="g"), lambda number: number < 5),
    (Q(group__isnull=True), lambda number: number >= 5),
    (Q(name__startswith="run 3"), lambda number: number % 7 == 3),
    (Q(id__in=["r2", "r9", "r11"]), lambda number: number in (2, 9, 11)),
]


def tree(rng: random.Random, depth: int = 0) -> tuple[Q, Callable[[int], bool]]:
    """A random condition and its plain meaning."""
    if depth == 2 or rng.random() < 0.4:
        return rng.choice(CONDITIONS)
    (one, here), (two, there) = tree(rng, depth + 1), tree(rng, depth + 1)
    kind = rng.choice(["and", "or", "not"])
    if kind == "not":
        return ~one, lambda number: not here(number)
    if kind == "and":
        return one & two, lambda number: here(number) and there(number)
    return one | two, lambda number: here(number) or there(number)


def ask_at_random(seed: int) -> None:
    rng = random.Random(seed)
    condition, meaning = tree(rng)
    kept = [number for number in reversed(range(20)) if meaning(number)]
    rows = Run.objects.filter(condition)
    if rng.random() < 0.5:
        rows = rows.order_by("summary.loss")
        kept.sort(key=lambda number: (number == 4, loss(number)))
    start, stop = sorted(rng.sample(range(12), 2))
    assert rows.count() == len(kept), condition
    assert [run.id for run in rows] == ids(*kept), condition
    assert [run.id for run in rows.all()[start:stop]] == ids(*kept[start:stop]), condition
    assert rows.all().exists() == bool(kept), condition


@pytest.mark.parametrize("seed", range(8))
def test_random_queries(seed: int, session: Session) -> None:
    ask_at_random(seed)


@pytest.mark.slow
def test_hundreds_of_random_queries(session: Session) -> None:
    for seed in range(8, 208):
        ask_at_random(seed)


async def _alist() -> list[str]:
    return [run.id async for run in Run.objects.all()]


def _refreshed() -> Run:
    run = Run.objects.get(id="r7")
    run.refresh()
    return run


@pytest.mark.parametrize("name", RIGHT)
def test_right(name: str, session: Session, server: Any) -> None:
    ask, expected = RIGHT[name]
    assert ask() == expected, server.refused


LACKING: dict[str, Callable[[], Any]] = {
    "sweeps": lambda: list(Sweep.objects.all()),
    "reports": lambda: list(Report.objects.all()),
    "artifacts": lambda: list(Artifact.objects.filter(type="model")),
    "users": lambda: list(User.objects.all()),
    "a run that is not there": lambda: Run.objects.get(id="r99"),
    "a project that is not there": lambda: list(Run.objects.filter(project="acme/nowhere")),
    "create": lambda: Run.objects.create(config={"lr": 1}),
    "update": lambda: Run.objects.filter(id="r3").update(notes="x"),
}


@pytest.mark.parametrize(
    ("condition", "name"),
    [({"created_at__gte": "2024-01-19"}, "created_at"), ({"user__isnull": True}, "username")],
)
def test_a_filter_that_it_does_not_know_is_named(condition: dict[str, Any], name: str, session: Session) -> None:
    """What the caller wrote, in the server's words."""
    for ask in (lambda: list(Run.objects.filter(**condition)), lambda: Run.objects.filter(**condition).count()):
        with pytest.raises(ServerError, match=f"refused Runs.*unknown filter {name}"):
            ask()


@pytest.mark.parametrize("name", LACKING)
def test_what_it_lacks_is_one_clear_error(name: str, session: Session, server: Any) -> None:
    with pytest.raises(WbmodelError) as caught:
        LACKING[name]()
    assert len(str(caught.value)) < 1500
    assert "127.0.0.1" in str(caught.value)


def test_a_resolver_that_fails_is_asked_few_times_and_quoted(session: Session, server: Any) -> None:
    before = len(server.seen)
    with pytest.raises(ServerError, match="the database is gone"):
        list(Run.objects.filter(project="acme/broken"))
    assert len(server.seen) - before <= 8


def test_no_request_says_null_for_the_entity(session: Session, server: Any) -> None:
    del server.seen[:]
    assert Run.objects.filter(state="finished").count() == 7
    assert "null" not in json.dumps([asked["variables"].get("entity", "") for asked in server.seen])
