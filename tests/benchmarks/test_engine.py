"""The in-memory engine over 10,000 runs of 30 config and 50 summary keys, beside floors measured in the same run."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone

import pytest

from tests.benchmarks.conftest import Ratios
from wbmodel.engine import Engine, MemoryStore
from wbmodel.request import Document, Request

RUNS = 10_000
FULL = (
    "id name displayName state config summaryMetrics tags notes description group jobType commit createdAt heartbeatAt "
    "sweepName projectId historyLineCount user { id username name } project { id name entityName }"
)
PAGE = """query Runs($filters: JSONString, $order: String, $first: Int, $after: String) {
  project(name: "vision", entityName: "acme") {
    runs(filters: $filters, order: $order, first: $first, after: $after) {
      edges { node { %s } } pageInfo { endCursor hasNextPage } } } }"""


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    dice = random.Random(1)
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    store.add_entity("acme", members=["ada"])
    project = store.add_project("acme", "vision")
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    for index in range(RUNS):
        store.add_run(
            project,
            f"r{index:05d}",
            config={f"c{key}": dice.random() if key % 2 else dice.choice(["adam", "sgd"]) for key in range(30)},
            summary={f"s{key}": dice.random() for key in range(50)},
            created_at=start + timedelta(seconds=index * 7 % 9999),
            user=store.viewer,
        )
    return store


def touch(store: MemoryStore) -> None:
    """A change, so that nothing that was sorted before can be used again."""
    store.viewer = store.viewer


def test_filter_on_two_keys_order_and_fifty_full_runs(store: MemoryStore, ratios: Ratios) -> None:
    engine, document = Engine(store), Document(PAGE % FULL)
    filters = json.dumps({"config.c0": "adam", "summary_metrics.s3": {"$lt": 0.3}})
    project = store.project("acme", "vision")
    assert project is not None

    def ask() -> list[str]:
        touch(store)
        response = engine.execute(Request(document, {"filters": filters, "order": "-summary_metrics.s1", "first": 50}))
        assert response.data is not None
        return [edge["node"]["name"] for edge in response.data["project"]["runs"]["edges"]]

    def loop() -> list[str]:
        found = [run for run in store.runs(project) if run.config["c0"] == "adam" and run.summary["s3"] < 0.3]
        return [run.name for run in sorted(found, key=lambda run: run.summary["s1"], reverse=True)[:50]]

    assert ask() == loop()
    ratios.timed("engine, 10,000 runs: filter on two keys, order, first 50 full runs", ask, 60.0)
    ratios.paired("  beside the same as a Python loop over the records", ask, loop, 10.0)


def test_listing_all_runs_in_pages_of_a_thousand(store: MemoryStore, ratios: Ratios) -> None:
    engine, document = Engine(store), Document(PAGE % "id name displayName summaryMetrics")
    project = store.project("acme", "vision")
    assert project is not None

    def forget() -> None:
        touch(store)
        for run in store.runs(project):
            run.forget_texts()

    def ask() -> int:
        forget()
        rows, after = 0, None
        while True:
            response = engine.execute(Request(document, {"first": 1000, "after": after}))
            assert response.data is not None
            page = response.data["project"]["runs"]
            rows += len(page["edges"])
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return rows

    def texts() -> int:
        forget()
        return len([{"id": run.id, "name": run.name, "s": run.summary_text} for run in store.runs(project)])

    assert ask() == texts() == RUNS
    ratios.timed("engine, 10,000 runs: id, name, displayName, summaryMetrics in pages of 1,000", ask, 600.0)
    ratios.paired("  beside making the summaries' texts alone", ask, texts, 4.0)
