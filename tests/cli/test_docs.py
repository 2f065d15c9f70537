"""The pages about the command line say what is so: every example is run, and every command and option has its line."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from pathlib import Path

import pytest

from wbmodel.cli.filter_text import SYMBOLS
from wbmodel.cli.options import COMMANDS, make_parser

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "how-to" / "command-line.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def examples(text):
    """``(command line, output)`` of the console blocks of a page, in order."""
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            yield line, output


def answer(cli, line):
    """What a line prints: standard output, then standard error."""
    words = shlex.split(line)
    if words[0] == "export":
        os.environ.update([words[1].split("=", 1)])
        return ""
    assert words[0] == "wbmodel"
    done = cli(*words[1:])
    return done.out + done.err


def test_the_examples_print_what_the_page_says(cli, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WBMODEL_URL", "")
    text = PAGE.read_text(encoding="utf-8")
    shown = list(examples(text))
    assert len(shown) > 8
    if request.config.getoption("--update-snapshots"):
        for line, output in shown:
            text = text.replace(f"$ {line}\n{output}", f"$ {line}\n{answer(cli, line)}", 1)
        PAGE.write_text(text, encoding="utf-8")
        pytest.skip("the page was written anew; read what it says")
    for line, output in shown:
        assert answer(cli, line) == output, line


def options(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from options(child)
        elif action.help != argparse.SUPPRESS:
            yield from action.option_strings


def test_every_command_option_and_operator_is_on_the_reference_page():
    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert re.search(rf"^\| `{name}[ `]", text, re.MULTILINE), name
    parser, _ = make_parser()
    for option in set(options(parser)):
        assert f"`{option}" in text, option
    for symbol in SYMBOLS:
        assert f"`{symbol}`" in text, symbol
    for status in (0, 1, 2, 3, 4, 5, 70, 130, 141):
        assert f"\n| {status} |" in text
