"""The live backend's bytes door over sockets: hosts that send too little, too much, other pieces, or nothing at all."""

from __future__ import annotations

import base64
import logging
import random
import traceback
from hashlib import md5
from pathlib import Path

import pytest

from tests.support.http import KEY, basic
from tests.support.storage_host import Bad, StorageHost
from wbmodel import connect
from wbmodel.backend import Capabilities
from wbmodel.backend.asks import BlobRef, BytesSource, Fetch, FetchItem, Open, Put
from wbmodel.backend.parts import part_path
from wbmodel.errors import (
    DoesNotExist,
    IntegrityError,
    LinkExpired,
    NotAuthenticated,
    NotSupported,
    RateLimited,
    ServerError,
    ServerUnreachable,
)
from wbmodel.operations.answer import asked, items
from wbmodel.session.observers import observing
from wbmodel.session.trace import tracing

DATA = random.Random(7).randbytes(3_000_000)
SECRET = "X-Token=5ecret5ecret5ecret5ecret"


def digest(data: bytes) -> str:
    return base64.b64encode(md5(data).digest()).decode()


@pytest.fixture(scope="module")
def hosts():
    """The server itself, and a storage host."""
    with StorageHost() as server, StorageHost("127.0.0.2") as storage:
        yield server, storage


@pytest.fixture
def server(hosts):
    return reset(hosts[0])


@pytest.fixture
def storage(hosts):
    return reset(hosts[1])


def reset(host):
    host.files.clear(), host.bad.clear(), host.asked.clear()
    return host


@pytest.fixture
def session(server):
    with connect(server.url, api_key=KEY, project="a/b", default=False, timeout=20) as session:
        yield session


def ref(url, data=DATA, **facts):
    facts = {"size": len(data), "digest": digest(data), **facts}
    return BlobRef("run_file", "1", "model.bin", f"{url}?{SECRET}", **facts)


def opened(session, ref, start=0):
    chunks = [chunk for (chunk,) in session.iterate(items(Open(ref, start)))]
    assert all(len(chunk) <= 2**20 for chunk in chunks)
    assert sum(len(chunk) < 2**18 for chunk in chunks) <= 2  # the last one, and where it broke off
    return b"".join(chunks)


def fetched(session, ref, target):
    ((done,),) = [group for (group,) in session.iterate(items(Fetch([FetchItem(ref, target)]))) if group]
    return done


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# -- whole -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        Bad(),
        Bad(chunked=True),
        Bad(gzip=True),
        Bad(gzip=True, chunked=True),
        Bad(times=2, drop=1_200_000),
        Bad(times=2, drop=1_200_000, chunked=True),
        Bad(times=1, drop=1_200_000, no_etag=True),
        Bad(times=2, drop=1_200_000, no_ranges=True),
        Bad(times=1, drop=1_200_000, gzip=True),
        Bad(times=1, less=500_000, chunked=True),
        Bad(times=1, status=503),
        Bad(times=1, status=429, retry_after="0.1"),
    ],
    ids=str,
)
def test_what_may_go_wrong_on_the_way_leaves_the_bytes_whole(session, storage, tmp_path, bad):
    times = bad.times
    url = storage.add("model.bin", DATA, bad)
    assert opened(session, ref(url)) == DATA
    assert opened(session, ref(url, size=None), 2_000_000) == DATA[2_000_000:]
    bad.times = times
    done = fetched(session, ref(url), tmp_path / "deep" / "model.bin")
    assert (done.error, done.bytes) == (None, len(DATA))
    assert (tmp_path / "deep" / "model.bin").read_bytes() == DATA
    assert left_in(tmp_path) == ["model.bin"]


def test_what_broke_off_goes_on_by_range_under_the_same_etag(session, storage):
    url = storage.add("model.bin", DATA, Bad(times=1, drop=1_200_000))
    assert opened(session, ref(url)) == DATA
    first, second = storage.asked
    assert "Range" not in first.headers
    assert first.headers["Accept-Encoding"] == "identity"
    assert second.headers["If-Range"] == f'"{md5(DATA).hexdigest()}"'
    assert int(second.headers["Range"].removeprefix("bytes=").removesuffix("-")) > 1_000_000


# -- spoiled -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (Bad(less=10), "3,000,000 bytes, but http://127.0.0.2:.* has 2,999,990"),
        (Bad(more=10), "3,000,000 bytes, but http://127.0.0.2:.* has 3,000,010"),
        (Bad(less=10, chunked=True), "stopped after 2,999,990"),
        (Bad(more=10, chunked=True), "sends more"),
        (Bad(less=10, gzip=True), "stopped after 2,999,990"),
        (Bad(more=10, gzip=True), "sends more"),
    ],
    ids=str,
)
def test_less_or_more_than_promised_is_an_error(session, storage, tmp_path, bad, told):
    url = storage.add("model.bin", DATA, bad)
    with pytest.raises(IntegrityError, match=told):
        opened(session, ref(url))
    done = fetched(session, ref(url), tmp_path / "model.bin")
    assert isinstance(done.error, IntegrityError)
    assert left_in(tmp_path) == []


def test_another_digest_is_an_error_that_shows_both(session, storage, tmp_path):
    url = storage.add("model.bin", DATA)
    other = digest(b"")
    done = fetched(session, ref(url, digest=other), tmp_path / "model.bin")
    assert isinstance(done.error, IntegrityError)
    assert {"model.bin", other, digest(DATA)} <= set(str(done.error).replace(",", "").split())
    assert left_in(tmp_path) == []


def test_another_range_than_was_asked_for(session, storage, tmp_path):
    url = storage.add("model.bin", DATA, Bad(wrong_range=True))
    with pytest.raises(IntegrityError, match="from byte 1,999,993 on, and was asked for it from byte 2,000,000 on"):
        opened(session, ref(url), 2_000_000)
    storage.bad["model.bin"] = Bad(times=2, drop=1_200_000, wrong_range=True)
    assert fetched(session, ref(url), tmp_path / "model.bin").error is None
    assert (tmp_path / "model.bin").read_bytes() == DATA


def test_content_that_changes_while_it_is_read_is_not_mixed(session, storage, tmp_path):
    other = bytes(reversed(DATA))
    url = storage.add("model.bin", DATA, Bad(drop=2_000_000))
    found = []
    with pytest.raises(IntegrityError, match="changed at"):
        for (chunk,) in session.iterate(items(Open(ref(url, digest=None)))):
            found.append(chunk)
            storage.files["model.bin"] = other
    storage.bad["model.bin"] = Bad(times=1, drop=2_000_000)
    storage.files["model.bin"] = DATA
    part = part_path(tmp_path / "model.bin")
    storage.bad["model.bin"] = Bad(drop=2_000_000, times=50)
    with connect(session.url, api_key=KEY, project="a/b", default=False, max_attempts=1) as hasty:
        assert isinstance(fetched(hasty, ref(url, digest=None), tmp_path / "model.bin").error, ServerUnreachable)
    assert part.stat().st_size >= 2**20
    storage.bad.clear()
    storage.files["model.bin"] = other
    assert fetched(session, ref(url, digest=None), tmp_path / "model.bin").error is None
    assert (tmp_path / "model.bin").read_bytes() == other


def test_beyond_the_end_is_nothing_to_read(session, storage):
    url = storage.add("model.bin", DATA)
    assert opened(session, ref(url), len(DATA)) == b""
    assert opened(session, ref(url, size=None), len(DATA)) == b""
    with pytest.raises(IntegrityError, match="HTTP 416"):
        opened(session, ref(url, size=None), len(DATA) + 1)


def test_a_gzip_that_is_cut_is_not_taken_for_whole(session, storage, tmp_path):
    import gzip

    with connect(session.url, api_key=KEY, project="a/b", default=False, max_attempts=2) as hasty:
        url = storage.add("model.bin", DATA, Bad(drop=1_000_000, gzip=True, chunked=True))
        done = fetched(hasty, ref(url, size=None, digest=None), tmp_path / "model.bin")
        assert isinstance(done.error, ServerError)
    assert not (tmp_path / "model.bin").exists()
    assert gzip.decompress(gzip.compress(DATA)) == DATA


# -- who gets the key, and what is told --------------------------------------------------------------


def test_the_key_goes_to_the_server_only(session, server, storage):
    theirs = storage.add("model.bin", DATA)
    assert opened(session, ref(theirs)) == DATA
    ours = server.add("files/model.bin", DATA)
    assert opened(session, ref(ours)) == DATA
    assert opened(session, ref("/files/model.bin")) == DATA
    assert [asked.headers.get("Authorization") for asked in server.asked] == [basic(KEY)] * 2
    assert [asked.headers.get("Authorization") for asked in storage.asked] == [None]


def test_a_redirect_to_another_host_gets_neither_key_nor_headers(server, storage):
    theirs = storage.add("model.bin", DATA)
    ours = server.add("files/model.bin", DATA, Bad(location=f"{theirs}?{SECRET}"))
    with connect(server.url, api_key=KEY, project="a/b", default=False, headers={"X-Proxy-Pass": "hush"}) as session:
        assert opened(session, ref(ours, headers={"X-Own": "1"})) == DATA
    assert server.asked[0].headers["Authorization"] == basic(KEY)
    assert (server.asked[0].headers["X-Proxy-Pass"], server.asked[0].headers["X-Own"]) == ("hush", "1")
    assert not {"Authorization", "X-Proxy-Pass", "X-Own"} & storage.asked[0].headers.keys()
    assert KEY not in str(storage.asked)


def test_a_redirect_back_to_the_server_gets_the_key_again_and_a_circle_ends(session, server, storage):
    server.add("there", DATA)
    theirs = storage.add("model.bin", b"", Bad(location=f"{server.url}/there"))
    ours = server.add("files/model.bin", b"", Bad(location=theirs))
    assert opened(session, ref(ours)) == DATA
    assert [asked.headers.get("Authorization") for asked in server.asked] == [basic(KEY)] * 2
    server.bad["there"] = Bad(location=ours)
    with pytest.raises(ServerError, match="redirected more than 10 times"):
        opened(session, ref(ours))


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.2/x", "javascript:x", "//[bad"])
def test_addresses_that_are_not_of_http(session, server, place):
    with pytest.raises(ServerError, match="not an? address of http"):
        opened(session, ref(server.add("model.bin", DATA, Bad(location=place))))
    if not place.startswith("//"):
        with pytest.raises(ServerError, match="not an address of http or https"):
            opened(session, BlobRef("run_file", "1", "model.bin", place))


def test_a_file_without_a_url_does_not_exist(session):
    with pytest.raises(DoesNotExist, match=r"model\.bin has no URL"):
        opened(session, BlobRef("run_file", "1", "model.bin"))


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Bad(status=401), LinkExpired),
        (Bad(status=403, said="<Error><Code>AccessDenied</Code></Error>"), LinkExpired),
        (Bad(status=400, said="<Error><Code>ExpiredToken</Code></Error>"), LinkExpired),
        (Bad(status=400, said="no"), ServerError),
        (Bad(status=404), DoesNotExist),
        (Bad(status=410), DoesNotExist),
        (Bad(status=418), ServerError),
        (Bad(status=429, retry_after="100"), RateLimited),
        (Bad(location="http://127.0.0.2:9/"), ServerUnreachable),
    ],
    ids=str,
)
def test_a_refusal_names_host_and_file_and_never_a_secret(session, bad, error, caplog, recwarn):
    caplog.set_level(logging.DEBUG)
    records = []
    with StorageHost("127.0.0.2") as storage, observing(tracing(records.append)), pytest.raises(error) as raised:
        opened(session, ref(storage.add("model.bin", DATA, bad)))
    told = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=False).format())
    assert "model.bin" in str(raised.value)
    assert "127.0.0.2" in str(raised.value)
    for text in (told, caplog.text, str(records), str([w.message for w in recwarn]), repr(raised.value.__dict__)):
        assert "5ecret" not in text
        assert KEY not in text


def test_a_signed_url_on_the_server_itself_gets_no_second_login(session, server):
    one = ref(server.add("bucket/model.bin", DATA, Bad(times=1, status=403)))
    signed = BlobRef("run_file", "1", "model.bin", f"{server.url}/bucket/model.bin?X-Amz-Signature=5ecret")
    with pytest.raises(LinkExpired):
        opened(session, signed)
    assert opened(session, signed) == DATA
    assert not any("Authorization" in asked.headers for asked in server.asked)
    assert opened(session, one) == DATA
    assert server.asked[-1].headers["Authorization"] == basic(KEY)


def test_the_server_itself_refuses_a_key(session, server):
    with pytest.raises(NotAuthenticated):
        opened(session, ref(server.add("files/model.bin", DATA, Bad(status=401))))


# -- many --------------------------------------------------------------------------------------------


def test_a_storage_host_gets_a_bounded_number_of_requests_at_once(session, storage, tmp_path):
    refs = [
        BlobRef("run_file", "1", f"f{number}", storage.add(f"f{number}", b"x" * 70_000, Bad(pause=0.005)))
        for number in range(80)
    ]
    storage.peak = 0
    groups = [group for (group,) in session.iterate(items(Fetch([FetchItem(r, tmp_path / r.name) for r in refs])))]
    assert sum(map(len, groups)) == 80
    assert all(done.error is None for group in groups for done in group)
    assert len(groups) < 60
    assert 4 <= storage.peak <= 24


async def test_both_colours_and_leaving_early(session, storage, tmp_path: Path):
    url = storage.add("model.bin", DATA, Bad(pause=0.01))
    chunks = [chunk async for (chunk,) in session.aiterate(items(Open(ref(url))))]
    assert b"".join(chunks) == DATA
    groups = [g async for (g,) in session.aiterate(items(Fetch([FetchItem(ref(url), tmp_path / "a")])))]
    assert [done.error for group in groups for done in group] == [None]
    reading = session.aiterate(items(Open(ref(url))))
    async for _ in reading:
        break
    await reading.aclose()


def test_reading_is_open_and_writing_is_not(session):
    assert session.backend.capabilities == Capabilities(concurrent=True, writable=True, blobs=True)
    with pytest.raises(NotSupported, match=r"no put\(\)"):
        session.run(asked(Put(BlobRef("run_file", "1", "new"), BytesSource(b""))))
