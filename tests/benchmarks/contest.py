"""The same question to one served world by wbmodel, by a bare client and by the official one, each in a process of its
own: what a garbage collector has to look through is part of what a loop costs. One pass of each warms the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import pytest

from tests.benchmarks.served_world import KEY, PATH, ServedWorld
from tests.clients.installing import CannotInstall, client_python
from wbmodel import connect
from wbmodel.session.observers import observing

__all__ = ["Taken", "bare", "bodies_of", "official", "own"]

HERE = Path(__file__).parent


@attrs.frozen
class Taken:
    """What one pass took: seconds and seconds of CPU (medians), requests and bytes of answers."""

    seconds: float
    cpu: float
    requests: int
    bytes: int
    rows: int

    @property
    def load(self) -> str:
        """Requests and bytes, for people."""
        return f"{self.requests:,} requests, {self.bytes / 1e6:.3g} MB"


def own(world: ServedWorld, question: str, home: Path, times: int = 5) -> Taken:
    """By wbmodel."""
    command = [sys.executable, HERE / "asks_wbmodel.py", question, world.url, KEY, PATH, times + 1]
    env = {**os.environ, "WBMODEL_CACHE_DIR": str(home / "our-cache")}
    return _taken(world, command, env, home, times)


def bare(world: ServedWorld, bodies: list[str], home: Path, times: int = 5, *, at_once: bool = False) -> Taken:
    """By aiohttp and orjson."""
    command = [sys.executable, HERE / "asks_bare.py", world.url, KEY, times + 1, "at once" if at_once else "in turn"]
    return _taken(world, command, dict(os.environ), home, times, json.dumps(bodies))


def official(world: ServedWorld, question: str, home: Path, times: int = 1, *, size: int = 0) -> Taken:
    """By wandb 0.31.0, at its own page size unless another is given."""
    try:
        python = client_python("0.31.0")
    except CannotInstall as reason:
        pytest.skip(str(reason))
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env |= {"WANDB_BASE_URL": world.url, "WANDB_API_KEY": KEY, "HOME": str(home), "WANDB_SILENT": "true"}
    env["WANDB_CACHE_DIR"] = str(home / "their-cache")
    return _taken(world, [python, HERE / "asks_wandb.py", question, PATH, size, times + 1], env, home, times)


def bodies_of(world: ServedWorld, ask: Callable[[], Any]) -> list[str]:
    """The bodies of the requests that a question costs."""
    asked: list[Any] = []
    with connect(world.url, api_key=KEY, project=PATH, default=False) as session, session.as_current():
        with observing(lambda call: asked.extend(call.asks)):
            ask()
        return [
            json.dumps({"query": item.document.text, "variables": item.variables, "operationName": item.operation_name})
            for item in asked
        ]


def _taken(
    world: ServedWorld, command: list[Any], env: dict[str, str], home: Path, times: int, given: str = ""
) -> Taken:
    requests, sent = world.answered()
    done = subprocess.run(
        list(map(str, command)),
        env=env,
        cwd=home,
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
        input=given,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    later, all_sent = world.answered()
    passes = times + 1
    return Taken(
        seconds=median(told["seconds"][1:]),
        cpu=median(told["cpu"][1:]),
        requests=told.get("requests", (later - requests) // passes),
        bytes=told.get("bytes", (all_sent - sent) // passes),
        rows=told["rows"],
    )
