"""Who asks, and from where: inside a running loop, from several loops and threads at once, from a notebook, and two
hosts side by side."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.runner import IDS, KEY, make_store
from tests.support.servers import Tap
from wbmodel import Run, Session, connect
from wbmodel.engine.execute import Engine
from wbmodel.engine.server import Server, serving
from wbmodel.errors import NotAuthenticated, RequestTimeout
from wbmodel.testing import Fault

OTHER_KEY = "fedcba9876543210fedcba9876543210fedcba98"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def session(tap: tuple[Tap, str]) -> Iterator[Session]:
    """A session whose connections are looked at."""
    with connect(tap[1], api_key=KEY, project="acme/vision", name="callers", default=False, concurrency=8) as made:
        yield made


def test_sync_calls_inside_a_running_loop(session: Session) -> None:
    async def main() -> tuple[list[str], int, list[str]]:
        runs = Run.objects.using(session)
        plain = [run.id for run in runs]
        return plain, runs.count(), [run.id async for run in runs]

    assert asyncio.run(main()) == (IDS, 24, IDS)


def test_several_loops_in_several_threads_share_a_session(session: Session, tap: tuple[Tap, str]) -> None:
    async def ask(number: int) -> list[Any]:
        runs = Run.objects.using(session)
        one, count = await asyncio.gather(runs.aget(id=IDS[number]), runs.acount())
        return [one.id, count, [run.id async for run in runs]]

    def loop(number: int) -> list[Any]:
        return asyncio.run(ask(number))

    def plain(number: int) -> list[Any]:
        runs = Run.objects.using(session)
        return [runs.get(id=IDS[number]).id, runs.count(), [run.id for run in runs]]

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda number: (loop if number % 2 else plain)(number), range(12)))
    assert found == [[IDS[number], 24, IDS] for number in range(12)]
    assert tap[0].most <= 8
    assert session.stats.errors == 0
    assert session.stats.peak_in_flight <= 8


async def test_fifty_at_once_share_a_few_connections(session: Session, server: Server, tap: tuple[Tap, str]) -> None:
    server.faults.latency = 0.02
    names = [IDS[number % len(IDS)] for number in range(50)]
    found = await asyncio.gather(*(Run.objects.using(session).aget(id=name) for name in names))
    assert [run.id for run in found] == names
    assert 1 < tap[0].most <= 8
    assert len(tap[0].ports) <= 8  # each was used again and again
    assert server.stats.peak <= 8
    counts = session.stats.as_dict()
    assert (counts["requests"], counts["errors"], counts["retries"]) == (50, 0, 0)
    assert counts["peak_in_flight"] <= 8


async def test_fifty_at_once_while_the_server_fails(session: Session, server: Server) -> None:
    for fault in (Fault.reset_before(), Fault.reset_after(), Fault.reset_in_body(), Fault(status=502)):
        server.faults.add(fault, times=3, after=2)
    names = [IDS[number % len(IDS)] for number in range(50)]
    found = await asyncio.gather(*(Run.objects.using(session).aget(id=name) for name in names))
    assert [run.id for run in found] == names
    assert session.stats.retries == 12
    assert session.stats.errors == 0


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_query_has_one_deadline_for_all_its_pages(colour: str, session: Session, server: Server) -> None:
    server.faults.latency = 0.4
    runs = Run.objects.using(session).timeout(0.9)
    rows: list[str] = []

    async def read() -> None:
        async for run in runs.aiterator():
            rows.append(run.id)

    with pytest.raises(RequestTimeout, match=r"did not finish within its timeout of 0.9 s.*Runs was under way"):
        if colour == "async":
            asyncio.run(read())
        else:
            for run in runs.iterator():
                rows.append(run.id)
    # All four pages take 1.6 s, and each of them less than the deadline: it is one deadline for all of them.
    assert rows == IDS[: len(rows)]
    assert len(rows) < len(IDS)


def test_two_hosts_with_keys_of_their_own_in_threads_and_tasks(server: Server) -> None:
    other_store = make_store()
    project = other_store.project("acme", "vision")
    assert project is not None
    other_store.add_run(project, "other")
    with (
        serving(Engine(other_store), api_key=OTHER_KEY) as elsewhere,
        connect(server.url, api_key=KEY, project="acme/vision", name="here", default=False) as here,
        connect(elsewhere.url, api_key=OTHER_KEY, project="acme/vision", name="there", default=False) as there,
    ):

        def plain(number: int) -> int:
            with (here if number % 2 else there).as_current():
                return Run.objects.count()

        async def task(number: int) -> int:
            with (here if number % 2 else there).as_current():
                await asyncio.sleep(0.001)
                return await Run.objects.acount()

        async def tasks() -> list[int]:
            return list(await asyncio.gather(*(task(number) for number in range(20))))

        with ThreadPoolExecutor(8) as pool:
            in_threads = list(pool.map(plain, range(20)))
        assert in_threads == asyncio.run(tasks()) == [25, 24] * 10
        for served, asked in ((server, here), (elsewhere, there)):
            assert served.stats.statuses == {200: served.requests}
            assert asked.stats.requests == served.requests == 20
        assert here.origin != there.origin
        run = Run.objects.using(there).get(id="other")
        with here.as_current():
            run.refresh()  # where it came from, whatever is current
        assert here.stats.requests == 20


def test_the_key_of_one_host_is_not_that_of_another(server: Server, tmp_path: Path, monkeypatch: Any) -> None:
    """One netrc with two hosts, as people have it: 127.0.0.1 and localhost are two names."""
    netrc = tmp_path / "netrc"
    netrc.write_text(
        f"machine 127.0.0.1 login user password {OTHER_KEY}\nmachine localhost login user password {KEY}\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with connect(server.url.replace("127.0.0.1", "localhost"), project="acme/vision", name="a", default=False) as right:
        assert Run.objects.using(right).count() == 24
    with connect(server.url, project="acme/vision", name="b", default=False) as wrong:
        with pytest.raises(NotAuthenticated, match="127.0.0.1") as caught:
            Run.objects.using(wrong).count()
        assert OTHER_KEY not in str(caught.value)


def test_a_thread_goes_on_while_another_waits(session: Session, server: Server) -> None:
    """A stalled request holds up nobody else."""
    rule = server.faults.add(Fault.stalled(4), times=1, operation="Run")
    thread = threading.Thread(target=lambda: Run.objects.using(session).get(id="r01"), daemon=True)
    thread.start()
    while not rule.played:
        time.sleep(0.01)
    assert Run.objects.using(session).count() == 24
    assert thread.is_alive(), "it had to wait for the other one"
    thread.join()


# -- a notebook ------------------------------------------------------------------------------------

CELLS = [
    "from wbmodel import Run, connect\nsession = connect({url!r}, api_key={key!r}, project='acme/vision', timeout=60)",
    "[run.id for run in Run.objects.all()]",
    "[run.id async for run in Run.objects.all()]",
    "Run.objects.count(), await Run.objects.acount(), (await Run.objects.aget(id='r05')).id",
    # Interrupted from outside, while its request stalls; then the next cell asks.
    "try:\n    Run.objects.get(id='r07')\nexcept KeyboardInterrupt:\n    stopped = True",
    "stopped, Run.objects.count(), session.stats.errors",
    # (An interrupt of an await reaches it when the kernel's event loop wakes up for something else, here as anywhere.)
    "import asyncio\ntry:\n    await asyncio.wait_for(Run.objects.aget(id='r08'), 1.5)\n"
    "except asyncio.TimeoutError:\n    late = True",
    "late, await Run.objects.acount(), session.stats.errors",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # jupyter_client and pyzmq warn of things that are theirs
def test_a_notebook_in_both_colours_and_interrupted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "plugins"))))
    stalls = [server.faults.add(Fault.stalled(30), times=1, after=1, operation="Run") for _ in range(2)]
    sources = [source.format(url=server.url, key=KEY) if "connect(" in source else source for source in CELLS]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = nbclient.NotebookClient(
        book, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )

    async def run() -> None:
        async with client.async_setup_kernel():
            for number, cell in enumerate(book.cells):
                task = asyncio.ensure_future(client.async_execute_cell(cell, number))
                if "KeyboardInterrupt" in cell.source:
                    while not stalls[0].played:
                        assert not task.done()
                        await asyncio.sleep(0.02)
                    began = time.monotonic()
                    assert client.km is not None
                    await client.km.interrupt_kernel()
                    await task
                    took = time.monotonic() - began
                    assert took < 20, cell  # not for the end of the stall
                else:
                    await task

    asyncio.run(run())
    results = [
        item.data["text/plain"] for cell in book.cells for item in cell.outputs if item.output_type == "execute_result"
    ]
    assert eval(results[0]) == eval(results[1]) == IDS
    assert eval(results[2]) == (24, 24, "r05")
    assert eval(results[3]) == (True, 24, 0)
    assert eval(results[4]) == (True, 24, 0)
    assert [stall.played for stall in stalls] == [1, 1]
    assert KEY not in "".join(results)
