"""The journal: what it holds when all goes well, after Ctrl-C, after a crash, and whom it refuses."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import HOME, kept, moody, on, world
from wbmodel import Add, Run
from wbmodel.errors import BulkError, OutcomeUnknown, QueryError, ServerError
from wbmodel.request import Request
from wbmodel.session.observers import Outcome, observing
from wbmodel.testing import assert_num_requests, count_requests
from wbmodel_fixtures import world_from

ROOT = Path(__file__).parents[2]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def mutations(sent: Any) -> int:
    return sum("mutation" in item.document.text for item in sent.requests)


def test_a_repeated_call_skips_what_is_done(place: str, tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with on(place):
        first = Run.objects.update(notes="secret words", journal=file)
        assert first.counts == {"done": 5}
        head, *entries = lines(file)
        assert (head["verb"], head["entity"], head["names"]) == ("update", "Run", ["notes"])
        assert {(entry["row"], entry["outcome"], entry["error"]) for entry in entries} == {
            (f"{HOME}/r{n}", "done", None) for n in range(5)
        }
        text = file.read_text(encoding="utf-8")
        assert "secret words" not in text
        assert "k" * 40 not in text
        with count_requests() as sent:
            again = Run.objects.update(notes="secret words", journal=file)
        assert (again.counts, all(row.earlier for row in again), mutations(sent)) == ({"done": 5}, True, 0)
        assert file.read_text(encoding="utf-8") == text


async def test_the_other_colour(place: str, tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with on(place):
        assert (await Run.objects.filter(group="odd").adelete(journal=file)).counts == {"done": 2}
        again = await Run.objects.filter(group="odd").adelete(journal=file)
        assert [(row.outcome, row.earlier) for row in again] == [("done", True)] * 2
        assert len(lines(file)) == 3


def test_what_failed_or_is_unknown_is_looked_at_again(tmp_path: Path) -> None:
    """The change takes rows out of the query, so that a repeated call would not find those that it has to look at."""
    file = tmp_path / "j.jsonl"
    told: dict[str, Any] = {}
    with moody(world_from(world()).world, lambda r: told.get(str(r.variables.get("id")))):
        told[kept("r0").node_id] = ServerError("no")
        told[kept("r2").node_id] = (OutcomeUnknown("lost"),)
        rows = Run.objects.filter(group="even")
        with pytest.raises(BulkError):
            rows.update(group="x", journal=file)
        assert {entry["row"][-2:]: entry["outcome"] for entry in lines(file)[1:]} == {
            "r0": "failed",
            "r2": "unknown",
            "r4": "done",
        }
        told.clear()
        assert rows.count() == 1  # r0; r2 was carried out
        with count_requests() as sent:
            again = rows.update(group="x", journal=file)
        assert mutations(sent) == 1
        assert {row.path[-2:]: (row.outcome, row.earlier) for row in again} == {
            "r0": ("done", False),
            "r2": ("unchanged", False),
            "r4": ("done", True),
        }
        assert Run.objects.filter(group="x").count() == 3
        assert all(row.earlier for row in rows.update(group="x", journal=file))


def test_deletions_whose_answers_got_lost(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    told: dict[str, Any] = {}
    with moody(world_from(world()).world, lambda r: told.get(str(r.variables.get("id")))):
        told[kept("r1").node_id] = (OutcomeUnknown("lost"),)
        told[kept("r3").node_id] = OutcomeUnknown("never arrived")
        rows = Run.objects.filter(group="odd")
        assert rows.delete(journal=file, errors="return").counts == {"unknown": 2}
        told.clear()
        assert rows.delete(journal=file).counts == {"done": 2}
        assert rows.count() == 0


def test_a_row_that_went_meanwhile_has_failed(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    told: dict[str, Any] = {}
    with moody(world_from(world()).world, lambda r: told.get(str(r.variables.get("id")))):
        run = kept("r1")
        told[run.node_id] = ServerError("no")
        Run.objects.update(notes="n", journal=file, errors="return")
        told.clear()
        run.delete()
        result = Run.objects.update(notes="n", journal=file, errors="return")
        assert result.counts == {"done": 4, "failed": 1}
        assert isinstance(result.failures[0].error, Run.DoesNotExist)


@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("verb", ["update", "delete"])
async def test_rows_that_left_the_query_are_left_alone(tmp_path: Path, verb: str, colour: str) -> None:
    """r1 was refused, r3 is unknown (and was not carried out); somebody then takes both out of the query."""
    file = tmp_path / "j.jsonl"
    told: dict[str, Any] = {}
    with moody(world_from(world()).world, lambda r: told.get(str(r.variables.get("id")))):
        told[kept("r1").node_id] = ServerError("no")
        told[kept("r3").node_id] = OutcomeUnknown("never arrived")
        rows = Run.objects.filter(group="odd")

        async def call() -> Any:
            given: Any = {"journal": file, "errors": "return", **({"notes": "n"} if verb == "update" else {})}
            return await getattr(rows, f"a{verb}")(**given) if colour == "async" else getattr(rows, verb)(**given)

        assert (await call()).counts == {"failed": 1, "unknown": 1}
        told.clear()
        for name in ("r1", "r3"):
            run = kept(name)
            run.group = "kept"
            run.save()
        before = file.read_bytes()
        with count_requests() as sent:
            result = await call()
        assert ({row.path[-2:]: row.outcome for row in result}, mutations(sent)) == ({"r1": "left", "r3": "left"}, 0)
        assert {kept(name).notes for name in ("r1", "r3")} == {None}
        for row, was in zip(sorted(result, key=lambda row: row.path), ("failed", "unknown"), strict=True):
            assert f"{row.path} no longer matches the query" in str(row.error)
            assert f"an earlier call left it {was}" in str(row.error)
        result.raise_for_failures()
        assert file.read_bytes() == before, "they stay failed and unknown"
        # In the query again, they are tried again.
        run = kept("r1")
        run.group = "odd"
        run.save()
        assert (await call()).counts == {"done": 1, "left": 1}


def test_a_row_that_is_as_it_was_to_be_is_done_wherever_it_is(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    told: dict[str, Any] = {}
    with moody(world_from(world()).world, lambda r: told.get(str(r.variables.get("id")))):
        told[kept("r1").node_id] = (OutcomeUnknown("lost"),)
        rows = Run.objects.filter(group="odd")
        assert rows.update(tags=Add("x"), journal=file, errors="return").counts == {"unknown": 1, "done": 1}
        told.clear()
        run = kept("r1")
        run.group = "kept"
        run.save()
        with count_requests() as sent:
            assert rows.update(tags=Add("x"), journal=file).counts == {"done": 1, "unchanged": 1}
        assert mutations(sent) == 0


def test_a_dry_run_reads_the_journal_and_writes_none(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with on("fixtures"):
        assert Run.objects.filter(group="odd").update(notes="n", dry_run=True, journal=file).counts == {"planned": 2}
        assert not file.exists()
        Run.objects.filter(group="odd").update(notes="n", journal=file)
        before = file.read_bytes()
        again = Run.objects.filter(group="odd").update(notes="n", journal=file, dry_run=True)
        assert (again.counts, file.read_bytes()) == ({"done": 2}, before)


# -- whom it refuses -------------------------------------------------------------------------------


def test_a_journal_of_another_call_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with on("fixtures"):
        rows = Run.objects.filter(group="odd")
        rows.update(tags=Add("a"), config__x=1, journal=file)
        before = file.read_bytes()
        empty = Run.objects.filter(project="acme/empty")
        with count_requests() as sent:
            for call, says in [
                (lambda: rows.delete(journal=file), r"was written by update\(\), but this is delete\(\)"),
                (lambda: rows.exclude(id="r1").update(tags=Add("a"), config__x=1, journal=file), "for another query"),
                (lambda: empty.update(tags=Add("a"), config__x=1, journal=file), "for another query"),
                (
                    lambda: rows.update(tags=Add("a"), journal=file),
                    "of config.x, tags, but this call changes tags",
                ),
                (lambda: rows.update(tags=Add("b"), config__x=1, journal=file), "other values of the same fields"),
                (lambda: rows.update(tags=Add("a"), config__x=1.0, journal=file), "other values"),
            ]:
                with pytest.raises(QueryError, match=says):
                    call()
        assert (mutations(sent), file.read_bytes()) == (0, before)
    with on("fixtures"), pytest.raises(QueryError, match="was written for fixtures"):
        Run.objects.filter(group="odd").update(tags=Add("a"), config__x=1, journal=file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello\n", "line 1: not a valid line of a journal"),
        (b"hello", "line 1"),
        (b"[1]\n", "line 1"),
        (b'{"a": 1}\n', "not a journal that this version"),
        (b"\xff\xfe\n", "line 1"),
        (b"\nmy notes, without an end", "line 1"),
        (b"\n", "line 1"),
        (b"\n\n\n", "line 1"),
        (b" \n{}\n", "line 1"),
        (b"{", "line 1"),
        (b"\x00\x00\x00", "line 1"),
        (bytes(range(256)) * 40, "line 1"),
        (b'{"journal":1,"verb":"delete"', "line 1"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "j.jsonl"
    file.write_bytes(content)
    with on("fixtures"):
        with pytest.raises(QueryError, match=says):
            Run.objects.update(notes="n", journal=file)
        assert kept().notes is None
    assert file.read_bytes() == content


def test_a_damaged_line_in_the_middle(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with on("fixtures"):
        Run.objects.update(notes="n", journal=file)
        whole = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join([*whole[:2], b'{"row": 1}\n', *whole[3:]]))
        with pytest.raises(QueryError, match="line 3"):
            Run.objects.update(notes="n", journal=file)


@pytest.mark.parametrize("tail", [b"a note of mine", b"\x00" * 20, b'{"rox"'])
def test_a_foreign_end_is_not_cut_off(tmp_path: Path, tail: bytes) -> None:
    file = tmp_path / "j.jsonl"
    with on("fixtures"):
        Run.objects.update(notes="n", journal=file)
        content = file.read_bytes() + tail
        file.write_bytes(content)
        with pytest.raises(QueryError, match=r"j\.jsonl, line 7: not a valid line of a journal"):
            Run.objects.update(notes="n", journal=file)
        assert file.read_bytes() == content


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_last_line_without_its_end_is_written_again(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "j.jsonl"
    with on("fixtures"):
        Run.objects.update(notes="n", journal=file)
        file.write_bytes(file.read_bytes()[:-cut])
        again = Run.objects.update(notes="n", journal=file)
        assert sorted((row.outcome, row.earlier) for row in again) == [("done", True)] * 4 + [("unchanged", False)]
        assert len(lines(file)) == 6


def test_a_header_without_its_end_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with on("fixtures"):
        Run.objects.update(notes="n", journal=file)
        head = file.read_bytes().splitlines()[0]
        file.write_bytes(head[:50])
        assert Run.objects.update(notes="n", journal=file).counts == {"unchanged": 5}
        assert len(lines(file)) == 6


def test_a_journal_that_cannot_be_written_stops_it_before_it_begins(tmp_path: Path) -> None:
    with on("fixtures"):
        says = "journal= takes the path of a file in an existing folder"
        with assert_num_requests(0):
            with pytest.raises(FileNotFoundError, match=says) as told:
                Run.objects.update(notes="n", journal=tmp_path / "no" / "j.jsonl")
            assert (told.value.errno, told.value.filename) == (errno.ENOENT, str(tmp_path / "no" / "j.jsonl"))
            with pytest.raises(IsADirectoryError, match=says):
                Run.objects.update(notes="n", journal=tmp_path)
        assert kept().notes is None


# -- one writer ------------------------------------------------------------------------------------


async def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with moody(world_from(world(20)).world) as session:
        backend: Any = session.backend
        backend.delay = 0.02
        rows = Run.objects.filter(project=HOME)
        task = asyncio.create_task(rows.aupdate(notes="n", at_once=1, journal=file))
        while not file.exists() or len(lines(file)) < 3:
            await asyncio.sleep(0.005)
        backend.delay = 60
        await asyncio.sleep(0.05)  # the row that is sent now holds the call up
        backend.delay = 0
        for colour in ("plain", "async"):
            with pytest.raises(QueryError, match=r"j\.jsonl is in use by another call"):
                if colour == "plain":
                    await asyncio.to_thread(rows.using(session).update, notes="n", journal=file)
                else:
                    await rows.aupdate(notes="n", journal=file)
        # Another process is refused as well, and one that only looks is not.
        other = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", SCRIPT, str(file)], cwd=ROOT, capture_output=True, text=True
        )
        assert "is in use by another call" in other.stderr
        assert (await rows.aupdate(notes="n", journal=file, dry_run=True)).having("done")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await rows.aupdate(notes="n", journal=file)
        assert (len(again), again.failures) == (20, [])


def test_a_refused_journal_is_free_again(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with on("fixtures"):
        Run.objects.update(notes="n", journal=file)
        for _ in range(2):
            with pytest.raises(QueryError, match="other values"):
                Run.objects.update(notes="m", journal=file)
        assert Run.objects.update(notes="n", journal=file).counts == {"done": 5}


ANY_ORDER = """
import sys
from tests.support.places import moody, world
from wbmodel import Add, Q, Run, Sweep
from wbmodel_fixtures import world_from

given = world()
given["entities"]["acme"]["projects"]["empty"]["sweeps"] = {"other": {"config": {}}}
with moody(world_from(given).world) as session:
    session.backend.origin = "moody:one"
    rows = Run.objects.filter(project__in={"acme/vision", "acme/empty"}).exclude(id__in={"x", "y", "z"})
    rows = rows.filter(id__in={f"r{n}" for n in range(5)}, tags__in={"first", "b", "c"})
    sweeps = set(Sweep.objects.filter(project__in=["acme/vision", "acme/empty"]))
    rows = rows.filter(Q(sweep__in=sweeps) | Q(sweep=None))
    rows.update(tags=Add(*{"p", "q", "r"}), config__x=1, journal=sys.argv[1])
"""


def test_sets_are_the_same_query_in_every_process(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    for seed in "1234":
        done = subprocess.run(
            [sys.executable, "-c", ANY_ORDER, str(file)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert [entry["row"][-2:] for entry in lines(file)[1:]] == ["r3", "r1"]


# -- interrupted -----------------------------------------------------------------------------------


def test_ctrl_c_leaves_what_is_under_way_as_unknown(tmp_path: Path) -> None:
    """The interrupt comes while some rows are done, some are under way and some are waiting."""
    file = tmp_path / "j.jsonl"
    seen: list[str] = []

    def mood(request: Request) -> Any:
        if request.operation_name == "UpsertBucket":
            seen.append(str(request.variables["id"]))
        return None

    with moody(world_from(world(20)).world, mood) as session:
        backend: Any = session.backend
        answered = 0

        def interrupted(outcome: Outcome) -> None:
            nonlocal answered
            answered += bool(seen) and outcome.error is None
            if answered == 6:
                raise KeyboardInterrupt

        with observing(lambda call: interrupted), pytest.raises(KeyboardInterrupt):
            Run.objects.update(notes="n", at_once=4, journal=file)
        entries = lines(file)[1:]
        outcomes = [entry["outcome"] for entry in entries]
        assert outcomes == ["done"] * 5 + ["unknown"] * (len(outcomes) - 5)
        assert 1 <= outcomes.count("unknown") <= 4
        done = {entry["id"] for entry in entries if entry["outcome"] == "done"}
        backend.mood = lambda request: None
        with count_requests() as sent:
            again = Run.objects.update(notes="n", at_once=4, journal=file)
        asked = {item.variables["id"] for item in sent.requests if "mutation" in item.document.text}
        assert not asked & done, "what is done is not written twice"
        assert (len(again), again.failures) == (20, [])
        assert {run.notes for run in Run.objects.all()} == {"n"}


async def test_a_cancelled_task_leaves_the_same(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with moody(world_from(world(40)).world) as session:
        backend: Any = session.backend
        backend.delay = 0.02
        task = asyncio.create_task(Run.objects.aupdate(notes="n", at_once=3, journal=file))
        while not file.exists() or len(lines(file)) < 6:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        backend.delay = 0
        outcomes = [entry["outcome"] for entry in lines(file)[1:]]
        assert outcomes.count("done") >= 5
        assert outcomes[-1] == "unknown"
        again = await Run.objects.aupdate(notes="n", journal=file)
        assert (len(again), again.failures) == (40, [])
        assert {run.notes for run in Run.objects.all()} == {"n"}


def test_a_deadline_leaves_what_was_not_tried_out_of_it(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with moody(world_from(world(40)).world) as session:
        backend: Any = session.backend

        def slow(request: Request) -> None:
            if request.operation_name == "UpsertBucket":
                backend.delay = 0.1

        backend.mood = slow
        result = Run.objects.timeout(0.5).update(notes="n", at_once=2, journal=file, errors="return")
        backend.mood, backend.delay = (lambda request: None), 0
        told = {entry["row"]: entry["outcome"] for entry in lines(file)[1:]}
        assert told == {row.path: row.outcome for row in result if row.outcome != "untried"}
        assert Run.objects.update(notes="n", journal=file).failures == []


SCRIPT = """
import os, sys
from tests.support.places import moody, world
from wbmodel import Run
from wbmodel_fixtures import world_from

count = 0
def mood(request):
    global count
    if request.operation_name == "UpsertBucket":
        count += 1
        if count == 9:
            os._exit(9)

with moody(world_from(world(20)).world, mood) as session:
    session.backend.origin = "moody:one"
    Run.objects.update(notes="n", at_once=2, journal=sys.argv[1])
"""


def test_a_process_that_is_killed_leaves_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 9, done.stderr
    entries = lines(file)[1:]
    assert 6 <= len(entries) <= 8
    with moody(world_from(world(20)).world) as session:
        session.backend.origin = "moody:one"  # type: ignore[misc]
        # The world is a fresh one, in which nothing was written: what the journal calls done is left out all the same.
        again = Run.objects.update(notes="n", journal=file)
        assert sum(row.earlier for row in again) == len(entries)
        assert Run.objects.filter(group__in=["even", "odd"]).count() == 20
        assert sum(run.notes == "n" for run in Run.objects.all()) == 20 - len(entries)
