"""Watching a queryset while somebody else changes the world, in both colours."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.changing import outside
from tests.support.pace import stretch
from tests.support.worlds import make_world, small_world
from wbmodel import Change, Run
from wbmodel.errors import QueryError, RequestTimeout, UnreadableValue
from wbmodel.meta import state
from wbmodel.objects.queryset import QuerySet
from wbmodel.objects.watch import Watch
from wbmodel.testing import count_requests

Seen = list[tuple[str, str, tuple[str, ...]]]


def told(changes: list[Change[Run]]) -> Seen:
    return [(item.kind, item.obj.id, item.fields) for item in changes]


async def played(rows: QuerySet[Run], acts: list[Callable[[], None]], colour: str, **options: Any) -> list[Change[Run]]:
    """What a watch sees when one act happens after each of its polls. It ends with the last act's changes."""
    script: Iterator[Callable[[], None]] = iter(acts)
    found: list[Change[Run]] = []
    polls = 0
    original = Watch.take

    # The acts are put between two polls exactly, which sleeping could only hope for.
    def take(self: Watch, now: list[Any]) -> list[Change[Any]]:
        nonlocal polls
        made = original(self, now)
        polls += 1
        if (act := next(script, None)) is not None:
            act()
        else:
            self.pace.timeout = 0.0
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "take", take)
        if colour == "plain":
            found += rows.watch(interval=0.001, timeout=30, **options)
        else:
            found += [change async for change in rows.awatch(interval=0.001, timeout=30, **options)]
    assert polls == len(acts) + 1
    return found


COLOURS = pytest.mark.parametrize("colour", ["plain", "async"])


@COLOURS
async def test_added_changed_removed(colour: str) -> None:
    with outside() as other:
        first = Run.objects.get(id="r1")
        acts = [
            lambda: other.upsert("r4", state="running"),
            lambda: None,
            lambda: other.upsert("r2", summaryMetrics='{"loss": 0.1}', displayName="better"),
            lambda: other.delete(first.node_id),
        ]
        changes = await played(Run.objects.all(), acts, colour)
        assert told(changes) == [("added", "r4", ()), ("changed", "r2", ("name", "summary")), ("removed", "r1", ())]
        added, changed, removed = changes
        assert added.before is None
        assert changed.before is not None
        assert (changed.before.summary, changed.obj.summary) == ({"loss": 2}, {"loss": 0.1})
        assert changed.obj == changed.before
        assert removed.obj == first
        assert repr(changed) == "<Change changed <Run acme/vision/r2 (running)> name, summary>"


def test_a_damaged_value_is_a_change_and_no_raw_error() -> None:
    """A server that sends a number where the text of a config belongs."""
    with outside():
        row, bad = Run.objects.get(id="r1"), Run.objects.get(id="r1")
        state.put(bad, "_config_text", 5)
        watch = Run.objects.all()._watch(1, 0, False)
        assert watch.take([row]) == []
        (change,) = watch.take([bad])
        assert change.fields == ("config",)
        with pytest.raises(UnreadableValue, match="config of <Run acme/vision/r1"):
            _ = change.obj.config


@COLOURS
async def test_a_filter_watches_who_meets_it(colour: str) -> None:
    with outside() as other:
        acts = [lambda: other.upsert("r2", state="finished"), lambda: other.upsert("r2", state="running")]
        changes = await played(Run.objects.filter(state="finished"), acts, colour)
        assert told(changes) == [("added", "r2", ()), ("removed", "r2", ())]


@COLOURS
async def test_a_slice_watches_who_is_in_it(colour: str) -> None:
    with outside() as other:
        best = Run.objects.order_by("summary.loss")[:2]
        changes = await played(best, [lambda: other.upsert("r3", summaryMetrics='{"loss": 0}')], colour)
        assert told(changes) == [("removed", "r2", ()), ("added", "r3", ())]


@COLOURS
async def test_only_the_fields_that_are_loaded(colour: str) -> None:
    with outside() as other:
        acts = [
            lambda: other.upsert("r1", displayName="x", summaryMetrics='{"loss": 9}'),
            lambda: other.upsert("r1", state="failed"),
        ]
        changes = await played(Run.objects.only("state"), acts, colour)
        assert told(changes) == [("changed", "r1", ("state",))]


@COLOURS
async def test_existing_rows_come_first_when_asked_for(colour: str) -> None:
    with outside() as other:
        acts = [lambda: other.upsert("r1", state="failed")]
        changes = await played(Run.objects.order_by("id"), acts, colour, existing=True)
        assert told(changes) == [*(("added", name, ()) for name in ("r1", "r2", "r3")), ("changed", "r1", ("state",))]


async def test_a_heartbeat_alone_is_no_change() -> None:
    store = small_world().store()

    def beat() -> None:
        project = store.project("acme", "vision")
        assert project is not None
        run = store.run(project, "r1")
        assert run is not None
        store.update(run.id, heartbeat_at=datetime.now(timezone.utc))

    with served(store):
        assert told(await played(Run.objects.all(), [beat, beat], "plain")) == []
        named = Run.objects.only("heartbeat_at")
        assert told(await played(named, [beat], "plain")) == [("changed", "r1", ("heartbeat_at",))]


async def test_what_the_caller_does_to_objects_is_no_change() -> None:
    """The objects are the caller's; what is compared is what the server said."""
    with outside() as other:

        def spoil() -> None:
            for change in changes:
                change.obj.summary.clear()
                change.obj.tags.append("mine")
                change.obj.config["lr"] = None

        changes: list[Change[Run]] = []
        watch = Run.objects.watch(interval=0.001, timeout=0.4 * stretch(), existing=True)
        for _ in range(3):
            changes.append(next(watch))
        spoil()
        other.upsert("r1", tags=["first", "second"])
        assert told(list(watch)) == [("changed", "r1", ("tags",))]


async def test_the_same_json_written_differently_is_no_change() -> None:
    with outside() as other:
        other.upsert("r1", summaryMetrics='{"a": 1, "b": {"c": NaN, "d": 2}}')
        acts = [
            lambda: other.upsert("r1", summaryMetrics='{"b":{"d":2,"c":NaN},"a":1}'),
            lambda: other.upsert("r1", summaryMetrics='{"b":{"d":2,"c":NaN},"a":1.5}'),
        ]
        assert told(await played(Run.objects.all(), acts, "plain")) == [("changed", "r1", ("summary",))]


async def test_memory_holds_the_last_poll_only() -> None:
    with outside() as other:
        state: list[int] = []
        number = 100
        original = Watch.take

        def act() -> None:
            nonlocal number
            number += 1
            other.upsert("r1", summaryMetrics=f'{{"loss": {number}}}')

        def take(self: Watch, now: list[Any]) -> list[Change[Any]]:
            made = original(self, now)
            state.append(len(self.known or {}))
            return made

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Watch, "take", take)
            changes = await played(Run.objects.all(), [act] * 50, "plain")
        assert len(changes) == 50
        assert set(state) == {3}
        # Each change knows the state before it, and no earlier one.
        assert [change.before.summary["loss"] for change in changes if change.before] == [1, *range(101, 150)]


@pytest.mark.parametrize("kind", ["full", "weak", "hostile1"])
async def test_no_change_on_any_kind_of_backend_when_nothing_changes(kind: str) -> None:
    with served(make_world().store(), kind):
        rows = Run.objects.filter(summary__loss__gt=0).prefetch_related("files")
        assert list(rows.watch(interval=0.001, timeout=0.02)) == []
        assert [change async for change in rows.awatch(interval=0.001, timeout=0.02)] == []


async def test_the_end_of_the_watch_cuts_a_slow_poll_short() -> None:
    with served(make_world().store(), "weak", delay=0.0) as session:
        session.backend.delay = 30  # type: ignore[attr-defined]
        started = time.monotonic()
        assert list(Run.objects.watch(interval=0.01, timeout=0.1)) == []
        assert [change async for change in Run.objects.awatch(interval=0.01, timeout=0.1)] == []
        assert time.monotonic() - started < 20  # an answer takes 30 s
        with pytest.raises(RequestTimeout, match=r"timeout of 0\.05 s"):
            next(Run.objects.timeout(0.05).watch(timeout=20))


async def test_one_request_per_poll_and_none_before_the_first() -> None:
    with outside(), count_requests() as sent:
        watch = Run.objects.watch(interval=0.001, timeout=0)
        other = Run.objects.awatch(interval=0.001, timeout=0)
        assert sent.count == 0
        assert list(watch) == []
        assert [change async for change in other] == []
        assert sent.count == 2


def test_what_has_no_meaning_is_refused_at_once() -> None:
    with outside():
        for rows in (Run.objects.values("id"), Run.objects.values_list("id", flat=True)):
            with pytest.raises(QueryError, match=r"watch must come before values\(\)"):
                rows.watch()
            with pytest.raises(QueryError, match=r"watch must come before values\(\)"):
                rows.awatch()
        with pytest.raises(QueryError, match="interval must be a number of seconds above 0"):
            Run.objects.watch(interval=-1)
        with pytest.raises(QueryError, match="timeout must be a number of seconds from 0"):
            Run.objects.watch(timeout=-1)


def test_the_twins_agree() -> None:
    plain, twin = inspect.signature(QuerySet.watch), inspect.signature(QuerySet.awatch)
    assert plain.parameters == twin.parameters
    assert str(plain.return_annotation) == str(twin.return_annotation).replace("AsyncIterator", "Iterator")
