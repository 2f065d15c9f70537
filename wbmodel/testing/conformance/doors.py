"""Cases about the other two doors, columns and bytes, and about a backend's own manners."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from wbmodel.backend.asks import (
    Append,
    BlobRef,
    BytesSource,
    Failure,
    Fetch,
    FetchItem,
    Open,
    Post,
    Posted,
    Put,
    Read,
    ReadSpec,
    RunRef,
    StreamName,
)
from wbmodel.backend.doors import BlobSink
from wbmodel.digests import Digest
from wbmodel.errors import NotSupported
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import case
from wbmodel.testing.conformance.kit import Kit, shown

__all__ = ["append_nothing", "DoorTests", "open_something", "read_something"]


def _run(kit: Kit, run_id: str, project: str | None = None) -> Any:
    from wbmodel import Run

    return kit.ask(Run.objects.using(kit.session).filter(project=project or kit.world.project), "get", id=run_id)


def _nowhere(kit: Kit) -> RunRef:
    entity, _, project = kit.world.project.partition("/")
    return RunRef("UnVuOm5vd2hlcmU=", entity, project, "nowhere")


def _ref_of(run: Any) -> RunRef:
    return RunRef(run.node_id, *run.path.split("/"))


def _rows(kit: Kit, run: Any, spec: ReadSpec) -> list[dict[str, Any]]:
    """The rows of a stream, put together from its batches; cells that are None are left out."""
    rows: list[dict[str, Any]] = []
    for batch in kit.items(Read([_ref_of(run)], spec)):
        if isinstance(batch, Failure):
            raise batch.error
        kit.equal(batch.run, run.node_id, "the run that a ColumnBatch names")
        for name, column in batch.columns.items():
            if len(column) != batch.length:
                kit.fail(f"column {name!r} of a ColumnBatch has {len(column)} cells, and its length is {batch.length}")
        rows += batch.rows()
    return rows


# -- columns ---------------------------------------------------------------------------------------


def read_something(kit: Kit) -> None:
    """Read a history. Raises what the door raises."""
    run = _run(kit, "e-one")
    kit.same_records(_rows(kit, run, ReadSpec()), kit.world.run("e-one")["history"], "read() of a history")


# -- append ----------------------------------------------------------------------------------------


def append_nothing(kit: Kit) -> None:
    """Write nothing to a run. Raises what the door raises."""
    kit.answer(Append(_ref_of(_run(kit, "log-me", kit.world.second)), Post()))


def _post(kit: Kit, run: Any, first: int, rows: Sequence[Any], stream: StreamName = "history") -> int:
    posted: Posted = kit.answer(Append(_ref_of(run), Post(rows={stream: (first, rows)})))
    return posted.offsets[stream]


_EVENTS = """query Events($entity: String, $project: String, $name: String!) {
  project(name: $project, entityName: $entity) { run(name: $name) { eventsLineCount } } }"""


# -- bytes -----------------------------------------------------------------------------------------


def _ref(kit: Kit, run: Any, name: str) -> BlobRef:
    file = kit.ask(run.files.filter(name=name), "get")
    return BlobRef(kind="run_file", owner=run.node_id, name=name, url=file.url, size=file.size)


def open_something(kit: Kit) -> None:
    """Read a run's file. Raises what the door raises."""
    run = _run(kit, "e-one")
    data = b"".join(kit.items(Open(_ref(kit, run, "config.yaml"))))
    kit.equal(data, kit.world.run("e-one")["files"]["config.yaml"], "the bytes of config.yaml")


class DoorTests(BackendTests):
    """Cases about the other two doors, columns and bytes, and about a backend's own manners."""

    @case("door/columns/history", flags=["columns"], parts=["histories"])
    def test_door_columns_history(self, kit: Kit) -> None:
        """read() gives a history's rows in step order, NaN as a float, nothing for a run without one."""
        for run_id in ("e-one", "e-half", "e-zero"):
            run = _run(kit, run_id)
            found = _rows(kit, run, ReadSpec())
            kit.same_records(found, kit.world.run(run_id)["history"], f"read() of the history of {run_id}")
        losses = [row.get("loss") for row in _rows(kit, _run(kit, "e-one"), ReadSpec())]
        kit.equal(
            any(isinstance(value, float) and math.isnan(value) for value in losses), True, "whether NaN came as a float"
        )

    @case("door/columns/keys", flags=["columns"], parts=["histories"])
    def test_door_columns_keys(self, kit: Kit) -> None:
        """read() of some keys gives these and the step, of rows that have one of them."""
        run = _run(kit, "e-one")
        history = kit.world.run("e-one")["history"]
        expected = [{key: row[key] for key in ("_step", "acc")} for row in history if "acc" in row]
        kit.same_records(_rows(kit, run, ReadSpec(keys=("acc",))), expected, "read() of the key acc")
        kit.same_records(_rows(kit, run, ReadSpec(keys=("nowhere",))), [], "read() of a key that no row has")

    @case("door/columns/steps", flags=["columns"], parts=["histories"])
    def test_door_columns_steps(self, kit: Kit) -> None:
        """read() of a range has the first step and not the last, and either side may be open."""
        run, history = _run(kit, "e-one"), kit.world.run("e-one")["history"]
        for low, high in ((4, 10), (None, 3), (7, None), (-5, 2), (10, 4)):
            expected = [
                row for row in history if (low is None or low <= row["_step"]) and (high is None or row["_step"] < high)
            ]
            found = _rows(kit, run, ReadSpec(min_step=low, max_step=high))
            kit.same_records(found, expected, f"read() of the steps from {low} to {high}")

    @case("door/columns/several", flags=["columns"], parts=["histories"])
    def test_door_columns_several(self, kit: Kit) -> None:
        """read() of several runs gives the batches of each together, the runs as asked; a missing run is one
        Failure."""
        first, second = _run(kit, "e-half"), _run(kit, "e-one")
        gone = _nowhere(kit)
        refs = [_ref_of(second), gone, _ref_of(first)]
        told: list[str] = []
        for item in kit.items(Read(refs)):
            name = item.run.node_id if isinstance(item, Failure) else item.run
            if told[-1:] != [name]:
                told.append(name)
        kit.equal(told, [ref.node_id for ref in refs], "the runs, in the order of their batches")

    @case("door/columns/missing", flags=["columns"])
    def test_door_columns_missing(self, kit: Kit) -> None:
        """read() of a run that does not exist gives a Failure with an error of wbmodel.errors."""
        gone = _nowhere(kit)
        found = kit.items(Read([gone]))
        if len(found) != 1 or not isinstance(found[0], Failure) or found[0].run != gone:
            kit.fail(f"read() of a run that does not exist gave {found!r}; give Failure(run, error) in its place")

    @case("door/columns/refused")
    def test_door_columns_refused(self, kit: Kit) -> None:
        """A door that is not promised is refused with NotSupported, which names the capability."""
        if kit.capabilities.columns:
            pytest.skip("columns is promised")
        try:
            kit.items(Read([_nowhere(kit)]))
        except NotSupported as error:
            kit.equal("columns" in str(error), True, f"whether the refusal names the capability ({error})")
        else:
            kit.fail("read() is not promised and raised nothing")

    @case("door/append/history", parts=["projects"], flags=["append"])
    def test_door_append_history(self, kit: Kit) -> None:
        """append() overwrites at its line, gives the one behind it, and never cuts off what stands there."""
        run = _run(kit, "log-me", kit.world.second)
        rows = [{"_step": step, "loss": step / 2} for step in range(4)]
        for _ in range(2):
            kit.equal(_post(kit, run, 0, rows[:2]), 2, "the line after two rows")
        kit.equal(_post(kit, run, 2, rows[2:]), 4, "the line after four rows")
        kit.equal(_post(kit, run, 0, rows[:1]), 1, "the line after one row, written again")
        again = kit.ask(
            kit.objects("Run").filter(project=kit.world.second).only("history_line_count"), "get", id="log-me"
        )
        kit.equal(
            again.history_line_count, 4, "historyLineCount after four rows", "was what stood behind a row cut off?"
        )
        if kit.capabilities.columns:
            kit.same_records(_rows(kit, run, ReadSpec()), rows, "read() after append()")

    @case("door/append/gap", parts=["projects"], flags=["append"])
    def test_door_append_gap(self, kit: Kit) -> None:
        """append() beyond the end leaves lines missing, which count and are not read; they may be written later."""
        run = _run(kit, "log-me", kit.world.second)
        rows = [{"system.cpu": line / 2} for line in range(6)]

        def lines() -> Any:
            entity, project, name = run.path.split("/")
            return kit.data(_EVENTS, entity=entity, project=project, name=name)["project"]["run"]["eventsLineCount"]

        def check(expected: list[dict[str, Any]], when: str) -> None:
            kit.equal(lines(), 6, f"eventsLineCount {when}", "it is the highest line + 1")
            if kit.capabilities.columns:
                kit.same_records(_rows(kit, run, ReadSpec(stream="events")), expected, f"read() of the events {when}")

        fresh = not lines()  # the colours share a world: the second one finds the gap filled
        kit.equal(_post(kit, run, 0, rows[:2], "events"), 2, "the line after two rows")
        kit.equal(_post(kit, run, 5, rows[5:], "events"), 6, "the line after a row behind a gap")
        if fresh:
            check([*rows[:2], rows[5]], "around a gap")
        kit.equal(_post(kit, run, 1, rows[1:5], "events"), 5, "the line after rows that overlap and fill the gap")
        check(rows, "after the gap was filled")

    @case("door/blobs/open", flags=["blobs"], parts=["files"])
    def test_door_blobs_open(self, kit: Kit) -> None:
        """open() gives the bytes of every file, never more than there are, and nothing for an empty one."""
        run = _run(kit, "e-one")
        for name, data in kit.world.run("e-one")["files"].items():
            found = b"".join(kit.items(Open(_ref(kit, run, name))))
            kit.equal(found, data, f"the bytes of {name}")

    @case("door/blobs/artifact", flags=["blobs"], parts=["artifacts"])
    def test_door_blobs_artifact(self, kit: Kit) -> None:
        """open() gives the bytes of an artifact's files."""
        artifact = kit.ask(kit.objects("Artifact").filter(collection="images"), "get", version_index=1)
        row = next(item for item in kit.rows("Artifact") if item["name"] == "images:v1")
        for file in kit.all(artifact.files):
            ref = BlobRef(kind="artifact_file", owner=artifact.node_id, name=file.name, url=file.url, size=file.size)
            found = b"".join(kit.items(Open(ref)))
            kit.equal(found, row["files"][file.name], f"the bytes of {file.name} of images:v1")

    @case("door/blobs/missing", flags=["blobs"])
    def test_door_blobs_missing(self, kit: Kit) -> None:
        """open() of a file that is not there is an error of wbmodel.errors."""
        from wbmodel.errors import WbmodelError

        run = _run(kit, "e-one")
        ref = BlobRef(kind="run_file", owner=run.node_id, name="nowhere.txt")
        try:
            found = b"".join(kit.items(Open(ref)))
        except WbmodelError:
            return
        kit.fail(f"open() of a file that is not there gave {shown(found)}")

    @case("door/blobs/put", parts=["projects"], flags=["blobs", "writable"])
    def test_door_blobs_put(self, kit: Kit) -> None:
        """put() stores bytes under a name, and others in their place; open() begins where it is told to."""
        if not isinstance(kit.session.backend, BlobSink):
            pytest.skip("its class has no put()")
        run = _run(kit, "log-me", kit.world.second)
        ref = BlobRef(kind="run_file", owner=run.node_id, name=f"put/{kit.colour}.bin")
        for chunks in ([b"one", b"\x00two"], [b"three"]):
            data = b"".join(chunks)
            kit.answer(Put(ref, BytesSource(data)))
            kit.equal(b"".join(kit.items(Open(ref))), data, "what open() gives after put()")
            kit.equal(b"".join(kit.items(Open(ref, 2))), data[2:], "what open() gives from the third byte on")

    @case("door/blobs/fetch", flags=["blobs"], parts=["files"])
    def test_door_blobs_fetch(self, kit: Kit) -> None:
        """fetch() writes every file whole, and says what is wrong with one without giving up the others."""
        run = _run(kit, "e-one")
        files = kit.world.run("e-one")["files"]
        with tempfile.TemporaryDirectory() as folder:
            items = [FetchItem(_ref(kit, run, name), Path(folder, "files", name)) for name in files]
            gone = FetchItem(
                BlobRef(kind="run_file", owner=run.node_id, name="nowhere.txt"), Path(folder, "nowhere.txt")
            )
            done = [each for group in kit.items(Fetch([*items[:1], gone, *items[1:]])) for each in group]
            failed = [each.item for each in done if each.error is not None]
            kit.equal(failed, [gone], "the files that were not fetched")
            for name, data in files.items():
                kit.equal(Path(folder, "files", name).read_bytes(), data, f"the bytes of {name}")
            left = sorted(path.name for path in Path(folder).rglob("*") if path.is_file())
            kit.equal(
                left, sorted(Path(name).name for name in files), "the files in the folder", "are parts left over?"
            )

    @case("door/blobs/start", flags=["blobs"], parts=["files"])
    def test_door_blobs_start(self, kit: Kit) -> None:
        """open() begins at the byte that it is told, the first one being 0, and there is nothing at the end."""
        run = _run(kit, "e-one")
        for name, data in kit.world.run("e-one")["files"].items():
            ref = _ref(kit, run, name)
            for start in sorted({min(at, len(data)) for at in (0, 1, len(data) - 1, len(data)) if at >= 0}):
                found = b"".join(kit.items(Open(ref, start)))
                kit.equal(found, data[start:], f"the bytes of {name} from byte {start} on")

    @case("door/blobs/lies", flags=["blobs"], parts=["files"])
    def test_door_blobs_lies(self, kit: Kit) -> None:
        """fetch() of content that lacks bytes, has more, or has another digest than was promised is an
        IntegrityError, and no file gets the name."""
        from wbmodel.errors import IntegrityError

        run, name = _run(kit, "e-one"), "config.yaml"
        good, size = _ref(kit, run, name), len(kit.world.run("e-one")["files"][name])
        wrong = {
            "a byte less than promised": attrs.evolve(good, size=size + 1),
            "a byte more than promised": attrs.evolve(good, size=size - 1),
            "another digest than promised": attrs.evolve(good, digest=Digest().text),
        }
        with tempfile.TemporaryDirectory() as folder:
            items = [FetchItem(ref, Path(folder, str(at))) for at, ref in enumerate(wrong.values())]
            done = {each.item.target: each.error for group in kit.items(Fetch(items)) for each in group}
            for item, what in zip(items, wrong, strict=True):
                error = done.get(item.target)
                if not isinstance(error, IntegrityError):
                    kit.fail(f"fetch() of a file with {what} gave {error!r}; give an IntegrityError")
            left = sorted(path.name for path in Path(folder).iterdir())
            kit.equal(left, [], "the files in the folder", "a file gets its name when it is verified")

    @case("door/blobs/groups", flags=["blobs"], parts=["files"])
    def test_door_blobs_groups(self, kit: Kit) -> None:
        """fetch() tells of every item once, in whatever order and groups, with the number of bytes."""
        run = _run(kit, "e-one")
        files = kit.world.run("e-one")["files"]
        with tempfile.TemporaryDirectory() as folder:
            items = [
                FetchItem(_ref(kit, run, name), Path(folder, str(copy), name)) for copy in range(9) for name in files
            ]
            done = [each for group in kit.items(Fetch(items)) for each in group]
            told = {each.item.target: each.bytes for each in done}
            kit.equal(len(done), len(items), "how many items fetch() told of")
            kit.equal(
                [told.get(item.target) for item in items],
                [len(files[item.ref.name]) for item in items],
                "the bytes of each item",
            )
