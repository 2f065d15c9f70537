"""Files from chunks are the files of all rows at once."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.support.depth import deep
from tests.table.test_growing import chunked
from wbmodel.table import gather, writers
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.table import Table
from wbmodel.table.writers import CsvWriter, ParquetWriter

pq = pytest.importorskip("pyarrow.parquet")


def said(make: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        make()
    return sorted(str(one.message) for one in warned)


def same_files(given: tuple[list[ColumnBatch], int], folder: Path) -> None:
    chunks, rows = given
    text, made = io.StringIO(), folder / "made"

    def csv() -> None:
        with CsvWriter(made, gather=rows) as to_path, CsvWriter(text, gather=rows) as to_buffer:
            for chunk in chunks:
                to_path.add_batch(chunk)
                to_buffer.add_batch(chunk)

    def parquet() -> None:
        with ParquetWriter(made, gather=rows) as writer:
            writer.metadata["complete"] = "yes"
            for chunk in chunks:
                writer.add_batch(chunk)

    warned = said(csv)
    assert warned == sorted(said(lambda: Table.concat(chunks).to_csv(folder / "whole")) * 2)
    assert made.read_bytes() == (folder / "whole").read_bytes() == text.getvalue().encode()
    warned = said(parquet)
    assert warned == said(lambda: Table.concat(chunks).to_parquet(folder / "whole"))
    one, other = pq.read_table(made), pq.read_table(folder / "whole")
    assert one.schema.equals(other.schema)
    assert repr(one.to_pydict()) == repr(other.to_pydict())
    assert pq.read_metadata(made).metadata[b"complete"] == b"yes"
    assert sorted(path.name for path in folder.iterdir()) == ["made", "whole"]


@settings(max_examples=deep(40))
@given(chunked())
def test_files_do_not_depend_on_the_borders(tmp_path_factory: Any, given: tuple[list[ColumnBatch], int]) -> None:
    same_files(given, tmp_path_factory.mktemp("files"))


@pytest.mark.slow
@settings(max_examples=2000)
@given(chunked())
def test_files_do_not_depend_on_the_borders_in_many_cases(
    tmp_path_factory: Any, given: tuple[list[ColumnBatch], int]
) -> None:
    same_files(given, tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("kind", [CsvWriter, ParquetWriter])
def test_an_error_leaves_the_old_file_and_no_other(kind: Any, tmp_path: Path) -> None:
    target = tmp_path / "rows"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="broken off"), kind(target) as writer:
        writer.add({"a": list(range(10_000))}, 10_000)
        raise RuntimeError("broken off")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_known_names_come_first_and_are_there(tmp_path: Path) -> None:
    with CsvWriter(tmp_path / "a.csv", ["_step", "loss"]) as writer:
        pass
    assert (tmp_path / "a.csv").read_text() == "_step,loss\n"
    with ParquetWriter(tmp_path / "a.parquet", ["_step", "loss"]) as made:
        made.add({"loss": [1], "acc": [2]}, 1)
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == [{"_step": None, "loss": 1, "acc": 2}]
    assert {name: str(dtype) for name, (dtype, _) in made.seen.items()} == {
        "_step": "null",
        "loss": "int",
        "acc": "int",
    }
    out = io.BytesIO()
    with CsvWriter(out) as writer:
        writer.add({"é": ["ü", None]}, 2)
    assert out.getvalue().decode() == 'é\nü\n""\n'


def test_row_groups_are_large(tmp_path: Path) -> None:
    with ParquetWriter(tmp_path / "a.parquet") as writer:
        for start in range(0, 300_000, 10_000):
            writer.add({"_step": range(start, start + 10_000)}, 10_000)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.metadata.num_row_groups == 3  # of 14 chunks each
    assert file.read()["_step"].to_pylist() == list(range(300_000))
    assert writers.ROW_GROUP > gather.GATHER
