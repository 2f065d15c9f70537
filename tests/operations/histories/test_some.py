"""Some rows of a history in few requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.backends import served
from tests.support.histories import asking, history_world
from wbmodel import Run
from wbmodel.operations.histories.runs import head_of
from wbmodel.operations.histories.some import Since, glance, read_newest, tail


def rows(*steps: int) -> list[dict[str, Any]]:
    return [{"_step": step, "loss": at} for at, step in enumerate(steps)]


@pytest.mark.parametrize("steps", [[], [0], [5, 5, 5], [0, 1, 2, 2, 2, 9]])
def test_following_a_run_gives_each_row_once(steps: list[int]) -> None:
    """Whatever comes between: rows of the last step too."""
    every = rows(*steps, *(steps[-1:] * 3), 100, 100, 101)
    got: list[Any] = []
    place = Since()
    for there in range(0, len(every) + 1, 2):
        with served(history_world({"r": every[:there]}), "weak") as session:
            head = head_of(Run.objects.get(id="r"))
            new, place = session.run(read_newest(head, session.target, place))
            got += new
    with served(history_world({"r": every}), "weak") as session:
        new, place = session.run(read_newest(head_of(Run.objects.get(id="r")), session.target, place))
    assert got + new == every
    assert place == Since(101, 1)


@pytest.mark.parametrize("count", [0, 1, 10, 3_000, 40_000])
@pytest.mark.parametrize("wanted", [1, 7, 900])
def test_the_last_rows(count: int, wanted: int) -> None:
    with served(history_world({"r": rows(*range(0, 3 * count, 3))}), "weak") as session:
        run = Run.objects.get(id="r")
        with asking() as asked:
            found = session.run(tail(head_of(run), session.target, wanted))
    assert [row["loss"] for row in found] == list(range(count))[-wanted:]
    assert len(asked) <= 3


def test_a_glance_is_one_request() -> None:
    with served(history_world({"r": rows(*range(5_000))}), "weak") as session:
        run = Run.objects.get(id="r")
        with asking() as asked:
            found, total = session.run(glance(head_of(run), session.target, 100))
    assert len(asked) == 1
    assert found.length == 100
    assert total == 5_000
