"""``update``, ``tag`` and ``delete``: planned first, then done over HTTP, with a status and a line per run."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wbmodel import Run, connect
from wbmodel.cli.options import tidy
from wbmodel.testing import served

RUNS = [{"id": f"r{at}", "state": "crashed" if at % 2 else "finished", "tags": ["old"]} for at in range(6)]


@pytest.fixture
def shell(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The command line on a served world, whose runs are read back through a session of its own."""
    world = {"entities": {"acme": {"projects": {"vision": {"runs": RUNS}, "other": {"runs": [{"id": "x1"}]}}}}}
    with (
        served(world) as server,
        connect(server.url, project="acme/vision", default=False) as session,
    ):
        monkeypatch.setenv("WBMODEL_URL", server.url)
        monkeypatch.setenv("WANDB_PROJECT", "acme/vision")
        cli.runs = lambda: {run.id: run for run in Run.objects.using(session).all()}  # type: ignore[attr-defined]
        yield cli


def test_tags_are_added_and_removed(shell):
    done = shell("tag", "r0", "acme/vision/r1", "+good", "+two words", "-old")
    assert (done.status, done.err) == (0, "2 done\n")
    assert done.out == "path            outcome\nacme/vision/r0  done\nacme/vision/r1  done\n"
    found = shell.runs()
    assert [found[key].tags for key in ("r0", "r1", "r2")] == [["good", "two words"], ["good", "two words"], ["old"]]
    assert shell("tag", "r0", "+good", "--json").data["items"][0]["outcome"] == "unchanged"
    assert shell("tag", "acme/other/x1", "r2", "+far").status == 0
    assert shell.runs()["r2"].tags == ["old", "far"]


def test_short_and_long_forms_of_tags():
    assert tidy(["tag", "r", "+a", "-bad", "-p", "x", "-f", "-y=1", "-y", "--add", "c"]) == [
        *["tag", "r", "--add=a", "--remove=bad", "-p", "x", "-f", "-y=1", "-y", "--add", "c"]
    ]
    assert tidy(["runs", "-n5", "+a"]) == ["runs", "-n5", "+a"]


def test_fields_and_keys_are_set(shell):
    words = ["--set", "config.lr=0.1", "--set", "config.deep.er=[1, null]", "--set", "config.id=007"]
    done = shell("update", "r0", *words, "--notes", "null and void", "--set", "group=null", "--name", "n")
    assert done.status == 0
    run = shell.runs()["r0"]
    assert run.config == {"lr": 0.1, "deep": {"er": [1, None]}, "id": "007"}
    assert (run.notes, run.name) == ("null and void", "n")
    assert shell("update", "r0", "--unset", "config.lr").status == 0
    assert "lr" not in shell.runs()["r0"].config


def test_a_dry_run_changes_nothing(shell):
    for words in (
        ["tag", "r0", "+a"],
        ["update", "r0", "--notes", "x"],
        ["delete", "r0"],
        ["delete", "-f", "state=crashed"],
    ):
        done = shell(*words, "--dry-run", "--jsonl")
        assert done.status == 0
        assert {line["outcome"] for line in done.lines} == {"planned"}
    assert {key: run.tags for key, run in shell.runs().items()} == {f"r{at}": ["old"] for at in range(6)}


def test_without_a_terminal_a_filter_and_a_deletion_need_yes(shell):
    for words, what in (
        (["tag", "-f", "state=crashed", "+a"], "tag 3 runs"),
        (["delete", "r0"], "delete 1 run"),
        (["delete", "-f", "state=crashed"], "delete 3 runs"),
    ):
        done = shell(*words)
        assert (done.status, done.out) == (2, "")
        assert f"nothing was changed: this would {what}; pass --yes" in done.err
        assert len(shell.runs()) == 6
    done = shell("delete", "-f", "state=crashed", "--yes", "--csv")
    assert done.status == 0
    assert sorted(done.out.splitlines()[1:]) == [f"acme/vision/r{at},done" for at in (1, 3, 5)]
    assert set(shell.runs()) == {"r0", "r2", "r4"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "status", "left"), [("y\n", 0, 5), ("YES\n", 0, 5), ("\n", 1, 6), ("no\n", 1, 6), ("", 1, 6)]
)
def test_on_a_terminal_it_asks(shell, monkeypatch, answer, status, left):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    told = Terminal()
    monkeypatch.setattr(sys, "stderr", told)
    assert shell("delete", "r0").status == status
    assert "acme/vision/r0\ndelete 1 run? [y/N] " in told.getvalue()
    assert ("nothing was changed" in told.getvalue()) is (status == 1)
    assert len(shell.runs()) == left


def test_if_one_named_run_does_not_exist_nothing_is_changed(shell):
    done = shell("tag", "r0", "nope", "+a")
    assert (done.status, done.out) == (1, "")
    assert "no Run with id equals 'nope'" in done.err
    assert shell.runs()["r0"].tags == ["old"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tag", "r0"], "which tags?"),
        (["tag", "r0", "+a", "-a"], "the tag 'a' is both added and removed"),
        (["tag", "+a"], "which runs? name them, or pass --filter"),
        (["tag", "r0", "-f", "state=crashed", "+a"], "one of the two"),
        (["update", "r0"], "what is to change?"),
        (["update", "r0", "--set", "lr"], "must be FIELD=VALUE"),
        (["update", "r0", "--set", "state=x"], "Run.state cannot be updated"),
        (["update", "r0", "--set", "sumary.x=1"], "has no field 'sumary'"),
        (["update", "r0", "--set", "config.a=1", "--unset", "config.a.b"], "is changed twice"),
        (["delete", "r0", "-f", "lr<"], ""),
    ],
)
def test_what_makes_no_sense_is_refused(shell, words, message):
    done = shell(*words)
    assert done.status == 2
    assert message in done.err
    assert done.out == ""


def test_a_row_that_fails_is_told_and_the_status_is_1(shell):
    assert shell("update", "r0", "--set", "config.a=1").status == 0
    done = shell("update", "r0", "--set", "config.a.b=1", "--json")
    assert done.status in (1, 2)
    assert "goes through config.a" in done.err + json.dumps(done.out)


def test_a_world_in_memory_says_that_the_change_is_lost(demo):
    done = demo("tag", "demo/vit-prisma/0lhwu6v9", "+a")
    assert done.status == 0
    assert "in memory only" in done.err
