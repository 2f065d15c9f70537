"""A process that serves a project of runs, so that what is measured shares no interpreter with what serves it.

``python -m tests.benchmarks.served_world --runs 10000 --latency 0.05`` prints its address and serves until its standard
input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.benchmarks.material import START, values

KEY = "b" * 40
PATH = "acme/vision"
DISTINCT = 10_000
"""Runs beyond so many repeat the values of earlier ones, which keeps the server small."""


async def serve(runs: int, latency: float) -> None:
    from wbmodel.engine import Engine, MemoryStore
    from wbmodel.engine.server import Server
    from wbmodel.server import Limits
    from wbmodel.testing import Faults

    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    store.add_entity("acme", members=["ada"])
    project = store.add_project("acme", "vision")
    kept = [values(number) for number in range(min(runs, DISTINCT))]
    for number in range(runs):
        config, summary = kept[number % DISTINCT]
        store.add_run(
            project,
            f"run{number:06d}",
            display_name=f"brave-river-{number}",
            config=config,
            summary=summary,
            tags=["baseline"],
            group="g1",
            job_type="train",
            state="finished",
            user="ada",
            created_at=START + timedelta(minutes=number),
            heartbeat_at=START + timedelta(minutes=number + 0.37),
        )
    server = Server(Engine(store), api_key=KEY, limits=Limits(cache=2**30, seconds=600), faults=Faults(latency=latency))
    await server.start()
    print(server.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()


@contextmanager
def served_world(runs: int, latency: float = 0.0) -> Iterator[str]:
    """The address of such a process, for the length of the block."""
    command = [sys.executable, "-m", "tests.benchmarks.served_world", "--runs", str(runs), "--latency", str(latency)]
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
        yield url
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args()
    asyncio.run(serve(given.runs, given.latency))


if __name__ == "__main__":
    main()
