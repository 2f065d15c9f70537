"""The base of backends over files, with the smallest backend there can be: a text file of numbers is a run."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wbmodel.engine import ListStore
from wbmodel.errors import BackendNotInstalled, LibraryNotInstalled
from wbmodel.session import connect
from wbmodel_files import Damage, FilesBackend, Folder, Found, Unit
from wbmodel_files.descriptors import messages
from wbmodel_files.scan import walk


class Numbers(msgspec.Struct):
    total: float = 0.0
    problem: str | None = None


class NumbersBackend(FilesBackend[Numbers]):
    """Each ``*.num`` file is a run with the sum of its lines."""

    name = "numbers"
    format = "numbers-1"
    state_type = Numbers
    looked_for = "files of numbers (*.num)"
    scans = 0

    def wanted(self, name: str) -> bool:
        return name.endswith(".num")

    def units(self, folders: Sequence[Folder]) -> Iterable[Unit]:
        for folder in folders:
            for name, stat in folder.files.items():
                yield Unit(f"{folder.path}/{name}".lstrip("/"), folder, {name: stat})

    def scan(self, unit: Unit, before: Numbers | None) -> Numbers:
        self.scans += 1
        try:
            (name,) = unit.files
            return Numbers(sum(map(float, Path(unit.folder.place(name)).read_text().split())))
        except (OSError, ValueError) as error:
            return Numbers(problem=str(error))

    def damage(self, unit: Unit, state: Numbers) -> Mapping[str, Sequence[Damage]]:
        return {unit.key: [] if state.problem is None else [Damage("bad record", detail=state.problem)]}

    def fill(self, store: ListStore, found: Sequence[Found[Numbers]]) -> None:
        project = store.add_project(self.entity, self.project)
        for item in found:
            store.add_run(project, item.unit.key, summary={"total": item.state.total})


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WBMODEL_INDEX", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "a.num").write_text("1\n2\n")
    (tmp_path / "logs" / "deep" / "b.num").write_text("5\n")
    return tmp_path / "logs"


def totals(backend: NumbersBackend) -> dict[str, Any]:
    store: Any = backend.engine.store
    return {run.name: run.summary["total"] for run in store.runs(store.project("local", "logs"))}


def opened(root: Path) -> NumbersBackend:
    return NumbersBackend(f"numbers:{root}")


def test_only_what_changed_is_scanned_again(root: Path) -> None:
    first = opened(root)
    assert (totals(first), first.scans) == ({"a.num": 3.0, "deep/b.num": 5.0}, 2)
    second = opened(root)
    assert (totals(second), second.scans) == (totals(first), 0)
    (root / "a.num").write_text("1\n2\n3\n")
    (root / "deep" / "b.num").unlink()
    third = opened(root)
    assert (totals(third), third.scans) == ({"a.num": 6.0}, 1)
    assert opened(root).report.files == 1


def test_the_store_cannot_be_changed(root: Path) -> None:
    backend = opened(root)
    can = backend.capabilities
    assert (can.writable, can.append, can.columns, can.blobs) == (False, False, True, True)
    assert backend.scans == 0, "promises are made without a scan"


def test_damage_is_reported_and_warned_of_once(root: Path) -> None:
    (root / "bad.num").write_text("one")
    backend = opened(root)
    with pytest.warns(match=r"1 of 3 files in .*logs could not be read in full, first bad.num: bad record at offset 0"):
        assert totals(backend)["a.num"] == 3.0
    assert [str(item) for item in backend.report.losses["bad.num"]] == [
        "bad record at offset 0: could not convert string to float: 'one'"
    ]
    (root / "a.num").write_text("4")
    assert backend.refresh(backend.engine.store) is not None, "no second warning"


@pytest.mark.parametrize("kind", ["off", "no database", "locked", "a file for a folder", "other state"])
def test_an_index_that_cannot_be_used_is_said_and_nothing_else(
    root: Path, index: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wbmodel_files.index._WAIT", 0.01)
    lock = None
    if kind == "off":
        monkeypatch.setenv("WBMODEL_INDEX", "off")
    elif kind == "a file for a folder":
        index.write_text("")
    else:
        _ = opened(root).engine
        (file,) = index.iterdir()
        if kind == "no database":
            file.write_bytes(b"x" * 5000)
        else:
            lock = sqlite3.connect(file, isolation_level=None)
            if kind == "locked":
                lock.execute("BEGIN EXCLUSIVE")
            else:
                lock.execute("UPDATE units SET state = x'ff'")
    backend = opened(root)
    assert totals(backend) == {"a.num": 3.0, "deep/b.num": 5.0}
    assert backend.scans == 2
    assert len(backend.report.notes) == (kind != "off")
    if lock is not None:
        lock.close()


def test_a_folder_that_goes_away_leaves_what_was_read(root: Path) -> None:
    backend = opened(root)
    assert len(totals(backend)) == 2
    root.rename(root.with_name("moved"))
    backend._opened.asked = -10.0
    with pytest.warns(match="could not be refreshed and continues with the data it read before: .* does not exist"):
        assert len(totals(backend)) == 2


def test_the_walk_is_sorted_and_says_what_it_cannot_see(root: Path) -> None:
    (root / "gone.num").symlink_to(root / "nowhere")
    (root / "self").symlink_to(root, target_is_directory=True)
    folders = list(walk(str(root), lambda name: name.endswith(".num")))
    assert [(folder.path, sorted(folder.files)) for folder in folders] == [("", ["a.num"]), ("deep", ["b.num"])]
    assert {name: item.detail for name, item in folders[0].problems.items()} == {"gone.num": "a link to nothing"}
    assert folders[1].place("b.num") == os.path.join(root, "deep", "b.num")


@pytest.mark.parametrize("library", ["google.protobuf", "google_crc32c"])
def test_a_missing_library_names_its_extra(tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from wbmodel_tensorboard import framing

    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(LibraryNotInstalled, match=r'pip install "wbmodel\[tensorboard\]"'):
        messages("missing", {"A": "1:a:bytes"}) if "protobuf" in library else framing.masked()
    with pytest.raises(BackendNotInstalled, match=r"wbmodel\[tensorboard\]"):
        connect(f"tensorboard:{tmp_path}", default=False)
