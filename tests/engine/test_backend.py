"""``EngineBackend``: a store is opened once, refreshed in one step, and its doors follow from what it can do."""

from __future__ import annotations

import csv
import json
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.support.csv_backend import CsvBackend
from tests.support.engine_world import make_world
from wbmodel.engine import Dialect, Engine, EngineBackend, ListStore, Store, backend
from wbmodel.errors import DoesNotExist, NotSupported, WbmodelWarning
from wbmodel.request import BlobRef, BytesSource, Post, Posted, ReadSpec, Request, RunRef
from wbmodel.testing.conformance import check
from wbmodel.testing.conformance.seeds import Seed
from wbmodel.testing.world import World
from wbmodel.testing.world import make_world as make_kit_world

NAMES = Request('{ project(entityName: "me", name: "p") { runs { edges { node { name } } } } }')


class Counting(EngineBackend):
    """A backend whose store shows how often it was made."""

    api_version = 0
    name = "counting"

    def __init__(self) -> None:
        self.made = 0
        self.error: Exception | None = None
        self.fresh = False

    def open_store(self) -> Store:
        self.made += 1
        if self.error is not None:
            raise self.error
        store = ListStore(viewer="me")
        store.add_run(store.add_project("me", "p"), f"r{self.made}")
        return store

    def refresh(self, store: Store) -> Store | None:
        if self.error is not None:
            raise self.error
        return self.open_store() if self.fresh else None


def names(found: EngineBackend) -> list[str]:
    data = found.execute(NAMES).data
    assert data is not None
    return [edge["node"]["name"] for edge in data["project"]["runs"]["edges"]]


def test_the_store_is_opened_at_the_first_use_and_once() -> None:
    counting = Counting()
    assert counting.made == 0
    assert names(counting) == names(counting) == ["r1"]
    other = Counting()
    threads = [threading.Thread(target=other.execute, args=(NAMES,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.made == 1


def test_an_error_of_opening_is_the_callers_and_is_tried_again() -> None:
    counting = Counting()
    counting.error = OSError("not mounted")
    with pytest.raises(OSError, match="not mounted"):
        names(counting)
    counting.error = None
    assert names(counting) == ["r2"]


def test_a_store_is_refreshed_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(backend.time, "monotonic", lambda: now[0])
    counting = Counting()
    counting.fresh = True
    assert names(counting) == names(counting) == ["r1"]
    now[0] += 0.9
    assert names(counting) == ["r1"]
    now[0] += 0.2
    assert names(counting) == names(counting) == ["r2"]
    counting.fresh = False
    now[0] += 2
    assert names(counting) == ["r2"], "None keeps the store"


def test_a_refresh_that_fails_leaves_the_old_store_and_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(backend.time, "monotonic", lambda: now[0])
    counting = Counting()
    assert names(counting) == ["r1"]
    counting.error = OSError("gone")
    for turn in range(3):
        now[0] += 2
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert names(counting) == ["r1"]
        assert [str(w.message).partition(": ")[2] for w in told] == (["OSError: gone"] if turn == 0 else [])
    counting.error, counting.fresh = None, True
    now[0] += 2
    assert names(counting) == ["r2"]
    counting.error = OSError("gone again")
    now[0] += 2
    with pytest.warns(WbmodelWarning, match="counting could not be refreshed"):
        assert names(counting) == ["r2"]


def test_the_doors_follow_from_the_store() -> None:
    can = Engine(ListStore()).capabilities
    assert (can.columns, can.blobs, can.writable, can.append) == (True, True, False, False)
    can = Engine(make_world()).capabilities
    assert (can.writable, can.append, can.regex, can.page_size) == (True, True, True, 1000)
    hostile = Engine(make_world(), Dialect.hostile(1)).capabilities
    assert {hostile.strict_values, hostile.regex, hostile.nulls_last, hostile.multi_order} == {False}


def test_a_read_only_store_takes_nothing() -> None:
    counting = Counting()
    run = counting.engine.run_id("me", "p", "r1")
    assert run is not None
    with pytest.raises(NotSupported, match="read-only"):
        counting.append(RunRef(run, "me", "p", "r1"), Post(rows={"history": (0, [{"x": 1}])}))
    with pytest.raises(NotSupported, match="read-only"):
        counting.put(BlobRef("run_file", run, "a.txt"), BytesSource(b"x"))


def test_rows_and_files_of_a_store_that_can_be_changed() -> None:
    store = make_world()
    engine = Engine(store)
    run = engine.run_id("acme", "vision", "r4")
    assert run is not None
    assert engine.append(run, Post(rows={"history": (2, [{"x": 1}])})) == Posted({"history": 3})
    (batch,) = engine.read(run, ReadSpec())
    assert (batch.run, batch.columns) == (run, {"x": [1], "_step": [2]})
    engine.put(BlobRef("run_file", run, "a.txt"), b"x")
    assert engine.open(BlobRef("run_file", run, "a.txt")) == b"x"
    with pytest.raises(DoesNotExist):
        engine.append("nobody", Post())
    with pytest.raises(DoesNotExist):
        engine.put(BlobRef("run_file", "nobody", "a"), b"")
    with pytest.raises(NotSupported, match="version"):
        engine.put(BlobRef("artifact_file", run, "a"), b"")


# -- the example of the design page ----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "logs"
    root.mkdir()
    for number in range(3):
        lines = "".join(f"{step},{number + step / 2}\n" for step in range(3))
        (root / f"run{number}.csv").write_text(f"_step,loss\n{lines}")
    return root


def test_a_folder_of_csv_files_is_a_project(folder: Path) -> None:
    csv: Any = CsvBackend
    found = csv(f"csv:{folder}")
    data = found.execute(
        Request(
            """{ project(entityName: "me", name: "logs") { runCount runs(order: "+name") { edges { node {
              id name historyLineCount historyKeys } } } } }"""
        )
    ).data["project"]
    assert data["runCount"] == 3
    first = data["runs"]["edges"][0]["node"]
    assert (first["id"], first["name"], first["historyLineCount"]) == ("run0.csv", "run0", 3)
    (batch,) = found.read([RunRef("run2.csv", "me", "logs", "run2")], ReadSpec(keys=("loss",)))
    assert batch.columns == {"_step": [0, 1, 2], "loss": [2.0, 2.5, 3.0]}


class CsvSeed(Seed):
    """Writes the histories of the main project as CSV files, and takes from the world what they cannot hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> World:
        return make_kit_world(entity="me", viewer="me", other=None)

    def load(self, world: World) -> None:
        world.parts = frozenset({"histories"})
        world.projects = [item for item in world.projects if item["path"] == world.project]
        world.runs = world.rows("Run", world.project)
        world.sweeps, world.reports, world.types, world.collections, world.artifacts = [], [], [], [], []
        root = self.folder / world.project.split("/")[1]
        root.mkdir()
        for run in world.runs:
            rows = run["history"]
            with (root / f"{run['id']}.csv").open("w") as file:
                out = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
                out.writeheader()
                for row in rows:
                    out.writerow({k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()})
        # A file has a name and rows: everything else of a run is what the store says of one.
        with self.session.backend.engine.store.view() as view:  # type: ignore[attr-defined]
            project = view.project("me", root.name)
            assert project is not None
            world.projects[0].update(description=None, created_at=project.created_at)
            for row in world.runs:
                run = view.run(project, row["id"])
                assert run is not None
                plain = {**dict.fromkeys(row), "config": {}, "summary": {}, "tags": [], "files": {}}
                kept = {name: row[name] for name in ("id", "project", "history")}
                row.update(plain, **kept, name=run.name, state=run.state, created_at=run.created_at)
        world.users = [{**user, "name": user["username"], "email": None} for user in world.users]


@pytest.mark.parametrize(
    ("colour", "only", "least"),
    [
        ("async", ["row/*", "page/*", "count/*", "error/*", "door/*", "relation/*", "lookup/exact/*"], 80),
        pytest.param("sync", None, 500, marks=pytest.mark.slow),
        pytest.param("async", None, 500, marks=pytest.mark.slow),
    ],
)
def test_the_csv_example_passes_the_kit(tmp_path: Path, colour: str, only: list[str] | None, least: int) -> None:
    def opened(world: World) -> CsvBackend:
        return CsvBackend(f"csv:{tmp_path / world.project.split('/')[1]}")

    report = check(opened, seed=CsvSeed(tmp_path), colours=[colour], only=only or "*")
    assert report.ok, str(report)
    passed = [item.case for item in report.outcomes if item.result == "passed"]
    assert len(passed) > least
    assert "door/columns/several" in passed


def test_the_example_is_thirty_lines() -> None:
    text = (Path(__file__).parents[1] / "support" / "csv_backend.py").read_text()
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith(("import", "from", '"""'))]
    assert len(lines) <= 30, len(lines)
