"""What the tests of the command line share: a way to run it in process, and a world that is odd on purpose."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wbmodel.cli.main import main


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out, parse_constant=_refuse)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line, parse_constant=_refuse) for line in self.out.splitlines()]


def _refuse(token: str) -> None:
    raise AssertionError(f"{token} is no JSON")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """``cli("runs", "-n", "3")`` runs the command line in this process."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("WBMODEL_NO_PLUGINS", raising=False)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        status = main(list(arguments))
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return run


@pytest.fixture
def demo(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """The same on the demo world."""
    monkeypatch.setenv("WBMODEL_URL", "demo:")
    return cli


ESCAPES = "\x1b[31mred\x1b]0;owned\x07 \x9b2J\u202ereversed\n\ttwo"


@pytest.fixture
def odd(cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """The same on a small world of control characters, other scripts, NaN and mixed types."""
    runs = [
        {"id": "a", "name": ESCAPES, "config": {"x": 1, "a,b": 1}, "summary": {"loss": math.nan, "big": 2**70}},
        {"id": "b", "name": "実験 número 7", "config": {"x": "one", "\x1bkey": 2}, "summary": {"loss": math.inf}},
        {"id": "c", "name": "[red]not markup[/] :smile:", "config": {"x": [1, {"y": None}]}, "summary": {"loss": 0.25}},
        {"id": "d", "name": "", "config": {"x": None}, "summary": {}, "notes": "=1+1"},
        {"id": "7", "name": "7", "state": "crashed", "config": {"x": True}, "tags": ["a", "b c"]},
    ]
    world = {"entities": {"acme": {"projects": {"vision": {"runs": runs}, "empty": {}}}}}
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(world), encoding="utf-8")
    monkeypatch.setenv("WBMODEL_URL", f"fixtures:{file}")
    monkeypatch.setenv("WANDB_PROJECT", "acme/vision")
    return cli
