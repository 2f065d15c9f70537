"""The commands that list: formats, limits and totals, columns, and data that is awkward to show."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from wbmodel import Run, connect
from wbmodel.cli.listed import LISTED
from wbmodel.cli.output import fit

VIT = "demo/vit-prisma"


def test_the_line_of_the_issue(demo):
    done = demo(
        "runs",
        "demo/gpt3-chem",
        "-f",
        "summary.validation_loss<0.3",
        "-f",
        "state=finished",
        "-o",
        "-created_at",
        "-n",
        "20",
        "-c",
        "name,config.model,summary.validation_loss",
        "--json",
    )
    assert done.status == 0
    with connect("demo:", default=False) as session:
        rows = Run.objects.using(session).filter(
            project="demo/gpt3-chem", summary__validation_loss__lt=0.3, state="finished"
        )
        expected = list(rows.order_by("-created_at")[:20].values("name", "config.model", "summary.validation_loss"))
        total = rows.count()
    assert done.data == {"items": expected, "returned": len(expected), "total": total, "truncated": total > 20}
    assert len(expected) > 5


@pytest.mark.parametrize("name", LISTED)
def test_every_listing_in_every_format(demo, name):
    table = demo(name)
    assert table.status == 0
    lines = table.out.splitlines()
    assert len(lines) > 2
    data = demo(name, "--json").data
    assert data["returned"] == data["total"] == len(data["items"])
    assert data["truncated"] is False
    assert demo(name, "--jsonl").lines == data["items"]
    rows = list(csv.reader(io.StringIO(demo(name, "--csv").out)))
    assert len(rows) == data["total"] + 1
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[0] == lines[0].split()


def test_a_table_has_fifty_rows_and_says_how_many_there_are(demo):
    done = demo("runs")
    assert len(done.out.splitlines()) == 51
    assert done.err == "50 of 189 runs (-n all shows all)\n"
    done = demo("runs", "-n", "all")
    assert len(done.out.splitlines()) == 190
    assert done.err == "189 runs\n"
    assert demo("runs", "-n", "1", VIT).err == "1 of 31 runs (-n all shows all)\n"
    assert demo("runs", "-n", "31", VIT).err == "31 runs\n"
    assert demo("runs", VIT, "-f", "id=8ua1vs2a").err == "1 run\n"
    assert demo("runs", "-n", "0", VIT).err == "0 of 31 runs (-n all shows all)\n"


def test_programs_get_everything_unless_they_say_how_much(demo):
    assert len(demo("runs", "--jsonl", "-c", "id").lines) == 189
    data = demo("runs", "--json", "-n", "3").data
    assert (data["returned"], data["total"], data["truncated"]) == (3, 189, True)
    # Whole objects: every field that a plain query loads, config and summary with it.
    assert {"path", "id", "config", "summary", "tags", "created_at"} <= set(data["items"][0])


def test_orders(demo):
    newest = [item["id"] for item in demo("runs", VIT, "--json", "-c", "id").data["items"]]
    for spelling in (["-o", "created_at"], ["-ocreated_at"], ["--order", "created_at"], ["--order=created_at"]):
        assert [item["id"] for item in demo("runs", VIT, "--json", "-c", "id", *spelling).data["items"]] == newest[::-1]
    ordered = demo("runs", VIT, "--jsonl", "-c", "state,id", "-o", "-state,created_at", "-n", "9").lines
    again = demo("runs", VIT, "--jsonl", "-c", "state,id", "-o", "-state", "-o", "created_at", "-n", "9").lines
    assert ordered == again
    assert [item["state"] for item in ordered] == sorted((item["state"] for item in ordered), reverse=True)
    assert demo("runs", "-o", "-sumary.loss").status == 2


def test_filters_are_joined_by_and_and_a_project_may_stand_in_one(demo):
    one = demo("runs", VIT, "--json", "-f", "state=failed", "-f", "summary.test_loss exists").data["total"]
    assert one == demo("runs", VIT, "--json", "-f", "state=failed and summary.test_loss exists").data["total"] > 0
    both = demo("runs", "-f", "project in [demo/morl, demo/apeiron]", "--jsonl", "-c", "path").lines
    assert {item["path"].rsplit("/", 1)[0] for item in both} == {"demo/morl", "demo/apeiron"}
    wrong = demo("runs", "-f", "state=failed or project=demo/morl")
    assert wrong.status == 2
    assert "project selects where to look" in wrong.err


def test_over_several_projects_rows_are_named_by_path(demo):
    assert demo("runs", "-n", "1").out.startswith("path ")
    assert demo("runs", "-n", "1", VIT).out.startswith("id ")
    assert demo("runs", "-n", "1", "-p", VIT).out.startswith("id ")
    assert demo("runs", "-n", "1", "-f", f"project={VIT}").out.startswith("id ")
    row = demo("runs", VIT, "-n", "1", "--json", "-c", "project,path,entity").data["items"][0]
    assert row == {"project": VIT, "path": f"{VIT}/8ua1vs2a", "entity": "demo"}


def test_columns(demo):
    keys = demo("runs", VIT, "-n", "3", "--json", "-c", "id,summary.*").data["items"][0]
    assert next(iter(keys)) == "id"
    assert "summary.test_loss" in keys
    nested = demo("runs", VIT, "-n", "1", "--csv", "-c", "config.transformer.*").out.splitlines()[0]
    assert "config.transformer.num_layers" in nested.split(",")
    # Each once, however often it is named.
    assert demo("runs", VIT, "-n", "1", "--csv", "-c", "id,name", "-c", "id").out.splitlines()[0] == "id,name"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("nmae", "Run does not have a column 'nmae'; did you mean 'name'"),
        ("sumary.loss", "did you mean 'summary'"),
        ("id.x", "has no keys"),
        ("tags.*", "has no keys"),
        ("a,,b", "empty name"),
        ('config."a', "not closed"),
    ],
)
def test_an_unknown_column_is_refused_before_anything_is_asked(demo, columns, words):
    done = demo("runs", VIT, "-c", columns)
    assert (done.status, done.out) == (2, "")
    assert words in done.err


def test_a_key_that_nobody_has_is_named_with_the_nearest(demo):
    done = demo("runs", VIT, "-n", "2", "-c", "id,summary.test_lss")
    assert done.status == 0
    assert "no row here has summary.test_lss; did you mean summary.test_loss" in done.err
    done = demo("runs", VIT, "--csv", "-c", "id,config.num_layers")
    assert "did you mean config.transformer.num_layers" in done.err
    done = demo("runs", VIT, "-f", "summary.tset_loss<1")
    assert "no row here has summary.tset_loss; did you mean summary.test_loss" in done.err
    # A key that is there and matches nothing is no slip.
    assert demo("runs", VIT, "-f", "summary.test_loss<-1").err == "0 runs\n"


# -- data that is awkward to show ------------------------------------------------------------------


def test_nothing_in_a_name_reaches_the_terminal(odd):
    for arguments in (("runs",), ("runs", "--json"), ("runs", "--jsonl"), ("run", "a"), ("run", "b"), ("fields",)):
        done = odd(*arguments)
        assert done.status == 0
        for text in (done.out, done.err):
            assert not any(char in text for char in "\x1b\x07\x9b\u202e\t")
    assert "\\x1b[31mred" in odd("runs").out
    assert "red\\x1b]0;owned\\x07 \\x9b2J\\u202ereversed\\n\\ttwo" in odd("runs").out
    # Data is whole all the same.
    names = {item["name"] for item in odd("runs", "--json").data["items"]}
    assert "\x1b[31mred\x1b]0;owned\x07 \x9b2J\u202ereversed\n\ttwo" in names
    wrong = odd("runs", "-c", "id,\x1b[2J")
    assert wrong.status == 2
    assert "\x1b" not in wrong.err
    assert "\x1b" not in odd("\x1b[2J").err


def test_markup_and_emoji_codes_are_text(odd):
    assert "[red]not markup[/] :smile:" in odd("runs").out


def test_nan_is_null_in_json_and_nan_for_people(odd):
    items = {item["id"]: item for item in odd("runs", "--json", "-c", "id,summary.loss,summary.big").data["items"]}
    assert items["a"] == {"id": "a", "summary.loss": None, "summary.big": 2**70}
    assert items["b"]["summary.loss"] is None
    shown = odd("runs", "-c", "id,summary.loss").out.splitlines()
    assert [line.split() for line in shown if line[0] in "abcd"] == [
        ["d"],
        ["c", "0.25"],
        ["b", "Infinity"],
        ["a", "NaN"],
    ]
    rows = dict(csv.reader(io.StringIO(odd("runs", "--csv", "-c", "id,summary.loss").out)))
    assert rows == {"id": "summary.loss", "7": "", "d": "", "c": "0.25", "b": "Infinity", "a": "NaN"}


def test_mixed_types_in_one_column(odd):
    values = {item["id"]: item["config.x"] for item in odd("runs", "--jsonl", "-c", "id,config.x").lines}
    assert values == {"a": 1, "b": "one", "c": [1, {"y": None}], "d": None, "7": True}
    shown = dict(line.split(maxsplit=1) for line in odd("runs", "-c", "id,config.x").out.splitlines() if " " in line)
    assert shown["c"] == '[1, {"y": null}]'
    assert shown["7"] == "true"
    assert odd("runs", "-f", "config.x=one or config.x=true", "--json").data["total"] == 2
    ordered = odd("runs", "-o", "config.x", "--jsonl", "-c", "id").lines
    assert [item["id"] for item in ordered] == ["a", "b", "7", "c", "d"]


def test_a_key_with_a_comma_is_quoted(odd):
    assert odd("runs", "-n", "1", "-o", "created_at", "--json", "-c", 'id,config."a,b"').data["items"] == [
        {"id": "a", 'config."a,b"': 1}
    ]


def test_an_empty_listing(odd):
    done = odd("runs", "acme/empty", "--json")
    assert done.data == {"items": [], "returned": 0, "total": 0, "truncated": False}
    assert odd("runs", "acme/empty", "--csv").out == "id,name,state,created_at,user,tags\n"
    assert odd("runs", "acme/empty", "--jsonl").out == ""
    assert odd("runs", "acme/empty").err == "0 runs\n"
    assert odd("runs", "acme/empty", "--json", "-c", "config.*").data["items"] == []


@pytest.fixture
def wide(cli, tmp_path: Path, monkeypatch):
    """Runs with 10,000 keys each."""
    runs = [{"id": f"r{n}", "config": {f"key{k:05}": k + n for k in range(10_000)}} for n in range(3)]
    file = tmp_path / "wide.json"
    file.write_text(json.dumps({"entities": {"acme": {"projects": {"vision": {"runs": runs}}}}}), encoding="utf-8")
    monkeypatch.setenv("WBMODEL_URL", f"fixtures:{file}")
    return cli


@pytest.mark.slow
def test_ten_thousand_columns(wide):
    done = wide("runs", "-c", "id,config.*")
    assert (done.status, done.out) == (2, "")
    assert "10 001 columns is too wide" in done.err
    assert "--csv" in done.err
    rows = list(csv.reader(io.StringIO(wide("runs", "-c", "id,config.*", "--csv").out)))
    assert [len(row) for row in rows] == [10_001] * 4
    items = wide("runs", "-c", "config.*", "--json").data["items"]
    assert items[0]["config.key09999"] == 9999 + 2
    many = wide("runs", "-c", ",".join(f"config.nokey{n}" for n in range(10_000)))
    assert many.status == 2
    some = wide("runs", "--csv", "-c", ",".join(f"config.nokey{n}" for n in range(1000)))
    assert some.status == 0
    assert len(some.err.splitlines()) <= 4


def test_a_table_fits_into_its_room():
    assert fit([4, 6, 8], 40) == (3, [4, 6, 8])
    for room in (10, 20, 40, 80, 200):
        for natural in ([8, 30, 8, 20, 5, 100], [300], [1] * 60, [3, 300], [12, 9, 9, 9]):
            kept, shown = fit(natural, room)
            assert 1 <= kept <= len(natural)
            assert sum(shown) + 2 * (kept - 1) <= room
            assert all(size <= most for size, most in zip(shown, natural, strict=False))
            # No room is wasted while something is cut.
            if any(size < most for size, most in zip(shown, natural, strict=False)) and kept == len(natural):
                assert sum(shown) + 2 * (kept - 1) == room


def test_a_value_that_is_no_finite_number_never_makes_bad_json(odd):
    text = odd("run", "a", "--json").out
    assert "NaN" not in text
    assert json.loads(text)["summary"]["loss"] is None


def test_commas_and_formulas_in_csv_are_data(odd):
    rows = list(csv.DictReader(io.StringIO(odd("runs", "--csv", "-c", "id,notes,tags").out)))
    assert {row["id"]: (row["notes"], row["tags"]) for row in rows}["7"] == ("", '["a", "b c"]')
    assert {row["id"]: row["notes"] for row in rows}["d"] == "=1+1"


def test_nothing_is_written_beside_the_answer(odd, tmp_path):
    before = sorted(os.listdir(tmp_path))
    odd("runs")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("filter_text", "said"),
    [
        ("config.rev=7", 'config.rev is text in the rows here, such as "7", and the filter asks for a number'),
        ("config.rev>=7", "config.rev is text in the rows here"),
        (
            "config.flag=True",
            "config.flag is true or false in the rows here, such as true, and the filter asks for text",
        ),
        ('config.lr="0.1"', "config.lr is a number in the rows here, such as 0.1, and the filter asks for text"),
        ('config.rev="8"', None),
        ("not config.rev=7 and state=crashed", None),
    ],
)
def test_an_operand_whose_type_no_row_has_is_said(filter_text, said, tmp_path, cli):
    world = tmp_path / "w.yaml"
    world.write_text('entities: {acme: {projects: {v: {runs: [{id: a, config: {rev: "7", flag: true, lr: 0.1}}]}}}}\n')
    done = cli("runs", "acme/v", "-u", f"fixtures:{world}", "-f", filter_text)
    assert done.status == 0
    if said is None:
        assert "in the rows here" not in done.err
    else:
        assert said in done.err
