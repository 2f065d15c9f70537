"""System metrics and console lines by documents."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.backends import over_loopback, served
from tests.support.histories import asking, history_world, reading
from wbmodel import Run
from wbmodel.backend.asks import ReadSpec
from wbmodel.engine.records import ConsoleLine

METRICS = [{"_runtime": at, "system.cpu": at / 3, "gpu": {"0": at}} for at in range(700)]
FLAT = [{"_runtime": at, "system.cpu": at / 3, "gpu.0": at} for at in range(700)]
LINES = [f"line {at}" for at in range(6_000)]


def both(rows: int, lines: int, runs: int = 3) -> Any:
    return history_world(
        {f"r{at}": [] for at in range(runs)},
        events=METRICS[:rows],
        console=[ConsoleLine(line=line, level="info") for line in LINES[:lines]],
    )


@pytest.mark.parametrize("kind", ["weak", "drops"])
@pytest.mark.parametrize("rows", [0, 1, 700])
def test_all_system_metrics(kind: str, rows: int) -> None:
    with served(both(rows, 0), kind) as session, asking() as asked:
        found = reading(session, list(Run.objects.all()), ReadSpec("events"))
    assert [got.rows for got in found.values()] == [FLAT[:rows]] * 3
    assert all(got.end.is_complete for got in found.values())
    assert sum(request.operation_name == "Events" for request in asked) == 1


def test_system_metrics_that_a_server_keeps_back() -> None:
    """No range of them can be asked for."""
    with served(both(700, 0), "hostile2") as session:
        found = reading(session, list(Run.objects.all()), ReadSpec("events"))
    for got in found.values():
        assert 0 < len(got.rows) < 700
        assert got.end.missing == 700 - len(got.rows)


def test_more_system_metrics_than_the_first_samples() -> None:
    world = history_world({"r0": []}, events=METRICS * 10)
    with over_loopback(world, "live") as (_, session), asking() as asked:
        found = reading(session, list(Run.objects.all()), ReadSpec("events"))
    assert found["r0"].rows == FLAT * 10
    assert found["r0"].end.is_complete
    assert sum(request.operation_name == "Events" for request in asked) == 2


@pytest.mark.parametrize("lines", [0, 1, 6_000])
def test_all_console_lines(lines: int) -> None:
    with over_loopback(both(0, lines), "live") as (_, session):
        found = reading(session, list(Run.objects.all()), ReadSpec("console"))
    for got in found.values():
        assert [(row["number"], row["line"]) for row in got.rows] == list(enumerate(LINES[:lines]))
        assert got.end.is_complete


def test_a_range_of_lines() -> None:
    with served(both(20, 20), "weak") as session:
        runs = list(Run.objects.all())
        metrics = reading(session, runs, ReadSpec("events", None, 3, 5))
        lines = reading(session, runs, ReadSpec("console", None, 3, 5))
    assert metrics["r0"].rows == FLAT[3:5]
    assert [row["line"] for row in lines["r0"].rows] == LINES[3:5]
