"""Frames: the same columns, types and values in every format."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support.plain_world import runs_of
from tests.support.queries import HOME, on
from wbmodel import Artifact, Count, F, Mean, Project, QuerySet, Run, connect, everything_but
from wbmodel.errors import FrameWarning, LibraryNotInstalled, QueryError
from wbmodel.table.column import DTYPES, Column, Dtype
from wbmodel.table.table import Table
from wbmodel.testing import assert_num_requests, count_requests

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
import pyarrow.parquet  # noqa: E402 - after the skip

# Worlds with values of several types under one key; tests of the warning say what they expect.
pytestmark = pytest.mark.filterwarnings("ignore::wbmodel.errors.FrameWarning")

NAN = math.nan
DECLARED = [
    "id",
    "name",
    "state",
    "tags",
    "group",
    "job_type",
    "notes",
    "created_at",
    "heartbeat_at",
    "project",
    "sweep",
    "user",
]


# -- one name per type in every library ------------------------------------------------------------


def of_pandas(frame: Any) -> dict[str, str]:
    names = {
        "Int64": "int",
        "Float64": "float",
        "boolean": "bool",
        "string": "text",
        "datetime64[us, UTC]": "time",
        "object": "object",
    }
    return {name: names[str(dtype)] for name, dtype in frame.dtypes.items()}


def of_polars(frame: Any) -> dict[str, str]:
    def one(dtype: Any) -> str:
        if isinstance(dtype, pl.List):
            return f"list[{one(dtype.inner)}]"
        names = {"Int64": "int", "Float64": "float", "Boolean": "bool", "String": "text", "Null": "null"}
        return names.get(str(dtype)) or {"Datetime(time_unit='us', time_zone='UTC')": "time"}[str(dtype)]

    return {name: one(dtype) for name, dtype in frame.schema.items()}


def of_arrow(table: Any) -> dict[str, str]:
    def one(kind: Any) -> str:
        if pa.types.is_list(kind):
            return f"list[{one(kind.value_type)}]"
        return {
            "int64": "int",
            "double": "float",
            "bool": "bool",
            "string": "text",
            "timestamp[us, tz=UTC]": "time",
            "null": "null",
        }[str(kind)]

    return {field.name: one(field.type) for field in table.schema}


def everywhere(rows: Any, folder: Path) -> dict[str, str]:
    """Make every frame of the same rows, hold that types and values agree, and give the types."""
    frame, polars, arrow, records = rows.to_pandas(), rows.to_polars(), rows.to_arrow(), rows.to_records()
    types = of_polars(polars)
    assert of_arrow(arrow) == types
    assert of_pandas(frame) == {
        name: "object" if kind == "null" or kind.startswith("list") else kind for name, kind in types.items()
    }
    cells = in_utc(polars.to_dicts())
    assert repr(in_utc(arrow.to_pylist())) == repr(cells)
    assert len(records) == len(frame) == len(cells)
    for ours, theirs in zip(records, cells, strict=True):
        assert list(ours) == list(theirs)
    # pandas has one kind of missing value, so NaN is gone there.
    plain = [{name: None if _missing(value) else value for name, value in row.items()} for row in cells]
    of_frame = [
        {name: None if _missing(value) else _plain(value) for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    assert of_frame == plain
    rows.to_parquet(folder / "rows.parquet")
    kept = pyarrow.parquet.read_table(folder / "rows.parquet")
    assert of_arrow(kept) == types
    assert repr(in_utc(kept.to_pylist())) == repr(cells)
    read_csv(rows, types, cells, folder)
    return types


def in_utc(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same moments; which class stands for UTC is the library's business."""
    return [
        {name: cell.astimezone(timezone.utc) if isinstance(cell, datetime) else cell for name, cell in row.items()}
        for row in rows
    ]


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value


def read_csv(rows: Any, types: dict[str, str], cells: list[dict[str, Any]], folder: Path) -> None:
    text = rows.to_csv()
    assert rows.to_csv(folder / "rows.csv") is None
    assert (folder / "rows.csv").read_bytes().decode() == text
    if not types:
        return
    head, *lines = list(csv.reader(io.StringIO(text), strict=True))
    assert head == list(types)
    back = {
        "int": int,
        "float": float,
        "bool": {"true": True, "false": False}.__getitem__,
        "text": str,
        "null": str,
        "time": lambda cell: datetime.fromisoformat(cell.replace("Z", "+00:00")),
    }
    for line, row in zip(lines, cells, strict=True):
        for cell, (name, kind) in zip(line, types.items(), strict=True):
            value = row[name]
            if value is None or value == "":
                assert cell == ""
            elif kind.startswith("list"):
                assert repr(json.loads(cell)) == repr(value)
            else:
                assert repr(back[kind](cell)) == repr(value)


# -- columns and types -----------------------------------------------------------------------------


def test_columns_of_entities(tmp_path: Path) -> None:
    runs = [
        {
            "config": {"lr": 1, "model": {"depth": 2}, "dims": [1, 2], "flag": True},
            "summary": {"loss": 0.5},
            "tags": ["a"],
        },
        {"config": {"lr": 0.5, "a.b": 1, "model": {"name": "x"}, "dims": []}, "summary": {"loss": NAN, "z": None}},
        {"config": {"big": 2**70, "model": "none", "opt": {}}, "created_at": "2024-01-01T02:00:00+02:00"},
    ]
    with runs_of(runs) as rows:
        with pytest.warns(FrameWarning, match=r"written as JSON text: config.big$"):
            types = everywhere(rows, tmp_path)
        frame = rows.to_polars()
    keyed = {
        'config."a.b"': "int",
        "config.big": "text",
        "config.dims": "list[int]",
        "config.flag": "bool",
        "config.lr": "float",
        "config.model": "text",
        "config.model.depth": "int",
        "config.model.name": "text",
        "config.opt": "text",
        "summary.loss": "float",
        "summary.z": "null",
    }
    assert list(types) == [*DECLARED, *sorted(keyed, key=lambda name: name.replace('"', ""))]
    assert {name: types[name] for name in keyed} == keyed
    assert {name: types[name] for name in DECLARED} == {
        **dict.fromkeys(DECLARED, "text"),
        "tags": "list[text]",
        "created_at": "time",
        "heartbeat_at": "time",
    }
    assert frame["config.big"].to_list() == [None, None, str(2**70)]
    assert frame["config.opt"].to_list() == [None, None, "{}"]
    assert frame["config.model"].to_list() == [None, None, "none"]
    assert frame["created_at"].to_list()[2] == datetime(2024, 1, 1, tzinfo=timezone.utc)
    assert math.isnan(frame["summary.loss"].to_list()[1])


def test_every_type_there_is(tmp_path: Path) -> None:
    config = {
        "int": [1, None, -(2**63)],
        "float": [1.5, NAN, math.inf],
        "text": ['a,"b"\n', "", None],
        "bool": [True, None, False],
        "whole and not": [1, 2.5, None],
        "exact": [2**53 + 1, 0.5, None],
        "text and number": ["1", 1, None],
        "bool and number": [True, 1, None],
        "big": [2**63, 1, None],
        "lists": [[1, None], [], None],
        "lists of both": [[1], [0.5], None],
        "lists of lists": [[[1]], [[], [2, 3]], None],
        "empty lists": [[], [], None],
        "mixed lists": [[1, "a"], [True], None],
        "lists of dicts": [[{"a": 1}], [], None],
        "list or not": [[1], 1, None],
        "texts": [["a", "ü"], [""], None],
        "null": [None, None, None],
    }
    runs = [{"config": {key: values[at] for key, values in config.items()}} for at in range(3)]
    with runs_of(runs) as rows:
        shown = rows.values(*(F.config[key] for key in config))
        with pytest.warns(FrameWarning) as said:
            types = everywhere(shown, tmp_path)
        frame, records = shown.to_polars(), shown.to_records()
    mixed = ["exact", "text and number", "bool and number", "big", "list or not"]
    assert {str(item.message) for item in said if item.category is FrameWarning} == {
        "values of mixed types, or integers beyond 64 bits, are written as JSON text: "
        + ", ".join(f"config.{name}" for name in mixed)
    }
    assert {name.removeprefix("config."): kind for name, kind in types.items()} == {
        "int": "int",
        "float": "float",
        "text": "text",
        "bool": "bool",
        "whole and not": "float",
        "exact": "text",
        "text and number": "text",
        "bool and number": "text",
        "big": "text",
        "lists": "list[int]",
        "lists of both": "list[float]",
        "lists of lists": "list[list[int]]",
        "empty lists": "list[null]",
        "mixed lists": "text",
        "lists of dicts": "text",
        "list or not": "text",
        "texts": "list[text]",
        "null": "null",
    }
    # JSON text gives every value back as it was.
    for name in [*mixed, "mixed lists", "lists of dicts"]:
        cells = frame[f"config.{name}"].to_list()
        assert repr([cell if cell is None else json.loads(cell) for cell in cells]) == repr(config[name])
    # Records hold the values as they came, whatever a frame makes of them.
    assert repr([list(row.values()) for row in records]) == repr(
        [list(row) for row in zip(*config.values(), strict=True)]
    )


def test_each_format_warns_where_it_is_asked() -> None:
    with runs_of([{"config": {"k": 1}}, {"config": {"k": "a"}}]) as rows, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        rows.to_records()
        assert not said
        rows.to_csv()
        assert [item.filename for item in said] == [__file__]
        rows.values("config.k").to_polars()
        rows.group_by("config.k").to_pandas()
        assert [item.filename for item in said] == [__file__] * 3


def test_text_that_is_no_unicode() -> None:
    with runs_of([{"config": {"k": "\ud800x", "ok": "ü", "list": ["\udfff"]}}]) as rows:
        shown = rows.values("config.k", "config.ok", "config.list")
        with pytest.warns(FrameWarning, match="not valid Unicode.*: config.k, config.list"):
            frames = [shown.to_polars().to_dicts(), shown.to_arrow().to_pylist(), shown.to_pandas().to_dict("records")]
        assert frames == [[{"config.k": "\\ud800x", "config.ok": "ü", "config.list": ["\\udfff"]}]] * 3
        assert shown.to_records()[0]["config.k"] == "\ud800x"


def test_an_empty_queryset_keeps_its_columns(tmp_path: Path) -> None:
    with on():
        for rows in (Run.objects.none(), Run.objects.filter(project="acme/vision", state="no such state")):
            types = everywhere(rows, tmp_path)
            assert list(types) == DECLARED
            assert (types["created_at"], types["tags"], types["id"]) == ("time", "list[text]", "text")
            shown = rows.values("id", "summary.loss", "created_at", "file_count", "user.username", "tags")
            assert everywhere(shown, tmp_path) == {
                "id": "text",
                "summary.loss": "null",
                "created_at": "time",
                "file_count": "int",
                "user.username": "text",
                "tags": "list[text]",
            }
            grouped = rows.group_by("state", "config.lr").annotate(n=Count(), loss=Mean("summary.loss"))
            assert everywhere(grouped, tmp_path) == {"state": "text", "config.lr": "null", "n": "int", "loss": "float"}
            assert shown.to_csv() == "id,summary.loss,created_at,file_count,user.username,tags\n"


@pytest.mark.parametrize("kind", ["full", "weak"])
def test_a_hostile_world(kind: str, tmp_path: Path) -> None:
    with on(kind):
        rows = Run.objects.filter(project="acme/vision").order_by("id")
        types = everywhere(rows, tmp_path)
        assert {
            'config."model.depth"',
            "config.model.depth",
            'config.q"uote',
            "config.ключ",
            "summary.eval/acc",
        } <= set(types)
        assert rows.to_polars()["id"].to_list() == sorted(run["id"] for run in HOME)
        everywhere(rows.values("name", "config.mixed", "sweep", "user", "config"), tmp_path)
        everywhere(rows.group_by("config.mixed").annotate(n=Count()), tmp_path)
        everywhere(rows.group_by(everything_but("lr", "mixed")).annotate(n=Count()), tmp_path)
        everywhere(Artifact.objects.filter(project="acme/vision", collection="images"), tmp_path)
        everywhere(Project.objects.filter(entity="acme"), tmp_path)


def test_a_rows_own_state_is_what_counts() -> None:
    """Rows that are there already, changed ones too, are exported as they are; nothing is asked."""
    with on():
        rows = Run.objects.filter(project="acme/vision").order_by("id")
        asked = rows.to_records()
        first = rows.all()
        list(first)
        with assert_num_requests(0):
            assert repr(first.to_records()) == repr(asked)
        with assert_num_requests(0):
            first[0].config["added"] = 1
            assert first.to_records()[0]["config.added"] == 1
        shown = rows.values_list("id", "config.lr")
        list(shown)
        with assert_num_requests(0):
            assert shown.to_records()[:1] == [{"id": asked[0]["id"], "config.lr": asked[0].get("config.lr")}]


def test_shapes() -> None:
    with on():
        rows = Run.objects.filter(project="acme/vision").order_by("id")
        for shaped in (
            rows.values("id", "state"),
            rows.values_list("id", "state"),
            rows.values_list("id", "state", named=True),
        ):
            fresh = shaped.to_polars()
            list(shaped)
            assert shaped.to_polars().equals(fresh)
            assert fresh.columns == ["id", "state"]
        assert rows.values_list("id", flat=True).to_records() == [{"id": run.id} for run in rows]
        states = rows.order_by("state").values("state").distinct()
        assert states.to_polars()["state"].to_list() == sorted({run["state"] for run in HOME})
        assert rows.values("summary__loss", F.config["model.depth"]).to_arrow().column_names == [
            "summary__loss",
            'config."model.depth"',
        ]
        assert rows.only("state", "config.lr").to_polars().columns[:2] == ["id", "state"]
        assert all(name.startswith("config.") for name in rows.only("state", "config").to_polars().columns[2:])
        assert not any(name.startswith(("config", "tags")) for name in rows.defer("config", "tags").to_polars().columns)
        assert rows.only("node_id").to_polars().columns == ["id", "node_id"]
        assert rows.all()[2:5].to_polars().height == 3
        with count_requests() as sent:
            rows.prefetch_related("files").to_polars()
        assert len(sent.requests) == 1


def test_columns_of_one_name_are_refused() -> None:
    rows = Run.objects.all()
    with pytest.raises(QueryError, match=r"'config.lr' is requested twice"):
        rows.values("config.lr", F.config["lr"])
    with pytest.raises(QueryError, match=r"two columns have the name 'a'"):
        Table([Column("a", [1]), Column("a", [2])], 1)
    # Two spellings are two columns.
    with runs_of([{"config": {"lr": 1}}]) as runs:
        assert runs.values("config.lr", "config__lr").to_records() == [{"config.lr": 1, "config__lr": 1}]
        # A key with dots and a nested one never meet.
        assert list(runs.only("config").to_records()[0]) == ["id", "config.lr"]


async def test_twins(tmp_path: Path) -> None:
    with on("weak"):
        rows = Run.objects.filter(project="acme/vision").order_by("id").values("id", "created_at", "config.lr", "tags")
        for exported in (
            rows,
            rows.all(),
            Run.objects.filter(project="acme/vision").group_by("state").annotate(n=Count()),
        ):
            assert (await exported.ato_polars()).equals(exported.to_polars())
            assert (await exported.ato_pandas()).equals(exported.to_pandas())
            assert (await exported.ato_arrow()).equals(exported.to_arrow())
            assert await exported.ato_records() == exported.to_records()
            assert await exported.ato_csv() == exported.to_csv()
            await exported.ato_parquet(tmp_path / "a.parquet")
            exported.to_parquet(str(tmp_path / "b.parquet"))
            assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    ("library", "methods", "extra"),
    [
        ("pandas", ["to_pandas"], "pandas"),
        ("polars", ["to_polars"], "polars"),
        ("pyarrow", ["to_arrow", "to_parquet"], "arrow"),
    ],
)
async def test_a_library_that_is_not_installed(
    library: str, methods: list[str], extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with on():
        for rows in (Run.objects.all(), Run.objects.group_by("state")):
            for method in methods:
                given = [tmp_path / "x"] if method == "to_parquet" else []
                with (
                    assert_num_requests(0),
                    pytest.raises(LibraryNotInstalled, match=rf'pip install "wbmodel\[{extra}\]"'),
                ):
                    getattr(rows, method)(*given)
                with assert_num_requests(0), pytest.raises(ImportError):
                    await getattr(rows, f"a{method}")(*given)
            assert rows.to_records()
            assert rows.to_csv()


def test_polars_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    with runs_of([{"summary": {"x": at / 2}} for at in range(5)]) as rows:
        expected = rows.to_polars()
        monkeypatch.setitem(sys.modules, "numpy", None)
        assert rows.to_polars().equals(expected)


def test_ten_thousand_columns(tmp_path: Path) -> None:
    runs = [{"config": {f"key {at * 500 + number}": number for number in range(500)}} for at in range(20)]
    with runs_of(runs) as rows:
        frame = rows.to_polars()
        assert frame.width == len(DECLARED) + 10_000
        assert frame["config.key 9999"].to_list() == [None] * 19 + [499]
        assert rows.to_pandas().shape == frame.shape
        rows.to_parquet(tmp_path / "wide.parquet")
        assert len(pyarrow.parquet.read_schema(tmp_path / "wide.parquet").names) == frame.width
        text = rows.to_csv()
        assert text is not None
        assert len(text.splitlines()[0].split(",")) == frame.width


def test_no_columns_and_deep_nesting() -> None:
    assert Table([], 2).records() == [{}, {}]
    deep: Any = 1
    for _ in range(60):
        deep = {"k": deep}
    with runs_of([{"config": {"deep": deep}}]) as rows:
        assert rows.only("config").to_records() == [{"id": "r0000", "config.deep" + ".k" * 60: 1}]


def test_every_dtype_has_its_place_in_every_library() -> None:
    examples = {"bool": True, "int": 1, "float": 0.5, "text": "a", "json": "1", "null": None}
    examples["time"] = datetime(2024, 1, 1, tzinfo=timezone.utc)
    assert {dtype.name for dtype in DTYPES} == set(examples)
    for dtype in DTYPES:
        for declared, value in ((dtype, examples[dtype.name]), (Dtype("list", dtype), [examples[dtype.name]])):
            table = Table([Column("a", [value, None], declared)], 2)
            assert table.to_polars()["a"].to_list() == [value, None]
            assert table.to_arrow()["a"].to_pylist() == [value, None]


def test_the_demo_world(tmp_path: Path) -> None:
    with connect("demo:", name="demo-frames", default=False) as session:
        for project in Project.objects.using(session):
            rows: QuerySet[Run] = project.runs
            assert set(DECLARED) < set(everywhere(rows, tmp_path))
