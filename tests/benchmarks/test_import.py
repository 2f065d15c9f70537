"""``import wbmodel``, in a process of its own, against importing attrs alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

HEAVY = ("gql", "aiohttp", "graphql", "pandas", "asyncio", "msgspec", "cattrs", "yaml")


# An installed package has its byte code; a setting of whoever runs this must not take it away.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def milliseconds(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1e3)"
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout)


def test_import_time(ratios: Any) -> None:
    milliseconds("wbmodel")  # writes the byte code where that is allowed
    ours, floor = (sorted(milliseconds(name) for _ in range(9))[4] for name in ("wbmodel", "attrs"))
    ratios.say(
        f"import wbmodel: {ours:.0f} ms (wanted: under 100 ms), {ours / floor:.1f}x of import attrs ({floor:.0f} ms)"
    )
    assert ours > 0


def test_import_is_light() -> None:
    code = f"import sys, wbmodel; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "[]"
