"""A small world, with an engine over it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from wbmodel.engine import ConsoleLine, Dialect, Engine, MemoryStore
from wbmodel.engine.conditions import parse_filter
from wbmodel.engine.evaluate import Predicate, predicate
from wbmodel.request import Request, Response

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def ticking() -> Callable[[], datetime]:
    """A clock that is a minute later each time it is asked."""
    ticks: Iterator[int] = iter(range(10**9))
    return lambda: START + timedelta(minutes=next(ticks))


def make_world() -> MemoryStore:
    store = MemoryStore(clock=ticking())
    store.viewer = store.add_user("ada", name="Ada Lovelace", email="ada@example.org", admin=True)
    store.add_user("grace", name="Grace Hopper")
    store.add_entity("acme", members=["ada", "grace"])
    vision = store.add_project("acme", "vision", description="pictures", user="ada")
    store.add_project("acme", "empty")
    store.add_project("ada", "private")
    sweep = store.add_sweep(
        vision, "sw1", display_name="grid", config={"method": "grid", "metric": {"name": "loss", "goal": "minimize"}}
    )
    store.add_run(
        vision,
        "r1",
        display_name="one",
        config={"lr": 0.1, "optimizer": {"name": "adam", "beta.1": 0.9}, "layers": [64, 32], "flag": True},
        config_wandb={"value": {"t": {"1": [1]}, "cli_version": "0.31.0"}},
        summary={"loss": 0.5, "eval/acc": 0.9, "nothing": None},
        tags=["good", "first"],
        user="ada",
        sweep="sw1",
        group="g",
        history=[
            {"loss": 1.0, "_step": 0},
            {"loss": math.nan, "_step": 1},
            {"acc": 0.5, "nested": {"b": 1}, "_step": 5},
        ],
        events=[{"system.cpu": 1.5, "_runtime": 1}, {"system.cpu": 2.5, "_runtime": 2}],
        console=[ConsoleLine(line=f"line {n}") for n in range(5)],
    )
    store.add_run(
        vision,
        "r2",
        display_name="two",
        state="crashed",
        config={"lr": 1, "flag": False},
        summary={"loss": math.nan},
        sweep=sweep,
    )
    store.add_run(
        vision, "r3", display_name="three", state="running", config={"lr": "0.1"}, summary={"loss": 0.25}, user="grace"
    )
    store.add_run(vision, "r4", display_name="Four", config={"lr": None}, tags=["good"], group="")
    data = store.add_collection(vision, "data", type="dataset", description="pictures to learn from", tags=["raw"])
    first = store.add_version(
        data,
        files={"a.txt": b"hello", "b/c.bin": {"ref": "s3://bucket/c", "size": 7, "digest": "etag"}},
        logged_by=store.run(vision, "r1"),
        metadata={"rows": 10},
        aliases=["v-one"],
    )
    second = store.add_version(
        data, files={"a.txt": b"hello!"}, aliases=["latest", "best"], tags=["t"], logged_by=store.user("grace")
    )
    portfolio = store.add_collection(vision, "chosen", type="dataset", kind="portfolio")
    store.link(first, portfolio, ["prod"])
    run = store.run(vision, "r2")
    assert run is not None
    store.use(run, second)
    store.add_file(run, "config.yaml", b"lr: 1\n", mimetype="text/yaml")
    store.add_file(run, "media/plot 1.png", b"png")
    store.add_view(vision, "rep", display_name="A report", spec={"blocks": []}, user="ada")
    store.add_view(vision, "draft", type="runs/draft", display_name="A draft")
    return store


def matching(document: dict[str, Any], kind: str, dialect: Dialect) -> Predicate | None:
    """The predicate that a filter document means; None when every record matches."""
    return predicate(parse_filter(document, kind, dialect), kind)


class Asker:
    """Sends documents to an engine and gives their data, or the one error."""

    def __init__(self, store: MemoryStore, dialect: Dialect | None = None) -> None:
        self.store = store
        self.engine = Engine(store, dialect)

    def send(self, document: str, **variables: Any) -> Response:
        return self.engine.execute(Request(document, variables))

    def __call__(self, document: str, **variables: Any) -> Any:
        response = self.send(document, **variables)
        assert not response.errors, response.errors
        return response.data

    def error(self, document: str, **variables: Any) -> str:
        response = self.send(document, **variables)
        assert len(response.errors) == 1, response
        return str(response.errors[0]["message"])

    def names(self, filters: Any = None, order: str | None = None, first: int = 100) -> list[str]:
        """Names of the runs of acme/vision."""
        data = self(RUNS, filters=filters, order=order, first=first)
        return [edge["node"]["name"] for edge in data["project"]["runs"]["edges"]]


RUNS = """query Runs($filters: JSONString, $order: String, $first: Int, $after: String) {
  project(name: "vision", entityName: "acme") {
    runCount(filters: $filters)
    runs(filters: $filters, order: $order, first: $first, after: $after) {
      edges { cursor node { name } } pageInfo { endCursor hasNextPage }
    }
  }
}"""
