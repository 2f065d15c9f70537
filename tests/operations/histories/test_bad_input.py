"""Odd content of histories, and what servers do to it: through history sets, over the wire."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from tests.engine.test_bad_histories import ODD_STEPS
from tests.support import backends
from tests.support.backends import over_loopback
from tests.support.histories import asking, history_world
from tests.support.keyed_histories import expected
from tests.support.pace import stretch
from wbmodel import Run
from wbmodel.backend.asks import Post, Request, Response
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.histories import Histories
from wbmodel.errors import DamagedRow, FieldError, FrameWarning, IncompleteHistory, KeyWarning

ROWS = [{"_step": step, "loss": step / 7, "acc": step} for step in range(300)]


@contextmanager
def over(world: Any, engine: type[Engine] = Engine, **dialect: Any) -> Iterator[Any]:
    """A server that differs from the live one in some way."""
    backends.SERVERS["bad"] = (Dialect(live=True, cursors="offsets", **dialect), engine)
    try:
        with over_loopback(world, "bad") as (server, session):
            yield server, session
    finally:
        del backends.SERVERS["bad"]


def of(run: str = "r") -> Any:
    return Run.objects.get(id=run).history


# -- steps and rows --------------------------------------------------------------------------------


def test_steps_of_every_wrong_kind() -> None:
    """Each row is there once, by step, by rows and by key, of one run and of all."""
    logged = {
        name: [{"x": at} if step is ... else {"_step": step, "x": at} for at, step in enumerate(given)]
        for name, (given, _) in ODD_STEPS.items()
        if name not in TOO_FAR
    }
    ids = {name.replace(" ", "-"): name for name in logged}
    with over_loopback(history_world({run: logged[name] for run, name in ids.items()}), "live"):
        for query in (Run.objects.history, Run.objects.history.values("x")):
            found: dict[str, list[Any]] = {run: [] for run in ids}
            for row in query:
                found[row["run"]].append(row)
            assert query.complete
            for run, name in ids.items():
                assert [row["_step"] for row in found[run]] == ODD_STEPS[name][1], name
                assert sorted(row["x"] for row in found[run]) == [0, 1, 2], name
        history = of("negative")
        assert (history.first()["_step"], history.last()["_step"]) == (-7, 0)
        assert history.filter(_step__lt=0).count() == 2
        assert of("a-jump").filter(_step__gt=1).count() == 1


TOO_FAR = ("huge", "a float")
"""Some steps of these cannot be written in a request."""


@pytest.mark.parametrize("name", TOO_FAR)
def test_rows_at_steps_that_no_request_can_name_are_said_to_be_missing(name: str) -> None:
    given, steps = ODD_STEPS[name]
    with over_loopback(history_world({"r": [{"_step": step, "x": at} for at, step in enumerate(given)]}), "live"):
        history = of()
        with pytest.warns(IncompleteHistory):
            found = [row["_step"] for row in history]
        assert found == [step for step in steps if step < 2**53]
        assert history.missing == {"acme/vision/r": 3 - len(found)}


def test_five_thousand_rows_of_one_step() -> None:
    rows = [{"_step": 7, "x": at, **({"y": at} if at % 2 else {})} for at in range(5_000)]
    with over_loopback(history_world({"r": rows}), "live"):
        history = of()
        assert list(history) == rows, "in the order in which they were logged"
        assert history.complete
        asked = of().values("x", "y", occurrence=True)
        assert [row["_occurrence"] for row in asked] == list(range(5_000))
        assert list(of().values("x", "y")) == [
            {key: cell for key, cell in row.items() if cell is not None}
            for row in expected(rows, ("x", "y"), None, None)
        ]
        assert of().last() == rows[-1]


def test_rows_of_one_step_that_a_server_does_not_give_are_said_to_be_missing() -> None:
    rows = [{"_step": 7, "x": at} for at in range(1_500)]
    with over(history_world({"r": rows}), histories=Histories(max_samples=1000)):
        history = of()
        with pytest.warns(IncompleteHistory, match="500 rows missing"):
            assert len(history) == 1000
        assert not history.complete
        assert history.missing == {"acme/vision/r": 500}


@pytest.mark.parametrize("rows", [7, 65_536])
def test_types_that_change_midway(rows: int) -> None:
    """Values stay what they were, and a frame does not depend on the portions."""
    values = [1, 2.5, "text", None, True, [1], {"_type": "image-file"}, 10**20, math.inf]
    logged = [{"_step": at, "x": value, "n": at if at < 30 else at + 0.5} for at, value in enumerate(values * 9)]
    with over_loopback(history_world({"r": logged}), "live"):
        assert [row.get("x") for row in of()] == values * 9
        with pytest.warns(FrameWarning, match="JSON text: x"):
            frame = of().to_polars()
        assert frame["n"].to_list() == [row["n"] for row in logged]
        assert next(of().chunks(rows)).length == min(rows, 81)
        assert frame["x"].to_list()[:4] == ["1", "2.5", '"text"', None]


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_very_many_keys_in_one_run(count: int) -> None:
    rows = [{"_step": 0, **{f"k{at}": at for at in range(count)}}, {"_step": 1, f"k{count - 1}": -1}]
    with over_loopback(history_world({"r": rows}), "live"):
        history = of()
        assert list(history) == rows
        assert history.complete
        assert len(history.keys()) == count + 1
        assert list(of().values(f"k{count - 1}")) == [{"_step": 0, f"k{count - 1}": count - 1}, rows[1]]
        with pytest.raises(FieldError, match=f"'kk{count - 1}'; did you mean 'k{count - 1}'"):
            list(of().values(f"kk{count - 1}"))


def test_keys_that_nobody_logged() -> None:
    with over_loopback(history_world({"r": ROWS, "s": ROWS[:3], "empty": []}), "live"):
        for history in (of(), Run.objects.history):
            for read in (list, lambda it: it.to_polars(), lambda it: it.min("losss"), lambda it: it.last()):
                with pytest.raises(FieldError, match="'losss'; did you mean 'loss'"):
                    read(history.values("losss"))
            with pytest.warns(KeyWarning, match="'ac'; did you mean 'acc'"):
                assert history.values("loss", "ac").count() in (300, 303)
        assert list(of("empty").values("losss")) == []


def test_frames_of_runs_without_a_common_key() -> None:
    worlds = {"a": [{"_step": 0, "x": 1}], "b": [{"_step": 5, "y": "t"}], "c": [], "d": [{"_step": 1, "x": "text"}]}
    with over_loopback(history_world(worlds), "live"):
        for history in (Run.objects.order_by("id").history, Run.objects.order_by("id").history.values("x", "y")):
            with pytest.warns(FrameWarning, match="JSON text: x"):
                frame = history.to_polars()
            assert frame.columns == ["run", "_step", "x", "y"]
            assert frame.rows() == [("a", 0, "1", None), ("b", 5, None, "t"), ("d", 1, '"text"', None)]
        assert list(Run.objects.history.values("x", "y", how="inner")) == []


# -- servers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", ["late", "null", "rows"])
def test_counts_that_are_late_or_missing(count: Any) -> None:
    with over(history_world({"r": ROWS, "s": ROWS[:20]}), histories=Histories(count=count, late_times=1)):
        for query in (Run.objects.order_by("id").history, Run.objects.order_by("id").history.values("loss", "acc")):
            found = list(query)
            assert [row["_step"] for row in found] == [*range(300), *range(20)]


class Overlapping(Engine):
    """Takes the end of a range of steps for a part of it, and the step before for another."""

    def execute(self, request: Request, **options: Any) -> Response:
        given = dict(request.variables)
        for name, value in given.items():
            if name[0] in "ab" and name[1:].isdigit() and type(value) is int and abs(value) < 2**40:
                given[name] = value + (2 if name[0] == "b" else -2)
        return super().execute(attrs.evolve(request, variables=given), **options)


def test_pages_that_repeat_rows() -> None:
    rows = [{"_step": at // 2, "x": at} for at in range(3_000)]
    with over(history_world({"r": rows}), Overlapping, histories=Histories(max_samples=400)):
        history = of()
        with asking() as asked:
            assert list(history) == rows
        assert history.complete
        assert len(asked) > 1


class Damaging(Engine):
    """Spoils the third row of every history."""

    def execute(self, request: Request, **options: Any) -> Response:
        response = super().execute(request, **options)
        for run in ((response.data or {}).get("project") or {}).values():
            if isinstance(run, dict) and len(run.get("history") or ()) > 2:
                run["history"] = [*run["history"][:2], '{"_step": 2, "lo', *run["history"][3:]]
        return response


def test_a_damaged_row() -> None:
    with over(history_world({"r": ROWS[:10], "s": ROWS[:2]}), Damaging):
        for history, rows in ((of(), 9), (Run.objects.history, 11)):
            with pytest.warns(DamagedRow, match=r"acme/vision/r: a row "), pytest.warns(IncompleteHistory):
                assert len(list(history)) == rows
            assert not history.complete
            assert history.missing == {"acme/vision/r": 1}
        assert len(of().values("loss")) == 10, "asked by key, it is not damaged"


def test_a_run_that_vanished_between_the_listing_and_its_rows() -> None:
    with over_loopback(history_world({"r": ROWS, "s": ROWS[:20], "t": ROWS[:5]}), "live") as (_, session):
        runs = Run.objects.order_by("id").only("node_id", "id", "project", "state", "history_line_count")
        gone = next(run for run in list(runs) if run.id == "s")
        alone = gone.history
        session.execute(f'mutation {{ deleteRun(input: {{id: "{gone.node_id}"}}) {{ clientMutationId }} }}')
        for history in (runs.history, runs.history.values("loss")):
            with pytest.warns(IncompleteHistory, match="acme/vision/s could not be read"):
                assert len(list(history)) == 305
            assert [item.run.name for item in history.failures] == ["s"]
            assert not history.complete
        with pytest.raises(Run.DoesNotExist, match="acme/vision/s. does not exist on .* any more"):
            list(alone)


def test_a_running_run_that_grows_between_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows that were there at the start, each row once, and by step. It grows after each answer: a count and rows
    that are not of one moment prove nothing."""
    world = history_world({"r": ROWS}, state="running")
    execute = Engine.execute

    def grown(self: Engine, request: Any, **options: Any) -> Any:
        response = execute(self, request, **options)
        growing.rows(3)
        return response

    with over(world, histories=Histories(max_samples=100)):
        found = Run.objects.get(id="r")
        growing = Growing(world, found.node_id, 300)
        monkeypatch.setattr(Engine, "execute", grown)
        for history in (found.history, found.history.values("loss"), Run.objects.history):
            rows = list(history)
            steps = [row["_step"] for row in rows]
            assert steps == list(range(len(steps)))
            assert len(steps) >= 300
        assert growing.line > 310


class Growing:
    """Appends rows to a run."""

    def __init__(self, world: Any, run: str, line: int) -> None:
        self.engine, self.run, self.line = Engine(world), run, line

    def rows(self, count: int) -> None:
        """Append some rows."""
        new = [{"_step": step, "loss": step / 7, "acc": step} for step in range(self.line, self.line + count)]
        self.engine.append(self.run, Post(rows={"history": (self.line, new)}))
        self.line += count


@pytest.mark.parametrize("keys", [(), ("loss",)])
def test_following_a_run_while_it_logs(keys: tuple[str, ...]) -> None:
    """Each row once, until the run ends."""
    world = history_world({"r": ROWS[:10]}, state="running")
    with over_loopback(world, "live") as (_, session):
        run = Run.objects.get(id="r")
        growing = Growing(world, run.node_id, 10)
        steps = []
        for row in run.history.values(*keys).follow(every=1.0):
            steps.append(row["_step"])
            if len(steps) == 10:
                growing.rows(7)
            if len(steps) == 17:
                growing.rows(3)
                ended = 'mutation { upsertBucket(input: {id: "%s", state: "finished"}) { bucket { id } } }'
                session.execute(ended % run.node_id)
    assert steps == list(range(20))


class Limited:
    """A limit of so many requests a second: a bucket that is filled as fast. It counts by its own clock."""

    def __init__(self, rate: float) -> None:
        self.rate, self.room = rate, rate
        self.let, self.refused = 0, 0
        self.began = self.last = time.monotonic()

    def refuses(self, operation: str | None, document: str) -> bool:
        now = time.monotonic()
        if not self.let:
            self.began = self.last = now
        self.room = min(self.rate, self.room + (now - self.last) * self.rate)
        self.last = now
        if self.room < 1:
            self.refused += 1
            return True
        self.room -= 1
        self.let += 1
        return False


def test_a_limit_of_ten_requests_a_second() -> None:
    """All rows come, in the time that the limit allows."""
    runs = 700
    with over_loopback(history_world({f"r{at:03d}": ROWS[:2] for at in range(runs)}), "live") as (server, _):
        limit = Limited(10)
        server.faults.add(status=429, headers={"Retry-After": "1"}, times=None, when=limit.refuses)
        history = Run.objects.history
        assert len(list(history)) == 2 * runs
        assert history.complete
    allowed = max(limit.let - 10, 1) / 10
    took = limit.last - limit.began
    print(f"{limit.let} requests and {limit.refused} refusals in {took:.2f} s; the limit allows {allowed:.2f} s")
    assert limit.let > 20
    assert took <= 1.2 * (allowed + 1) * stretch()
