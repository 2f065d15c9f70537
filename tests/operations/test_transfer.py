"""Downloads over sockets: whole or not there, gone on with after any end, and only what is lacking is fetched."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
from hashlib import md5, sha256
from pathlib import Path

import attrs
import pytest

from tests.support.http import KEY
from tests.support.pace import patience
from tests.support.storage_host import Bad, StorageHost
from wbmodel import connect
from wbmodel.backend.asks import BlobRef
from wbmodel.backend.parts import part_path
from wbmodel.errors import (
    DoesNotExist,
    IntegrityError,
    LinkExpired,
    TransferError,
    UnsafeName,
    WbmodelError,
    WbmodelWarning,
)
from wbmodel.files_cache import Cache
from wbmodel.operations.transfer import download

SERVER = "http://127.0.0.9:9"
"""Nothing is there, and nothing is asked: files are on a host of their own."""
ROOT = Path(__file__).resolve().parents[2]
BIG = random.Random(3).randbytes(4_000_000)


def digest(data: bytes) -> str:
    return base64.b64encode(md5(data).digest()).decode()


@pytest.fixture(scope="module")
def one_host():
    with StorageHost() as host:
        yield host


@pytest.fixture
def host(one_host):
    one_host.files.clear(), one_host.bad.clear(), one_host.asked.clear()
    return one_host


@pytest.fixture
def session(host):
    with connect(SERVER, api_key=KEY, project="a/b", default=False) as session:
        yield session


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def ref(host, name, data=None, bad=None, **facts):
    data = f"content of {name}".encode() * 50 if data is None else data
    url = host.add(f"{abs(hash(name))}", data, bad)
    return BlobRef("artifact_file", "1", name, url, **{"size": len(data), "digest": digest(data), **facts})


def in_folder(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


# -- what is fetched ---------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_only_what_is_lacking_is_fetched(session, host, tmp_path, colour):
    refs = [ref(host, f"deep/{number}/f.txt") for number in range(30)]

    async def run(**given):
        host.asked.clear()
        operation = download(refs, tmp_path / "out", **given)
        return session.run(operation) if colour == "sync" else await session.arun(operation)

    told = []
    made = await run(progress=told.append)
    assert (len(made), made.bytes, len(host.asked)) == (30, sum(r.size for r in refs), 30)
    assert [path.read_bytes() for path in made.files] == [host.files[r.url.rpartition("/")[2]] for r in refs]
    assert (told[-1].files, told[-1].total_files, told[-1].bytes) == (30, 30, told[-1].total_bytes)
    made = await run()
    assert (len(made.skipped), made.bytes, len(host.asked)) == (30, 0, 0)
    made.files[3].write_bytes(b"edited")
    made.files[4].write_bytes(b"X" * refs[4].size)  # the same size
    made.files[5].unlink()
    made = await run()
    assert (len(made.skipped), len(host.asked)) == (27, 3)
    assert str(made) == f"30 files in {tmp_path / 'out'}: 3 fetched ({made.bytes / 1000:.1f} kB), 27 there already"


def test_other_content_is_replaced_only_if_that_is_wanted(session, host, tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "b").mkdir()
    refs = [ref(host, "a"), ref(host, "c")]
    made = session.run(download(refs, tmp_path, replace=False, raise_failures=False))
    assert [each.how for each in made.results] == ["failed", "fetched"]
    assert "replace=True replaces it" in str(made.failures[0].error)
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert session.run(download(refs, tmp_path)).bytes == refs[0].size
    with pytest.raises(WbmodelError, match="a folder is there"):
        session.run(download([ref(host, "b")], tmp_path))


def test_one_failure_does_not_stop_the_others(session, host, tmp_path):
    refs = [ref(host, f"f{number}") for number in range(9)]
    refs[2] = attrs.evolve(refs[2], digest=digest(b"another"))
    refs[4] = attrs.evolve(refs[4], url=f"{host.url}/nowhere")
    refs[6] = attrs.evolve(refs[6], name="../escaped")
    with pytest.raises(TransferError, match="3 of 9 files were not downloaded") as raised:
        session.run(download(refs, tmp_path / "out"))
    made = raised.value.result
    kinds = {each.name: type(each.error) for each in made.failures}
    assert kinds == {"f2": IntegrityError, "f4": DoesNotExist, "../escaped": UnsafeName}
    assert in_folder(tmp_path) == [f"out/f{number}" for number in (0, 1, 3, 5, 7, 8)]
    assert len([asked for asked in host.asked if asked.path in refs[2].url]) == 2  # once more, from the start


def test_one_file_fails_with_its_own_error(session, host, tmp_path):
    with pytest.raises(DoesNotExist):
        session.run(download([attrs.evolve(ref(host, "a"), url=f"{host.url}/nowhere")], tmp_path))


def test_digests_of_other_kinds(session, host, tmp_path):
    good = ref(host, "a")
    data = host.files[good.url.rpartition("/")[2]]
    for given in (sha256(data).hexdigest(), f"sha256:{sha256(data).hexdigest()}", md5(data).hexdigest().upper()):
        session.run(download([attrs.evolve(good, digest=given)], tmp_path / given[:9]))
    for wrong in (sha256(b"").hexdigest(), "crc32:00000000", '"an etag"', "", "=="):
        with pytest.raises(IntegrityError):
            session.run(download([attrs.evolve(good, digest=wrong)], tmp_path / "wrong"))
    assert in_folder(tmp_path / "wrong") == []


def test_a_name_twice(session, host, tmp_path):
    one = ref(host, "a")
    made = session.run(download([one, one], tmp_path))
    assert len(made) == 1
    other = attrs.evolve(one, digest=digest(b"other"))
    made = session.run(download([one, other], tmp_path, raise_failures=False))
    assert [each.how for each in made.results] == ["present", "failed"]


# -- URLs that expire --------------------------------------------------------------------------------


def test_expired_urls_are_renewed_and_the_file_goes_on(session, host, tmp_path):
    big = ref(host, "big", BIG, Bad(drop=3_000_000, times=1))
    name = big.url.rpartition("/")[2]
    fresh = host.add("fresh", BIG)
    renewed = []

    def renew(refs):
        renewed.append([each.name for each in refs])
        return [attrs.evolve(each, url=fresh) for each in refs]
        yield

    class Expiring(dict):
        def get(self, key, default=None):  # the second request is refused
            if key == name and self[name].times <= 0:
                return Bad(status=403)
            return dict.get(self, key, default)

    host.bad = Expiring(host.bad)
    try:
        made = session.run(download([big], tmp_path, renew=renew))
    finally:
        host.bad = {}
    assert renewed == [["big"]]
    assert made.files[0].read_bytes() == BIG
    last = host.asked[-1]
    assert last.path == "/fresh"
    assert int(last.headers["Range"].removeprefix("bytes=").removesuffix("-")) > 2_000_000


def test_files_without_urls_get_them_shortly_before(session, host, tmp_path):
    refs = [ref(host, f"f{number}") for number in range(5)]
    urls = {each.name: each.url for each in refs}
    session.run(download(refs[:2], tmp_path))
    asked = []

    def renew(given):
        asked.extend(each.name for each in given)
        return [attrs.evolve(each, url=urls[each.name]) for each in given]
        yield

    made = session.run(download([attrs.evolve(each, url=None) for each in refs], tmp_path, renew=renew))
    assert asked == ["f2", "f3", "f4"]
    assert len(made.files) == 5


def test_urls_that_stay_expired_end(session, host, tmp_path):
    one = ref(host, "a", None, Bad(status=403))

    def renew(given):
        return given
        yield

    with pytest.raises(LinkExpired):
        session.run(download([one], tmp_path, renew=lambda given: renew([one])))
    assert len(host.asked) == 4
    with pytest.raises(LinkExpired):
        session.run(download([one], tmp_path))


# -- ends of all kinds -------------------------------------------------------------------------------

SCRIPT = """
import os, sys
from pathlib import Path
from wbmodel import connect
from wbmodel.backend.asks import BlobRef
from wbmodel.files_cache import Cache
from wbmodel.operations.transfer import download
url, size, digest, root, cached = sys.argv[1:]
refs = [BlobRef("artifact_file", "1", "big", url, int(size), digest)]
with connect(os.environ["SERVER"], api_key="0" * 40, project="a/b", default=False) as session:
    session.run(download(refs, root, cache=Cache(cached) if cached else None))
"""


def started(big, root, cached=""):
    env = {**os.environ, "SERVER": SERVER, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "plugins")))}
    command = [sys.executable, "-c", SCRIPT, big.url, str(big.size), big.digest, str(root), str(cached)]
    return subprocess.Popen(command, env=env)


@pytest.mark.parametrize("cached", [False, True])
def test_killed_in_the_middle_nothing_is_taken_for_whole_and_the_rest_goes_on(session, host, tmp_path, cached):
    big = ref(host, "big", BIG, Bad(pause=0.02))
    cache = Cache(tmp_path / "cache") if cached else None
    target = cache.entry(big.digest) if cache else tmp_path / "out" / "big"
    part = part_path(target)
    process = started(big, tmp_path / "out", cache.place if cache else "")
    try:
        patience(lambda: part.exists() and part.stat().st_size > 1_200_000)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not target.exists()
    assert not (tmp_path / "out" / "big").exists()
    there = part.stat().st_size
    assert 1_200_000 < there < len(BIG)
    host.bad.clear()
    made = session.run(download([big], tmp_path / "out", cache=cache))
    assert made.files[0].read_bytes() == BIG
    assert int(host.asked[-1].headers["Range"].removeprefix("bytes=").removesuffix("-")) == there
    assert in_folder(tmp_path / "out") == ["big"]


def test_a_part_of_other_content_is_not_gone_on_with(session, host, tmp_path):
    big = ref(host, "big", BIG, Bad(drop=3_000_000, times=100))
    with connect(SERVER, api_key=KEY, project="a/b", default=False, max_attempts=1) as hasty:
        hasty.run(download([big], tmp_path, raise_failures=False))
    part = part_path(tmp_path / "big")
    assert part.stat().st_size > 2**20
    other = bytes(reversed(BIG))
    host.bad.clear()
    made = session.run(download([ref(host, "big", other)], tmp_path))
    assert made.files[0].read_bytes() == other
    assert "Range" not in host.asked[-1].headers


def test_a_part_that_was_edited_is_thrown_away(session, host, tmp_path):
    big = ref(host, "big", BIG, Bad(drop=3_000_000, times=100))
    with connect(SERVER, api_key=KEY, project="a/b", default=False, max_attempts=1) as hasty:
        hasty.run(download([big], tmp_path, raise_failures=False))
    with open(part_path(tmp_path / "big"), "r+b") as file:
        file.write(b"edited")
    host.bad.clear()
    made = session.run(download([big], tmp_path))
    assert made.files[0].read_bytes() == BIG
    assert in_folder(tmp_path) == ["big"]


@pytest.mark.parametrize("cached", [False, True])
def test_two_processes_at_once_both_succeed(host, tmp_path, cached):
    big = ref(host, "big", BIG, Bad(pause=0.005))
    both = [started(big, tmp_path / "out", tmp_path / "cache" if cached else "") for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert (tmp_path / "out" / "big").read_bytes() == BIG
    assert in_folder(tmp_path / "out") == ["big"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(session, host, tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    with pytest.raises(WbmodelError, match="Permission denied"):
        session.run(download([ref(host, "a")], tmp_path / "out"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_names_file_and_need_and_keeps_the_part(session, host, tmp_path, monkeypatch):
    big = ref(host, "big", BIG)
    real, full = os.write, os.open("/dev/full", os.O_WRONLY)

    def write(handle, data):
        big_enough = os.path.exists(part_path(tmp_path / "big")) and os.stat(handle).st_size > 2_000_000
        return real(full if big_enough else handle, data)

    with monkeypatch.context() as patched:
        patched.setattr("wbmodel.backend.parts.os.write", write)
        with pytest.raises(WbmodelError, match=r"big cannot be written .*No space left .*it needs 4,000,000 bytes and"):
            session.run(download([big], tmp_path))
    os.close(full)
    assert in_folder(tmp_path) == sorted([part_path(tmp_path / "big").name, part_path(tmp_path / "big").name + ".json"])
    assert session.run(download([big], tmp_path)).files[0].read_bytes() == BIG
    assert "Range" in host.asked[-1].headers


# -- links -------------------------------------------------------------------------------------------


def test_links_in_the_target_that_lead_outside(session, host, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root = tmp_path / "out"
    (root / "real").mkdir(parents=True)
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "dangling").symlink_to(outside / "nothing")
    (root / "within").symlink_to(root / "real")
    names = ["folder/a", "folder/deep/a", "file", "dangling", "within/a", "b"]
    made = session.run(download([ref(host, name) for name in names], root, raise_failures=False))
    assert {each.name for each in made.failures} == {"folder/a", "folder/deep/a", "file", "dangling"}
    assert all(isinstance(each.error, UnsafeName) for each in made.failures)
    assert in_folder(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert (root / "real" / "a").exists()


# -- the cache ---------------------------------------------------------------------------------------


def test_what_is_in_the_cache_is_not_fetched_and_an_edit_does_not_reach_it(session, host, tmp_path, cache):
    refs = [ref(host, f"f{number}") for number in range(5)]
    refs.append(attrs.evolve(refs[0], name="same content"))
    first = session.run(download(refs, tmp_path / "one", cache=cache))
    assert (len(host.asked), cache.info().files) == (5, 5)
    for path in first.files:
        path.write_bytes(b"edited")
    second = session.run(download([attrs.evolve(each, url=None) for each in refs], tmp_path / "two", cache=cache))
    assert [each.how for each in second.results] == ["cached"] * 6
    assert len(host.asked) == 5
    assert all(digest(path.read_bytes()) == each.digest for path, each in zip(second.files, refs, strict=True))


@pytest.mark.parametrize("damage", ["edit", "cut", "same size and time"])
def test_a_damaged_entry_is_found_out_and_replaced(session, host, tmp_path, cache, damage):
    one = ref(host, "a")
    session.run(download([one], tmp_path / "one", cache=cache))
    entry = cache.entry(one.digest)
    before = entry.stat()
    os.chmod(entry, 0o644)
    content = entry.read_bytes()
    entry.write_bytes({"edit": b"x" + content, "cut": content[:-1]}.get(damage, content[:-1] + b"?"))
    os.utime(entry, ns=(before.st_atime_ns, before.st_mtime_ns))
    made = session.run(download([one], tmp_path / "two", cache=cache))
    assert made.results[0].how == "fetched"
    assert digest(made.files[0].read_bytes()) == digest(entry.read_bytes()) == one.digest


def test_a_cache_that_cannot_be_written_is_said_and_done_without(session, host, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.warns(WbmodelWarning, match="WBMODEL_CACHE_DIR"):
        made = session.run(download([ref(host, "a")], tmp_path / "out", cache=Cache(tmp_path / "file" / "cache")))
    assert len(made.files) == 1


def test_content_without_a_digest_is_kept_under_its_etag(session, host, tmp_path, cache):
    one = ref(host, "a", digest=None, etag='"v1"')
    session.run(download([one], tmp_path / "one", cache=cache))
    signed_anew = attrs.evolve(one, url=f"{one.url}?signature=2")
    made = session.run(download([signed_anew], tmp_path / "two", cache=cache))
    assert made.results[0].how == "cached"
    made = session.run(download([attrs.evolve(one, etag='"v2"')], tmp_path / "three", cache=cache))
    assert made.results[0].how == "fetched"
