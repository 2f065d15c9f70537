"""A process that serves a project of runs as W&B does, with offsets as cursors: what is measured shares no interpreter
with what serves it.

``python -m tests.benchmarks.served_world --runs 10000 --latency 0.05`` prints its address and serves until its standard
input ends; for each line there, it prints how much it answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from tests.benchmarks.material import METRICS, START, values

KEY = "b" * 40
PATH = "acme/vision"
FILE = 20 * 2**10
"""Bytes of each file of the artifact."""
DISTINCT = 10_000
"""Runs beyond so many repeat the values of earlier ones, which keeps the server small."""


def histories(rows: int) -> list[list[dict[str, Any]]]:
    """Histories of so many rows with 7 keys besides the step: a few different ones."""
    names = ("_runtime", "_timestamp", "acc", "epoch", "loss", "lr", "val/loss")
    return [
        [
            {"_step": step, **{name: (step * 7 + at * 3 + seed) / 7 for at, name in enumerate(names)}}
            for step in range(rows)
        ]
        for seed in range(8)
    ]


async def serve(runs: int, latency: float, metrics: int, rows: int, exported: int, files: int) -> None:
    from wbmodel.engine import Dialect, Engine, Exports, MemoryStore
    from wbmodel.engine.server import Server
    from wbmodel.server import Limits
    from wbmodel.testing import Faults

    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    store.add_entity("acme", members=["ada"])
    project = store.add_project("acme", "vision")
    kept = [values(number, metrics) for number in range(min(runs, DISTINCT))]
    history = histories(rows)
    for number in range(runs):
        config, summary = kept[number % DISTINCT]
        store.add_run(
            project,
            f"run{number:06d}",
            display_name=f"brave-river-{number}",
            config=config,
            summary=summary,
            history=history[number % len(history)],
            tags=["baseline"],
            group="g1",
            job_type="train",
            state="finished",
            user="ada",
            created_at=START + timedelta(minutes=number),
            heartbeat_at=START + timedelta(minutes=number + 0.37),
        )
    if files:
        content = {f"{at % 20:02}/{at:05}.bin": f"{at}".encode().ljust(FILE, b"x") for at in range(files)}
        store.add_version(store.add_collection(project, "images", type="dataset"), files=content, aliases=["latest"])
    exports = Exports(until=exported, files=4) if exported else None
    engine = Engine(store, dialect=Dialect(live=True, cursors="offsets", exports=exports))
    server = Server(engine, api_key=KEY, limits=Limits(cache=2**30, seconds=600), faults=Faults(latency=latency))
    await server.start()
    print(server.url, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps([server.stats.requests, server.stats.sent]), flush=True)
    await server.stop()


@attrs.frozen
class ServedWorld:
    """Such a process: its address, and what it answered."""

    url: str
    _process: subprocess.Popen[str]

    def answered(self) -> tuple[int, int]:
        """The number of requests so far, and the bytes of their answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        requests, sent = json.loads(self._process.stdout.readline())
        return requests, sent


@contextmanager
def served_world(
    runs: int, latency: float = 0.0, metrics: int = METRICS, rows: int = 0, exported: int = 0, files: int = 0
) -> Iterator[ServedWorld]:
    """Such a process, for the length of the block. ``rows``: those of the history of each run, of which so many are
    ``exported``; ``files``: those of the artifact ``images:v0``, of 20 KiB each."""
    given = {"runs": runs, "latency": latency, "metrics": metrics, "rows": rows, "exported": exported, "files": files}
    options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tests.benchmarks.served_world", *options]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the served world did not start")
        yield ServedWorld(url, process)
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--metrics", type=int, default=METRICS)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--exported", type=int, default=0)
    parser.add_argument("--files", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(serve(given.runs, given.latency, given.metrics, given.rows, given.exported, given.files))


if __name__ == "__main__":
    main()
