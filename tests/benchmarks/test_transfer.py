"""Downloads against what a user would do by hand: `curl` and `md5sum`, and copying the folder. Ratios of one run.

The host is another process; everything is on one file system. Best of three rounds, as others use the machine too.
"""

from __future__ import annotations

import base64
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import attrs
import pytest

from wbmodel import Session, connect
from wbmodel.backend.asks import BlobRef
from wbmodel.files_cache import Cache
from wbmodel.operations.transfer import download

pytestmark = pytest.mark.slow
KEY = "0" * 40
BIG = 512 * 2**20
HOST = """
import asyncio, sys
from aiohttp import web

async def file(request):
    name = request.match_info["name"]
    if name == "big":
        return web.FileResponse(sys.argv[1])
    return web.Response(body=name.encode().ljust(20480, b"x"))

async def main():
    app = web.Application()
    app.router.add_get("/{name}", file)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def big(folder: Path) -> Path:
    block = os.urandom(2**20)
    with open(folder / "source", "wb") as file:
        file.writelines(number.to_bytes(8, "big") + block[8:] for number in range(BIG // 2**20))
    return folder / "source"


@pytest.fixture(scope="module")
def url(big: Path) -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", HOST, str(big)], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        yield f"http://127.0.0.1:{host.stdout.readline().strip()}"
        host.kill()


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    with connect("http://127.0.0.9:9", api_key=KEY, project="a/b", default=False) as session:
        yield session


def ref(url: str, name: str, size: int, digest: bytes) -> BlobRef:
    return BlobRef("artifact_file", "1", name, f"{url}/{name}", size, base64.b64encode(digest).decode())


def many(url: str) -> list[BlobRef]:
    names = [f"{number:04}" for number in range(2000)]
    return [ref(url, name, 20480, md5(name.encode().ljust(20480, b"x")).digest()) for name in names]


def best(action: Callable[[Path], Any], folder: Path, rounds: int = 3) -> float:
    """The shortest time of several, each into a new folder."""
    times = []
    for number in range(rounds):
        target = folder / f"round{number}"
        began = time.perf_counter()
        action(target)
        times.append(time.perf_counter() - began)
        shutil.rmtree(target)
    return min(times)


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("md5sum") is None, reason="needs curl and md5sum")
def test_a_large_file_is_as_fast_as_curl_and_md5sum(
    benchmark: Any, session: Session, url: str, big: Path, tmp_path: Path
) -> None:
    digest = subprocess.run(["md5sum", str(big)], capture_output=True, text=True, check=True).stdout.split()[0]
    one = ref(url, "big", BIG, bytes.fromhex(digest))

    def by_hand(target: Path) -> None:
        target.mkdir()
        subprocess.run(["curl", "-s", "-o", str(target / "big"), f"{url}/big"], check=True)
        subprocess.run(["md5sum", str(target / "big")], check=True, stdout=subprocess.DEVNULL)

    theirs = best(by_hand, tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours = benchmark.pedantic(lambda: best(lambda target: session.run(download([one], target)), tmp_path), rounds=1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    benchmark.extra_info.update(ours=ours, curl_and_md5sum=theirs, ratio=ours / theirs, grown_mb=grown)
    assert grown < 100
    assert ours < 1.5 * theirs  # 1.1 on a quiet machine; see extra_info


def test_many_small_files_cold_and_from_the_cache(benchmark: Any, session: Session, url: str, tmp_path: Path) -> None:
    refs = many(url)
    cache = Cache(tmp_path / "cache")
    cold = best(lambda target: session.run(download(refs, target)), tmp_path)
    session.run(download(refs, tmp_path / "source", cache=cache))
    copied = best(lambda target: shutil.copytree(tmp_path / "source", target), tmp_path)
    nowhere = [attrs.evolve(each, url=None) for each in refs]
    ours = benchmark.pedantic(
        lambda: best(lambda target: session.run(download(nowhere, target, cache=cache)), tmp_path), rounds=1
    )
    benchmark.extra_info.update(cold=cold, copied=copied, from_cache=ours, ratio=ours / copied)
    assert ours < 3 * copied  # 2 on a quiet machine; see extra_info
