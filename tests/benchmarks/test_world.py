"""Questions to an in-memory world of 10,000 runs, against a plain loop over the same dicts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.benchmarks.material import world
from wbmodel import Run, Session, connect

COUNT = 10_000


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    made = connect("fixtures:", world=world(COUNT), name="bench", default=False)
    assert Run.objects.using(made).filter(project="acme/big").count() == COUNT
    yield made
    made.close()


def test_questions(session: Session, ratios: Any) -> None:
    runs = Run.objects.using(session).filter(project="acme/big")
    given = world(COUNT)["entities"]["acme"]["projects"]["big"]["runs"]
    texts = [(json.dumps(run["config"]), json.dumps(run["summary"])) for run in given]
    number = iter(range(10**9))

    def ask() -> list[Any]:
        # Another bound each time, so that no cache of an earlier answer is what is measured.
        bound = 0.5 + next(number) * 1e-9
        return list(runs.filter(config__optimizer="adam", summary__loss__lt=bound).order_by("-summary.loss")[:50])

    def loop() -> list[Any]:
        hits = [run for run in given if run["config"]["optimizer"] == "adam" and run["summary"]["loss"] < 0.5]
        return sorted(hits, key=lambda run: -run["summary"]["loss"])[:50]

    assert [run.id for run in ask()] == [run["id"] for run in loop()]
    asked = ratios.timed("10,000 runs: filter on two keys, order, first 50", ask, 100)
    floor = ratios.timed("  the same in a loop over dicts", loop, 1e9)
    ratios.say(f"  ratio {asked / floor:.1f}x")

    def values() -> list[Any]:
        return list(runs.values("name", "summary.loss"))

    def decode() -> list[Any]:
        return [
            {"name": run["name"], "summary.loss": json.loads(text[1])["loss"]}
            for run, text in zip(given, texts, strict=True)
        ]

    assert {row["name"]: row["summary.loss"] for row in values()} == {
        run["name"]: run["summary"]["loss"] for run in given
    }
    asked = ratios.timed('10,000 runs: values("name", "summary.loss")', values, 1000, 3)
    floor = ratios.timed("  decoding each summary and taking one key", decode, 1e9, 3)
    ratios.say(f"  ratio {asked / floor:.1f}x")
    ratios.timed("10,000 runs: list of full runs", lambda: list(runs.all()), 1e9, 3)
    ratios.timed(
        "10,000 runs: count with an exact filter", lambda: runs.filter(config__optimizer="sgd").count(), 1e9, 3
    )
