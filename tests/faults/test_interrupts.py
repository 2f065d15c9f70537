"""Ctrl-C, event loops that close, tasks that are cancelled, forks, and the end of a process: nothing hangs, nothing is
left behind, and what comes next works."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.runner import IDS, KEY, PAGE, make_store
from tests.support.pace import patience, stretch
from tests.support.processes import PLAIN, STRICT, Ended, ended, start
from tests.support.servers import Ground, Silent, Tap, listening
from wbmodel import Run, Session, connect
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.server import Server, serving
from wbmodel.testing import Fault

posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks as POSIX has them")


def _some(scripts: dict[str, str], *quick: str) -> list[Any]:
    """The names of scripts, each of which is a process: these in quick runs, the others with the slow tests."""
    assert set(quick) <= set(scripts)
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in scripts]


@pytest.fixture
def silent(ground: Ground) -> Iterator[tuple[Silent, str]]:
    """A server that never answers, and its address."""
    made = Silent()
    with ground.holding(listening(made.handle)) as port:
        yield made, f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _session(url: str) -> Iterator[Session]:
    with connect(url, api_key=KEY, project="acme/vision", default=False, name="interrupts", timeout=120) as session:
        yield session


# -- Ctrl-C ----------------------------------------------------------------------------------------

ASKING = {
    "list": "list(Run.objects.all())",
    "iterator": "next(iter(Run.objects.iterator()))",
    "raw": "session.execute('mutation Raw { deleteRun(input: {id: \"x\"}) { clientMutationId } }')",
    "twin": "asyncio.run(Run.objects.acount())",
}


@posix
@pytest.mark.parametrize("what", _some(ASKING, "list", "twin"))
def test_ctrl_c_ends_a_call_at_once(what: str, silent: tuple[Silent, str]) -> None:
    """At once: without waiting for an answer that never comes, or for the deadline; ``ended`` has less patience."""
    quiet, url = silent
    process = start(ASKING[what], url, PLAIN)
    patience(lambda: quiet.asked == 1 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    end = ended(process)
    assert end.status == -signal.SIGINT, end.err
    assert end.err.rstrip().endswith("KeyboardInterrupt")
    # From Python 3.11 on, asyncio.run makes one of its own of the other.
    assert end.err.count("Traceback") <= (2 if what == "twin" else 1)
    patience(lambda: quiet.closed == 1)
    assert quiet.asked == 1


@posix
def test_ctrl_c_ends_a_pause_and_what_comes_next_works(server: Server) -> None:
    rule = server.faults.add(status=429, headers={"Retry-After": "5"}, times=1, operation="RunsCount")
    code = """
try:
    Run.objects.count()
except KeyboardInterrupt:
    stopped = time.monotonic()
    print("stopped", flush=True)
print(session.stats.errors, Run.objects.count(), len(list(Run.objects.all())))
print(time.monotonic() - stopped > 1)
"""
    process = start(code, server.url)
    patience(lambda: rule.played)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    # The server's pause holds for what comes next; and as some of it was left then, the call did not wait for its end.
    end = ended(process)
    assert (end.status, end.out) == (0, "stopped\n0 24 24\nTrue\n")
    assert end.err == "", "the pause is told to a program that configures logging"


# -- event loops that close, and tasks that are cancelled -------------------------------------------

LOOP_CLOSED = """
loop = asyncio.new_event_loop()
rows = Run.objects.aiterator()
loop.run_until_complete(rows.__anext__())
loop.close()
del rows
gc.collect()
"""

LOOPS = {
    "break": """
async def main():
    async for run in Run.objects.all():
        break
asyncio.run(main())
""",
    "left by asyncio.run": """
async def main():
    global rows
    rows = Run.objects.aiterator()
    await rows.__anext__()
asyncio.run(main())
""",
    "left by a queryset": """
async def main():
    global rows
    rows = Run.objects.all().__aiter__()
    await rows.__anext__()
asyncio.run(main())
""",
    "loop closed": LOOP_CLOSED,
    "loop closed, next page stalls": LOOP_CLOSED,
    "loop closed, next page stalls and is waited for": """
loop = asyncio.new_event_loop()
rows = Run.objects.aiterator()
async def some():
    for _ in range(8):
        await rows.__anext__()
task = loop.create_task(some())
loop.run_until_complete(asyncio.wait({task}, timeout=0.5))
task._log_destroy_pending = False  # the script's own task, and its own fault
loop.close()
del rows, task
gc.collect()
""",
    "loop closed under a request": """
loop = asyncio.new_event_loop()
task = loop.create_task(Run.objects.acount())
loop.run_until_complete(asyncio.sleep(0.2))
task._log_destroy_pending = False  # the script's own task, and its own fault
loop.close()
del task
gc.collect()
""",
    "asyncio.run ends under a request": """
async def main():
    global task
    task = asyncio.create_task(Run.objects.acount())
    await asyncio.sleep(0.2)
asyncio.run(main())
assert task.cancelled()
""",
}


AGAIN = """
async def again():
    print(await Run.objects.acount(), [run.id async for run in Run.objects.all()][-1], len(list(Run.objects.all())))
asyncio.run(again())
time.sleep(0.6)  # until the server has answered what nobody waits for
"""


def _end(code: str, *faults: Fault, **how: Any) -> Ended:
    """How a script ends whose server has these faults."""
    with serving(Engine(make_store(), Dialect(max_page=PAGE)), api_key=KEY) as server:
        for fault in faults:
            server.faults.add(fault, **how)
        return ended(start(code, server.url, STRICT))


@pytest.mark.parametrize(
    "what",
    _some(LOOPS, "break", "left by a queryset", "loop closed, next page stalls", "asyncio.run ends under a request"),
)
def test_a_loop_that_closes_leaves_nothing_behind(what: str) -> None:
    code = LOOPS[what] + AGAIN
    if "stall" in what:
        end = _end(code, Fault.stalled(0.8), after=1, times=1, operation="Runs")
    elif "under a request" in what:
        end = _end(code, Fault.stalled(0.8), times=1, operation="RunsCount")
    else:
        end = _end(code)
    assert (end.status, end.out, end.err) == (0, "24 r01 24\n", "")


async def _until(condition: Callable[[], object]) -> None:
    """:func:`patience`, without keeping the event loop from going on."""
    await asyncio.to_thread(patience, condition)


@pytest.mark.parametrize("how", ["wait_for", "cancel"])
async def test_a_cancelled_task_takes_its_request_along(how: str, silent: tuple[Silent, str]) -> None:
    quiet, url = silent
    with _session(url) as session:
        runs = Run.objects.using(session)
        began = time.monotonic()
        if how == "wait_for":
            # Long enough for the request to be under way.
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(runs.aget(id="r05"), stretch())
        else:
            task = asyncio.create_task(runs.acount())
            await _until(lambda: quiet.asked)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        # Not at the deadline of the session, which is 120 s.
        assert time.monotonic() - began < 60
        await _until(lambda: quiet.closed)
        assert session.stats.errors == 0
        assert session.stats.requests == 1


async def test_a_task_that_is_cancelled_between_pages(server: Server, tap: tuple[Tap, str]) -> None:
    look, url = tap
    server.faults.add(Fault.stalled(20), after=1, times=1, operation="Runs")
    with _session(url) as session:
        rows: list[str] = []

        async def read() -> None:
            async for run in Run.objects.using(session):
                rows.append(run.id)

        task = asyncio.create_task(read())
        await _until(lambda: len(rows) >= PAGE - 1)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert rows == IDS[: PAGE - 1]
        await _until(lambda: not look.open)
        assert [run.id async for run in Run.objects.using(session)] == IDS
        assert session.stats.errors == 0


# -- forks -----------------------------------------------------------------------------------------

FORKS = {
    "os.fork": """
assert Run.objects.get(id="r00").id == "r00"
child = os.fork()
mine = "r01" if child == 0 else "r02"
for _ in range(5):
    assert Run.objects.get(id=mine).id == mine
    assert len(list(Run.objects.all())) == 24
assert asyncio.run(Run.objects.acount()) == 24
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("both")
""",
    "under a request": """
assert Run.objects.get(id="r00").id == "r00"
thread = threading.Thread(target=lambda: print(Run.objects.count(), flush=True))
thread.start()
time.sleep(0.3)
child = os.fork()
mine = "r01" if child == 0 else "r02"
assert Run.objects.get(id=mine).id == mine
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
thread.join()
print("both")
""",
    "multiprocessing": """
import multiprocessing
assert Run.objects.get(id="r00").id == "r00"
def ask():
    assert Run.objects.get(id="r01").id == "r01"
process = multiprocessing.get_context("fork").Process(target=ask)
process.start()
assert Run.objects.get(id="r02").id == "r02"
process.join()
assert process.exitcode == 0
print("both")
""",
    "a pool": """
import multiprocessing
run = Run.objects.get(id="r00")
def ask(name):
    return Run.objects.get(id=name).id
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(ask, ["r01", "r03", "r05", "r07"]) == ["r01", "r03", "r05", "r07"]
    assert ask("r02") == "r02"
    pool.close()
    pool.join()
print("both")
""",
}


@posix
@pytest.mark.parametrize("what", _some(FORKS, "os.fork", "under a request"))
def test_both_sides_of_a_fork_go_on_asking(what: str, server: Server, tap: tuple[Tap, str]) -> None:
    look, url = tap
    if what == "under a request":
        server.faults.add(Fault.stalled(0.6), times=1, operation="RunsCount")
    # From Python 3.12 on, a fork with threads around is warned of; here they are.
    end = ended(start(FORKS[what], url, ("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning")))
    assert (end.status, end.err) == (0, "")
    assert end.out.splitlines()[-1] == "both"
    children = {port for port, sent in look.ports.items() if b'"key":"r01"' in sent}
    parents = {port for port, sent in look.ports.items() if b'"key":"r02"' in sent}
    assert children
    assert parents
    assert not children & parents


# -- the end of a process --------------------------------------------------------------------------

ENDS = {
    "nothing asked": "",
    "asked": "print(Run.objects.count())",
    "asked twice, in both colours": "print(Run.objects.count(), asyncio.run(Run.objects.acount()))",
    "half read": "rows = iter(Run.objects.iterator())\nprint(next(rows).id)",
    "half read, async": """
async def main():
    global rows
    rows = Run.objects.aiterator()
    print((await rows.__anext__()).id)
asyncio.run(main())
""",
    "half cached": "rows = Run.objects.all()\nprint(rows[0].id)\nfor run in rows: break",
    "a thread asks": """
threading.Thread(target=lambda: Run.objects.get(id="r09"), daemon=True).start()
time.sleep(0.4)
print("end")
""",
    "a task asks in a thread": """
threading.Thread(target=lambda: asyncio.run(Run.objects.aget(id="r09")), daemon=True).start()
time.sleep(0.4)
print("end")
""",
    "sys.exit in a block": "with session:\n    Run.objects.count()\n    sys.exit(0)",
    "closed": "Run.objects.count()\nsession.close()",
    "many sessions": """
for number in range(5):
    connect(URL, api_key=KEY, project="acme/vision", name=f"s{number}")
    Run.objects.count()
""",
    "an error": """
import wbmodel
try:
    list(Run.objects.filter(project="acme/nothing"))
except wbmodel.Project.DoesNotExist as error:
    kept = error
""",
}


@pytest.mark.parametrize(
    "what",
    _some(ENDS, "asked twice, in both colours", "half read, async", "a task asks in a thread", "sys.exit in a block"),
)
def test_a_process_ends_in_silence(what: str) -> None:
    # Whatever asks for one run is not answered.
    end = _end(ENDS[what], Fault.stalled(300), times=None, operation="Run")
    # That it ended says that it waited for nobody: requests stall for longer than ``ended`` waits.
    assert (end.status, end.err) == (0, "")


def test_sessions_that_nobody_holds_are_gone(tap: tuple[Tap, str]) -> None:
    look, url = tap
    before = threading.active_count()
    for _ in range(10):
        session = connect(url, api_key=KEY, project="acme/vision", default=False, name="one of many")
        assert Run.objects.using(session).count() == 24
    assert len(look.ports) == 10
    del session
    gc.collect()
    # The last one is known by its name, and is open.
    patience(lambda: look.open == 1)
    patience(lambda: threading.active_count() <= before + 1 + 4)
    names = [thread.name for thread in threading.enumerate() if thread.name == "live loop"]
    assert len(names) == 1
