"""Scripts in processes of their own: what they print, and that and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs

from tests.support.http import KEY

__all__ = ["Ended", "ended", "start"]

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import asyncio, gc, logging, os, signal, sys, threading, time
logging.getLogger("asyncio").setLevel(logging.ERROR)  # in dev mode it also tells of slow steps, as first imports are
from wbmodel import Run, connect
URL, KEY = sys.argv[1], sys.argv[2]
session = connect(URL, api_key=KEY, project="acme/vision", timeout=120)
"""

PROMPT = 90.0
"""Seconds within which a script ends that waits for nothing. Starting Python and its imports is most of it, and takes
many seconds where others use the machine; whoever waits for the deadline of the session takes longer than this."""

PLAIN: tuple[str, ...] = ()
STRICT = ("-X", "dev", "-W", "error")
"""Everything that is not cleaned up is told on stderr."""


@attrs.frozen
class Ended:
    """How a script ended."""

    status: int
    out: str
    err: str


def start(code: str, url: str, flags: tuple[str, ...] = STRICT) -> subprocess.Popen[str]:
    """A script, running, that finds a session to ``url`` made."""
    env = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    env["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "plugins")))
    command = [sys.executable, *flags, "-c", PRELUDE + code, url, KEY]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=os.name == "posix",
    )


def ended(process: subprocess.Popen[str], timeout: float = PROMPT) -> Ended:
    """Wait for the end. A script that does not end is killed, and that is a failure."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)  # its children hold the pipes too
        else:
            process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end within {timeout} s\n{out}\n{err}") from None
    return Ended(process.returncode, out, err)
