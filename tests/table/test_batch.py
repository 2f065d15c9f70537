"""The two views of a batch: Python values, and Arrow data for whichever library asks."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from wbmodel.errors import LibraryNotInstalled, QueryError
from wbmodel.table import libraries
from wbmodel.table.batch import ColumnBatch

ROWS = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers() | st.text(max_size=2), max_size=4), max_size=5)


@settings(max_examples=deep(100))
@given(ROWS)
def test_of_rows_gives_the_rows_again(rows: list[dict[str, Any]]) -> None:
    batch = ColumnBatch.of_rows("r", rows)
    assert list(batch.rows()) == rows
    assert batch.length == len(rows)
    assert batch.names == tuple(dict.fromkeys(key for row in rows for key in row))
    assert all(len(column) == len(rows) for column in batch.columns.values())


def test_rows_leave_out_what_is_not_there() -> None:
    batch = ColumnBatch("r", {"a": [1, None], "b": [None, math.inf]}, 2)
    assert list(batch.rows()) == [{"a": 1}, {"b": math.inf}]


@pytest.mark.parametrize("library", ["pyarrow", "polars", "pandas"])
def test_frame_libraries_read_a_batch_of_lists(library: str) -> None:
    module = pytest.importorskip(library)
    batch = ColumnBatch("r", {"_step": [0, 1], "loss": [0.5, None], "name": ["x", None]}, 2)
    if library == "pandas":
        pytest.importorskip("pyarrow")
        if not hasattr(module.DataFrame, "from_arrow"):
            pytest.skip("this pandas reads no Arrow streams")
        assert list(module.DataFrame.from_arrow(batch)["_step"]) == [0, 1]
        return
    read = module.table(batch).to_pydict() if library == "pyarrow" else module.DataFrame(batch).to_dict(as_series=False)
    assert read == {"_step": [0, 1], "loss": [0.5, None], "name": ["x", None]}


def test_arrow_data_is_handed_over_untouched_and_read_once() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"_step": [0.0, 1.0], "media": ['{"n":1}', None], "flag": [b"true", b"null"]})
    batch = ColumnBatch.of_arrow("r", table, 2, json={"media", "flag", "absent"})
    assert pyarrow.table(batch).equals(table)
    assert batch.names == ("_step", "media", "flag")
    assert dict(batch.columns) == {"_step": [0, 1], "media": [{"n": 1}, None], "flag": [True, None]}
    assert [type(step) for step in batch.columns["_step"]] == [int, int]
    assert list(batch.rows()) == [{"_step": 0, "media": {"n": 1}, "flag": True}, {"_step": 1}]
    # A stream can be read only once, and both views are there all the same.
    streamed = ColumnBatch.of_arrow("r", table.to_reader(), 2)
    assert streamed.columns["_step"] == [0, 1]
    assert pyarrow.table(streamed).equals(table)


def test_arrow_data_is_read_by_polars_where_there_is_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"_step": [2.0], "x": ["[1]"]})

    def only_polars(library: str) -> Any:
        if library != "polars":
            raise LibraryNotInstalled(library)
        return polars

    monkeypatch.setattr(libraries, "need", only_polars)
    monkeypatch.setattr("wbmodel.table.batch.need", only_polars)
    assert dict(ColumnBatch.of_arrow("r", frame, 1, json=["x"]).columns) == {"_step": [2], "x": [[1]]}
    assert polars.DataFrame(ColumnBatch("r", {"x": [1]}, 1))["x"].to_list() == [1]


def test_no_arrow_library_is_needed_to_make_a_batch() -> None:
    script = (
        "import sys; sys.modules.update(pyarrow=None, polars=None, pandas=None, numpy=None)\n"
        "from wbmodel.table.batch import ColumnBatch\n"
        "from wbmodel.errors import LibraryNotInstalled\n"
        "batch = ColumnBatch.of_rows('r', [{'a': 1}])\n"
        "assert list(batch.rows()) == [{'a': 1}]\n"
        "try:\n    batch.__arrow_c_stream__()\n"
        "except LibraryNotInstalled as error:\n    print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "pip install" in told


# -- parts -----------------------------------------------------------------------------------------


def both() -> list[ColumnBatch]:
    """One batch of Python values, and the same of Arrow data."""
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"_step": [0.0, 1.0, 2.0], "loss": [0.5, None, 0.25], "n": ["[1]", None, "{}"]})
    lists = ColumnBatch("r", {"_step": [0, 1, 2], "loss": [0.5, None, 0.25], "n": [[1], None, {}]}, 3)
    return [
        lists,
        ColumnBatch.of_arrow("r", table, 3, json={"n"}),
        ColumnBatch.of_arrow("r", table.to_reader(), 3, ["n"]),
    ]


def test_parts_are_the_same_of_either_view() -> None:
    for batch in both():
        assert batch.slice(1).records() == batch.records()[1:]
        assert batch.slice(-2, -1).records() == batch.records()[-2:-1]
        assert batch.slice(3).records() == batch.slice(2, 1).records() == []
        assert batch.take([2, 0, 0]).records() == [batch.records()[at] for at in (2, 0, 0)]
        assert batch.select(["n", "_step"]).names == ("n", "_step")
        assert batch.select(["n", "_step"]).records()[0] == {"n": [1], "_step": 0}
        assert dict(batch.select(["loss", "gone"]).columns) == {"loss": [0.5, None, 0.25], "gone": [None] * 3}
        assert batch.take([2, 1]).slice(0, 1).select(["_step"]).records() == [{"_step": 2}]
        with pytest.raises(QueryError, match="two columns have the name 'n'"):
            batch.select(["n", "n"])


def test_arrow_data_is_cut_as_arrow_data() -> None:
    batch = both()[1]
    for part in (batch.slice(1, 3), batch.take([1, 2]), batch.select(["_step", "loss"])):
        assert part.arrow is not None
    assert both()[0].arrow is None


def test_rows_with_few_common_keys_become_several_batches() -> None:
    rows = [{"_step": step, **{f"k{step * 50 + at}": at for at in range(50)}} for step in range(400)]
    batches = list(ColumnBatch.of_sparse_rows("r", rows))
    assert [row for batch in batches for row in batch.rows()] == rows
    assert sum(batch.length * len(batch.columns) for batch in batches) < 40 * sum(map(len, rows))
    assert len(list(ColumnBatch.of_sparse_rows("r", [{"a": 1}] * 1000))) == 1
