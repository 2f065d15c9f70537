"""Runs the Python blocks of a Markdown page, in order, in one namespace."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from tools.docs_markdown import Block, code_blocks

__all__ = ["NO_RUN", "run_page"]

NO_RUN = "no-run:"
FLAGS = doctest.ELLIPSIS


def run_page(text: str, name: str, folder: Path) -> int:
    """Run every ``python`` block that has no ``<!-- no-run: reason -->`` above it, with the demo world connected and
    ``folder`` for the files of a test. Gives how many ran.

    A ``text`` block right below one is what it prints (``...`` stands for anything). A block with test functions is a
    test file and is run by pytest. ``await`` may stand at the top level. Raises ``AssertionError`` naming the line.
    """
    from wbmodel import connect

    connect("demo:")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    blocks = code_blocks(text)
    ran = 0
    for index, block in enumerate(blocks):
        if block.label != "python" or (block.note or "").startswith(NO_RUN):
            continue
        if "def test_" in block.text:
            _run_tests(block, name, folder)
        else:
            expected = next(
                (item.text for item in blocks[index + 1 :] if item.follows == index and item.label == "text"), None
            )
            _run(block, name, namespace, expected)
        ran += 1
    return ran


def _run(block: Block, name: str, namespace: dict[str, Any], expected: str | None) -> None:
    place = f"{name}, line {block.line}"
    # Blank lines in front, so that a traceback names the line of the page.
    source = "\n" * (block.line - 1) + block.text
    code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("error")
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, namespace))
        else:
            exec(code, namespace)
    if expected is None:
        assert printed.getvalue() == "", (
            f"{place}: prints this, and no text block below shows it:\n{printed.getvalue()}"
        )
    elif not doctest.OutputChecker().check_output(expected, printed.getvalue(), FLAGS):
        raise AssertionError(f"{place}: the page shows\n{expected}\nand the code prints\n{printed.getvalue()}")


def _run_tests(block: Block, name: str, folder: Path) -> None:
    file = folder / f"test_line_{block.line}.py"
    file.write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "asyncio_mode=auto",
            "--rootdir",
            str(folder),
            str(file),
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{name}, line {block.line}: its tests fail\n{done.stdout}\n{done.stderr}"
    assert " passed" in done.stdout, done.stdout
