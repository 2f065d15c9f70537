"""``timeout(seconds)``: one deadline for all requests of a query, in both colours, on both kinds of backend."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import attrs
import pytest

from tests.support.backends import WEAK, EngineBackend, served
from tests.support.servers import Ground, Silent, listening
from tests.support.worlds import make_world
from wbmodel import Project, Run, connect
from wbmodel.backend import AsyncBackend
from wbmodel.errors import QueryError, RequestTimeout
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.registry import make_plugin_manager
from wbmodel.request import Request, Response
from wbmodel.testing import assert_num_requests, count_requests

WORLD = make_world()
ALL = len(WORLD.of("acme/vision"))


@contextmanager
def late(delay: float, **options: object) -> Iterator[None]:
    """An asynchronous backend with pages of at most seven rows, each ``delay`` seconds late."""
    with served(WORLD.store(), "weak", delay=delay, **options):
        yield


async def test_it_is_for_all_requests_together() -> None:
    with late(0.05):
        with count_requests() as whole:
            assert len(list(Run.objects.timeout(30))) == ALL
        assert whole.count > 4
        says = r"this query did not finish within its timeout of 0\.13 s \(Runs was under way, request [123]\)"
        with count_requests() as sent, pytest.raises(RequestTimeout, match=says) as caught:
            list(Run.objects.timeout(0.13))
        assert 1 <= sent.count <= 3
        assert caught.value.operation == "Runs"
        assert isinstance(caught.value, TimeoutError)
        assert "timeout(seconds)" in str(caught.value)
        with count_requests() as sent, pytest.raises(RequestTimeout, match=says):
            assert [run async for run in Run.objects.timeout(0.13)]
        assert 1 <= sent.count <= 3


QUESTIONS = {
    "get": lambda rows: rows.get(id="v01"),
    "first": lambda rows: rows.first(),
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "in_bulk": lambda rows: rows.in_bulk(["v01"]),
    "list": list,
    "iterator": lambda rows: list(rows.iterator()),
    "values": lambda rows: list(rows.values("id")),
    "prefetch": lambda rows: list(rows.prefetch_related("files")),
    "explain": lambda rows: rows.explain(analyze=True),
    "slice": lambda rows: list(rows[:2]),
    "index": lambda rows: rows[0],
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_keeps_it(name: str) -> None:
    with late(30.0):
        started = time.monotonic()
        with pytest.raises(RequestTimeout, match=r"timeout of 0\.03 s"):
            QUESTIONS[name](Run.objects.timeout(0.03))
        assert time.monotonic() - started < 20  # not when the answer comes, after 30 s


TWINS = {
    "get": lambda rows: rows.aget(id="v01"),
    "first": lambda rows: rows.afirst(),
    "count": lambda rows: rows.acount(),
    "exists": lambda rows: rows.aexists(),
    "in_bulk": lambda rows: rows.ain_bulk(["v01"]),
    "explain": lambda rows: rows.aexplain(analyze=True),
    "iterator": lambda rows: anext_of(rows.aiterator()),
}


async def anext_of(rows: object) -> object:
    async for row in rows:  # type: ignore[attr-defined]
        return row
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", TWINS)
async def test_every_twin_keeps_it(name: str) -> None:
    with late(30.0):
        started = time.monotonic()
        with pytest.raises(RequestTimeout, match=r"timeout of 0\.03 s"):
            await TWINS[name](Run.objects.timeout(0.03))
        assert time.monotonic() - started < 20  # not when the answer comes, after 30 s


async def test_the_time_between_rows_is_the_callers() -> None:
    with late(0.001):
        rows = 0
        for _ in Run.objects.timeout(0.3).iterator():
            rows += 1
            time.sleep(0.02)  # noqa: ASYNC251 - a caller that blocks
        assert rows == ALL
        async for _ in Run.objects.timeout(0.3).aiterator():
            rows += 1
            await asyncio.sleep(0.02)
        assert rows == 2 * ALL


async def test_the_next_evaluation_has_the_whole_time_again() -> None:
    with late(0.05):
        rows = Run.objects.timeout(0.13)
        for _ in range(2):
            with pytest.raises(RequestTimeout):
                list(rows)
        assert len(list(rows.timeout(None))) == ALL
        assert len(list(rows.timeout(30))) == ALL


async def test_the_limit_of_the_session_holds_as_well() -> None:
    with late(30.0, timeout=0.03):
        for rows in (Run.objects.timeout(20), Run.objects.all()):
            with pytest.raises(RequestTimeout, match=r"within 0\.03 s; allow more time with connect"):
                list(rows)
            with pytest.raises(RequestTimeout, match=r"within 0\.03 s; allow more time with connect"):
                await rows.afirst()
    with late(30.0, timeout=20), pytest.raises(RequestTimeout, match=r"timeout of 0\.03 s"):
        list(Run.objects.timeout(0.03))


class Blocking(EngineBackend):
    """The engine, taking its time on the caller's thread. Keeps the timeouts that it was given."""

    name = "blocking"
    blocking = True
    delay = 0.02

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        given.append(timeout)
        time.sleep(self.delay)
        return super().execute(request, timeout=timeout)


given: list[float | None] = []


class _Plugin:
    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        register("blocking", Blocking, schemes=("blocking",))


@contextmanager
def blocking(**capabilities: object) -> Iterator[None]:
    """A synchronous backend without regard for timeouts."""
    plugins = make_plugin_manager(load_entry_points=False, plugins=[_Plugin()])
    given.clear()
    can = attrs.evolve(WEAK, **capabilities)  # type: ignore[arg-type]
    settings = {"project": "acme/vision", "name": "blocking", "default": False}
    with connect("blocking:", plugins=plugins, store=WORLD.store(), capabilities=can, **settings):  # type: ignore[arg-type]
        yield


async def test_each_request_is_given_what_is_left() -> None:
    with blocking():
        assert len(list(Run.objects.timeout(10))) == ALL
        assert len(given) > 4
        plain = list(given)
        assert len([run async for run in Run.objects.timeout(10)]) == ALL
        for timeouts in (plain, given[len(plain) :]):
            numbers = [item for item in timeouts if item is not None]
            assert len(numbers) == len(timeouts)
            assert numbers[0] <= 10
            assert all(one - other >= 0.019 for one, other in pairwise(numbers))


async def test_each_request_of_a_batch_is_given_what_is_left_then() -> None:
    with blocking(max_aliases=1, page_size=100, max_page_size=100):
        rows = Run.objects.filter(project__in=["acme/vision", "acme/nlp", "ada/scratch"]).timeout(10)
        assert len(list(rows)) == len(WORLD.runs)
        assert len([run async for run in rows.all()]) == len(WORLD.runs)
        assert len(given) == 6
        for numbers in (given[:3], given[3:]):
            assert all(one - other >= 0.019 for one, other in pairwise(numbers))  # type: ignore[operator]
        with pytest.raises(RequestTimeout, match=r"timeout of 0\.03 s"):
            list(rows.timeout(0.03))
        assert len(given) in (7, 8)  # the third was not sent


async def test_a_backend_that_keeps_no_time_is_asked_no_more() -> None:
    with blocking():
        for _ in range(2):
            given.clear()
            with pytest.raises(RequestTimeout, match=r"timeout of 0\.03 s"):
                list(Run.objects.timeout(0.03))
            assert len(given) in (1, 2)
        given.clear()
        with pytest.raises(RequestTimeout, match=r"timeout of 0\.03 s"):
            await Run.objects.filter(summary__loss__isnan=True).timeout(0.03).acount()
        assert len(given) in (1, 2)


async def test_other_errors_come_through() -> None:
    with late(0.001):
        rows = Run.objects.filter(project="acme/nothing").timeout(5)
        with pytest.raises(Project.DoesNotExist):
            list(rows)
        with pytest.raises(Project.DoesNotExist):
            await rows.afirst()


def test_it_is_a_chain_method() -> None:
    with served(WORLD.store()):
        rows = Run.objects.timeout(5)
        with assert_num_requests(0):
            chained = rows.filter(state="finished").order_by("name").exclude(id="x").values("id")[:3]
        assert chained._timeout == 5
        assert Run.objects.all()._timeout is None
        assert rows.timeout(None)._timeout is None
        assert rows._timeout == 5
        assert pickle.loads(pickle.dumps(rows))._timeout == 5


@pytest.mark.parametrize("seconds", [0, -1, True, "5", float("inf"), float("nan"), object()])
def test_what_is_no_time_is_refused(seconds: object) -> None:
    with pytest.raises(QueryError, match=r"timeout\(\) takes a number of seconds above 0"):
        Run.objects.timeout(seconds)  # type: ignore[arg-type]


class _Late(AsyncBackend):
    """Answers after its deadline, and leaves that to wbmodel. Its origin names the account, as a server's does."""

    api_version, name = 0, "late"

    def __init__(self, url: str) -> None:
        self.origin = "https://late.example/x#0a1b2c3d"

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        await asyncio.sleep(30)
        raise AssertionError


def test_under_load_each_message_names_the_operation_and_no_account() -> None:
    backend = _Late("late:")
    query = Request("query Viewer { viewer { id } }")

    def asked(number: int) -> str:
        with pytest.raises(RequestTimeout) as caught:
            if number % 2:
                backend.execute(query, timeout=0.01)
            else:
                backend.execute_many([query, query], timeout=0.01)
        assert caught.value.operation == "Viewer"
        return str(caught.value)

    with ThreadPoolExecutor(40) as pool:
        said = set(pool.map(asked, range(80)))
    backend.close()
    assert said == {
        "https://late.example/x (Viewer) did not answer within 0.01 s; allow more time with "
        "connect(..., timeout=seconds)"
    }


def test_under_load_a_server_that_stalls_is_named_without_the_account(tmp_path: Path) -> None:
    ground, silent = Ground(tmp_path), Silent()
    with (
        contextlib.closing(ground),
        ground.holding(listening(silent.handle)) as port,
        connect(f"http://127.0.0.1:{port}", api_key="k" * 40, default=False, concurrency=4, timeout=0.2) as session,
        ThreadPoolExecutor(40) as pool,
    ):

        def asked(_: int) -> str:
            with pytest.raises(RequestTimeout) as caught:
                session.execute("query Viewer { viewer { id } }")
            assert caught.value.operation == "Viewer"
            return str(caught.value)

        for said in pool.map(asked, range(80)):
            assert said.startswith(f"http://127.0.0.1:{port} ")
            assert "(Viewer" in said
            assert "#" not in said
