"""Downloads against what else would do it: the official client, copying the folder, ``curl`` followed by ``md5sum``."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.contest import official, own
from tests.benchmarks.served_world import KEY, PATH, ServedWorld, served_world
from wbmodel import Artifact, connect
from wbmodel.backend.asks import BlobRef
from wbmodel.operations.transfer import download

FILES = 2_000
BIG = 512 * 2**20
NAME = "images:v0"
HOST = """
import asyncio, sys
from aiohttp import web

async def main():
    app = web.Application()
    app.router.add_static("/", sys.argv[1])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def files() -> Iterator[ServedWorld]:
    """A served version of 2,000 files of 20 KiB."""
    with served_world(1, files=FILES) as made:
        yield made


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WBMODEL_CACHE_DIR", str(tmp_path / "cache"))


def test_many_small_files_against_the_official_client(files: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    ours, theirs = [], []
    for _ in range(3):  # turn about, so that a machine whose speed drifts slows both
        ours.append(own(files, NAME, tmp_path, 1))
        theirs.append(official(files, NAME, tmp_path))
    assert {taken.rows for taken in (*ours, *theirs)} == {FILES}
    faster = sorted(their.seconds / our.seconds for our, their in zip(ours, theirs, strict=True))[1]
    cpu = sorted(their.cpu / our.cpu for our, their in zip(ours, theirs, strict=True))[1]
    ratios.say(
        f"2,000 files of 20 KiB, cold: {ours[1].seconds:.2f} s, wandb 0.31.0 {theirs[1].seconds:.2f} s: {faster:.1f}x "
        f"as fast (wanted: at least 3x), in CPU {cpu:.1f}x; {ours[1].load}, theirs {theirs[1].load}"
    )


def test_many_small_files_from_the_cache(files: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    def new() -> str:
        return tempfile.mkdtemp(dir=tmp_path)

    with connect(files.url, api_key=KEY, project=PATH, default=False) as session:
        version = Artifact.objects.using(session).get(path=NAME)
        source = version.download(new())
        ratios.paired(
            "2,000 files of 20 KiB from the cache, verified, against copying the folder",
            lambda: version.download(new()),
            lambda: shutil.copytree(source, Path(new(), "copy")),
            2.0,
            7,
        )


@pytest.fixture
def big(tmp_path: Path) -> Iterator[tuple[BlobRef, Path]]:
    """A file of 512 MiB on a host of its own, and where it is on disk."""
    block = os.urandom(2**20)
    path = tmp_path / "served" / "big"
    path.parent.mkdir()
    with open(path, "wb") as file:
        file.writelines(number.to_bytes(8, "big") + block[8:] for number in range(BIG // 2**20))
    digest = subprocess.run(["md5sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    command = [sys.executable, "-c", HOST, path.parent]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        url = f"http://127.0.0.1:{host.stdout.readline().strip()}/big"
        yield BlobRef("artifact_file", "1", "big", url, BIG, base64.b64encode(bytes.fromhex(digest)).decode()), path
        assert host.stdin is not None
        host.stdin.close()


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("md5sum") is None, reason="needs curl and md5sum")
def test_a_large_file_against_curl_and_md5sum(big: tuple[BlobRef, Path], ratios: Any, tmp_path: Path) -> None:
    ref, _ = big
    assert ref.url is not None

    def by_hand() -> None:
        target = tmp_path / "by-hand"
        subprocess.run(["curl", "-s", "-o", target, ref.url], check=True)
        subprocess.run(["md5sum", target], check=True, stdout=subprocess.DEVNULL)
        target.unlink()

    def ours() -> None:
        session.run(download([ref], tmp_path / "ours"))
        (tmp_path / "ours" / "big").unlink()

    with connect("http://127.0.0.9:9", api_key=KEY, project=PATH, default=False) as session:
        ratios.paired("512 MiB verified, against curl followed by md5sum", ours, by_hand, 1.1, 5)


MEMORY = """
import sys
from wbmodel import connect
from wbmodel.backend.asks import BlobRef
from wbmodel.operations.transfer import download

url, size, digest, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
with connect("http://127.0.0.9:9", api_key="0" * 40, project="a/b") as session:
    session.run(download([BlobRef("artifact_file", "1", "big", url, size, digest)], folder))
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux' /proc")
def test_memory_of_a_large_file(big: tuple[BlobRef, Path], ratios: Any, tmp_path: Path) -> None:
    ref, path = big
    command = [sys.executable, "-c", MEMORY, ref.url, ref.size, ref.digest, tmp_path / "out"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, check=True)
    assert (tmp_path / "out" / "big").stat().st_size == path.stat().st_size
    ratios.say(f"512 MiB downloaded: {float(done.stdout):.0f} MiB at the peak (wanted: under 150 MiB)")
