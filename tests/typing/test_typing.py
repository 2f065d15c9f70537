"""``positive.py`` and ``must_fail.py`` under mypy --strict and pyright."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[2]
MARK = re.compile(r"# error: ([a-z-]+)$")


def expected(name: str) -> dict[int, str]:
    """The lines that must be errors, with mypy's code."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return {number: found[1] for number, line in enumerate(lines, 1) if (found := MARK.search(line))}


def run_mypy(name: str, cache: Path) -> dict[int, str]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(cache),
            "--no-error-summary",
            "--hide-error-context",
            "--show-error-codes",
            "--no-pretty",
            "--warn-unused-ignores",
            str(HERE / name),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    found: dict[int, str] = {}
    for line in done.stdout.splitlines():
        match = re.match(r"(.+?):(\d+): error: .*\[([\w-]+)\]$", line)
        if match and Path(match[1]).name == name:
            found[int(match[2])] = match[3]
        elif ": error:" in line:
            pytest.fail(f"mypy found something elsewhere: {line}")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return found


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One mypy cache for both files, and none in the checkout."""
    return tmp_path_factory.mktemp("mypy")


def test_mypy_understands(cache: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    assert run_mypy("positive.py", cache) == {}


def test_mypy_refuses(cache: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    assert run_mypy("must_fail.py", cache) == expected("must_fail.py")


@pytest.mark.parametrize("name", ["positive.py", "must_fail.py"])
def test_pyright_agrees(name: str) -> None:
    pytest.importorskip("pyright", reason="pyright is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(HERE / name)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )
    report = json.loads(done.stdout[done.stdout.index("{") :])
    found = {
        item["range"]["start"]["line"] + 1: f"{item['message']} ({item.get('rule')})"
        for item in report["generalDiagnostics"]
        if item["severity"] == "error"
    }
    wanted = expected(name) if name == "must_fail.py" else {}
    assert sorted(found) == sorted(wanted), found
