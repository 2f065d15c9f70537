"""Streams through a session: left early, cut off, late, from another loop, interrupted; and wrappers that fail."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import threading
import time
from pathlib import Path

import pytest

from tests.support.pace import LONG
from wbmodel import trace
from wbmodel.backend import AsyncBackend, Capabilities, SyncBackend
from wbmodel.errors import IntegrityError, NotSupported, PluginError, RequestTimeout, ServerError
from wbmodel.hookspecs import hookimpl
from wbmodel.operations.answer import asked, items
from wbmodel.registry import make_plugin_manager
from wbmodel.request import (
    END,
    BlobRef,
    BytesSource,
    ColumnBatch,
    Emit,
    Fetch,
    FetchItem,
    Next,
    Open,
    Put,
    Read,
    Response,
    RunRef,
    Send,
    Work,
)
from wbmodel.session import connect

RUN = RunRef("1", "me", "mine", "r1")
CAN = Capabilities(columns=True, append=True, blobs=True, writable=True)


class Files:
    """Bytes by name, and how many streams of them are open."""

    def __init__(self, url="x:", /):
        self.files = {"a": b"0123456789", "b": b"x" * 3_000_000, "c": b""}
        self.open_now = 0
        self.delay = 0.0

    def chunks(self, ref, start):
        self.open_now += 1
        try:
            data = self.files[ref.name][start:]
            for at in range(0, len(data), 4 if len(data) < 100 else 2**20):
                yield data[at : at + (4 if len(data) < 100 else 2**20)]
        finally:
            self.open_now -= 1


class InPlace(Files, SyncBackend):
    api_version = 0
    name = "in-place"
    capabilities = CAN

    def execute(self, request, *, timeout=None):
        return Response({})

    def read(self, runs, spec, /):
        for step in range(3):
            yield ColumnBatch(runs[0].node_id, {"_step": [step, step]}, 2)

    def open(self, ref, /, *, start=0):
        for chunk in self.chunks(ref, start):
            time.sleep(self.delay)
            yield chunk

    def put(self, ref, source, /, *, timeout=None):
        self.files[ref.name] = b"".join(source.open())


class InThreads(InPlace):
    name = "in-threads"
    blocking = True


class OnALoop(Files, AsyncBackend):
    api_version = 0
    name = "on-a-loop"
    capabilities = CAN

    async def aexecute(self, request, *, timeout=None):
        return Response({})

    async def aread(self, runs, spec, /):
        for step in range(3):
            await asyncio.sleep(0)
            yield ColumnBatch(runs[0].node_id, {"_step": [step, step]}, 2)

    async def aopen(self, ref, /, *, start=0):
        source = self.chunks(ref, start)
        try:
            for chunk in source:
                await asyncio.sleep(self.delay)
                yield chunk
        finally:
            source.close()

    async def aput(self, ref, source, /, *, timeout=None):
        self.files[ref.name] = b"".join(source.open())


class TimingOut(InPlace):
    """Raises a ``TimeoutError`` of its own, as a socket does."""

    name = "timing-out"

    def open(self, ref, /, *, start=0):
        yield b"0123"
        raise TimeoutError("the disk took too long")


class FailsToClose(InPlace):
    """Raises while its first stream is closed."""

    name = "fails-to-close"

    def open(self, ref, /, *, start=0):
        try:
            yield from self.chunks(ref, start)
        finally:
            if ref.name == "b":
                raise ServerError("cannot be closed")


BACKENDS = [InPlace, InThreads, OnALoop]


class Plugin:
    def __init__(self, wrappers=()):
        self.wrappers = wrappers

    @hookimpl
    def wbmodel_register_backends(self, register):
        for backend in (*BACKENDS, TimingOut, FailsToClose):
            register(backend.name, backend)

    @hookimpl
    def wbmodel_register_wrappers(self, register):
        for wrapper, doors in self.wrappers:
            register(wrapper.__name__, wrapper, doors=doors)


def connected(backend, *wrappers, **options):
    plugins = make_plugin_manager(False, [Plugin(wrappers)])
    return connect(f"{backend.name}:x", plugins=plugins, default=False, name=f"streams {time.monotonic()}", **options)


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def session(request):
    with connected(request.param) as made:
        yield made


def of(name, **facts):
    return Open(BlobRef("run_file", "1", name, **facts))


async def collected(session, ask, colour):
    if colour == "sync":
        return [item for (item,) in session.iterate(items(ask))]
    return [item async for (item,) in session.aiterate(items(ask))]


both = pytest.mark.parametrize("colour", ["sync", "async"])


@both
async def test_streams_are_asked_counted_and_traced(session, colour):
    with trace(using=session) as records:
        batches = await collected(session, Read([RUN]), colour)
        chunks = await collected(session, of("a", size=10), colour)
    assert [list(batch.columns["_step"]) for batch in batches] == [[0, 0], [1, 1], [2, 2]]
    assert chunks == [b"0123", b"4567", b"89"]
    told = [(record.kind, record.operation, record.rows, record.bytes, record.outcome) for record in records]
    assert told == [
        ("read", "reading the history of me/mine/r1", 6, None, "ok"),
        ("open", "reading a", None, 10, "ok"),
    ]
    assert (session.stats.requests, session.stats.bytes, session.stats.errors) == (2, 10, 0)


@both
async def test_a_stream_that_is_left_half_read_is_closed_at_once(session, colour):
    backend = session.backend
    with trace(using=session) as records:
        if colour == "sync":
            rows = session.iterate(items(of("a")))
            next(rows)
            assert backend.open_now == 1
            rows.close()
        else:
            rows = session.aiterate(items(of("a")))
            await rows.__anext__()
            assert backend.open_now == 1
            await rows.aclose()
    assert backend.open_now == 0
    assert [record.outcome for record in records] == ["abandoned"]


@both
async def test_an_operation_that_forgets_a_stream_closes_it(session, colour):
    def first():
        stream = yield Send(of("a"))
        return (yield Next(stream))

    assert (session.run(first()) if colour == "sync" else await session.arun(first())) == b"0123"
    assert session.backend.open_now == 0


def test_a_stream_that_nobody_holds_is_closed(session):
    rows = session.iterate(items(of("a")))
    next(rows)
    del rows
    gc.collect()
    assert session.backend.open_now == 0


def test_a_stream_is_read_from_another_loop_after_one_that_is_gone(session):
    """An event loop is closed under a stream that is half read; another one reads the next."""

    async def half():
        rows = session.aiterate(items(of("a")))
        await rows.__anext__()
        return rows

    kept = asyncio.run(half())  # asyncio closes asynchronous generators at its end
    del kept
    assert asyncio.run(collected(session, of("a"), "async")) == [b"0123", b"4567", b"89"]
    assert session.backend.open_now == 0


@both
async def test_an_interrupt_closes_the_stream(session, colour):
    def interrupted():
        stream = yield Send(of("a"))
        yield Next(stream)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _ = session.run(interrupted()) if colour == "sync" else await session.arun(interrupted())
    assert session.backend.open_now == 0


async def test_cancelling_closes_the_stream(session):
    session.backend.delay = 0.2

    async def reading():
        await collected(session, of("a"), "async")

    if isinstance(session.backend, InThreads | OnALoop):
        task = asyncio.ensure_future(reading())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        until = time.monotonic() + LONG  # a thread that is in the middle of an item ends it
        while session.backend.open_now and time.monotonic() < until:
            await asyncio.sleep(0.02)
            gc.collect()
    assert session.backend.open_now == 0


@both
async def test_bytes_that_end_too_early_are_said(session, colour):
    with pytest.raises(IntegrityError, match=r"a has 11 bytes, but in-|a has 11 bytes, but on-"):
        await collected(session, of("a", size=11), colour)
    assert session.stats.errors == 1
    beginning = Open(BlobRef("run_file", "1", "a", size=10), start=8)
    assert await collected(session, beginning, colour) == [b"89"]


@both
@pytest.mark.parametrize("backend", [InThreads, OnALoop], ids=lambda backend: backend.name)
async def test_an_item_that_does_not_come_names_what_was_asked(backend, colour):
    if backend is InThreads and colour == "sync":
        pytest.skip("a blocking call of an author's is not interrupted")
    with connected(backend, timeout=0.2) as session:
        session.backend.delay = 0.0
        assert len(await collected(session, of("a"), colour)) == 3
        session.backend.delay = 30.0 if backend is OnALoop else 1.0
        with pytest.raises(RequestTimeout, match=r"sent nothing more within 0.2 s \(reading a\)") as caught:
            await collected(session, of("a"), colour)
        assert caught.value.operation == "reading a"
        if backend is OnALoop:
            assert session.backend.open_now == 0


@both
async def test_a_deadline_for_the_whole_holds_for_streams(colour):
    with connected(OnALoop) as session:
        session.backend.delay = 0.2

        async def within(seconds):
            if colour == "sync":
                return list(session.iterate(items(of("a")), timeout=seconds))
            return [rows async for rows in session.aiterate(items(of("a")), timeout=seconds)]

        assert len(await within(30)) == 3
        with pytest.raises(RequestTimeout, match=r"its timeout of 0.5 s.*reading a was under way"):
            await within(0.5)


def test_a_backend_that_is_read_only_takes_no_bytes():
    with connected(InPlace) as session:
        session.backend.capabilities = Capabilities(blobs=True)
        with pytest.raises(NotSupported, match=r"no put\(\) \(its capability 'writable' is off\)"):
            session.run(asked(Put(BlobRef("run_file", "1", "new"), BytesSource(b""))))


@both
async def test_work_and_puts(session, colour):
    def working():
        yield from asked(Put(BlobRef("run_file", "1", "new"), BytesSource(b"hello")))
        return (yield Send(Work(lambda: threading.current_thread() is threading.main_thread())))

    in_main = session.run(working()) if colour == "sync" else await session.arun(working())
    assert in_main is (colour == "sync")
    assert session.backend.files["new"] == b"hello"
    assert session.stats.requests == 1  # work goes to no backend


def files_in(folder: Path):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@both
async def test_files_are_fetched_whole_or_said_to_be_wrong(session, colour, tmp_path: Path):
    def ref(name, **facts):
        return BlobRef("run_file", "1", name, **facts)

    (tmp_path / "blocked").write_bytes(b"")
    digest = base64.b64encode(hashlib.md5(b"0123456789").digest()).decode()
    wanted = [
        FetchItem(ref("a", digest=digest, size=10), tmp_path / "deep" / "a"),
        FetchItem(ref("b", size=3_000_000), tmp_path / "b"),
        FetchItem(ref("c"), tmp_path / "c"),
        FetchItem(ref("a", digest=digest[::-1]), tmp_path / "wrong digest"),
        FetchItem(ref("a", size=9), tmp_path / "wrong size"),
        FetchItem(ref("a"), tmp_path / "blocked" / "in a file"),
    ]
    groups = await collected(session, Fetch(wanted), colour)
    done = {each.item.target.name: each for group in groups for each in group}
    assert len(done) == len(wanted)
    assert (tmp_path / "deep" / "a").read_bytes() == b"0123456789"
    assert (tmp_path / "b").read_bytes() == b"x" * 3_000_000
    assert (tmp_path / "c").read_bytes() == b""
    assert {name for name, each in done.items() if each.error} == {"wrong digest", "wrong size", "in a file"}
    assert isinstance(done["wrong digest"].error, IntegrityError)
    assert "cannot be written" in str(done["in a file"].error)
    assert files_in(tmp_path) == ["a", "b", "blocked", "c"]
    assert session.backend.open_now == 0


# -- wrappers ----------------------------------------------------------------------------------------


def first_only(ask, info):
    stream = yield Send(ask)
    yield Emit([(yield Next(stream))])


def failing_at_once(ask, info):
    raise ServerError("at once")
    yield


def failing_after_send(ask, info):
    yield Send(ask)
    raise ServerError("after send")


def failing_between(ask, info):
    stream = yield Send(ask)
    yield Emit([(yield Next(stream))])
    raise ServerError("between")


def failing_at_the_end(ask, info):
    stream = yield Send(ask)
    while (item := (yield Next(stream))) is not END:
        yield Emit([item])
    raise ServerError("at the end")


def yielding_nonsense(ask, info):
    yield "nonsense"


@both
@pytest.mark.parametrize(
    ("wrapper", "before"),
    [(failing_at_once, 0), (failing_after_send, 0), (failing_between, 1), (failing_at_the_end, 3)],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
async def test_a_wrapper_that_raises_ends_the_stream_there(backend, wrapper, before, colour):
    with connected(backend, (wrapper, ["bytes"])) as session:
        found = []
        with pytest.raises(ServerError, match=wrapper.__name__.removeprefix("failing_").replace("_", " ")):
            if colour == "sync":
                for rows in session.iterate(items(of("a"))):
                    found += rows
            else:
                async for rows in session.aiterate(items(of("a"))):
                    found += rows
        assert len(found) == before
        assert session.backend.open_now == 0
        assert await collected(session, Read([RUN]), colour), "a wrapper of bytes sees no columns"


@both
async def test_a_wrapper_that_stops_early_closes_what_it_read(colour):
    with connected(OnALoop, (first_only, ["bytes"])) as session:
        assert await collected(session, of("a"), colour) == [b"0123"]
        assert session.backend.open_now == 0


@both
async def test_a_wrapper_of_a_stream_that_yields_nonsense_is_named(colour):
    with connected(InPlace, (yielding_nonsense, ["bytes"])) as session:
        with pytest.raises(PluginError, match="'yielding_nonsense' yielded str"):
            await collected(session, of("a"), colour)


def test_a_wrapper_for_a_door_that_does_not_exist_is_refused():
    with pytest.warns(Warning, match="'doors'.*the doors are documents, columns, bytes"):
        assert connected(InPlace, (first_only, ["doors"])).wrappers == ()


@both
async def test_a_timeout_of_the_source_is_its_own(colour):
    with connected(TimingOut, timeout=30) as session:
        with pytest.raises(TimeoutError, match="the disk took too long"):
            await collected(session, of("a"), colour)


@both
async def test_a_stream_that_cannot_be_closed_leaves_none_open(colour):
    def both_begun():
        for name in ("b", "a"):
            yield Next((yield Send(of(name))))

    with connected(FailsToClose) as session:
        with pytest.raises(ServerError, match="cannot be closed"):
            _ = session.run(both_begun()) if colour == "sync" else await session.arun(both_begun())
        assert session.backend.open_now == 0
