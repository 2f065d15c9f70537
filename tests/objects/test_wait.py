"""Waiting for a run, and loading one again in place, while somebody else changes it."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import time

import pytest

from tests.support.backends import served
from tests.support.changing import alater, later, outside
from tests.support.worlds import make_world
from wbmodel import (
    TERMINAL,
    Artifact,
    ArtifactCollection,
    ArtifactType,
    Entity,
    Project,
    Report,
    Run,
    Sweep,
    User,
)
from wbmodel.errors import QueryError, RequestTimeout, WaitTimeout
from wbmodel.testing import assert_num_requests, count_requests

FAST = 0.01


def test_wait_returns_the_run_with_everything_loaded_again() -> None:
    with outside() as other:
        run = Run.objects.get(id="r1")
        assert run.summary == {"loss": 1}

        def finish() -> None:
            other.upsert("r1", state="finished", summaryMetrics='{"loss": 0.5}', tags=["best"])

        with later(finish):
            assert run.wait(timeout=5, interval=FAST) is run
        assert (run.state, run.summary, run.tags) == ("finished", {"loss": 0.5}, ["best"])


async def test_the_other_colour_waits_without_blocking_the_loop() -> None:
    with outside() as other:
        run = await Run.objects.aget(id="r1")
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while run.state == "running":
                ticks += 1
                await asyncio.sleep(FAST)

        task = asyncio.create_task(alater(lambda: other.upsert("r1", state="crashed")))
        _, found = await asyncio.gather(tick(), run.await_(timeout=5, interval=FAST))
        await task
        assert found is run
        assert run.state == "crashed"
        assert ticks > 1


@pytest.mark.parametrize("state", TERMINAL)
@pytest.mark.parametrize("until", [TERMINAL, "running", ("finished", "running")])
def test_any_end_ends_the_wait(state: str, until: object) -> None:
    with outside() as other:
        run = Run.objects.get(id="r2")
        other.upsert("r2", state=state)
        with count_requests() as sent:
            assert run.wait(until=until, timeout=0).state == state  # type: ignore[arg-type]
        assert sent.count == 2  # its state, then all of it


def test_a_state_on_the_way_can_be_waited_for() -> None:
    with outside() as other:
        other.upsert("r1", state="pending")
        run = Run.objects.get(id="r1")
        with later(lambda: other.upsert("r1", state="running")):
            assert run.wait(until="running", timeout=5, interval=FAST).state == "running"


def test_polls_ask_for_the_state_alone() -> None:
    with outside() as other:
        run = Run.objects.get(id="r1")
        with count_requests() as sent, pytest.raises(WaitTimeout):
            run.wait(timeout=0)
        assert sent.count == 1
        text = str(sent.requests[0])
        assert "state" in text
        assert "config" not in text
        assert "summaryMetrics" not in text
        assert other.session.stats.errors == 0


async def test_a_timeout_names_the_state_and_the_time() -> None:
    with outside():
        run = Run.objects.get(id="r1")
        says = r"acme/vision/r1 is running after 0\.05 s of waiting for finished or crashed"
        started = time.monotonic()
        with pytest.raises(WaitTimeout, match=says) as caught:
            run.wait(timeout=0.05, until=("finished", "crashed"), interval=FAST)
        assert 0.04 < time.monotonic() - started < 2
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(WaitTimeout, match=says):
            await run.await_(timeout=0.05, until=("finished", "crashed"), interval=FAST)


async def test_a_slow_server_does_not_hold_the_wait() -> None:
    """A request under way at the end of the wait is cut short, and the wait says that it was the wait."""
    with served(make_world().store(), "weak", delay=0.0) as session:
        run = Run.objects.filter(state="running")[0]
        session.backend.delay = 30  # type: ignore[attr-defined]
        started = time.monotonic()
        with pytest.raises(WaitTimeout):
            run.wait(timeout=0.1, interval=FAST)
        with pytest.raises(WaitTimeout):
            await run.await_(timeout=0.1, interval=FAST)
        assert time.monotonic() - started < 3


def test_the_limit_of_one_request_is_not_the_end_of_the_wait() -> None:
    with served(make_world().store(), "weak", delay=0.0, timeout=0.05) as session:
        run = Run.objects.filter(state="running")[0]
        session.backend.delay = 30  # type: ignore[attr-defined]
        with pytest.raises(RequestTimeout, match=r"within 0\.05 s"):
            run.wait(timeout=20, interval=FAST)


def test_a_run_that_is_deleted_meanwhile() -> None:
    with outside() as other:
        run = Run.objects.get(id="r3")
        with later(lambda: other.delete(run.node_id)), pytest.raises(Run.DoesNotExist, match="was deleted"):
            run.wait(timeout=5, interval=FAST)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"until": "finshed"}, "did you mean 'finished'"),
        ({"until": ("finished", "done")}, "a run cannot be 'done'"),
        ({"until": ()}, "needs a state"),
        ({"interval": 0}, "interval must be a number of seconds above 0"),
        ({"interval": True}, "interval must be a number"),
        ({"timeout": -1}, "timeout must be a number of seconds from 0"),
        ({"timeout": "soon"}, "timeout must be a number"),
    ],
)
async def test_what_has_no_meaning_is_refused_before_any_request(arguments: dict[str, object], says: str) -> None:
    with outside():
        run = Run.objects.get(id="r1")
        with assert_num_requests(0):
            with pytest.raises(QueryError, match=says):
                run.wait(**arguments)  # type: ignore[arg-type]
            with pytest.raises(QueryError, match=says):
                await run.await_(**arguments)  # type: ignore[arg-type]


def test_the_twins_agree() -> None:
    assert inspect.signature(Run.wait).parameters == inspect.signature(Run.await_).parameters
    assert inspect.iscoroutinefunction(Run.await_)
    assert inspect.iscoroutinefunction(Run.arefresh)


# -- refresh ---------------------------------------------------------------------------------------


async def test_refresh_loads_what_was_loaded_and_no_more() -> None:
    with outside() as other:
        for load in (Run.refresh, Run.arefresh):
            run = Run.objects.only("state", "summary").get(id="r1")
            fields = run.loaded_fields()
            run.summary["loss"] = "mine"
            other.upsert("r1", summaryMetrics='{"loss": 7}', config='{"lr": {"value": 9}}')
            with assert_num_requests(1):
                done = load(run)
                if done is not None:
                    await done
            assert run.loaded_fields() == fields
            assert run.summary == {"loss": 7}
            assert run.project.path == "acme/vision"


def test_refresh_forgets_what_was_prefetched_and_keeps_identity() -> None:
    with outside() as other:
        run = Run.objects.prefetch_related("files").get(id="r1")
        others = {run}
        other.upsert("r1", displayName="renamed")
        run.refresh()
        assert run in others
        assert run.name == "renamed"
        with assert_num_requests(1):
            list(run.files)


def test_refresh_keeps_relations_as_wide_as_they_were() -> None:
    with outside() as other:
        run = Run.objects.select_related("project").get(id="r1")
        created = run.project.created_at
        other.upsert("r1", sweep="sw")
        run.refresh()
        assert run.project.created_at == created
        assert run.sweep is not None
        assert run.sweep.id == "sw"


def test_every_entity_that_knows_its_place_can_be_loaded_again() -> None:
    with served(make_world().store()):
        run = Run.objects.get(id="v01")
        artifact = Artifact.objects.filter(collection="weights")[0]
        rows = [
            Project.objects.get(path="acme/vision"),
            run,
            Sweep.objects.get(id="sw1"),
            Run.objects.exclude(sweep=None)[0].sweep,
            Report.objects.get(id="rep1"),
            artifact,
            ArtifactCollection.objects.get(name="images"),
            ArtifactType.objects.get(name="model"),
            Entity.objects.get(name="acme"),
            User.objects.get(username="ada"),
            run.files[0],
        ]
        for row in rows:
            assert row is not None
            before = [getattr(row, name) for name in row.loaded_fields() if name != "node_id"]
            names = [name for name in row.loaded_fields() if name != "node_id"]
            with assert_num_requests(1):
                row.refresh()
            assert [getattr(row, name) for name in names] == before, row


def test_refresh_after_unpickling() -> None:
    with outside() as other:
        run = pickle.loads(pickle.dumps(Run.objects.get(id="r1")))
        other.upsert("r1", displayName="renamed")
        run.refresh()
        assert run.name == "renamed"
