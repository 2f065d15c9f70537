"""The kit against files that are read in place: the world's histories are event files, and the rest of it is put into
the read-only store that the backend makes. What files cannot do (be written) is declared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from tests.conformance.backends import store_of
from tests.conformance.test_backends import LOOKUPS, QUICK
from tests.support.event_files import event, start, tensor, value, write
from wbmodel.engine import ListStore, MemoryStore
from wbmodel.testing.conformance import World, check
from wbmodel.testing.world_histories import HISTORIES
from wbmodel_files import Found
from wbmodel_tensorboard import TensorBoardBackend
from wbmodel_tensorboard.state import FolderState
from wbmodel_tensorboard.stream import EventStream, Part

WALL = 1.7e9


class WorldFiles(TensorBoardBackend):
    """Event files whose runs have all that the world's have."""

    world: MemoryStore

    def fill(self, store: ListStore, found: Sequence[Found[FolderState]]) -> None:
        """The world's records, with the histories that were found."""
        histories = {
            item.unit.key: EventStream(
                [Part(name, item.unit.folder.place(name), file) for name, file in item.state.files.items()], item.fresh
            )
            for item in found
        }
        for entity in self.world.entities():
            for project in self.world.projects(entity):
                for run in self.world.runs(project):
                    if run.name in histories:
                        run.history = histories[run.name]
        vars(store).update(vars(self.world))


def cell(name: str, content: Any) -> dict[str, Any]:
    """A value of a history as an event's: doubles as TF2 writes them, and text."""
    if isinstance(content, str):
        return value(name, **tensor("text", dtype=7, string_val=[content.encode()]))
    return value(name, **tensor("scalars", dtype=2, double_val=[content]))


def backend(world: World) -> WorldFiles:
    """The backend with the world. Event files know when a row was written, so its rows say that too."""
    root = Path(mkdtemp(prefix="wbmodel-kit-"))
    write(root / "empty", start())
    for run in world.runs:
        if run["id"] in {f"e-{word}" for word in HISTORIES}:
            run["history"] = []  # rows without steps, and values that event files do not have
        records = [start()]
        for number, row in enumerate(run["history"]):
            records.append(
                event(row["_step"], WALL + number, *(cell(*item) for item in row.items() if item[0] != "_step"))
            )
            row["_timestamp"] = WALL + number
        if run["history"]:
            write(root / run["id"], *records)
    made = WorldFiles(f"tensorboard:{root}")
    made.world = store_of(world)
    world.parts -= {"growth"}
    return made


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_event_files_pass_with_what_files_can_do(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WBMODEL_INDEX", "off")
    only = ["door/*", "flag/*/kept", "flag/columns/*", "flag/blobs/*", "flag/writable/*", "flag/append/*", "count/*"]
    report = check(backend, colours=[colour], only=only)
    assert report.ok, str(report)
    passed = {item.case for item in report.outcomes if item.result == "passed"}
    assert {"door/columns/history", "door/columns/keys", "door/columns/steps", "door/columns/several"} <= passed
    skipped = {item.case for item in report.outcomes if item.result == "skipped"}
    assert {"door/append/history", "door/blobs/put"} <= skipped


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_event_files_pass_every_case(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WBMODEL_INDEX", "off")
    report = check(backend, colours=[colour], only=[*QUICK, *LOOKUPS])
    assert report.ok, str(report)
    assert sum(item.result == "passed" for item in report.outcomes) > 500
