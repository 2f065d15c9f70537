"""The numbers of `python -m tools.measure` are what they say."""

from __future__ import annotations

import ast

import pytest

from tools.measure import code_lines, main
from tools.source_tree import ROOT, Source

TEXT = '''"""A docstring.

It has three lines."""

# a comment
from typing import Protocol  # counts


class Door(Protocol):
    """Another."""

    def open(self) -> str: ...

    def shut(self) -> str:
        """A third."""
        return """a text
        of two lines"""
'''


def test_lines_of_code_are_neither_blank_nor_prose() -> None:
    source = Source(path=ROOT / "door.py", name="door", text=TEXT, tree=ast.parse(TEXT))
    assert code_lines(source) == 6


@pytest.mark.slow
def test_this_checkout_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(ROOT)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    for what in ("lines of code", "largest circle of imports", "one listing: depth", "lines of query"):
        assert f"| {what} | " in told.out
