"""A process that forks while its threads ask: the child asks too, whatever the others held at that moment."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pace import LONG, patience
from tools.source_tree import sources
from wbmodel import forks
from wbmodel.testing import served
from wbmodel.weighted_cache import WeightedCache

KEY = "k" * 40
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

CHILDREN = """
import json, os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork beside threads
from wbmodel import Run, connect

url, options = sys.argv[1], eval(sys.argv[2])
session = connect(url, **options)

def ask():
    runs = Run.objects.using(session)
    first = runs.filter(state="finished").order_by("summary.loss")[:3]
    return len(first), runs.count(), len(runs.only("name"))

failed = []

def work():
    try:
        ask()
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
children, told = {}, {}
for pause in (0.005, 0.03, 0.06, 0.1, 0.2):
    time.sleep(pause)
    child = os.fork()
    if not child:
        try:
            ask()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(3)
    children[child] = pause
end = time.monotonic() + 40
while children and time.monotonic() < end:
    for child in list(children):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            told[children.pop(child)] = os.waitstatus_to_exitcode(status)
    time.sleep(0.02)
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told[children[child]] = "stuck"
for thread in threads:
    thread.join()
print(json.dumps([told, list(map(str, failed))]))
"""


def forked(url: str, **options: Any) -> tuple[dict[str, Any], list[str]]:
    """What became of the children (0: it asked), by the pause before each, and how the parent's threads failed."""
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN, url, repr(options)], capture_output=True, text=True, check=True, timeout=120
    )
    told, failed = json.loads(done.stdout)
    assert not any(told.values()), (told, done.stderr[-3000:])
    return told, failed


@posix
def test_a_fork_while_four_threads_ask_for_the_first_time():
    told, failed = forked("demo:")
    assert (len(told), failed) == (5, [])


@posix
def test_the_same_over_http():
    with served("demo:", api_key=KEY) as server:
        told, failed = forked(server.url, api_key=KEY, project="demo/vit-prisma")
    assert (len(told), failed) == (5, [])


def in_a_child(work: Callable[[], object]) -> int:
    """The exit status of a child that does ``work``; -9 where it does not end."""
    child = os.fork()
    if not child:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("make", [forks.lock, forks.rlock, threading.Lock])
def test_a_lock_that_another_thread_held_is_free_in_the_child(make):
    held, over = threading.Event(), threading.Event()
    lock = make()

    def hold() -> None:
        with lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        status = in_a_child(lambda: lock.acquire(timeout=3))
        assert status == (1 if make is threading.Lock else 0), "a lock of the standard library stays locked"
        assert not lock.acquire(blocking=False), "in the parent it is held as before"
    finally:
        over.set()
        thread.join()


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_is_renewed_is_told_after_the_locks_and_not_kept_alive():
    cache: WeightedCache[int] = WeightedCache(10)
    cache._lock.acquire()  # as if another thread were inside

    class Owner:
        told = 0

        def after_fork(self) -> None:
            cache.put("told", 1, 1)
            self.told += 1

    owner, dropped = Owner(), Owner()
    forks.renewing(owner)
    forks.renewing(dropped)
    before = len(forks._owners)
    del dropped
    assert len(forks._owners) == before - 1
    try:
        assert in_a_child(lambda: owner.told == 1 and cache.get("told") == 1) == 0
        assert owner.told == 0
    finally:
        cache._lock.release()


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_queryset_that_another_thread_reads_is_read_anew_in_the_child():
    from wbmodel.objects.result import Result

    begun, over = threading.Event(), threading.Event()
    result = Result()

    def source(wait: bool) -> Any:
        yield [1, 2]
        if wait:
            begun.set()
            over.wait()
        yield [3]

    def read() -> None:
        while result.more(lambda: (None, source(True))):  # of no session
            pass

    def read_anew() -> bool:
        while result.more(lambda: (None, source(False))):
            pass
        return result.rows == [1, 2, 3]

    thread = threading.Thread(target=read)
    thread.start()
    begun.wait()
    try:
        assert in_a_child(read_anew) == 0
    finally:
        over.set()
        thread.join()
    assert result.rows == [1, 2, 3]


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_waits_for_imports_of_ours_and_for_nobody_elses(tmp_path, monkeypatch):
    forks.wait_for_imports()  # as making a session does
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.4)\n")
    (tmp_path / "never_imported.py").write_text("import threading\nOVER = threading.Event()\nOVER.wait()\n")
    importing: dict[str, Any] = {"__name__": "wbmodel_somebodys.backend"}
    exec("def load(): import slow_to_import\n", importing)
    thread = threading.Thread(target=importing["load"])
    thread.start()
    time.sleep(0.1)
    assert in_a_child(lambda: __import__("slow_to_import")) == 0
    thread.join()

    elsewhere = threading.Thread(target=__import__, args=("never_imported",), daemon=True)
    elsewhere.start()
    patience(lambda: hasattr(sys.modules.get("never_imported"), "OVER"))
    begin = time.monotonic()
    assert in_a_child(lambda: True) == 0
    assert time.monotonic() - begin < forks._LONGEST
    sys.modules["never_imported"].OVER.set()
    elsewhere.join()


LOCKS = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"}


def test_every_lock_comes_from_the_ground():
    """Only what ``forks`` makes is free again in a child."""
    bare = []
    for name, source in sources().items():
        if name == "wbmodel.forks":
            continue
        for node in ast.walk(ast.parse(source.path.read_text(encoding="utf-8"))):
            made: list[ast.expr] = []
            if isinstance(node, ast.ImportFrom) and node.module == "threading":
                bare += [f"{name}:{node.lineno} imports {item.name}" for item in node.names if item.name in LOCKS]
            elif isinstance(node, ast.Call):  # `factory=threading.Lock` makes them as well as `threading.Lock()`
                made = [node.func, *node.args, *(item.value for item in node.keywords)]
            bare += [
                f"{name}:{one.lineno} makes a threading.{one.attr}"
                for one in made
                if isinstance(one, ast.Attribute)
                and one.attr in LOCKS
                and isinstance(one.value, ast.Name)
                and one.value.id == "threading"
            ]
    assert not bare, bare


SCHEMA = """
import os, signal, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from graphql import GraphQLObjectType
from wbmodel import Run, connect

session = connect("demo:")
lock, held = vars(GraphQLObjectType)["fields"].lock, threading.Event()

def build():  # as a thread does that builds a schema
    with lock:
        held.set()
        threading.Event().wait()

threading.Thread(target=build, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    signal.alarm(60)
    os._exit(0 if len(Run.objects.using(session)[:3]) == 3 else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os._exit(0)
"""


@posix
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="cached_property has no lock from Python 3.12 on")
def test_a_fork_while_a_thread_builds_a_schema():
    done = subprocess.run([sys.executable, "-c", SCHEMA], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "0\n"
