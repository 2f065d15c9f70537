"""Saves without an answer, refreshes in the middle of one, and objects that are gone: what is to be saved after it."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support.pace import patience, stretch
from tests.support.places import HOME, kept, moody, on, variables, world
from wbmodel import Project, Run, Sweep, connect
from wbmodel.errors import (
    ConfigurationError,
    FieldError,
    OutcomeUnknown,
    PermissionDenied,
    RequestTimeout,
    ServerError,
)
from wbmodel.request import Request
from wbmodel.session.observers import Outcome, observing
from wbmodel.testing import Fault, assert_num_requests, count_requests, served
from wbmodel_fixtures import world_from


@contextmanager
def upserts(*errors: Any) -> Iterator[list[Any]]:
    """A world whose first upserts go as ``errors`` say (see ``Moody``)."""
    told = list(errors)

    def mood(request: Request) -> Any:
        return told.pop(0) if told and request.operation_name == "UpsertBucket" else None

    with moody(world_from(world()).world, mood):
        yield told


# -- what the server has is not known --------------------------------------------------------------


@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("arrived", [True, False])
async def test_the_old_value_is_sent_after_an_answer_that_got_lost(colour: str, arrived: bool) -> None:
    lost = OutcomeUnknown("lost")
    with upserts((lost,) if arrived else lost):
        run = kept()
        run.notes, run.group = "new", "new"
        run.tags.append("new")
        run.config["lr"] = run.summary["loss"] = "new"
        with pytest.raises(OutcomeUnknown):
            _ = run.save() if colour == "plain" else await run.asave()
        run.notes, run.group = None, "odd"
        run.tags.remove("new")
        run.config["lr"], run.summary["loss"] = 0.1, 1
        every = ("config", "summary", "tags", "group", "notes")
        assert run.dirty_fields == every
        again = pickle.loads(pickle.dumps(run))
        assert again.dirty_fields == every
        with count_requests() as sent:
            assert (run.save() if colour == "plain" else await run.asave()) == every
        assert variables(sent.requests[0])["config"]["lr"] == {"desc": None, "value": 0.1}
        now = kept()
        assert (now.notes or None, now.group, now.tags) == (None, "odd", ["first"])
        assert (now.config["lr"], now.summary["loss"]) == (0.1, 1)
        assert run.dirty_fields == ()
        with assert_num_requests(0):
            run.save()


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (RequestTimeout("no answer"), False),
        (ConfigurationError("closed while a request was under way"), False),
        (KeyError("a fault of the backend"), False),
        (ServerError("no"), True),
        (PermissionDenied("no"), True),
    ],
)
def test_which_errors_leave_it_unknown(error: Exception, known: bool) -> None:
    with upserts(error):
        run = kept()
        run.group = "new"
        with pytest.raises(type(error)):
            run.save()
        assert run.dirty_fields == ("group",)
        run.group = "odd"
        assert run.dirty_fields == (() if known else ("group",))


async def _under_way(backend: Any) -> None:
    """Until a request has reached the backend, which is to be late with its answer."""
    await asyncio.to_thread(patience, lambda: backend.running)


async def test_a_cancelled_save_leaves_it_unknown() -> None:
    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        run = await Run.objects.aget(id="r1")
        run.tags = ["new"]
        backend.delay = 60
        task = asyncio.create_task(run.asave())
        await _under_way(backend)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        backend.delay = 0
        run.tags = ["first"]
        assert run.dirty_fields == ("tags",)
        assert await run.asave() == ("tags",)
        assert run.dirty_fields == ()


def test_ctrl_c_in_a_save_leaves_it_unknown() -> None:
    with moody(world_from(world()).world):
        run = kept()
        run.notes = "new"

        def interrupted(outcome: Outcome) -> None:
            raise KeyboardInterrupt

        with observing(lambda call: interrupted), pytest.raises(KeyboardInterrupt):
            run.save()
        run.notes = None
        assert run.save() == ("notes",)
        assert not kept().notes


def test_only_the_fields_that_were_sent_are_unknown() -> None:
    with upserts((OutcomeUnknown("lost"),)):
        run = kept()
        run.notes, run.group = "new", "new"
        with pytest.raises(OutcomeUnknown):
            run.save(["notes"])
        run.notes, run.group = None, "odd"
        assert run.dirty_fields == ("notes",)
        with pytest.raises(FieldError, match=r"an earlier save of it was not answered; call refresh\(\) to load it"):
            run.save(check=True)
        run.refresh()
        assert (run.notes, run.dirty_fields) == ("new", ())


def test_an_answer_without_the_object_leaves_it_unknown() -> None:
    from wbmodel.request import Response

    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        run = kept()
        run.group = "new"
        carry_out = backend.engine.execute
        backend.engine.execute = lambda request: Response({"upsertBucket": {"bucket": None}})
        with pytest.raises(OutcomeUnknown, match="may not have been changed"):
            run.save()
        backend.engine.execute = carry_out
        run.group = "odd"
        assert run.save() == ("group",)


@pytest.mark.parametrize("colour", ["plain", "async"])
async def test_a_real_server_that_breaks_off(colour: str, tmp_path: Path) -> None:
    """The mutations are carried out, and their answers get lost, also those of the repeats."""
    with served(world()) as server, connect(server.url, default=False, project=HOME, timeout=2):
        run = kept()
        run.notes = "new"
        server.faults.add(Fault.reset_after(), kind="mutation", times=None)
        with pytest.raises(OutcomeUnknown, match="Retrying is safe"):
            _ = run.save() if colour == "plain" else await run.asave()
        rows, file = Run.objects.filter(group="odd"), tmp_path / "j.jsonl"
        given: Any = {"group": "x", "journal": file, "errors": "return"}
        result = rows.update(**given) if colour == "plain" else await rows.aupdate(**given)
        assert result.counts == {"unknown": 2}
        server.faults.clear()
        run.notes = None
        assert (run.save(), kept().notes or None) == (("notes",), None)
        assert rows.count() == 0
        result = rows.update(**given) if colour == "plain" else await rows.aupdate(**given)
        assert result.counts == {"unchanged": 2}


# -- refreshed in the middle of a save -------------------------------------------------------------


async def test_a_refresh_during_a_save_is_not_undone() -> None:
    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        run = await Run.objects.aget(id="r1")
        run.tags, run.notes, run.group = ["mine"], "mine", "mine"
        run.summary["mine"] = 1
        backend.delay = 0.5 * stretch()  # for a read, a save and a refresh meanwhile
        saving = asyncio.create_task(run.asave())
        await _under_way(backend)
        backend.delay = 0
        other = await Run.objects.aget(id="r1")
        other.tags, other.notes = ["theirs"], "theirs"
        other.summary["theirs"] = 2
        await other.asave()
        await run.arefresh()
        group = run.group
        run.group = "mine again"
        await saving
        # What the refresh brought stays, and so does what was set after it.
        assert (run.tags, run.notes, run.summary.get("theirs")) == (["theirs"], "theirs", 2)
        assert run.dirty_fields == ("group",)
        run.group = group
        assert run.dirty_fields == ()


async def test_what_is_set_or_edited_during_a_save_is_still_to_be_saved() -> None:
    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        run = await Run.objects.aget(id="r1")
        run.notes, run.tags = "one", ["one"]
        backend.delay = 0.1 * stretch()
        saving = asyncio.create_task(run.asave())
        await _under_way(backend)
        run.notes = "two"
        run.tags.append("two")
        assert await saving == ("tags", "notes")
        backend.delay = 0
        assert run.dirty_fields == ("tags", "notes")
        run.notes, run.tags = "one", ["one"]
        assert run.dirty_fields == ()


async def test_two_saves_of_one_field_at_once_are_not_taken_for_one() -> None:
    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        run = await Run.objects.aget(id="r1")
        backend.delay = 0.1 * stretch()
        run.notes, run.tags = "one", ["one"]
        first = asyncio.create_task(run.asave())
        await _under_way(backend)
        run.notes, run.tags = "two", ["two"]
        second = asyncio.create_task(run.asave())
        await asyncio.gather(first, second)
        backend.delay = 0
        # Which of the two the server carried out last is not known here.
        assert run.dirty_fields == ("tags", "notes")
        await run.asave()
        now = await Run.objects.aget(id="r1")
        assert (now.notes, now.tags, run.dirty_fields) == ("two", ["two"], ())


# -- gone ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["plain", "async"])
async def test_what_is_gone_says_its_path_and_a_way_out(place: str, colour: str) -> None:
    with on(place):
        run, project = kept(), Project.objects.create(entity="acme", name="short")
        kept().delete()
        Project.objects.get(path="acme/short").delete()
        run.group, project.description = "new", "d"
        for row in (run, project):
            for call in (row.save, row.delete) if colour == "plain" else (row.asave, row.adelete):
                with pytest.raises(type(row).DoesNotExist, match=rf"{row.path}.* is no longer on .* \(it was del") as e:
                    _ = call() if colour == "plain" else await call()  # type: ignore[misc]
                assert isinstance(e.value.__cause__, ServerError)
                assert "does not exist" in str(e.value.__cause__)
                assert f"{type(row).__name__}.objects.create(...) creates a new one" in str(e.value)
        assert (run.dirty_fields, project.dirty_fields) == (("group",), ("description",))


def test_a_sweep_that_is_gone() -> None:
    with on("fixtures"):
        sweep = Sweep.objects.get(id="sw")
        Project.objects.get(path=HOME).delete()
        for call in (sweep.pause, sweep.refresh):
            with pytest.raises((Sweep.DoesNotExist, Project.DoesNotExist), match="vision"):
                call()


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("run acme/vision/r1 not found during upsertBucket", True),
        ("could not find run", True),
        ("no such bucket", True),
        ("project 'vision' does not exist", True),
        ("the service was not found", False),
        ("run r1 is locked", False),
    ],
)
def test_the_words_of_servers_that_say_it(words: str, gone: bool) -> None:
    from wbmodel.request import Response

    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        run = kept()
        run.group = "new"
        backend.engine.execute = lambda request: Response({"upsertBucket": None}, [{"message": words}])
        with pytest.raises(Run.DoesNotExist if gone else ServerError, match=f"{HOME}/r1" if gone else words):
            run.save()


def test_rows_that_went_before_they_were_deleted_are_done() -> None:
    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        other = kept("r3")

        def mood(request: Request) -> None:
            if request.operation_name == "DeleteRun" and request.variables["id"] != other.node_id:
                backend.engine.execute(attrs.evolve(request, variables={"id": other.node_id}))

        backend.mood = mood
        assert Run.objects.filter(group="odd").delete(at_once=1).counts == {"done": 2}
