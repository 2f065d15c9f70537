"""A user's test that fails with an error of wbmodel shows the user's line, not the frames between."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TEST = """
import asyncio
import pytest

from wbmodel import Run, connect

connect("demo:", project="demo/none")

def helper():
    return Run.objects.get(id="x")

def test_sync():
    helper()

def test_async():
    asyncio.run(Run.objects.acount())

def test_bug(monkeypatch):
    monkeypatch.setattr("wbmodel.operations.answers.get", lambda *_: 1 / 0)
    helper()
"""


@pytest.mark.slow
def test_frames_between_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(TEST, encoding="utf-8")

    def output(*words: str) -> str:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-q",
            "--rootdir",
            str(tmp_path),
            str(file),
        ]
        return subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    told = output("-k", "not bug", "--tb=short")
    assert "2 failed" in told
    assert 'return Run.objects.get(id="x")' in told
    assert "asyncio.run(Run.objects.acount())" in told
    assert "does not exist" in told
    assert "wbmodel/operations" not in told.replace("\\", "/")
    assert "wbmodel/session" not in told.replace("\\", "/")
    # A bug shows where it is, and so does everything on request.
    assert "wbmodel/objects" in output("-k", "bug", "--tb=short").replace("\\", "/")
    assert "wbmodel/session" in output("-k", "sync", "--full-trace", "--tb=short").replace("\\", "/")
