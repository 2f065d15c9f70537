"""The command line, from the start of the process to its end, against starting Python alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
LINES = {
    "wbmodel --help": (["-m", "wbmodel", "--help"], 150),
    "wbmodel runs, piped": (["-m", "wbmodel", "-u", "demo:", "runs", "demo/vit-prisma"], 500),
    "wbmodel runs, on a terminal": (["-m", "wbmodel", "-u", "demo:", "runs", "demo/vit-prisma"], 500),
}


def milliseconds(arguments: list[str], terminal: bool) -> float:
    started = time.perf_counter()
    if not terminal:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=ENVIRONMENT)
        return (time.perf_counter() - started) * 1e3
    import pty

    process, side = pty.fork()
    if process == 0:
        os.execve(sys.executable, [sys.executable, *arguments], {**ENVIRONMENT, "TERM": "xterm-256color"})
    try:
        while os.read(side, 65536):
            pass
    except OSError:  # the other end is closed
        pass
    os.close(side)
    assert os.waitpid(process, 0)[1] == 0
    return (time.perf_counter() - started) * 1e3


@pytest.mark.parametrize("label", LINES)
def test_from_shell_to_answer(label: str, ratios: Any) -> None:
    arguments, wanted = LINES[label]
    terminal = "terminal" in label
    milliseconds(arguments, terminal)  # writes the byte code where that is allowed
    ours, floor = [], []
    for _ in range(7):
        ours.append(milliseconds(arguments, terminal))
        floor.append(milliseconds(["-c", "pass"], terminal))
    middle, bare = sorted(ours)[3], sorted(floor)[3]
    ratios.say(
        f"{label}: {middle:.0f} ms (wanted: under {wanted} ms), {middle / bare:.1f}x of starting Python ({bare:.0f} ms)"
    )
    assert middle > bare
