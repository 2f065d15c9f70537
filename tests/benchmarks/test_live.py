"""The live backend against bare aiohttp and orjson, on one served world; test_least.py has the official client.

The server is another process and answers from its cache: every pass is made once before it is timed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import orjson
import pytest

from tests.benchmarks.served_world import KEY, PATH, ServedWorld
from wbmodel import Run, Session, connect
from wbmodel.session.observers import observing

ROWS = 10_000


@pytest.fixture
def session(world: ServedWorld) -> Iterator[Session]:
    with connect(world.url, api_key=KEY, project=PATH, default=False) as session:
        yield session


def seconds(run: Any) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def touched(rows: Any) -> int:
    count = 0
    for row in rows:
        row.config, row.summary  # noqa: B018 - reading is what is measured
        count += 1
    return count


class Floor:
    """The same documents by bare aiohttp, each page after the other, both inner texts decoded by orjson."""

    def __init__(self, url: str, session: Session) -> None:
        self.url = url
        bodies: list[Any] = []
        with observing(lambda call: bodies.extend(call.asks)):
            touched(Run.objects.using(session).iterator())
        self.requests = [
            json.dumps({"query": item.document.text, "variables": item.variables, "operationName": item.operation_name})
            for item in bodies
        ]

    async def _run(self, keep: bool) -> int:
        kept: list[Any] = []
        rows = 0
        login = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": login}
        async with aiohttp.ClientSession(headers=headers) as http:
            for body in self.requests:
                async with http.post(f"{self.url}/graphql", data=body) as answer:
                    data = orjson.loads(await answer.read())
                for edge in data["data"]["project"]["runs"]["edges"]:
                    node = edge["node"]
                    node["config"] = orjson.loads(node["config"])
                    node["summaryMetrics"] = orjson.loads(node["summaryMetrics"])
                    rows += 1
                    if keep:
                        kept.append(node)
        return rows

    def keep(self) -> int:
        return asyncio.run(self._run(True))

    def drop(self) -> int:
        return asyncio.run(self._run(False))


def test_listing_against_the_floor(world: ServedWorld, session: Session, ratios: Any) -> None:
    floor = Floor(world.url, session)
    assert floor.keep() >= ROWS
    runs = Run.objects.using(session)
    assert touched(list(runs.all())) == ROWS
    ratios.paired("list() of 10,000 runs over HTTP, read", lambda: touched(list(runs.all())), floor.keep, 1.2, 7)
    ratios.paired("iterator() of 10,000 runs over HTTP, read", lambda: touched(runs.iterator()), floor.drop, 1.6, 7)


def test_the_first_row(session: Session, ratios: Any) -> None:
    runs = Run.objects.using(session)
    touched(runs.iterator())
    sizes: list[Any] = []

    def first() -> None:
        rows = runs.iterator()
        next(rows)
        rows.close()  # type: ignore[attr-defined]

    with observing(lambda call: sizes.extend(request.variables["first"] for request in call.asks)):
        first()
    assert sizes[0] <= 100
    whole = median(seconds(lambda: touched(runs.iterator())) for _ in range(3))
    one = median(seconds(first) for _ in range(9))
    ratios.say(
        f"first row of 10,000: {one * 1e3:.1f} ms after a page of {sizes[0]}, {whole / one:.0f}x sooner than the last"
    )


def test_many_gets_at_once(far_world: ServedWorld, ratios: Any) -> None:
    with connect(far_world.url, api_key=KEY, project=PATH, default=False) as session:
        runs = Run.objects.using(session)
        ids = [f"run{number:06d}" for number in range(50)]

        async def together() -> list[Run]:
            return await asyncio.gather(*(runs.aget(id=name) for name in ids))

        async def in_turn() -> list[Run]:
            return [await runs.aget(id=name) for name in ids]

        asyncio.run(together())
        fast = min(seconds(lambda: asyncio.run(together())) for _ in range(3))
        slow = seconds(lambda: asyncio.run(in_turn()))
        assert [run.id for run in asyncio.run(together())] == ids
        ratios.say(
            f"50 aget() at once with 50 ms of latency: {slow / fast:.1f}x as fast as in turn (wanted: at least 5x), "
            f"{session.stats.peak_in_flight} under way at most"
        )


MEMORY = """
import sys
from wbmodel import Run, connect

def peak():
    # Of this process image: what getrusage() tells is inherited from the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

connect(sys.argv[1], api_key=sys.argv[2], project=sys.argv[3])
seen = 0
for run in Run.objects.iterator():
    run.config, run.summary
    seen += 1
    if seen == 20_000:
        print(f"{peak():.0f}")
print(seen, f"{peak():.0f}")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux' /proc")
def test_memory_of_a_long_iteration(large_world: ServedWorld, ratios: Any) -> None:
    command = [sys.executable, "-c", MEMORY, large_world.url, KEY, PATH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    early, rows, late = done.stdout.split()
    assert int(rows) == 100_000
    ratios.say(
        f"iterator() over 100,000 runs: {late} MiB at the peak, {early} MiB after the first 20,000 "
        "(wanted: flat, under 150 MiB for the process)"
    )
