"""The cache of contents: verified in and out, never edited through a copy, pruned without harm."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from hashlib import md5
from pathlib import Path

import pytest

from wbmodel.backend.asks import BlobRef
from wbmodel.errors import ConfigurationError, IntegrityError
from wbmodel.files_cache import Cache, cache_folder


def ref(data, name="a", **facts):
    facts = {"size": len(data), "digest": base64.b64encode(md5(data).digest()).decode(), **facts}
    return BlobRef("artifact_file", "1", name, **facts)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def kept(cache, tmp_path, data, **facts):
    source = tmp_path / "source"
    source.write_bytes(data)
    one = ref(data, **facts)
    assert cache.put(one, source)
    return one


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
@pytest.mark.parametrize("link", [False, True])
def test_what_goes_in_comes_out(cache, tmp_path, size, link):
    data = os.urandom(size)
    one = kept(cache, tmp_path, data)
    target = tmp_path / "deep" / "target"
    assert cache.get(one, target, link=link) == size
    assert target.read_bytes() == data
    entry = cache.entry(one.digest)
    assert entry.stat().st_mode & 0o777 == 0o444
    assert (target.stat().st_ino == entry.stat().st_ino) is link
    assert (target.stat().st_mode & 0o200 != 0) is not link
    assert cache.get(one, target) == size  # over what is there
    assert (cache.info().files, cache.info().bytes) == (1, size)
    assert str(cache.info()).startswith("1 files, ") is (size >= 0)


def test_what_is_not_there(cache, tmp_path):
    assert cache.get(ref(b"never"), tmp_path / "x") is None
    assert cache.get(ref(b"never", digest=None), tmp_path / "x") is None
    assert cache.get(ref(b"never", digest="no digest"), tmp_path / "x") is None
    assert not cache.place.exists()
    assert (cache.info().files, cache.prune().files) == (0, 0)


def test_other_content_does_not_go_in(cache, tmp_path):
    (tmp_path / "source").write_bytes(b"other")
    for one in (ref(b"right"), ref(b"right", digest="?"), ref(b"other", size=4)):
        with pytest.raises(IntegrityError, match="not kept"):
            cache.put(one, tmp_path / "source")
    assert cache.put(ref(b"other", digest=None), tmp_path / "source") is False
    assert cache.info().files == 0


def test_the_size_of_the_ref_counts_too(cache, tmp_path):
    one = kept(cache, tmp_path, b"content")
    assert cache.get(ref(b"content", size=8, digest=one.digest), tmp_path / "x") is None
    assert not (tmp_path / "x").exists()


def test_a_target_keeps_its_content_if_the_entry_is_damaged(cache, tmp_path):
    one = kept(cache, tmp_path, b"content")
    (tmp_path / "target").write_bytes(b"mine")
    os.chmod(cache.entry(one.digest), 0o644)
    cache.entry(one.digest).write_bytes(b"CONTENT")
    assert cache.get(one, tmp_path / "target") is None
    assert (tmp_path / "target").read_bytes() == b"mine"
    assert cache.info().files == 0


def test_pruning_by_age_and_by_size(cache, tmp_path):
    refs = [kept(cache, tmp_path, bytes([number]) * 100) for number in range(5)]
    now = time.time()
    for number, one in enumerate(refs):
        os.utime(cache.entry(one.digest), (now - number * 1000, now - number * 1000))
    done = cache.prune(older_than=2500)
    assert (done.files, done.bytes, done.left.files) == (2, 200, 3)
    cache.get(refs[2], tmp_path / "out")  # the oldest is used
    done = cache.prune(max_bytes=250)
    assert (done.files, done.left.bytes) == (1, 200)
    assert cache.get(refs[2], tmp_path / "out") == 100
    assert cache.get(refs[1], tmp_path / "out") is None
    assert cache.prune().left.files == 0
    for wrong in ({"older_than": -1}, {"max_bytes": float("nan")}, {"max_bytes": True}):
        with pytest.raises(ConfigurationError):
            cache.prune(**wrong)


def test_pruning_removes_what_nobody_finished_but_not_what_is_under_way(cache, tmp_path):
    one = kept(cache, tmp_path, b"content")
    folder = cache.entry(one.digest).parent
    (folder / ".old.part").write_bytes(b"x")
    (folder / ".new.part").write_bytes(b"x")
    os.utime(folder / ".old.part", (0, 0))
    assert cache.info().files == 1
    cache.prune(older_than=1000)
    assert sorted(path.name for path in folder.iterdir()) == sorted([".new.part", cache.entry(one.digest).name])


def test_where_it_is(monkeypatch, tmp_path):
    assert cache_folder({"WBMODEL_CACHE_DIR": str(tmp_path)}) == tmp_path
    assert cache_folder({"WBMODEL_CACHE_DIR": "~/x"}) == Path.home() / "x"
    monkeypatch.delenv("WBMODEL_CACHE_DIR", raising=False)
    assert cache_folder().name == "wbmodel"
    monkeypatch.setenv("WBMODEL_CACHE_DIR", str(tmp_path / "here"))
    assert Cache().place == tmp_path / "here"
    assert not (tmp_path / "here").exists()


def test_processes_that_fill_use_and_prune_it_at_once(cache, tmp_path):
    code = """
import base64, sys
from hashlib import md5
from pathlib import Path
from wbmodel.backend.asks import BlobRef
from wbmodel.files_cache import Cache
place, own = sys.argv[1:]
cache, own = Cache(place), Path(own)
for turn in range(150):
    data = bytes([turn % 10]) * 5000
    one = BlobRef("run_file", "1", "a", size=5000, digest=base64.b64encode(md5(data).digest()).decode())
    if cache.get(one, own) is None:
        own.write_bytes(data)
        cache.put(one, own)
    assert own.read_bytes() == data
    if turn % 20 == 7:
        cache.prune(max_bytes=20000)
"""
    root = Path(__file__).resolve().parents[2]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(cache.place), str(tmp_path / f"own{number}")],
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        for number in range(2)
    ]
    assert [process.wait(120) for process in both] == [0, 0]
