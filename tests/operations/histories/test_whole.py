"""Whole rows of histories by documents: every row of every run, in few requests, and proven to be all."""

from __future__ import annotations

import pytest

from tests.support.backends import over_loopback, served
from tests.support.histories import asking, history_world, reading
from tests.support.keyed_histories import listed
from wbmodel import Run
from wbmodel.errors import DoesNotExist

ROWS = [{"_step": step, "loss": step / 7, "note": {"a": step}} for step in range(200)]


@pytest.mark.parametrize("kind", ["weak", "hostile1", "drops"])
def test_all_rows_of_many_runs(kind: str) -> None:
    world = history_world({f"r{at}": ROWS[: at * 9] for at in range(12)})
    with served(world, kind) as session, asking() as asked:
        found = reading(session, list(Run.objects.all()))
    for at in range(12):
        got = found[f"r{at}"]
        assert got.rows == [{"_step": n, "loss": n / 7, "note.a": n} for n in range(at * 9)]
        assert got.end.is_complete
    assert {"Histories"} <= {request.operation_name for request in asked}


def test_a_hundred_runs_in_few_requests_over_the_wire() -> None:
    world = history_world({f"r{at:02d}": ROWS for at in range(100)})
    with over_loopback(world, "live") as (_, session), asking() as asked:
        found = reading(session, listed(session))
    assert sum(len(got.rows) for got in found.values()) == 20_000
    assert all(got.end.is_complete for got in found.values())
    assert len(asked) <= 100 // 15


def test_a_run_that_is_gone_does_not_stop_the_others() -> None:
    world = history_world({f"r{at}": ROWS[:5] for at in range(4)})
    with served(world, "weak") as session:
        runs = list(Run.objects.order_by("id"))
        world.delete(runs[1].node_id)
        found = reading(session, runs)
    assert isinstance(found["r1"].end.error, DoesNotExist)
    assert [got.end.is_complete for got in found.values()] == [True, False, True, True]
