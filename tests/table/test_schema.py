"""``schema=``: the same columns and types in every library, whatever the data; what does not fit is named."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.plain_world import runs_of
from wbmodel import Count
from wbmodel.errors import FieldError
from wbmodel.table.column import Column
from wbmodel.table.schema import dtype_of
from wbmodel.table.table import Table

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
pd = pytest.importorskip("pandas")

TYPES = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
    "list[int]": pa.list_(pa.int64()),
    "list[list[text]]": pa.list_(pa.list_(pa.string())),
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.integers(-3, 3), max_size=3),
    st.just([["a", None], []]),
    st.just({"a": 1}),
    st.just("2024-01-31T10:00:00Z"),
)


@settings(max_examples=deep(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, max_size=6), st.sampled_from(sorted(TYPES)))
def test_the_type_holds_whatever_the_data_or_the_value_is_named(values: list[Any], name: str) -> None:
    table = Table([Column("id", [f"r{at}" for at in range(len(values))]), Column("x", values)], len(values))
    try:
        held = table.held({"x": name, "never": "float"})
    except FieldError as error:
        told = str(error)
        at = int(told.split("of row ")[1].split(" ", maxsplit=1)[0])
        if f"'x' of row {at} (id 'r{at}')" not in told or values[at] is None or name == "json":
            raise
        return
    arrow = held.to_arrow()
    assert arrow.schema == pa.schema([("x", TYPES[name]), ("never", pa.float64())])
    assert arrow.num_rows == len(values)
    assert [value is None for value in arrow.column("x").to_pylist()] == [value is None for value in values]
    if name in ("bool", "int", "float", "text", "list[int]"):
        for now, before in zip(arrow.column("x").to_pylist(), values, strict=True):
            assert now == before or (now != now and before != before)
    assert held.to_polars().schema == pl.from_arrow(arrow).schema
    empty = Table([], 0).held({"x": name, "never": "float"})
    assert list(held.to_pandas().dtypes) == list(empty.to_pandas().dtypes)
    assert held.to_csv().splitlines()[0] == "x,never"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (float, "float"),
        (int, "int"),
        (str, "text"),
        (bool, "bool"),
        (datetime, "time"),
        (dict, "json"),
        ("Int64", "int"),
        (pa.float64(), "float"),
        (pa.list_(pa.int64()), "list[int]"),
        (pa.timestamp("us", tz="UTC"), "time"),
        (pl.Float64, "float"),
        (pl.List(pl.String), "list[text]"),
        (pl.Datetime("us", "UTC"), "time"),
        (pd.Int64Dtype(), "int"),
    ],
)
def test_types_of_every_library(given: Any, expected: str) -> None:
    assert str(dtype_of(given, "x")) == expected


@pytest.mark.parametrize("given", [pa.float32(), "int32", "complex", "list[what]", None, 3, pl.Int8])
def test_other_types_are_refused_by_name(given: Any) -> None:
    with pytest.raises(FieldError, match=r"schema: 'x' has the type .*; the types are bool, int"):
        dtype_of(given, "x")


async def test_of_querysets_and_groups_in_both_colours(tmp_path: Any) -> None:
    runs = [{"id": "a", "config": {"lr": 1}}, {"id": "b", "config": {"lr": 0.5, "odd": "x"}}]
    with runs_of(runs) as rows:
        schema = {"id": str, "config.lr": float, "config.dropout": float, "created_at": datetime}
        arrow = pa.schema([("id", pa.string()), ("config.lr", pa.float64())])
        frame = rows.order_by("id").to_pandas(schema=schema)
        assert [str(dtype) for dtype in frame.dtypes] == ["string", "Float64", "Float64", "datetime64[us, UTC]"]
        assert rows.none().to_arrow(schema=arrow).schema == arrow
        assert (await rows.ato_arrow(schema=arrow)).schema == arrow
        assert (await rows.ato_polars(schema=arrow)).columns == ["id", "config.lr"]
        assert rows.order_by("id").to_csv(schema={"id": "text", "no": "int"}) == "id,no\na,\nb,\n"
        file = tmp_path / "x.csv"
        written: None = rows.to_csv(file, schema=arrow)
        assert written is None
        assert file.read_text().startswith("id,config.lr\n")
        rows.to_parquet(tmp_path / "x.parquet", schema=arrow)
        assert pa.parquet.read_schema(tmp_path / "x.parquet").equals(arrow)
        with pytest.raises(FieldError, match=r"schema: 'config.odd' of row \d \(id 'b'\) is 'x', not int; convert it"):
            rows.to_pandas(schema={"id": "text", "config.odd": "int"})
        with pytest.raises(FieldError, match="takes a mapping of columns to types"):
            rows.to_pandas(schema=["id"])  # type: ignore[arg-type]
        groups = rows.group_by("config.lr").annotate(n=Count()).to_arrow(schema={"n": "float", "config.lr": "float"})
        assert groups.to_pydict() == {"n": [1.0, 1.0], "config.lr": [0.5, 1.0]}


def test_what_fits() -> None:
    table = Table([Column("x", [3.0, 2**53, None]), Column("t", ["2024-01-31T10:00:00Z", None, None])], 3)
    held = table.held({"x": "int", "t": "time"})
    assert [list(column.values) for column in held.typed()] == [
        [3, 2**53, None],
        [datetime(2024, 1, 31, 10, tzinfo=timezone.utc), None, None],
    ]
    assert math.isnan(Table([Column("x", [math.nan])], 1).held({"x": "float"}).typed()[0].values[0])
    for value, name in (
        (2**53 + 1, "float"),
        (True, "int"),
        (1, "bool"),
        (1, "text"),
        (math.nan, "int"),
        ("x", "time"),
    ):
        with pytest.raises(FieldError, match="not " + name):
            Table([Column("x", [value])], 1).held({"x": name})
