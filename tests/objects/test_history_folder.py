"""Histories saved to a folder: whole runs, resumed after any end, read as one frame."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wbmodel
from wbmodel import Run, connect
from wbmodel.errors import ConfigurationError, QueryError
from wbmodel.objects import history_folder

polars = pytest.importorskip("polars")
pytest.importorskip("pyarrow")

RUNS = 12


def world(rows: Callable[[int], int] = lambda at: 5 + at, state: str = "finished") -> dict[str, Any]:
    runs = [
        {
            "id": f"r{at:02}",
            "state": state,
            "config": {"lr": at / 10},
            "history": [{"_step": n, "loss": 1 / (n + 1), "acc": at if at % 2 else at + 0.5} for n in range(rows(at))],
        }
        for at in range(RUNS)
    ]
    return {"wbmodel": 1, "users": ["ada"], "entities": {"ada": {"type": "user", "projects": {"p": {"runs": runs}}}}}


@pytest.fixture
def runs():
    with connect("fixtures:", world=world(), project="ada/p", default=False) as session:
        yield Run.objects.using(session).order_by("id")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_folder, "PART_ROWS", 20)


def by_run(frame: Any) -> Any:
    return frame.sort("run", "_step", maintain_order=True)


def test_a_folder_holds_the_same_rows_as_a_frame(runs, tmp_path, small_parts):
    rows = runs.history.values("config.lr", "loss", "acc")
    rows.to_parquet(tmp_path / "all")
    assert rows.complete
    assert len(list((tmp_path / "all").glob("part-*.parquet"))) > 3
    found = by_run(wbmodel.scan(tmp_path / "all").collect())
    assert found.equals(by_run(rows.to_polars()))
    manifest = json.loads((tmp_path / "all" / "manifest.json").read_text())
    assert manifest["finished"] is True
    assert [path for part in manifest["parts"] for path in part["runs"]] == [f"ada/p/r{at:02}" for at in range(RUNS)]


def test_dask_computes_a_folder(runs, tmp_path, small_parts):
    pytest.importorskip("dask.dataframe")
    runs.history.to_parquet(tmp_path / "all")
    frame = wbmodel.scan(tmp_path / "all", "dask")
    assert frame.npartitions > 3
    assert frame["loss"].max().compute() == 1.0
    assert len(frame) == runs.history.count()


def test_saving_again_reads_nothing_again(runs, tmp_path):
    rows = runs.history
    rows.to_parquet(tmp_path / "all")
    before = sorted((file.name, file.stat().st_mtime_ns) for file in (tmp_path / "all").glob("*.parquet"))
    told: list[Any] = []
    runs.history.to_parquet(tmp_path / "all", progress=told.append)
    assert not [status for status in told if status.done]
    assert sorted((file.name, file.stat().st_mtime_ns) for file in (tmp_path / "all").glob("*.parquet")) == before
    assert wbmodel.scan(tmp_path / "all").collect().height == rows.count()


@pytest.mark.parametrize("left", range(1, RUNS, 4))
def test_an_interrupted_saving_goes_on(runs, tmp_path, small_parts, left):
    def interrupt(status: Any) -> None:
        if status.done == left:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.history.to_parquet(tmp_path / "all", progress=interrupt)
    there = wbmodel.scan(tmp_path / "all").collect()
    assert len(there["run"].unique() if there.height else []) <= left + 1
    runs.history.to_parquet(tmp_path / "all")
    found = by_run(wbmodel.scan(tmp_path / "all").collect())
    assert found.equals(by_run(runs.history.to_polars()).select(found.columns))


KILLED = """
import json, os, signal, sys
from pathlib import Path
import wbmodel
from wbmodel.objects import history_folder
history_folder.PART_ROWS = 20

def kill(status):
    if status.done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

with wbmodel.connect("fixtures:", world=json.loads(Path(sys.argv[1]).read_text()), project="ada/p") as session:
    wbmodel.Run.objects.order_by("id").history.to_parquet(sys.argv[2], progress=kill)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("at", [7, pytest.param(3, marks=pytest.mark.slow), pytest.param(12, marks=pytest.mark.slow)])
def test_a_killed_saving_goes_on(runs, tmp_path, at):
    (tmp_path / "world.json").write_text(json.dumps(world()))
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "world.json"), str(tmp_path / "all"), str(at)]
    done = subprocess.run(arguments, env={**os.environ, "WBMODEL_URL": ""}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    code = KILLED.replace("signal.SIGKILL", "0")
    arguments[2] = code
    assert subprocess.run(arguments, env={**os.environ, "WBMODEL_URL": ""}, check=False, timeout=120).returncode == 0
    found = by_run(wbmodel.scan(tmp_path / "all").collect())
    assert found.equals(by_run(runs.history.to_polars()).select(found.columns))


def test_a_long_run_has_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(history_folder, "HELD_ROWS", 100)
    with connect("fixtures:", world=world(lambda at: 20_000 if at == 4 else 3), default=False) as session:
        rows = Run.objects.using(session).filter(project="ada/p").history
        rows.to_parquet(tmp_path / "all")
        assert [file.name[:4] for file in sorted((tmp_path / "all").glob("run-*"))] == ["run-"]
        found = by_run(wbmodel.scan(tmp_path / "all").collect())
        assert found.equals(by_run(rows.to_polars()).select(found.columns))


def test_a_run_that_was_running_is_read_again(tmp_path):
    for state, length in (("running", 4), ("running", 9), ("finished", 11), ("finished", 11)):
        made = world(lambda at, length=length: length if at == 2 else 3)
        for run in made["entities"]["ada"]["projects"]["p"]["runs"]:
            run["state"] = state if run["id"] == "r02" else "finished"
        with connect("fixtures:", world=made, name="w", default=False) as session:
            Run.objects.using(session).filter(project="ada/p").history.to_parquet(tmp_path / "all")
        found = wbmodel.scan(tmp_path / "all").collect()
        assert found.height == 3 * (RUNS - 1) + length
        assert found.filter(run="r02")["_step"].sort().to_list() == list(range(length))


def test_another_question_is_refused(runs, tmp_path):
    runs.history.values("loss").to_parquet(tmp_path / "all")
    some = runs.filter(config__lr__gt=0.3)
    for other in (runs.history, runs[:3].history.values("loss"), some.history.values("loss")):
        with pytest.raises(ConfigurationError, match="another query"):
            other.to_parquet(tmp_path / "all")


def test_what_a_folder_cannot_hold(runs, tmp_path):
    for rows in (runs.history[:5], runs.history.tail(3), runs.history.sample(3)):
        with pytest.raises(QueryError, match="whole runs"):
            rows.to_parquet(tmp_path / "all")
    assert not (tmp_path / "all").exists()
    runs.history.long().to_parquet(tmp_path / "long")
    assert wbmodel.scan(tmp_path / "long").collect().columns == ["run", "_step", "key", "value"]


def test_one_run(runs, tmp_path):
    run = runs.get(id="r03")
    run.history.to_parquet(tmp_path / "one")
    assert wbmodel.scan(tmp_path / "one").collect().equals(run.history.to_polars())


async def test_the_async_twin(runs, tmp_path, small_parts):
    await runs.history.ato_parquet(tmp_path / "all")
    found = by_run(wbmodel.scan(Path(tmp_path, "all")).collect())
    assert found.equals(by_run(runs.history.to_polars()).select(found.columns))
