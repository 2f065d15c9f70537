"""``history.plot()``: which curves are drawn of which rows, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.histories import history_world
from wbmodel import F, Run
from wbmodel.errors import FieldError, QueryError

pytest.importorskip("matplotlib")

HISTORIES = {
    "a": [{"_step": step, "loss": 1 / (step + 1), "acc": step, "_runtime": step * 2.0} for step in range(20)],
    "b": [{"_step": step, "loss": math.nan if step == 5 else 2.0, "note": "text"} for step in range(10)],
    "c": [{"_step": 0, "other": 1}],
}


@pytest.fixture
def runs():
    with served(history_world(HISTORIES), "full") as session:
        yield Run.objects.using(session).order_by("id")


def lines(figure: Any) -> dict[str, tuple[list[float], list[float]]]:
    """The points of each curve that has a name."""
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in figure.axes[0].lines
        if not str(line.get_label()).startswith("_")
    }


def test_one_run_and_several_keys(runs):
    drawn = lines(runs.get(id="a").history.plot("loss", "acc"))
    assert list(drawn) == ["loss", "acc"]
    assert drawn["acc"] == (list(range(20)), list(range(20)))


def test_a_curve_for_each_run_that_has_the_key(runs):
    rows = runs.history
    figure = rows.plot("loss")
    drawn = lines(figure)
    assert [len(x) for x, _ in drawn.values()] == [20, 10]
    assert len(drawn) == 2
    (odd,) = (line for line in figure.axes[0].lines if line.get_gid() == "not finite")
    assert list(odd.get_xdata()) == [5]
    assert rows.complete


def test_groups_and_another_axis(runs):
    by_state = lines(runs.history.plot("loss", by="run.state"))
    assert len(by_state) == 1
    assert next(iter(by_state)).endswith("(2)")
    assert lines(runs.get(id="a").history.plot("loss", x="_runtime"))["loss"][0][-1] == 38.0
    assert lines(runs.history.plot(F.history["loss"], by=F.config["lr"], log="y")).keys() == {"(none) (2)"}


def test_a_slice_is_drawn_as_it_is(runs):
    assert len(lines(runs.get(id="a").history.values("loss")[:7].plot("loss"))["loss"][0]) == 7


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda runs: runs.history.plot(), "the keys to draw"),
        (lambda runs: runs.history.plot("loss", by="lr"), "a field of the runs"),
        (lambda runs: runs.history.plot("loss", log="z"), "'z'"),
        (lambda runs: runs.get(id="a").history.plot("loss", by="run.state"), "this is one run"),
        (lambda runs: runs.get(id="a").console.plot("line"), "lines of text"),
        (lambda runs: runs.history.long().plot("loss"), "before long"),
    ],
)
def test_what_cannot_be_drawn(runs, draw, says):
    with pytest.raises(QueryError, match=says):
        draw(runs)


def test_a_key_that_nobody_logged_is_named(runs):
    with pytest.raises(FieldError, match="loss"):
        runs.history.plot("los")


async def test_the_async_twin(runs):
    assert str(lines(await runs.history.aplot("loss"))) == str(lines(runs.history.plot("loss")))
