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
CASES = ("positive.py", "must_fail.py")
MARK = re.compile(r"# error: ([a-z-]+)$")


def expected(name: str) -> dict[int, str]:
    """The lines that must be errors, with mypy's code."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return {number: found[1] for number, line in enumerate(lines, 1) if (found := MARK.search(line))}


def of_each(found: list[tuple[str, int, str]]) -> dict[str, dict[int, str]]:
    """``(file, line, what)`` by file; what is found elsewhere is a failure."""
    sorted_out: dict[str, dict[int, str]] = {name: {} for name in CASES}
    for file, line, what in found:
        if file not in sorted_out:
            pytest.fail(f"found elsewhere: {file}:{line}: {what}")
        sorted_out[file][line] = what
    return sorted_out


def run_mypy() -> dict[str, dict[int, str]]:
    """What mypy finds in both files, in one run; what it knows of the package is kept for the next run."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(ROOT / ".mypy_cache" / "typing"),
            "--no-error-summary",
            "--hide-error-context",
            "--show-error-codes",
            "--no-pretty",
            "--warn-unused-ignores",
            *(str(HERE / name) for name in CASES),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = []
    for line in done.stdout.splitlines():
        match = re.match(r"(.+?):(\d+): error: .*\[([\w-]+)\]$", line)
        if match:
            found.append((Path(match[1]).name, int(match[2]), match[3]))
        elif ": error:" in line:
            pytest.fail(f"mypy found something elsewhere: {line}")
    return of_each(found)


def run_pyright() -> dict[str, dict[int, str]]:
    """What pyright finds in both files, in one run."""
    pytest.importorskip("pyright", reason="pyright is not installed")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pyright",
            "--pythonpath",
            sys.executable,
            "--outputjson",
            *(str(HERE / name) for name in CASES),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
        check=False,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )
    report = json.loads(done.stdout[done.stdout.index("{") :])
    return of_each(
        [
            (Path(item["file"]).name, item["range"]["start"]["line"] + 1, f"{item['message']} ({item.get('rule')})")
            for item in report["generalDiagnostics"]
            if item["severity"] == "error"
        ]
    )


# One test for each tool, as the tests may run in several processes, each of which would start the tool again.


def test_mypy_understands_one_and_refuses_the_other() -> None:
    assert run_mypy() == {"positive.py": {}, "must_fail.py": expected("must_fail.py")}


@pytest.mark.slow
def test_pyright_agrees() -> None:
    found = run_pyright()
    assert found["positive.py"] == {}
    assert sorted(found["must_fail.py"]) == sorted(expected("must_fail.py")), found["must_fail.py"]
