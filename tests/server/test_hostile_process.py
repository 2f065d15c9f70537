"""Hostile clients of a server in a process of its own: the memory and the time that they cost, and that it ends."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.server.test_hostile import DOCUMENTS, FILTERED, MIB, SLOW, answer, connect, head
from tests.support.http import KEY, basic, post

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SCRIPT = """
import asyncio, resource, signal, sys
descriptors = int(sys.argv[2])
if descriptors:
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
from wbmodel.engine import Engine, MemoryStore
from wbmodel.server import Limits, Server
store = MemoryStore(viewer="ada")
project = store.add_project("ada", "v")
for n in range(2000):
    store.add_run(project, f"r{n}", display_name="a" * 300)

async def main():
    server = Server(Engine(store), api_key=sys.argv[1], limits=Limits(seconds=float(sys.argv[3]), grace=1))
    await server.start()
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    print(server.url, flush=True)
    await ending.wait()
    await server.stop()

asyncio.run(main())
"""


@attrs.define
class Process:
    """A server in a process of its own."""

    url: str
    process: subprocess.Popen[str]

    @property
    def memory(self) -> int:
        """Its resident memory now, in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def seconds(self) -> float:
        """The processor time that it has used."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving_process(descriptors: int = 0, seconds: float = 60.0) -> Iterator[Process]:
    command = [sys.executable, "-c", SCRIPT, KEY, str(descriptors), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            server = Process(process.stdout.readline().strip(), process)
            assert post(server).status == 200
            yield server
        finally:
            process.kill()


def measured(server: Process, what: str, before: tuple[int, float]) -> tuple[int, float]:
    """What has been used since ``before``, printed for ``pytest -s``."""
    used = (server.memory - before[0]) / MIB, server.seconds - before[1]
    print(f"\n{what}: {used[0]:+.0f} MiB, {used[1]:.2f} s of the processor")
    return round(used[0]), used[1]


def now(server: Process) -> tuple[int, float]:
    return server.memory, server.seconds


def send_quietly(line: socket.socket, data: bytes) -> None:
    try:
        line.sendall(data)
    except OSError:
        pass


def test_250_connections_and_128_descriptors():
    with serving_process(descriptors=128) as server:
        lines: list[Any] = []
        before = now(server)
        for n in range(250):
            lines.append(connect(server))  # type: ignore[arg-type]
            send_quietly(lines[-1], b"POST /graphql HTTP/1.1\r\nHost: x\r\n")
            if n % 50 == 49:
                assert post(server, timeout=5).status == 200
        measured(server, "250 connections that never end their headers", before)
        for line in lines:
            line.close()


def test_sigterm_ends_a_server_whose_work_goes_on():
    with serving_process() as server:
        body = json.dumps({"query": FILTERED, "variables": {"f": json.dumps(SLOW)}}).encode()
        lines = [connect(server) for _ in range(2)]  # type: ignore[arg-type]
        for line in lines:
            line.sendall(head(len(body), f"Authorization: {basic(KEY)}") + body)
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        assert server.process.wait(30) == 0
        print(f"\nended after {time.monotonic() - begin:.1f} s")
        for line in lines:
            line.close()


@pytest.mark.slow
def test_60_unfinished_bodies_of_30_mb_without_a_key():
    with serving_process() as server:
        before = now(server)
        lines = [connect(server) for _ in range(60)]  # type: ignore[arg-type]
        for line in lines:
            send_quietly(line, head(30 * MIB + 1) + b"x" * 30 * MIB)
        used, _ = measured(server, "60 unfinished bodies of 30 MB without a key", before)
        assert used < 50
        # The answer may be lost, because the client does not stop sending; the connection has ended.
        assert all(answer(line)[:12] in (b"", b"HTTP/1.1 401") for line in lines)
        for line in lines:
            line.close()
        assert post(server, timeout=5).status == 200


@pytest.mark.slow
def test_60_unfinished_bodies_of_30_mb_with_a_key():
    with serving_process() as server:
        before = now(server)
        lines = [connect(server) for _ in range(60)]  # type: ignore[arg-type]
        for line in lines:
            threading.Thread(
                target=send_quietly,
                args=(line, head(30 * MIB + 1, f"Authorization: {basic(KEY)}") + b"x" * 30 * MIB),
            ).start()
        time.sleep(5)
        used, _ = measured(server, "60 unfinished bodies of 30 MB with a key", before)
        assert used < 250
        for line in lines:
            line.close()
        assert post(server, timeout=10).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("key", [None, KEY])
def test_gzip_that_unpacks_to_a_thousand_times_its_size(key):
    bomb = gzip.compress(b" " * 30 * MIB)
    with serving_process() as server:
        before = now(server)
        more = [] if key is None else [f"Authorization: {basic(key)}"]
        lines = [connect(server) for _ in range(24)]  # type: ignore[arg-type]
        for line in lines:
            # Without its end, so that it stays in flight.
            send_quietly(line, head(len(bomb), "Content-Encoding: gzip", *more) + bomb[:-8])
        time.sleep(3)
        used, seconds = measured(
            server, f"24 bodies of 29 KB that are 720 MB, {'no' if key is None else 'with'} key", before
        )
        assert used < (20 if key is None else 200)
        assert seconds < (1 if key is None else 3)
        assert post(server, timeout=5).status == 200
        for line in lines:
            line.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_60_documents(name):
    with serving_process() as server:
        before = now(server)
        for n in range(60):
            assert post(server, DOCUMENTS[name] + "\n" * n).status in (400, 413)
        used, seconds = measured(server, f"60 times {name}", before)
        assert used < 120
        assert seconds / 60 < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["^(.*)*!$", "(.{0,90}){9}x", "a" * MIB])
def test_patterns(pattern):
    with serving_process() as server:
        before = now(server)
        assert post(server, FILTERED, {"f": json.dumps({"display_name": {"$regex": pattern}})}).status in (200, 400)
        measured(server, f"$regex {pattern[:20]} over 2000 runs", before)


@pytest.mark.slow
def test_filters_of_200_000_terms_and_the_requests_after_them():
    with serving_process(seconds=2) as server:
        before = now(server)
        many = {"$or": [{f"config.k{n}": n} for n in range(200_000)]}
        assert post(server, FILTERED, {"f": json.dumps(many)}).status == 400
        measured(server, "$or of 200,000 terms", before)
        before = now(server)
        assert post(server, FILTERED, {"f": json.dumps(SLOW)}).status == 504
        for _ in range(5):
            assert post(server, timeout=5).status == 200
        measured(server, "$or of 9,000 terms over 2,000 runs, ended after 2 s, and five cheap requests", before)
