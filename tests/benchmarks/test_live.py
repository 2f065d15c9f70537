"""The live backend against bare aiohttp and orjson, and against the official client, on one served world.

The server is another process and answers from its cache: every pass is made once before it is timed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
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

from tests.benchmarks.served_world import KEY, PATH, served_world
from tests.clients.installing import CannotInstall, client_python
from wbmodel import Run, Session, connect
from wbmodel.session.observers import observing

HERE = Path(__file__).parent
ROWS = 10_000


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    with served_world(ROWS) as url:
        yield url


@pytest.fixture(scope="module")
def far_world() -> Iterator[str]:
    with served_world(ROWS, latency=0.05) as url:
        yield url


@pytest.fixture
def session(world: str) -> Iterator[Session]:
    with connect(world, api_key=KEY, project=PATH, default=False) as session:
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


def official(url: str, size: int, times: int, home: Path) -> list[float]:
    """Seconds that the official client takes for the same, its answers warmed by one pass more."""
    try:
        python = client_python("0.31.0")
    except CannotInstall as reason:
        pytest.skip(str(reason))
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env |= {"WANDB_BASE_URL": url, "WANDB_API_KEY": KEY, "HOME": str(home), "WANDB_SILENT": "true"}
    return _listing([python, HERE / "wandb_listing.py", PATH, size, times + 1], env, home)


def own(url: str, times: int, home: Path) -> list[float]:
    """The same by wbmodel, in a process that has as little else in it."""
    return _listing([sys.executable, HERE / "wbmodel_listing.py", url, KEY, PATH, times + 1], dict(os.environ), home)


def _listing(command: list[Any], env: dict[str, str], home: Path) -> list[float]:
    done = subprocess.run(
        list(map(str, command)), env=env, cwd=home, check=False, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["rows"] == ROWS
    return list(told["seconds"][1:])


def test_listing_against_the_floor(world: str, session: Session, ratios: Any) -> None:
    floor = Floor(world, session)
    assert floor.keep() >= ROWS
    runs = Run.objects.using(session)
    assert touched(list(runs.all())) == ROWS
    ratios.paired("list() of 10,000 runs over HTTP, read", lambda: touched(list(runs.all())), floor.keep, 1.2, 7)
    ratios.paired("iterator() of 10,000 runs over HTTP, read", lambda: touched(runs.iterator()), floor.drop, 1.6, 7)


def test_listing_against_the_official_client(world: str, far_world: str, ratios: Any, tmp_path: Path) -> None:
    """Both in processes of their own: what a collector of garbage has to look through is part of what a loop costs."""
    ours = median(own(world, 5, tmp_path))
    for size, wanted in ((0, 8), (1000, 5)):
        theirs = median(official(world, size, 3, tmp_path))
        label = f"per_page={size}" if size else "its own page size"
        ratios.say(
            f"10,000 runs, wandb 0.31.0 at {label}: {theirs:.2f} s, ours {ours:.2f} s: {theirs / ours:.1f}x "
            f"(wanted: at least {wanted}x)"
        )
    ours = median(own(far_world, 3, tmp_path))
    theirs = median(official(far_world, 0, 1, tmp_path))
    ratios.say(
        f"10,000 runs with 50 ms of latency, wandb 0.31.0 at its own page size: {theirs:.2f} s, ours {ours:.2f} s: "
        f"{theirs / ours:.1f}x (wanted: at least 8x)"
    )


def test_values_against_full_rows(session: Session, ratios: Any) -> None:
    full, few = Run.objects.using(session), Run.objects.using(session).values("name", "summary.loss")
    times: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for label, ask in (("full", lambda: touched(full.iterator())), ("values", lambda: list(few.iterator()))):
        ask()
        before = session.stats.bytes
        ask()
        sizes[label] = session.stats.bytes - before
        times[label] = median(seconds(ask) for _ in range(5))
    ratios.say(
        f"values('name', 'summary.loss') of 10,000 runs: {sizes['values'] / sizes['full']:.2f}x the bytes of full rows "
        f"(wanted: at most 0.6x), {times['full'] / times['values']:.1f}x faster (wanted: at least 2x)"
    )


def test_fields_against_reading_the_rows(session: Session, ratios: Any) -> None:
    rows = Run.objects.using(session)
    spent = {}
    for label, exact in (("list", False), ("rows", True)):
        rows.fields("config", exact=exact)
        sent, received = session.stats.requests, session.stats.bytes
        taken = seconds(lambda exact=exact: rows.fields("config", exact=exact))
        spent[label] = session.stats.requests - sent, session.stats.bytes - received, taken
    requests, received, taken = spent["list"]
    ratios.say(
        f"fields('config') of 10,000 runs: {requests} requests, {received:,} bytes, {taken * 1e3:.0f} ms; by the rows "
        f"{spent['rows'][0]} requests, {spent['rows'][1]:,} bytes, {spent['rows'][2] * 1e3:.0f} ms"
    )
    assert requests == 2
    assert received < spent["rows"][1] / 100


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


def test_many_gets_at_once(far_world: str, ratios: Any) -> None:
    with connect(far_world, api_key=KEY, project=PATH, default=False) as session:
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
def test_memory_of_a_long_iteration(ratios: Any) -> None:
    with served_world(100_000) as url:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, url, KEY, PATH], capture_output=True, text=True, timeout=900, check=False
        )
    assert done.returncode == 0, done.stderr[-2000:]
    early, rows, late = done.stdout.split()
    assert int(rows) == 100_000
    ratios.say(
        f"iterator() over 100,000 runs: {late} MiB at the peak, {early} MiB after the first 20,000 "
        "(wanted: flat, under 150 MiB for the process)"
    )
