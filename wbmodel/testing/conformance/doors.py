"""Cases about the other two doors, columns and bytes, and about a backend's own manners."""

from __future__ import annotations

import math
from typing import Any

from wbmodel.backend.asks import BlobRef, ReadSpec
from wbmodel.errors import NotSupported
from wbmodel.testing.conformance.cases import Group
from wbmodel.testing.conformance.kit import Kit, alike, shown

__all__ = ["append_nothing", "group", "open_something", "read_something"]

group = Group("door")


def _run(kit: Kit, run_id: str, project: str | None = None) -> Any:
    from wbmodel import Run

    return kit.ask(Run.objects.using(kit.session).filter(project=project or kit.world.project), "get", id=run_id)


def _rows(kit: Kit, run: str, spec: ReadSpec) -> list[dict[str, Any]]:
    """The rows of a stream, put together from its batches; cells that are None are left out."""
    rows: list[dict[str, Any]] = []
    for batch in kit.stream(kit.backend, "read", run, spec):
        kit.equal(batch.run, run, "the run that a ColumnBatch names")
        for name, column in batch.columns.items():
            if len(column) != batch.length:
                kit.fail(f"column {name!r} of a ColumnBatch has {len(column)} cells, and its length is {batch.length}")
        for at in range(batch.length):
            rows.append({name: column[at] for name, column in batch.columns.items() if column[at] is not None})
    return rows


def _same(kit: Kit, found: list[dict[str, Any]], expected: list[dict[str, Any]], what: str) -> None:
    if not alike(found, expected):
        at = next((i for i, pair in enumerate(zip(found, expected, strict=False)) if not alike(*pair)), None)
        told = (
            f"{len(found)} rows for {len(expected)}"
            if at is None
            else f"row {at} is {found[at]!r}, not {expected[at]!r}"
        )
        kit.fail(f"{what} gave {told}")


# -- columns ---------------------------------------------------------------------------------------


def read_something(kit: Kit) -> None:
    """Read a history. Raises what the door raises."""
    run = _run(kit, "e-one")
    _same(kit, _rows(kit, run.node_id, ReadSpec()), kit.world.run("e-one")["history"], "read() of a history")


@group("columns/history", flags=["columns"], parts=["histories"])
def _history(kit: Kit) -> None:
    """read() gives a history's rows in step order, NaN as a float, nothing for a run without one."""
    for run_id in ("e-one", "e-half", "e-zero"):
        run = _run(kit, run_id)
        found = _rows(kit, run.node_id, ReadSpec())
        _same(kit, found, kit.world.run(run_id)["history"], f"read() of the history of {run_id}")
    losses = [row.get("loss") for row in _rows(kit, _run(kit, "e-one").node_id, ReadSpec())]
    kit.equal(
        any(isinstance(value, float) and math.isnan(value) for value in losses), True, "whether NaN came as a float"
    )


@group("columns/keys", flags=["columns"], parts=["histories"])
def _keys(kit: Kit) -> None:
    """read() of some keys gives these and the step, of rows that have one of them."""
    run = _run(kit, "e-one")
    expected = [
        {key: row[key] for key in ("_step", "acc") if key in row}
        for row in kit.world.run("e-one")["history"] if "acc" in row
    ]  # fmt: skip
    _same(kit, _rows(kit, run.node_id, ReadSpec(keys=("acc",))), expected, "read() of the key acc")
    _same(kit, _rows(kit, run.node_id, ReadSpec(keys=("nowhere",))), [], "read() of a key that no row has")


@group("columns/steps", flags=["columns"], parts=["histories"])
def _steps(kit: Kit) -> None:
    """read() of a range has the first step and not the last; samples bound the number of rows."""
    run, history = _run(kit, "e-one"), kit.world.run("e-one")["history"]
    spec = ReadSpec(min_step=4, max_step=10)
    expected = [row for row in history if 4 <= row["_step"] < 10]
    _same(kit, _rows(kit, run.node_id, spec), expected, "read() of the steps 4 to 10")
    few = _rows(kit, run.node_id, ReadSpec(samples=5))
    kit.equal(
        len(few) <= 5 and all(any(alike(row, other) for other in history) for row in few), True, "whether samples fit"
    )


@group("columns/missing", flags=["columns"])
def _missing(kit: Kit) -> None:
    """read() of a run that does not exist is an error of wbmodel.errors."""
    from wbmodel.errors import WbmodelError

    try:
        rows = _rows(kit, "UnVuOm5vd2hlcmU=", ReadSpec())
    except WbmodelError:
        return
    kit.fail(f"read() of a run that does not exist gave {rows!r}; raise DoesNotExist")


@group("columns/refused")
def _refused(kit: Kit) -> None:
    """A door that is not promised is refused with NotSupported, which names the capability."""
    can = kit.capabilities
    if can.columns:
        kit.skip("columns is promised")
    try:
        kit.stream(kit.backend, "read", "UnVuOm5vd2hlcmU=", ReadSpec())
    except NotSupported as error:
        kit.equal("columns" in str(error), True, f"whether the refusal names the capability ({error})")
    else:
        kit.fail("read() is not promised and raised nothing; raise NotSupported, as the base classes do")


# -- append ----------------------------------------------------------------------------------------


def append_nothing(kit: Kit) -> None:
    """Append no rows. Raises what the door raises."""
    run = _run(kit, "log-me", kit.world.second)
    kit.ask(kit.backend, "append", run.node_id, "history", 0, [])


@group("append/history", flags=["append"])
def _append(kit: Kit) -> None:
    """append() writes at an offset, gives the one after it, and is harmless when it is repeated."""
    run = _run(kit, "log-me", kit.world.second)
    rows = [{"_step": step, "loss": step / 2} for step in range(4)]
    for _ in range(2):
        kit.equal(kit.ask(kit.backend, "append", run.node_id, "history", 0, rows[:2]), 2, "the offset after two rows")
    kit.equal(kit.ask(kit.backend, "append", run.node_id, "history", 2, rows[2:]), 4, "the offset after four rows")
    again = kit.ask(kit.objects("Run").filter(project=kit.world.second).only("history_line_count"), "get", id="log-me")
    kit.equal(again.history_line_count, 4, "historyLineCount after four rows", "were repeated rows written twice?")
    if kit.capabilities.columns:
        _same(kit, _rows(kit, run.node_id, ReadSpec()), rows, "read() after append()")


# -- bytes -----------------------------------------------------------------------------------------


def _ref(kit: Kit, run: Any, name: str) -> BlobRef:
    file = kit.ask(run.files.filter(name=name), "get")
    return BlobRef(kind="run_file", owner=run.node_id, name=name, url=file.url, size=file.size)


def open_something(kit: Kit) -> None:
    """Read a run's file. Raises what the door raises."""
    run = _run(kit, "e-one")
    data = b"".join(kit.stream(kit.backend, "open", _ref(kit, run, "config.yaml")))
    kit.equal(data, kit.world.run("e-one")["files"]["config.yaml"], "the bytes of config.yaml")


@group("blobs/open", flags=["blobs"], parts=["files"])
def _open(kit: Kit) -> None:
    """open() gives the bytes of every file, of none of them more than there are, of an empty one nothing."""
    run = _run(kit, "e-one")
    for name, data in kit.world.run("e-one")["files"].items():
        found = b"".join(kit.stream(kit.backend, "open", _ref(kit, run, name)))
        kit.equal(found, data, f"the bytes of {name}")


@group("blobs/artifact", flags=["blobs"], parts=["artifacts"])
def _artifact(kit: Kit) -> None:
    """open() gives the bytes of an artifact's files."""
    artifact = kit.ask(kit.objects("Artifact").filter(collection="images"), "get", version_index=1)
    row = next(item for item in kit.rows("Artifact") if item["name"] == "images:v1")
    for file in kit.all(artifact.files):
        ref = BlobRef(kind="artifact_file", owner=artifact.node_id, name=file.name, url=file.url, size=file.size)
        found = b"".join(kit.stream(kit.backend, "open", ref))
        kit.equal(found, row["files"][file.name], f"the bytes of {file.name} of images:v1")


@group("blobs/missing", flags=["blobs"])
def _no_file(kit: Kit) -> None:
    """open() of a file that is not there is an error of wbmodel.errors."""
    from wbmodel.errors import WbmodelError

    run = _run(kit, "e-one")
    ref = BlobRef(kind="run_file", owner=run.node_id, name="nowhere.txt")
    try:
        found = b"".join(kit.stream(kit.backend, "open", ref))
    except WbmodelError:
        return
    kit.fail(f"open() of a file that is not there gave {shown(found)}")


@group("blobs/put", flags=["blobs"])
def _put(kit: Kit) -> None:
    """put() stores all chunks under a name, and again in their place."""
    run = _run(kit, "log-me", kit.world.second)
    ref = BlobRef(kind="run_file", owner=run.node_id, name=f"put/{kit.colour}.bin")
    for chunks in ([b"one", b"", b"\x00two"], [b"three"]):
        kit.ask(kit.backend, "put", ref, chunks)
        found = b"".join(kit.stream(kit.backend, "open", ref))
        kit.equal(found, b"".join(chunks), "what open() gives after put()")
