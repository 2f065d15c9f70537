"""Many columns, many chunks, many values: in a time that grows with the cells, in memory that does not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from wbmodel.table.growing import Growing
from wbmodel.table.libraries import library
from wbmodel.table.parts import Intake

pl = pytest.importorskip("polars")
pytest.importorskip("pyarrow")


def seconds(columns: int) -> float:
    """The time that chunks take of which each has other columns."""
    started = time.process_time()
    intake = Intake(library("polars"), gather=columns)
    for at in range(columns // 10):
        for _ in intake.add({f"k{at * 10 + key}": [at] for key in range(10)}, 1):
            raise AssertionError("too early")
    return time.process_time() - started


def test_many_columns_are_gathered_in_a_time_that_grows_with_them() -> None:
    few, many = min(seconds(4000) for _ in range(5)), min(seconds(32_000) for _ in range(3))
    assert many < 8 * few * 4


def test_every_chunk_may_have_other_columns() -> None:
    growing = Growing("polars", gather=10)
    for at in range(30):
        growing.add({f"k{at * 50 + key}": [key] for key in range(50)}, 1)
    frame = growing.finish()
    assert frame.shape == (30, 1500)
    assert frame["k1499"].to_list() == [None] * 29 + [49]
    assert frame["k50"].to_list() == [None, 0] + [None] * 28


def test_many_chunks_of_one_row() -> None:
    growing = Growing("polars")
    for at in range(20_000):
        growing.add({"_step": [at], "loss": [0.5]}, 1)
    frame = growing.finish()
    assert frame["_step"].to_list() == list(range(20_000))
    assert frame["loss"].n_chunks() == 3


def test_empty_chunks_and_known_names() -> None:
    growing = Growing("polars", ["_step", "loss"])
    assert growing.finish().schema == {"_step": pl.Null, "loss": pl.Null}
    growing.add({}, 0)
    growing.add({"late": []}, 0)
    growing.add({}, 2)
    frame = growing.finish()
    assert frame.columns == ["_step", "loss", "late"]
    assert (growing.length, frame.height) == (2, 2)


_MEASURE = """
import random, resource, sys
from wbmodel.table.growing import Growing
from wbmodel.table.writers import CsvWriter, ParquetWriter
kind, path, chunks = sys.argv[1], sys.argv[2], int(sys.argv[3])
made = {"parquet": lambda: ParquetWriter(path), "csv": lambda: CsvWriter(path), "polars": lambda: Growing("polars"),
        "only": lambda: Growing("polars")}[kind]()
draw, keys = random.Random(1), [f"m{at}" for at in range(9)]
import polars, pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for chunk in range(chunks):
    columns = {key: [draw.random() if at % 50 else at for at in range(1000)] for key in keys}
    columns["_step"] = list(range(chunk * 1000, chunk * 1000 + 1000))
    if kind != "only":
        made.add(columns, 1000)
made.finish()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, before // 1024)
"""


def peak(kind: str, folder: Path, chunks: int) -> tuple[int, int]:
    """The most memory of a process that makes a frame or a file of chunks of 10,000 values, and that of its imports, in
    MiB."""
    command = [sys.executable, "-c", _MEASURE, kind, str(folder / "made"), str(chunks)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(told[0]), int(told[1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="asks the system for the memory of a process")
@pytest.mark.parametrize("kind", ["only", "parquet", "csv", "polars"])
def test_ten_million_values(kind: str, tmp_path: Path) -> None:
    most, before = peak(kind, tmp_path, 1000)
    print(f"10,000,000 values, {kind}: {most} MiB at most, of which {before} are imports")
    # The frame itself has 80 MB, and a byte per value says which are integers until its types are known.
    assert most < 300 + (150 if kind == "polars" else 0)
