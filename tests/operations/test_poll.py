"""Polls of a watch, and many objects refreshed at once: each change is seen once, in few requests."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.changing import outside
from tests.support.drifting import Server, Step, drifting, filled
from tests.support.worlds import small_world
from wbmodel import Change, QuerySet, Run
from wbmodel.backend import Capabilities
from wbmodel.errors import ConfigurationError, QueryError
from wbmodel.objects.watch import Watch
from wbmodel.testing import count_requests


async def polled(watch: Watch, colour: str) -> list[Change[Any]]:
    """The changes that one poll sees."""
    session = watch.session
    return watch.take(session.run(watch._poll()) if colour == "plain" else await session.arun(watch._poll()))


def watching(rows: QuerySet[Run]) -> Watch:
    return rows._watch(1, None, False)


COLOURS = pytest.mark.parametrize("colour", ["plain", "async"])
KINDS = ["full", "weak", "hostile1"]


# -- watch -----------------------------------------------------------------------------------------


@COLOURS
@pytest.mark.parametrize("order", ["name", "summary.loss"])
@pytest.mark.parametrize("relay", [False, True])
async def test_rows_that_come_and_go_between_pages_are_each_seen_once(order: str, relay: bool, colour: str) -> None:
    """The cursors count rows, so that pages by cursor alone repeat and skip rows of this server."""
    dice = random.Random(f"{order} {relay} {colour}")
    script: list[Step] = [
        ("add", 10_000 + at) if dice.random() < 0.5 else ("delete", dice.randrange(20)) for at in range(10)
    ]
    store = filled({"vision": [at // 2 * 1000 for at in range(16)]})
    server = Server(store, cap=7, relay=relay, script=[("none", 0)] * 2 + script)
    project = store.project("acme", "vision")
    assert project is not None
    with drifting(server, ahead=relay):
        watch = watching(Run.objects.order_by(order).only("state"))
        assert await polled(watch, colour) == []
        there = {row.id for row, _ in (watch.known or {}).values()}
        for _ in range(12):
            for change in await polled(watch, colour):
                name = change.obj.id
                if change.kind == "removed":
                    assert store.run(project, name) is None, "it is still there"
                    there.remove(name)
                else:
                    assert change.kind == "added"
                    assert name not in there
                    there.add(name)
        assert await polled(watch, colour) == []
        assert there == {run.name for run in store.runs(project)}


@COLOURS
@pytest.mark.parametrize("kind", KINDS)
async def test_few_ids_are_asked_for_by_themselves(kind: str, colour: str) -> None:
    """No listing is read. A run that is made again under its id keeps it, as W&B's ids are made of names: its date of
    creation tells."""
    store = small_world().store()
    project = store.project("acme", "vision")
    assert project is not None

    def change(**fields: Any) -> None:
        run = store.run(project, "r1")
        assert run is not None
        store.update(run.id, **fields)

    def make_again() -> None:
        run = store.run(project, "r2")
        assert run is not None
        store.delete(run.id)
        store.add_run(project, "r2", state=run.state)

    acts: list[tuple[Callable[[], Any], list[tuple[str, str, tuple[str, ...]]]]] = [
        (lambda: change(state="failed"), [("changed", "r1", ("state",))]),
        (lambda: change(display_name="x"), []),
        (make_again, [("changed", "r2", ("created_at",))]),
        (lambda: store.add_run(project, "later"), [("added", "later", ())]),
        (lambda: store.delete(store.run(project, "later").id), [("removed", "later", ())]),  # type: ignore[union-attr]
        (lambda: None, []),
    ]
    with served(store, kind) as session:
        watch = watching(Run.objects.filter(id__in=["r2", "r1", "later"]).only("state"))
        assert await polled(watch, colour) == []
        for act, seen in acts:
            act()
            with count_requests() as sent:
                changes = await polled(watch, colour)
            assert [(item.kind, item.obj.id, item.fields) for item in changes] == seen
            assert sent.count == 1
            assert "config" not in str(sent.requests[0].document)
            # As many as a document may ask for by aliases.
            assert (sent.requests[0].operation_name == "Run") is (session.capabilities.max_aliases >= 3)


@pytest.mark.parametrize("cut", [False, True])
def test_other_conditions_are_asked_of_the_listing(cut: bool) -> None:
    with served(small_world().store(), "weak") as session:
        many = Run.objects.filter(id__in=[f"r{at}" for at in range(session.capabilities.max_aliases + 1)])
        for rows in (many, Run.objects.filter(id__in=["r1", "r2"], state="running"), Run.objects.exclude(id="r1")):
            watch = watching(rows.order_by("id")[:2] if cut else rows)
            with count_requests() as sent:
                found = session.run(watch._poll())
            assert {row.id for row in found} == {row.id for row in (rows.order_by("id")[:2] if cut else rows)}
            assert {request.operation_name for request in sent.requests} == {"Runs"}


@COLOURS
async def test_relations_are_prefetched_for_what_is_reported(colour: str) -> None:
    with outside() as other:
        watch = watching(Run.objects.prefetch_related("files"))
        await polled(watch, colour)
        with count_requests() as sent:
            assert await polled(watch, colour) == []
        assert sent.count == 1, "nothing changed, so no files are asked for"
        other.upsert("r2", state="failed")
        (change,) = await polled(watch, colour)
        with count_requests() as sent:
            assert change.before is not None
            assert list(change.obj.files) == list(change.before.files) == []
        assert sent.count == 0, "both have their files"


# -- refresh ---------------------------------------------------------------------------------------


@COLOURS
@pytest.mark.parametrize("kind", KINDS)
async def test_many_are_refreshed_in_one_request(kind: str, colour: str) -> None:
    store = small_world().store()
    project = store.project("acme", "vision")
    assert project is not None
    with served(store, kind) as session:
        rows = [*Run.objects.only("state", "summary.loss"), *Run.objects.defer("config")]
        for run in store.runs(project):
            store.update(run.id, state="killed", summary={"loss": 9, "more": 1})
        with count_requests() as sent:
            session.refresh(rows) if colour == "plain" else await session.arefresh(iter(rows))
        assert sent.count == 2 * -(-len(rows) // 2 // session.capabilities.max_aliases), "one for each selection"
        assert {(row.state, row.summary.get("loss")) for row in rows} == {("killed", 9)}
        parts = [row for row in rows if "config" not in row.loaded_fields() and "name" not in row.loaded_fields()]
        assert len(parts) == len(rows) // 2
        assert {repr(row.summary) for row in parts} == {"<part of Run.summary: {'loss': 9}>"}


def test_what_is_gone_is_said_after_the_others_are_refreshed() -> None:
    with outside() as other:
        rows = list(Run.objects.order_by("id"))
        other.upsert("r1", state="failed")
        other.delete(rows[2].node_id)
        other.delete(rows[1].node_id)
        with pytest.raises(Run.DoesNotExist, match=r"2 of 3 objects were deleted .*vision/r2 .*vision/r3 .*others"):
            rows[0].session.refresh(rows)
        assert [row.state for row in rows] == ["failed", "running", "running"]


def test_what_cannot_be_refreshed_is_refused_before_any_request() -> None:
    with outside() as other, served(small_world().store()) as elsewhere, count_requests() as sent:
        run = Run.objects.using(other.session).get(id="r1")
        asked = sent.count
        other.session.refresh([])
        with pytest.raises(QueryError, match="takes a list of objects"):
            other.session.refresh(run)  # type: ignore[arg-type]
        with pytest.raises(QueryError, match="takes objects that queries returned, not 'r1'"):
            other.session.refresh([run, "r1"])
        with pytest.raises(ConfigurationError, match="came from"):
            elsewhere.refresh([run])
        assert sent.count == asked


def test_many_selections_share_no_document_where_aliases_are_not_there() -> None:
    with drifting(Server(filled({"vision": [0, 1, 2]})), promises=Capabilities(max_aliases=1)) as session:
        rows = list(Run.objects.all())
        with count_requests() as sent:
            session.refresh(rows)
        assert sent.count == 3
