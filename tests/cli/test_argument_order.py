"""Options may stand anywhere: before, between and after the positional arguments of every command."""

from __future__ import annotations

import argparse
from itertools import combinations_with_replacement
from typing import Any

import pytest

from wbmodel.cli.options import COMMANDS, make_parser, tidy

POSITIONALS: dict[str, list[str]] = {
    "run": ["acme/v/a"],
    "sweep": ["acme/v/s"],
    "update": ["acme/v/a", "acme/v/b"],
    "tag": ["acme/v/a", "acme/v/b", "+good", "-bad"],
    "delete": ["acme/v/a", "acme/v/b"],
    "fields": ["acme/v"],
    "explain": ["runs", "acme/v"],
    "graphql": ["{ viewer { id } }"],
    "plugins": [],
    "status": [],
    "fixtures": ["check", "a.yaml", "b.yaml"],
    "files": ["ls", "acme/v/a", "b.txt"],
    "artifact": ["get", "acme/v/weights:v0"],
    "cache": ["info"],
    "serve": ["demo:"],
    "completion": ["bash"],
}
OWN = {"update": ["--set", "config.lr=1"], "explain": ["-o", "-created_at"], "graphql": ["--operation", "Who"]}


def parsed(words: list[str]) -> dict[str, Any]:
    parser, _ = make_parser(words[0])
    return vars(parser.parse_args(tidy(words)))


@pytest.mark.parametrize("command", COMMANDS)
def test_options_stand_anywhere(command: str) -> None:
    words = POSITIONALS.get(command, ["acme/v"])
    options = [["-u", "demo:"], OWN.get(command, ["--json"])]
    right = parsed([command, *words, *options[0], *options[1]])
    first = 1 if command in ("fixtures", "files", "artifact", "cache") else 0  # the options follow the action
    for places in combinations_with_replacement(range(first, len(words) + 1), 2):
        line = [command, *words]
        for place, option in sorted(zip(places, options, strict=True), key=lambda pair: -pair[0]):
            line[1 + place : 1 + place] = option
        assert parsed(line) == right, line
    assert right["url"] == "demo:"


def test_what_is_wrong_is_still_refused(cli: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for line, words in (
        (("runs", "-u", "demo:", "acme/v", "again"), "unrecognized arguments: again"),
        (("run", "-u", "demo:"), "required: PATH"),
        (("explain", "runz", "-u", "demo:"), "invalid choice: 'runz'"),
        (("runs", "acme/v", "--nothing", "-u", "demo:"), "unrecognized arguments: --nothing"),
        (("runs", "--json", "acme/v", "--csv"), "not allowed with argument --json"),
    ):
        done = cli(*line)
        assert done.status == 2
        assert words in done.err


def test_two_dashes_end_the_options() -> None:
    assert parsed(["graphql", "-u", "demo:", "--", "-text"])["document"] == "-text"
    assert parsed(["delete", "-u", "demo:", "--", "-a", "--b"])["runs"] == ["-a", "--b"]


def test_an_explanation_with_the_url_between(cli: Any) -> None:
    done = cli("explain", "runs", "-u", "demo:", "demo/gpt3-chem")
    assert done.status == 0
    assert done.out == cli("explain", "runs", "demo/gpt3-chem", "-u", "demo:").out


def test_commands_of_plugins_have_it_too() -> None:
    _, table = make_parser("runs")
    made = table.add_parser("mine")
    made.add_argument("one")
    made.add_argument("two", nargs="*")
    made.add_argument("--flag", action="store_true")
    found: argparse.Namespace = made.parse_args(["a", "--flag", "b", "c"])
    assert (found.one, found.two, found.flag) == ("a", ["b", "c"], True)
