"""A folder of parts: resumed after any end, for one process at a time, read as one lazy frame."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from wbmodel.errors import ConfigurationError, QueryError
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.folder import Folder, read_manifest
from wbmodel.table.scan import scan
from wbmodel.table.table import Table

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pytest.importorskip("pyarrow")
QUERY = "Run.objects.filter(state='finished')"


def batch(run: str, **columns: list[Any]) -> ColumnBatch:
    return ColumnBatch(run, columns, len(next(iter(columns.values()))))


def test_parts_are_written_and_read(tmp_path: Path) -> None:
    with Folder(tmp_path / "new" / "f", QUERY) as folder:
        folder.write_part("0.parquet", [batch("r1", _step=[0, 1], loss=[1, 0.5])], ["r1"])
        with folder.part("1.parquet", ["r2", "r3"]) as part:
            part.add_batch(batch("r2", _step=[0], acc=["x"]))
            part.complete, part.missing = False, 7
        folder.failed("r4", "RuntimeError: gone")
        assert folder.done == {"r1", "r2", "r3"}
        assert not folder.manifest.complete
        folder.finish()
    found = read_manifest(tmp_path / "new" / "f")
    assert found == folder.manifest
    assert [(part.runs, part.rows, part.complete, part.missing) for part in found.parts] == [
        (["r1"], 2, True, 0),
        (["r2", "r3"], 1, False, 7),
    ]
    assert {name: str(dtype) for name, dtype in found.columns.items()} == {
        "_step": "int",
        "loss": "float",
        "acc": "text",
    }
    assert [(failed.run, failed.error) for failed in found.failures] == [("r4", "RuntimeError: gone")]
    assert (found.query, found.finished, found.complete) == (QUERY, True, False)
    assert scan(tmp_path / "new" / "f").collect().rows() == [(0, 1.0, None), (1, 0.5, None), (0, None, "x")]


def test_a_folder_is_resumed(tmp_path: Path) -> None:
    with Folder(tmp_path, QUERY) as folder:
        for name in "abc":
            folder.write_part(f"{name}.parquet", [batch(name, _step=[0, 1])], [name])
        folder.failed("d", "gone")
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:-1])
    (tmp_path / "c.parquet").unlink()
    (tmp_path / ".d.parquet.1.partial").write_bytes(b"half")
    with Folder(tmp_path, QUERY) as folder:
        assert folder.done == {"a"}
        assert not list(tmp_path.glob("*.partial"))
        for name in "bcd":
            folder.write_part(f"{name}.parquet", [batch(name, _step=[2])], [name])
        folder.finish()
        assert folder.manifest.complete
    assert scan(tmp_path).collect()["_step"].to_list() == [0, 1, 2, 2, 2]


def test_an_error_in_a_part_leaves_the_others(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.write_part("a.parquet", [batch("a", _step=[0])], ["a"])
        with pytest.raises(RuntimeError), folder.part("b.parquet", ["b"]) as part:
            part.add_batch(batch("b", _step=[1]))
            raise RuntimeError
        assert folder.done == {"a"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "a.parquet", "manifest.json"]


_WRITE_FOR_EVER = """
import sys
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.folder import Folder
with Folder(sys.argv[1]) as folder:
    for at in range(10_000):
        if str(at) not in folder.done:
            folder.write_part(f"{at}.parquet", [ColumnBatch("r", {"_step": [at] * 50}, 50)], [str(at)])
            print(at, flush=True)
"""


def test_a_killed_process_leaves_a_folder_that_is_read_and_resumed(tmp_path: Path) -> None:
    told = -1
    for kill_after in (1, 3, 2):
        command = [sys.executable, "-c", _WRITE_FOR_EVER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(kill_after):
                told = int(child.stdout.readline())
            if kill_after == 3:  # while the other writes, this process may not
                with pytest.raises(ConfigurationError, match=rf"written by another process \(pid {child.pid}\)"):
                    Folder(tmp_path).__enter__()
            child.kill()
            rest = child.stdout.read().split()
        told = int(rest[-1]) if rest else told
        steps = scan(tmp_path).collect()["_step"].to_list()
        assert steps[: 50 * (told + 1)] == [at for at in range(told + 1) for _ in range(50)]
    with Folder(tmp_path) as folder:
        assert {str(at) for at in range(told + 1)} <= folder.done


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no manifest.json"):
        scan(tmp_path)
    with Folder(tmp_path, "one") as folder:
        with pytest.raises(ConfigurationError, match="written by another process"):
            Folder(tmp_path, "one").__enter__()
        for name in ("../a.parquet", "a/b.parquet", ".a.parquet", "a.csv", ""):
            with pytest.raises(ConfigurationError, match="cannot be the file of a part"):
                folder.write_part(name, [], [])
    with pytest.raises(ConfigurationError, match="another query"):
        Folder(tmp_path, "two").__enter__()
    with Folder(tmp_path, "one"), pytest.raises(QueryError, match="'polars' or 'dask', not 'spark'"):
        scan(tmp_path, "spark")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="is not open"):
        folder.finish()
    manifest = tmp_path / "manifest.json"
    for text, message in (
        ("{", "is damaged"),
        ("[]", "manifest.json"),
        ('{"version": 2}', "is of version 2"),
        ('{"version": 1, "parts": [{"file": 1}]}', r"parts\[0\]"),
    ):
        manifest.write_text(text)
        with pytest.raises(ConfigurationError, match=message):
            read_manifest(tmp_path)
    evil = {"file": "../x.parquet", "runs": [], "rows": 0, "bytes": 0, "complete": True, "missing": 0, "columns": {}}
    manifest.write_text(json.dumps({"version": 1, "parts": [evil]}))
    with pytest.raises(ConfigurationError, match="cannot be the file of a part"):
        scan(tmp_path)


def lazily(library: Any, folder: Path) -> Any:
    frame = scan(folder, library)
    if library == "polars":
        assert isinstance(frame, pl.LazyFrame)
        return frame.collect()
    assert type(frame).__module__.startswith("dask.")
    return frame.compute(scheduler="synchronous").reset_index(drop=True)


def written(chunks: list[ColumnBatch], folder: Path) -> list[ColumnBatch]:
    """Write a part per chunk."""
    with Folder(folder) as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for at, chunk in enumerate(chunks):
            made.write_part(f"{at}.parquet", [chunk], [str(at)])
    return chunks


@pytest.mark.parametrize("library", ["polars", "dask"])
def test_parts_whose_types_differ_are_unified(library: Any, tmp_path: Path) -> None:
    if library == "dask":
        pytest.importorskip("dask.dataframe")
    chunks = written(
        [
            batch("a", _step=[0, 1], loss=[1, 2], mixed=[1, None], lists=[[1], []], late=[None, None], big=[2**60, 1]),
            batch("b", _step=[2], loss=[0.5], mixed=["x"], lists=[[0.5]], big=[0.5], new=[True]),
            batch("c", other=[1.5, float("nan")], mixed=[{"a": 1}, 0.25], late=[3, None]),
        ],
        tmp_path,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = Table.concat(chunks)
        wanted = whole.to_polars() if library == "polars" else whole.to_pandas()
    made = lazily(library, tmp_path)
    assert list(made.columns) == list(wanted.columns)
    if library == "dask":  # its lists are Arrow's
        made = made.astype({"lists": object})
    assert list(map(str, made.dtypes)) == list(map(str, wanted.dtypes))
    for name in wanted.columns:
        ours, theirs = ([None if of is pd.NA else of for of in frame[name]] for frame in (made, wanted))
        if name == "lists":
            ours, theirs = ([None if of is None else list(map(float, of)) for of in cells] for cells in (ours, theirs))
        assert repr(ours) == repr(theirs), name


def test_dask_reads_a_file_per_partition_and_only_what_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("dask.dataframe")
    written([batch("a", _step=[0, 1], loss=[1, 2]), batch("b", _step=[2], loss=[0.5])], tmp_path)
    frame = scan(tmp_path, "dask")
    assert frame.npartitions == 2
    assert frame["loss"].mean().compute(scheduler="synchronous") == pytest.approx(3.5 / 3)
    os.unlink(tmp_path / "1.parquet")
    assert frame.get_partition(0)["_step"].compute(scheduler="synchronous").tolist() == [0, 1]


def test_a_folder_without_parts_is_an_empty_frame(tmp_path: Path) -> None:
    with Folder(tmp_path):
        pass
    assert scan(tmp_path).collect().shape == (0, 0)
