"""Real threads, real event loops, real signals and real forks around an AsyncBackend."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.pace import patience
from tests.support.paged_backends import SlowPaged, all_rows, manager, page, pages
from wbmodel.backend import AsyncBackend, BlobSink, BlobSource, Capabilities, ColumnSink, ColumnSource
from wbmodel.backend.owner_loop import OwnerLoop
from wbmodel.errors import ConfigurationError, NotSupported, RequestTimeout, ServerError
from wbmodel.operations.answer import asked, items
from wbmodel.request import (
    Append,
    BlobRef,
    BytesSource,
    ColumnBatch,
    Open,
    Post,
    Posted,
    Put,
    Read,
    ReadSpec,
    Response,
    RunRef,
)
from wbmodel.session import connect

BLOB = BlobRef("run_file", "owner", "model.pt")
RUN = RunRef("UnVuOnI=", "acme", "vision", "r")


def slow(**options):
    return connect("slow:x", plugins=manager(), **options)


async def test_a_blocking_call_inside_a_running_loop():
    session = slow()
    assert session.run(all_rows(10, 25)) == list(range(25))
    assert await session.arun(all_rows(10, 25)) == list(range(25))


def test_two_event_loops_and_plain_threads_share_one_session():
    session = slow(total=40, delay=0.005)
    results = []

    async def several():
        return await asyncio.gather(*[session.arun(all_rows(10, 40)) for _ in range(5)])

    def in_a_loop():
        results.extend(asyncio.run(several()))

    def blocking():
        results.append([row for rows in session.iterate(pages(10)) for row in rows])

    threads = [threading.Thread(target=target) for target in (in_a_loop, in_a_loop, blocking, blocking)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [list(range(40))] * 12
    assert session.backend.threads == {"slow loop"}


def test_many_threads_make_one_backend_and_one_loop():
    session = slow(delay=0)
    with ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda _: session.run(all_rows(10, 10)), range(64)))
    assert rows == [list(range(10))] * 64
    assert session.backend.threads == {"slow loop"}
    assert sum(thread.name == "slow loop" for thread in threading.enumerate()) == 1


def test_a_blocking_call_on_the_owner_loop_is_refused():
    class Confused(SlowPaged):
        async def aexecute(self, request, *, timeout=None):
            return self.execute(request)

    backend = Confused("x")
    try:
        with pytest.raises(ConfigurationError, match="would deadlock"):
            backend.execute(page(0, 1))
    finally:
        backend.close()


async def test_a_timeout_cancels_the_work_in_both_colours():
    session = slow(delay=30, timeout=0.05)
    backend = session.backend
    with pytest.raises(RequestTimeout, match=r"did not answer within 0.05 s.*timeout=") as caught:
        session.run(all_rows(10, 10))
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, ServerError)
    with pytest.raises(RequestTimeout):
        await session.arun(all_rows(10, 20))
    assert backend.started == backend.cancelled == 3


def test_the_author_may_keep_the_deadline():
    class Polite(SlowPaged):
        async def aexecute(self, request, *, timeout=None):
            await asyncio.sleep(timeout)
            raise RequestTimeout("the author's own words")

    backend = Polite("x")
    try:
        with pytest.raises(RequestTimeout, match="own words"):
            backend.execute(page(0, 1), timeout=0.02)
    finally:
        backend.close()


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_ctrl_c_cancels_the_work():
    session = slow(delay=30)
    backend = session.backend

    def press():
        while not backend.started:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        session.run(all_rows(10, 10))
    presser.join()
    patience(lambda: backend.cancelled)
    assert backend.cancelled == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_starts_its_own_loop():
    # In a process of its own: pytest's threads have no business in a fork.
    code = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork beside threads
        from tests.support.paged_backends import all_rows, manager
        from wbmodel.session import connect

        session = connect("slow:x", plugins=manager())
        assert session.run(all_rows(10, 25)) == list(range(25))
        child = os.fork()
        if child == 0:
            ok = session.run(all_rows(10, 25)) == list(range(25)) and session.backend.forks == 1
            session.close()
            os._exit(0 if ok else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert session.run(all_rows(10, 25)) == list(range(25))
        assert session.backend.forks == 0
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=30, cwd=os.getcwd(), env=_env())


def test_a_process_that_closes_nothing_ends_quietly():
    code = """
        from tests.support.paged_backends import all_rows, manager
        from wbmodel.session import connect
        print(connect("slow:x", plugins=manager(), total=10).run(all_rows(10, 10)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=True,
        timeout=30,
        env=_env(),
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(list(range(10)))
    assert done.stderr == ""


def _env():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_closing_releases_once_and_stops_the_thread():
    session = slow()
    backend = session.backend
    session.run(all_rows(10, 10))
    session.close()
    session.close()
    assert backend.released == 1
    assert not any(thread.name == "slow loop" for thread in threading.enumerate())


async def test_closing_in_the_other_colour():
    session = slow()
    backend = session.backend
    await session.arun(all_rows(10, 10))
    await session.aclose()
    assert backend.released == 1
    assert not any(thread.name == "slow loop" for thread in threading.enumerate())


def test_closing_a_session_that_was_never_used_starts_nothing():
    session = slow()
    session.close()
    assert not any(thread.name == "slow loop" for thread in threading.enumerate())


def test_closing_under_a_waiting_thread_frees_it():
    session = slow(delay=30)
    errors = []

    def wait():
        try:
            session.run(all_rows(10, 10))
        except ConfigurationError as error:
            errors.append(str(error))

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not session.backend.started:
        time.sleep(0.005)
    session.close()
    waiter.join(5)
    assert not waiter.is_alive()
    assert errors == ["slow was closed while a request was under way"]


def test_a_forgotten_loop_takes_its_thread_with_it():
    async def one():
        return 1

    owner = OwnerLoop("forgotten")
    assert owner.run(one()) == 1
    del owner
    gc.collect()
    patience(lambda: not any(thread.name == "forgotten loop" for thread in threading.enumerate()))


def test_a_stopped_loop_starts_again():
    async def name():
        return threading.current_thread().name

    owner = OwnerLoop("again")
    assert not owner.running
    assert owner.run(name()) == "again loop"
    owner.stop()
    owner.stop()
    assert not owner.running
    assert owner.run(name()) == "again loop"
    owner.stop()


# -- the other doors -------------------------------------------------------------------------------


class Doors(AsyncBackend):
    """Answers every door on its own loop, and notes where it was."""

    api_version = 0
    name = "doors"
    capabilities = Capabilities(columns=True, append=True, blobs=True)

    def __init__(self):
        self.threads = set()
        self.blobs = {}
        self.ended = 0

    async def _step(self):
        await asyncio.sleep(0)
        self.threads.add(threading.current_thread().name)

    async def aexecute(self, request, *, timeout=None):
        await self._step()
        return Response(data={})

    async def aread(self, runs, spec):
        try:
            for start in range(spec.min_step or 0, spec.max_step or 3):
                await self._step()
                yield ColumnBatch(runs[0].node_id, {"_step": [start]}, 1)
        finally:
            self.ended += 1

    async def aappend(self, run, post, *, timeout=None):
        await self._step()
        return Posted({stream: first + len(rows) for stream, (first, rows) in post.rows.items()})

    async def aopen(self, ref, *, start=0):
        for chunk in self.blobs[ref.name][start:]:
            await self._step()
            yield chunk

    async def aput(self, ref, source, *, timeout=None):
        await self._step()
        self.blobs[ref.name] = list(source.open())


@pytest.fixture
def doors():
    backend = Doors()
    yield backend
    backend.close()


async def test_every_door_leads_to_the_owner_loop_in_both_colours(doors):
    spec, post = ReadSpec(max_step=2), Post(rows={"history": (5, [{}, {}])})
    for door in (ColumnSource, ColumnSink, BlobSource, BlobSink):
        assert isinstance(doors, door)
    assert [batch.columns["_step"] for batch in doors.read([RUN], spec)] == [[0], [1]]
    assert [batch.columns["_step"] async for batch in doors.aread([RUN], spec)] == [[0], [1]]
    assert doors.append(RUN, post) == await doors.aappend(RUN, post) == Posted({"history": 7})
    doors.put(BLOB, BytesSource(b"xy"))
    assert list(doors.open(BLOB)) == [b"xy"]
    await doors.aput(BLOB, BytesSource(b"ab"))
    assert [chunk async for chunk in doors.aopen(BLOB)] == [b"ab"]
    assert doors.threads == {"doors loop"}
    assert doors.ended == 2


async def test_leaving_a_stream_early_ends_it(doors):
    batches = doors.read([RUN], ReadSpec())
    next(batches)
    batches.close()
    stream = doors.aread([RUN], ReadSpec())
    await stream.__anext__()
    await stream.aclose()
    assert doors.ended == 2


@pytest.mark.parametrize(
    ("ask", "capability"),
    [
        (Read([RUN]), "columns"),
        (Append(RUN, Post()), "append"),
        (Open(BLOB), "blobs"),
        (Put(BLOB, BytesSource(b"")), "blobs"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_doors_that_are_not_open_name_the_backend_and_the_capability(ask, capability):
    """Off by capability, or promised by a class that has no such method: both are said."""
    operation = items if isinstance(ask, Read | Open) else asked
    for promised, why in [
        (False, f"its capability '{capability}' is off"),
        (True, "its class does not have the methods of"),
    ]:
        session = connect("slow:x", plugins=manager(), default=False)
        session.backend.capabilities = Capabilities(writable=True, **{capability: promised})
        with session:
            with pytest.raises(NotSupported, match=f"'slow' has no .*{why}"):
                list(session.iterate(operation(ask)))
            with pytest.raises(NotSupported, match=why):
                async for _ in session.aiterate(operation(ask)):
                    pass
        assert session.stats.requests == 2
        assert session.stats.errors == 2
