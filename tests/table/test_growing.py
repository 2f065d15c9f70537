"""Frames from chunks are the frames of all rows at once, whatever the borders."""

from __future__ import annotations

import math
import warnings
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from wbmodel.errors import QueryError
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.growing import Growing
from wbmodel.table.table import Table

LIBRARIES = {"polars": "polars", "arrow": "pyarrow", "pandas": "pandas"}
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([0.5, 4.0, -0.0, math.nan, math.inf, -math.inf, 1e300, 2.0**53]),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**60, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400]),
)
TEXTS = st.sampled_from(["", "a", "1", "NaN", "\ud800", "\\ud800", 'x\udfff"', "é"])
ZONES = [timezone.utc, timezone(timedelta(hours=2))]
TIMES = st.integers(0, 10**15).flatmap(
    lambda at: st.sampled_from([datetime.fromtimestamp(at / 10**6, zone) for zone in ZONES])
)
PLAIN = [
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, 4.0, -0.0, math.nan, math.inf]),
    st.one_of(st.integers(-5, 5), st.sampled_from([0.5, 4.0, math.nan])),
    NUMBERS,
    TEXTS,
    TIMES,
    st.dictionaries(TEXTS, NUMBERS | TEXTS, max_size=2),
]
SCALARS = st.one_of(PLAIN)
# A column keeps to one kind now and then, or to lists of one kind, or is of anything.
KINDS = [
    *PLAIN,
    *(st.lists(kind, max_size=3) for kind in PLAIN),
    *(st.lists(st.lists(kind, max_size=2), max_size=2) for kind in PLAIN[2:7]),
    st.tuples(SCALARS, SCALARS),
    SCALARS | st.lists(SCALARS | st.lists(SCALARS, max_size=2), max_size=2),
]
NAMES = ["_step", "loss", "a.b", "", "\ud800"]


@st.composite
def chunked(draw: st.DrawFn) -> tuple[list[ColumnBatch], int]:
    """Chunks of columns that appear and vanish and change their kinds, and how many rows are gathered."""
    chunks = []
    for _ in range(draw(st.integers(0, 6))):
        length = draw(st.sampled_from([0, 1, 1, 2, 3]))
        columns = {}
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
            kind = draw(st.sampled_from(KINDS)) | st.none()
            columns[name] = draw(st.lists(kind, min_size=length, max_size=length))
        chunks.append(ColumnBatch("run", columns, length))
    return chunks, draw(st.integers(1, 6))


def shown(make: Any) -> tuple[Any, ...]:
    """The types, the cells and the warnings of a frame."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        frame = make()
    said = sorted(str(one.message) for one in warned)
    kind = type(frame).__module__.partition(".")[0]
    if kind == "polars":
        return frame.height, dict(frame.schema), repr(frame.to_dict(as_series=False)), said
    if kind == "pyarrow":
        return frame.num_rows, repr(frame.schema), repr(frame.to_pydict()), said
    types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    return len(frame), types, repr({name: list(frame[name]) for name in frame}), list(frame), said


def holds(given: tuple[list[ColumnBatch], int]) -> None:
    chunks, gather = given
    for name in LIBRARIES:
        growing = Growing(name, gather=gather)  # type: ignore[arg-type]
        for chunk in chunks:
            growing.add(chunk.columns, chunk.length)
        whole = Table.concat(chunks)
        assert shown(growing.finish) == shown(getattr(whole, f"to_{name}")), name


@settings(max_examples=deep(100))
@given(chunked())
def test_the_frame_does_not_depend_on_the_borders(given: tuple[list[ColumnBatch], int]) -> None:
    for module in LIBRARIES.values():
        pytest.importorskip(module)
    holds(given)


@pytest.mark.slow
@settings(max_examples=2000)
@given(chunked())
def test_the_frame_does_not_depend_on_the_borders_in_many_cases(given: tuple[list[ColumnBatch], int]) -> None:
    holds(given)


@pytest.mark.parametrize("name", [*LIBRARIES, "table"])
def test_a_column_of_another_length_is_named(name: Any) -> None:
    with pytest.raises(QueryError, match=r"'loss' has 1 values, but the chunk has 2 rows"):
        Growing(name).add({"_step": [1, 2], "loss": [1]}, 2)


@pytest.mark.parametrize("name", ["polars", "arrow", "pandas"])
def test_arrow_data_passes_through(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip(LIBRARIES[name])
    count = 1000
    tables = [
        {
            "_step": pa.array([float(at) for at in range(count)]),
            "loss": pa.array([math.nan, None, *[0.5] * (count - 2)], pa.float32()),
            "n": pa.array([None, *range(count - 1)], pa.int32()),
            "s": pa.array(["é"] * count, pa.large_string()),
            "json": pa.array(['{"a":1}'] * count),
            "list": pa.array([[1]] * count),
            "when": pa.array([datetime(2020, 1, 1, tzinfo=timezone.utc)] * count, pa.timestamp("ms", "UTC")),
            "flag": pa.array([True] * count),
            "none": pa.nulls(count),
        },
        {"s": pa.array([None] * count, pa.int64()), "n": pa.array([0.5] * count), "flag": pa.array([1] * count)},
    ]
    batches = [ColumnBatch.of_arrow("r", pa.table(table), count, ["json"]) for table in tables]
    batches.insert(1, ColumnBatch("r", {"n": [2], "late": [None]}, 1))
    growing = Growing(name)
    for batch in batches:
        growing.add_batch(batch)
    assert shown(growing.finish) == shown(getattr(Table.concat(batches), f"to_{name}"))
    assert growing.length == 2 * count + 1
