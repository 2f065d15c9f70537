"""Parts of files over HTTP: what a client that was interrupted asks for."""

from __future__ import annotations

import pytest

from tests.support.http import KEY, basic, call
from wbmodel.engine import Engine, MemoryStore
from wbmodel.testing import served

DATA = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def url():
    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    run = store.add_run(store.add_project("ada", "vision"), "r1")
    store.add_file(run, "model.bin", DATA)
    with served(Engine(store), api_key=KEY) as server:
        yield f"{server.url}/files/ada/vision/r1/model.bin"


def got(url, **headers):
    sent = {"Authorization": basic(KEY), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return call(url, headers=sent)


@pytest.mark.parametrize(
    ("wanted", "part", "told"),
    [
        ("bytes=0-", DATA, "bytes 0-1023/1024"),
        ("bytes=1000-", DATA[1000:], "bytes 1000-1023/1024"),
        ("bytes=10-19", DATA[10:20], "bytes 10-19/1024"),
        ("bytes=-5", DATA[-5:], "bytes 1019-1023/1024"),
        ("bytes=1000-9999", DATA[1000:], "bytes 1000-1023/1024"),
    ],
)
def test_a_range_is_answered_with_that_part(url, wanted, part, told):
    whole = got(url)
    assert (whole.status, whole.raw, whole.headers["Accept-Ranges"]) == (200, DATA, "bytes")
    found = got(url, Range=wanted, If_Range=whole.headers["ETag"])
    assert (found.status, found.raw, found.headers["Content-Range"]) == (206, part, told)


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x-"])
def test_ranges_that_are_ignored(url, wanted):
    assert got(url, Range=wanted).raw == DATA


def test_another_version_is_sent_whole_and_beyond_the_end_is_416(url):
    found = got(url, Range="bytes=10-", If_Range='"older"')
    assert (found.status, found.raw) == (200, DATA)
    found = got(url, Range="bytes=1024-")
    assert (found.status, found.headers["Content-Range"]) == (416, "bytes */1024")
