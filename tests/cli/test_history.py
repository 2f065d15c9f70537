"""``wbmodel history``: what runs logged, as rows, files and pictures."""

from __future__ import annotations

import json

import pytest

from wbmodel import Run, connect

PROJECT = "demo/wandb-sdk-tests"
RUN = f"{PROJECT}/nanedge1"


@pytest.fixture
def rows():
    with connect("demo:", default=False) as session:
        yield list(Run.objects.using(session).get(path=RUN).history)


def test_rows_of_a_run_in_every_format(demo, rows, tmp_path):
    lines = demo("history", RUN, "--jsonl").lines
    assert [line["_step"] for line in lines] == [row["_step"] for row in rows]
    assert lines[1] == {"_step": 1, "edge/flat": 1.5, "edge/nan_inf": None}, "JSON has no NaN"
    whole = demo("history", RUN, "-o", "json").data
    assert (whole["items"], whole["returned"], whole["complete"]) == (lines, len(rows), True)
    table = demo("history", RUN).out.splitlines()
    assert table[0].split() == ["_step", "edge/flat", "edge/nan_inf", "edge/single_point"]
    assert len(table) == len(rows) + 1
    text = demo("history", RUN, "--csv").out
    assert text.splitlines()[:3] == ["_step,edge/flat,edge/nan_inf,edge/single_point", "0,1.5,0,42", "1,1.5,NaN,"]
    for name in ("rows.csv", "rows.jsonl", "rows.json"):
        done = demo("history", RUN, "-o", str(tmp_path / name))
        assert (done.status, done.out) == (0, "")
    assert (tmp_path / "rows.csv").read_text().splitlines()[1] == "0,1.5,0.0,42"
    assert [json.loads(line)["_step"] for line in (tmp_path / "rows.jsonl").read_text().splitlines()] == list(range(20))
    assert json.loads((tmp_path / "rows.json").read_text()) == whole


def test_parquet(demo, rows, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert demo("history", RUN, "-o", str(tmp_path / "rows.parquet")).status == 0
    table = parquet.read_table(tmp_path / "rows.parquet")
    for row, cells in zip(rows, table.to_pylist(), strict=True):
        there = {name: repr(float(value)) for name, value in cells.items() if value is not None}
        assert there == {name: repr(float(value)) for name, value in row.items()}
    assert table.schema.metadata[b"wbmodel.complete"] == b"true"


def test_a_picture_of_keys(demo, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    target = tmp_path / "edge.png"
    assert demo("history", RUN, "-k", "edge/flat,edge/nan_inf", "-o", str(target)).status == 0
    pixels = image.imread(target)[..., :3]
    blue = abs(pixels - [0x1F / 255, 0x77 / 255, 0xB4 / 255]).max(axis=-1) < 0.05
    assert blue.any(axis=0).sum() > 600, "a line across the axes"
    grouped = tmp_path / "loss.png"
    assert demo("history", "-f", "state=finished", "-k", "loss", "--by", "run.state", "-o", str(grouped)).status == 0
    assert grouped.stat().st_size > 5000
    refused = demo("history", RUN, "-o", str(target))
    assert (refused.status, "-k" in refused.err) == (2, True)


def test_several_runs(demo):
    lines = demo("history", "-f", "state=finished", "-p", PROJECT, "-k", "loss", "--jsonl").lines
    assert {"run", "_step", "loss"} == set(lines[0])
    assert len({line["run"] for line in lines}) > 1
    some = demo("history", RUN, "demo/apeiron/e1d225au", "--jsonl").lines
    assert {line["run"] for line in some} >= {"nanedge1"}
    assert demo("history", RUN, f"{PROJECT}/nothere", "--jsonl").status == 1


def test_some_rows(demo):
    assert [line["_step"] for line in demo("history", RUN, "--tail", "3", "--jsonl").lines] == [17, 18, 19]
    sample = demo("history", RUN, "--sample", "5", "--jsonl").lines
    assert len(sample) == 5
    assert sample == demo("history", RUN, "--sample", "5", "--jsonl").lines
    inner = demo("history", RUN, "-k", "edge/flat,edge/single_point", "--inner", "--jsonl").lines
    assert inner == [{"_step": 0, "edge/flat": 1.5, "edge/single_point": 42}]
    table = demo("history", RUN, "-n", "4")
    assert len(table.out.splitlines()) == 5
    assert "4 of 20 rows" in table.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((), "which runs"),
        ((RUN, "-f", "state=finished"), "one of the two"),
        ((RUN, "-o", "rows.xlsx"), "xlsx"),
        ((RUN, "-o", "rows"), "neither a format nor a file"),
        ((RUN, "-o", "csv", "--json"), "two formats"),
        ((RUN, "--follow", "-o", "png", "-k", "loss"), "--follow"),
        ((RUN, "--tail", "0"), "number of rows"),
        (("-f", "state=finished", "--stream", "console"), "of one run"),
    ],
)
def test_wrong_arguments(demo, line, said):
    done = demo("history", *line)
    assert done.status == 2
    assert said in done.err


def test_following_a_run_that_has_ended_prints_its_rows(demo):
    done = demo("history", RUN, "--follow")
    assert done.status == 0
    assert [line["_step"] for line in done.lines] == list(range(20))


def test_a_run_shows_the_keys_of_its_history(demo):
    whole = demo("run", RUN, "--json").data
    assert whole["history"]["rows"] == 20
    assert whole["history"]["keys"]["edge/single_point"] == {"types": ["number"], "count": 1}
    shown = dict(line.split(maxsplit=1) for line in demo("run", RUN).out.splitlines())
    assert shown["history.rows"] == "20"
    assert shown["history.keys.edge/flat"] == "20 number"


def test_exported_worlds_keep_histories(demo, tmp_path):
    target = tmp_path / "some.json"
    assert demo("fixtures", "from-session", str(target), "-p", PROJECT).status == 0
    for run in demo("runs", PROJECT, "--jsonl", "-c", "path").lines:
        path = run["path"]
        assert (
            demo("-u", f"fixtures:{target}", "history", path, "--jsonl").lines == demo("history", path, "--jsonl").lines
        )
