"""The base classes: what an author gets for one method, and what stays refused."""

from __future__ import annotations

import asyncio
import inspect
import threading

import attrs
import pytest

from tests.support.paged_backends import Blocking, Plain, SlowPaged, page
from wbmodel.backend import (
    AsyncBackend,
    Backend,
    BlobSink,
    BlobSource,
    Capabilities,
    ColumnSink,
    ColumnSource,
    SyncBackend,
)
from wbmodel.errors import ServerError
from wbmodel.request import BlobRef, BytesSource, ColumnBatch, Post, Posted, ReadSpec, RunRef

BLOB = BlobRef("run_file", "owner", "model.pt")
RUN = RunRef("UnVuOnI=", "acme", "vision", "r")


@pytest.mark.parametrize("flag", [item.name for item in attrs.fields(Capabilities)])
def test_every_capability_is_documented_in_one_sentence(flag):
    text = Capabilities.doc(flag)
    assert text.endswith(".")
    assert len(text.split()) > 1


def test_the_defaults_promise_nothing_that_a_live_server_may_not_keep():
    promised = {name for name, value in attrs.asdict(Capabilities()).items() if value is True}
    assert promised == {"count"}
    assert Capabilities().filtered == {"Run"}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Capabilities().count = False


@pytest.mark.parametrize("base", [SyncBackend, AsyncBackend])
def test_the_bases_have_every_door_with_the_protocols_arguments(base):
    for name, member in vars(Backend).items():
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        given = inspect.signature(getattr(base, name)).parameters
        assert list(given) == list(inspect.signature(member).parameters), name


def test_every_door_has_its_twin():
    doors = {name for name, member in vars(Backend).items() if inspect.isfunction(member) and not name.startswith("_")}
    plain = {name for name in doors if not (name.startswith("a") and name[1:] in doors)} - {"submit"}
    assert {f"a{name}" for name in plain} | plain | {"submit"} == doors


@pytest.mark.parametrize("base", [SyncBackend, AsyncBackend])
def test_forgetting_the_one_method_says_which(base):
    class Empty(base):
        api_version = 0
        name = "empty"

    backend = Empty()
    with pytest.raises(NotImplementedError, match="Empty must define .*execute"):
        backend.execute(page(0, 1))
    backend.close()


async def test_in_place_when_nothing_blocks_and_in_a_thread_when_it_does():
    here = threading.current_thread().name
    plain, blocking = Plain("x"), Blocking("x")
    await plain.aexecute(page(0, 1))
    await blocking.aexecute(page(0, 1))
    assert plain.threads == {here}
    assert here not in blocking.threads


async def test_a_blocking_backend_leaves_the_loop_free():
    backend = Blocking("x", delay=0.5)
    ticks = 0
    task = asyncio.ensure_future(backend.aexecute(page(0, 1)))
    while not task.done():
        ticks += 1
        await asyncio.sleep(0.01)
    assert ticks > 5


async def test_many_run_side_by_side_where_the_capability_says_so():
    meet = threading.Barrier(6)

    class Together(Blocking):
        def execute(self, request, *, timeout=None):
            meet.wait(30)  # until all six are here
            return super().execute(request, timeout=timeout)

    slow = SlowPaged("x", delay=0.2)
    for backend in (Together("x"), slow):
        requests = [page(start, 1) for start in range(6)]
        expected = [[number] for number in range(6)]
        assert [answer.data["rows"]["items"] for answer in backend.execute_many(requests)] == expected
        assert [answer.data["rows"]["items"] for answer in await backend.aexecute_many(requests)] == expected
        backend.close()
    assert slow.most == 6


async def test_one_failure_cancels_the_others():
    backend = SlowPaged("x", delay=0.02)
    failing = page(0, 1)
    failing.variables["fail"] = True
    slower = [page(0, 1) for _ in range(3)]

    class Uneven(SlowPaged):
        async def aexecute(self, request, *, timeout=None):
            if not request.variables.get("fail"):
                self.delay = 5
            else:
                self.delay = 0
            return await super().aexecute(request, timeout=timeout)

    backend.close()
    backend = Uneven("x")
    for call in (backend.execute_many, backend.aexecute_many):
        with pytest.raises(ServerError, match="on fire"):
            result = call([*slower, failing])
            if inspect.isawaitable(result):
                await result
    assert backend.cancelled == 6
    backend.close()


async def test_the_other_doors_of_a_sync_backend():
    class Doors(Plain):
        def __init__(self):
            super().__init__("x")
            self.blobs = {}
            self.ended = 0

        def read(self, runs, spec):
            try:
                for step in range(3):
                    yield ColumnBatch(runs[0].node_id, {"_step": [step]}, 1)
            finally:
                self.ended += 1

        def append(self, run, post, *, timeout=None):
            return Posted({stream: first + len(rows) for stream, (first, rows) in post.rows.items()})

        def open(self, ref, *, start=0):
            return iter(self.blobs[ref.name][start:])

        def put(self, ref, source, *, timeout=None):
            self.blobs[ref.name] = list(source.open())

    class BlockingDoors(Doors):
        blocking = True

    for backend in (Doors(), BlockingDoors()):
        for door in (ColumnSource, ColumnSink, BlobSource, BlobSink):
            assert isinstance(backend, door)
        assert [batch.columns["_step"] async for batch in backend.aread([RUN], ReadSpec())] == [[0], [1], [2]]
        stream = backend.aread([RUN], ReadSpec())
        await stream.__anext__()
        await stream.aclose()
        assert backend.ended == 2
        assert await backend.aappend(RUN, Post(rows={"history": (1, [{}])})) == Posted({"history": 2})
        await backend.aput(BLOB, BytesSource(b"ab"))
        assert [chunk async for chunk in backend.aopen(BLOB)] == [b"ab"]
        assert [chunk async for chunk in backend.aopen(BLOB, start=1)] == []
        await backend.aput(BLOB, BytesSource(b"c"))
        assert list(backend.open(BLOB)) == [b"c"]
        await backend.aclose()
        assert backend.closed == 1


def test_the_thread_pool_goes_with_close():
    backend = Blocking("x")
    backend.execute_many([page(0, 1), page(1, 1)])
    pools = [thread for thread in threading.enumerate() if thread.name.startswith("wbmodel blocking")]
    assert pools
    backend.close()
    for thread in pools:
        thread.join(5)
    assert not any(thread.is_alive() for thread in pools)
