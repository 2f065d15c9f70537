"""first, last, latest, earliest, best, count, exists, contains, in_bulk, iterator: what they give."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.queries import HOME, STORE, ids, on, run_dict
from tests.support.worlds import World, small_world
from wbmodel import File, Run, Sweep, User
from wbmodel.errors import FieldError, QueryError
from wbmodel.testing import assert_num_requests, count_requests, oracle

KINDS = ["full", "weak", "drops", "hostile1"]
EVERY = oracle.answer(HOME, ("and", []))


@pytest.mark.parametrize("kind", KINDS)
def test_first_and_last(kind: str) -> None:
    with on(kind):
        rows = Run.objects.order_by("summary.eval/acc", "id")
        expected = oracle.answer(HOME, ("and", []), [(("summary", "eval/acc"), False), (("id",), False)])
        backwards = oracle.answer(HOME, ("and", []), [(("summary", "eval/acc"), True), (("id",), True)])
        assert _id(rows.first()) == expected[0]
        assert _id(rows.last()) == backwards[0]
        assert _id(Run.objects.first()) == EVERY[0]
        assert Run.objects.filter(name="zzz").first() is None
        assert Run.objects.filter(name="zzz").last() is None


@pytest.mark.parametrize("kind", KINDS)
def test_latest_and_earliest(kind: str) -> None:
    with on(kind):
        assert _id(Run.objects.latest()) == EVERY[0]
        assert _id(Run.objects.latest("created_at")) == EVERY[0]
        assert _id(Run.objects.earliest()) == oracle.answer(HOME, ("and", []), [(("created_at",), False)])[0]
        assert _id(Run.objects.order_by("name").earliest("id")) == "v00"
        assert _id(Run.objects.latest("id")) == "v33"
        for ask in (Run.objects.filter(name="zzz").latest, Run.objects.filter(name="zzz").earliest):
            with pytest.raises(Run.DoesNotExist):
                ask()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "path", [("summary", "loss"), ("summary", "eval/acc"), ("summary", "eval", "f1"), ("config", "lr")]
)
def test_best(kind: str, path: tuple[str, ...]) -> None:
    from wbmodel.query.f import PathExpr

    spelled = PathExpr(path[0], path[1:])
    numbers = [
        run
        for run in HOME
        if isinstance(oracle.look(run, path), (int, float)) and not math.isnan(oracle.look(run, path))
    ]
    with on(kind):
        for goal, descending in (("min", False), ("max", True)):
            found = Run.objects.best(spelled, goal=goal)  # type: ignore[arg-type]
            assert _id(found) == oracle.ordered(numbers, [(path, descending)])[0]["id"]
        assert Run.objects.best("summary.nowhere", goal="min") is None
        assert Run.objects.filter(name="zzz").best("summary.loss", goal="max") is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("goal", ["min", "max"])
def test_best_is_among_numbers(kind: str, goal: Any) -> None:
    """Text, booleans and lists under the same key are no numbers, wherever the order puts them."""
    world = small_world()
    for run, value in zip(world.runs, ["n/a", True, 0.5, [3], 0.25], strict=True):
        run["summary"] = {"acc": value}
    with served(world.store(), kind):
        assert _id(Run.objects.best("summary.acc", goal=goal)) == {"min": "r4", "max": "r2"}[goal]
    for run in world.runs:
        run["summary"] = {"acc": "n/a"}
    with served(world.store(), kind):
        assert Run.objects.best("summary.acc", goal=goal) is None


def test_best_refuses() -> None:
    with assert_num_requests(0):
        with pytest.raises(QueryError, match="'min' or 'max', not 'low'"):
            Run.objects.best("summary.loss", goal="low")  # type: ignore[arg-type]
        with pytest.raises(FieldError, match=r"does not hold numbers.*order_by\('name'\)\.first\(\)"):
            Run.objects.best("name", goal="min")
        with pytest.raises(FieldError, match="name a key"):
            Run.objects.best("summary", goal="min")


@pytest.mark.parametrize("kind", KINDS)
def test_count_and_exists(kind: str) -> None:
    with on(kind):
        assert Run.objects.count() == len(HOME)
        assert Run.objects.filter(state="finished").count() == sum(run["state"] == "finished" for run in HOME)
        assert Run.objects.filter(name="zzz").count() == 0
        assert not Run.objects.filter(name="zzz").exists()
        assert Run.objects.filter(state="finished").exists()
        assert Run.objects.all()[10:15].count() == 5
        assert Run.objects.all()[30:99].count() == len(HOME) - 30
        assert Run.objects.all()[99:].count() == 0
        assert not Run.objects.all()[99:].exists()
        assert Sweep.objects.count() == 2
        assert File.objects.filter(run="acme/vision/v00").count() == 2


def test_counting_what_the_server_counts_is_one_request() -> None:
    with on("weak"):
        with assert_num_requests(1):
            assert Run.objects.count() == len(HOME)
        with count_requests() as sent:
            Run.objects.filter(created_at__gt=HOME[0]["created_at"]).count()
        assert [request.operation_name for request in sent.requests] == ["RunsCount"]


def test_exists_reads_no_more_than_it_must() -> None:
    with on("full"), count_requests() as sent:
        assert Run.objects.filter(state="finished").exists()
    assert [request.variables["first"] for request in sent.requests] == [1]
    assert "config" not in sent.requests[0].document.text


@pytest.mark.parametrize("kind", KINDS)
def test_contains(kind: str) -> None:
    with on(kind):
        run = Run.objects.get(id="v07")
        assert Run.objects.contains(run)
        assert run in Run.objects.all()
        state = run_dict("v07")["state"]
        assert Run.objects.filter(state=state).contains(run)
        assert not Run.objects.exclude(state=state).contains(run)
        assert run not in Run.objects.exclude(state=state)
        other = Run.objects.get(path="acme/nlp/n00")
        assert not Run.objects.contains(other)
        with pytest.raises(QueryError, match="takes a Run"):
            Run.objects.contains("v07")
        with pytest.raises(QueryError, match="must come before values"):
            Run.objects.values("id").contains(run)


@pytest.mark.parametrize("kind", KINDS)
def test_in_bulk(kind: str) -> None:
    with on(kind):
        found = Run.objects.in_bulk(["v03", "zzz", "v01", "v03"])
        assert {name: run.id for name, run in found.items()} == {"v03": "v03", "v01": "v01"}
        assert set(Run.objects.in_bulk()) == set(EVERY)
        assert Run.objects.in_bulk([]) == {}
        by_node = Run.objects.in_bulk([found["v03"].node_id], field="node_id")
        assert list(by_node.values()) == [found["v03"]]
        assert set(Run.objects.filter(state="finished").in_bulk(EVERY)) == {
            r["id"] for r in HOME if r["state"] == "finished"
        }
        with pytest.raises(QueryError, match=r"write \['v01'\]"):
            Run.objects.in_bulk("v01")
        with pytest.raises(QueryError, match="matches more than one Run"):
            Run.objects.in_bulk(field="state")
        with pytest.raises(FieldError, match="no field 'idd'"):
            Run.objects.in_bulk(["v01"], field="idd")


def test_in_bulk_asks_once_per_hundred() -> None:
    with on("full"), assert_num_requests(3):
        Run.objects.in_bulk([f"v{index:03d}" for index in range(250)])
    with on("full"), assert_num_requests(0):
        Run.objects.in_bulk([])


@pytest.mark.parametrize("kind", KINDS)
def test_iterator(kind: str) -> None:
    with on(kind):
        rows = Run.objects.all()
        assert ids(rows.iterator()) == EVERY
        assert ids(rows.iterator(chunk_size=5)) == EVERY
        assert rows._result.rows == []
        prefetched = Run.objects.prefetch_related("files")[:9]
        with pytest.raises(QueryError, match="needs chunk_size="):
            prefetched.iterator()
        with count_requests() as sent:
            found = list(prefetched.iterator(chunk_size=4))
        assert [run.id for run in found] == EVERY[:9]
        with assert_num_requests(0):
            assert all(len(list(run.files)) == 2 for run in found)
        assert sum(request.operation_name == "Files" for request in sent.requests) >= 3


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "5"])
def test_bad_chunk_sizes(size: Any) -> None:
    with pytest.raises(QueryError, match="chunk_size must be a positive number of rows"):
        Run.objects.iterator(size)


def test_lists_that_have_no_pages_are_whole() -> None:
    """A connection that takes no page size gives everything at once, also beyond a page's usual size."""
    world: World = small_world()
    store = world.store()
    for index in range(130):
        store.add_user(f"user{index}")
    with served(store):
        assert User.objects.count() == 132
        assert len(User.objects.all()) == 132


def test_runs_that_a_deleted_sweep_leaves_are_still_there() -> None:
    assert STORE.viewer is not None
    world = small_world()
    store = world.store()
    project = store.project("acme", "vision")
    assert project is not None
    sweep = store.add_sweep(project, "s")
    run = store.run(project, "r0")
    assert run is not None
    store.update(run.id, sweep=sweep)
    with served(store):
        assert ids(Run.objects.filter(sweep="s")) == ["r0"]
        store.delete(sweep.id)
        assert ids(Run.objects.filter(sweep="s")) == []
        assert Run.objects.get(id="r0").sweep is None


def _id(run: Run | None) -> str | None:
    return None if run is None else run.id
