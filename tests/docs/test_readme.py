"""What the README promises: the two commands, and an `explain()` that is true."""

from __future__ import annotations

import re

from tools.docs_markdown import ROOT, code_blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = ("make demo", "make test")


def test_the_two_commands_are_there_and_are_make_targets() -> None:
    shell = "".join(block.text for block in code_blocks(README) if block.label == "sh")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for command in COMMANDS:
        assert command in shell
        assert command.removeprefix("make ") in targets


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(
        re.findall(
            r"\bmake ([a-z-]+)", "".join(re.findall(r"`[^`]+`", README)) + "".join(b.text for b in code_blocks(README))
        )
    )
    assert named - targets == set()
    assert len(named) >= len(COMMANDS)


def test_explain_is_shown_whole() -> None:
    """test_examples.py compares the output; here: it is shown, and nothing of it is left out."""
    blocks = code_blocks(README)
    shown = [
        item
        for index, block in enumerate(blocks)
        if block.label == "python" and ".explain()" in block.text
        for item in blocks
        if item.follows == index and item.label == "text"
    ]
    assert shown
    for item in shown:
        assert "..." not in item.text
        for word in ("order", "route", "requests"):
            assert word in item.text


def test_the_licence_and_the_state_of_things_are_said() -> None:
    assert "Apache-2.0" in README
    assert "not there yet" in README
