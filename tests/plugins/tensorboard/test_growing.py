"""Files that grow: what is added is read without the rest, and the outcome is that of reading all anew."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support.event_files import NAME, event, points, runs_of, scalar, start, tensor, value, write
from wbmodel.engine.backend import REFRESH_SECONDS
from wbmodel_files import Stat
from wbmodel_tensorboard import TensorBoardBackend
from wbmodel_tensorboard import state as states
from wbmodel_tensorboard.framing import frame


def scanned(path: Path, before: states.FileState | None = None) -> states.FileState:
    return states.scan_file(str(path), path.name, Stat.of(path.stat()), {}, before)


def facts(state: states.FileState) -> dict[str, Any]:
    found = {name: getattr(state, name) for name in state.__struct_fields__ if name != "stat"}
    return {**found, "damage": [tuple(item) for item in state.damage], "final_keys": sorted(state.final_keys)}


def records(pick: random.Random) -> list[bytes]:
    """Mostly as training writes them: several tags at rising steps, at times in two events, repeated or backwards."""
    made, step = [start()], pick.randrange(-3, 3)
    for number in range(pick.randrange(1, 12)):
        step += pick.choice((0, 1, 1, 1, 1, 1, 3, -2) if pick.random() < 0.3 else (1,))
        tags = pick.sample("abc", pick.randrange(1, 4))
        for tag in tags:
            made.append(scalar(tag, step, pick.choice((number / 2, float("inf"))), 1.7e9 + len(made)))
        if pick.random() < 0.2:
            text = tensor("text", dtype=7, string_val=[b"note"])
            made.append(event(step, 1.7e9 + len(made), value("text", **text), value("d", simple_value=0.25)))
    return made


@pytest.mark.parametrize("seed", range(60))
def test_a_file_that_grows_is_as_one_that_is_read_anew(tmp_path: Path, seed: int) -> None:
    pick = random.Random(seed)
    data, path = b"".join(map(frame, records(pick))), tmp_path / NAME
    state = None
    for cut in [*sorted(pick.sample(range(len(data)), 3)), len(data)]:
        path.write_bytes(data[:cut])
        state = scanned(path, state)
        assert facts(state) == facts(scanned(path)), (seed, cut)


def test_only_what_was_added_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, *(scalar("loss", step, 0.5) for step in range(100)))
    before = scanned(path)
    write(tmp_path, scalar("loss", 100, 0.25), mode="ab")
    starts = []
    read = states.EventFile.read
    monkeypatch.setattr(
        states.EventFile, "read", lambda self, file, at, end: starts.append(at) or read(self, file, at, end)
    )
    after = scanned(path, before)
    assert (after.rows, after.keys["loss"].final, starts) == (101, 0.25, [before.offset])
    assert scanned(path, after) is after
    write(tmp_path, *(scalar("loss", step, 7.0) for step in range(200)))
    assert scanned(path, after).keys["loss"].last == 7.0, "a file that was replaced is read anew"


def test_a_file_that_was_changed_in_place_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, *(scalar("loss", step, 0.5) for step in range(100)))
    times = path.stat()
    before = scanned(path)
    write(tmp_path, *(scalar("loss", step, 0.5 if step else 0.75) for step in range(100)))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert attrs.astuple(Stat.of(path.stat()))[:2] == before.stat[:2]
    assert next(iter(points(runs_of(tmp_path)["."], "loss")))[2] == 0.75


def test_queries_see_what_was_written_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wbmodel.engine.backend.REFRESH_SECONDS", REFRESH_SECONDS * 0)
    write(tmp_path / "a", scalar("loss", 1, 0.5))
    backend = TensorBoardBackend(f"tensorboard:{tmp_path}")
    store = backend.engine.store
    assert backend.engine.store is store, "nothing changed"
    write(tmp_path / "a", scalar("loss", 2, 0.25), mode="ab")
    write(tmp_path / "b", scalar("loss", 1, 0.5))
    assert {name: run.history.length() for name, run in runs_of(backend).items()} == {"a": 2, "b": 1}
    (tmp_path / "b" / NAME).unlink()
    assert set(runs_of(backend)) == {"a"}


def test_a_run_is_running_while_its_files_change(tmp_path: Path) -> None:
    path = write(tmp_path, scalar("loss", 1, 0.5))
    assert runs_of(tmp_path)["."].state == "running"
    os.utime(path, (1.6e9, 1.6e9))
    assert runs_of(tmp_path)["."].state == "finished"
    assert runs_of(TensorBoardBackend(f"tensorboard:{tmp_path}", stale_after=1e10))["."].state == "running"


def test_the_index_spares_a_second_process_the_files(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "logs", start(), scalar("loss", 1, 0.5), scalar("loss", 2, float("nan")))
    first = runs_of(tmp_path / "logs")["."]
    (file,) = index.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("wbmodel_tensorboard.state.EventFile", None)
        again = runs_of(tmp_path / "logs")["."]
    assert repr(again.history.keys()) == repr(first.history.keys())
    file.write_bytes(b"no database")
    made = TensorBoardBackend(f"tensorboard:{tmp_path / 'logs'}")
    assert runs_of(made)["."].history.length() == 2
    assert "was damaged, and is made anew" in made.report.notes[0]
    assert not TensorBoardBackend(f"tensorboard:{tmp_path / 'logs'}").report.notes
