"""``wbmodel lint-wandb``: every use of ``wandb.Api`` in a program is pointed at, with the queryset for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.script_world import SCRIPTS
from wbmodel.cli.lint_wandb import findings

PROGRAM = """\
import wandb as w
from wandb.apis.public import Api as Reader

api = w.Api(timeout=30)
for run in api.runs("a/b", {"state": "finished"}):
    print(run.name, run.summary["loss"], run.config.get("lr"))
frames = [one.history(keys=["loss"]) for one in sorted(api.runs("a/b")[:5])]
best = Reader().sweep("a/b/s").best_run()
best.summary.update({"x": 1})
if (version := api.artifact("a/b/c:latest")).logged_by():
    version.download()

class Reading:
    def __init__(self):
        self.api = Reader()

    def files(self, api: w.Api):
        for at, file in enumerate(self.api.run("a/b/c").files()):
            file.download()
        return api.projects()
"""


def told(source: str) -> list[tuple[int, str]]:
    return [(item.line, item.text) for item in findings(source)]


def test_uses_are_followed_through_names_loops_and_chains() -> None:
    assert told(PROGRAM) == [
        (4, "w.Api()"),
        (5, "api.runs"),
        (6, "run.summary"),
        (6, "run.config"),
        (7, "one.history"),
        (7, "api.runs"),
        (8, "Reader()"),
        (8, "Reader().sweep"),
        (8, "Reader().sweep('a/b/s').best_run"),
        (9, "best.summary"),
        (9, "best.summary.update"),
        (10, "(version := api.artifact('a/b/c:latest')).logged_by"),
        (10, "api.artifact"),
        (11, "version.download"),
        (15, "Reader()"),
        (18, "self.api.run"),
        (18, "self.api.run('a/b/c').files"),
        (19, "file.download"),
        (20, "api.projects"),
    ]


def test_what_is_not_wandbs_is_left_alone() -> None:
    assert told("import other\napi = other.Api()\napi.runs('x')\nrun = 1\nrun.summary\n") == []
    assert told("from wandb import Api\napi = Api()\napi = 3\napi.runs\n") == [(2, "Api()")]


def test_each_script_has_uses_and_each_has_something_to_say_instead() -> None:
    for script in SCRIPTS:
        found = findings(script.read_text(encoding="utf-8"))
        assert len(found) >= 2, script.stem
        assert all(item.instead for item in found)


def test_the_command(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("from wandb import Api\nApi().runs('a/b')\n", encoding="utf-8")
    done = cli("lint-wandb", str(tmp_path))
    assert done.status == 0
    assert done.out.splitlines()[1].startswith(f"{tmp_path / 'one.py'}:2:1: Api().runs -> Run.objects.filter(")
    assert [item["line"] for item in cli("lint-wandb", str(tmp_path), "--json").data] == [2, 2]
    (tmp_path / "two.py").write_text("def broken(:\n", encoding="utf-8")
    done = cli("lint-wandb", str(tmp_path))
    assert (done.status, len(done.out.splitlines())) == (1, 2)
    assert "two.py:1: this is not Python" in done.err


@pytest.mark.parametrize("name", ["nothere.py", "binary.py"])
def test_a_file_that_cannot_be_read_is_one_line(cli: Callable[..., Any], tmp_path: Path, name: str) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    done = cli("lint-wandb", str(tmp_path / name))
    assert done.status != 0
    assert len(done.err.splitlines()) == 1
