"""One session for many threads and several loops."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.queries import HOME, ids, on
from wbmodel import Run
from wbmodel.testing import count_requests, oracle

EVERY = oracle.answer(HOME, ("and", []))


@pytest.mark.parametrize("kind", ["full", "weak", "hostile1"])
def test_sixteen_threads_on_one_session(kind: str) -> None:
    with on(kind) as session:
        start = threading.Barrier(16)

        def work(index: int) -> bool:
            start.wait(10)
            rows = Run.objects.using(session)
            cut = rows.order_by("summary.loss")[index : index + 3]
            expected = oracle.answer(HOME, ("and", []), [(("summary", "loss"), False)])[index : index + 3]
            return ids(rows.all()) == EVERY and ids(cut) == expected and rows.count() == len(EVERY)

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(work, range(16)))


@pytest.mark.parametrize("first", ["edit", "set"])
def test_edits_of_one_row_by_many_threads_are_all_kept(first: str) -> None:
    """Whoever comes first decodes the config; nobody decodes it again over the edits of another."""
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with on("full") as session, ThreadPoolExecutor(4) as pool:
            path = Run.objects.using(session).all()[0].path
            text = json.dumps({f"k{number}": {"value": number} for number in range(2000)})
            for _ in range(40):
                run = Run.objects.using(session).get(path=path)
                run._config_text = text
                start = threading.Barrier(4)

                def edit(index: int, run: Any = run, start: Any = start) -> None:
                    start.wait(10)
                    if first == "set" and index == 0:
                        run.config = {"whole": True}
                    else:
                        run.config[f"new{index}"] = index

                list(pool.map(edit, range(4)))
                if first == "set":
                    assert run.config.get("whole"), "what was set is not decoded away"
                else:
                    assert [run.config.get(f"new{index}") for index in range(4)] == [0, 1, 2, 3]
    finally:
        sys.setswitchinterval(switch)


@pytest.mark.parametrize("kind", ["full", "weak"])
def test_sixteen_threads_on_one_queryset(kind: str) -> None:
    """They share what is read: no more requests than one thread needs, and every one sees every row once."""
    with on(kind) as session:
        with count_requests() as alone:
            ids(Run.objects.all())
        rows = Run.objects.using(session)
        start = threading.Barrier(16)

        def work(_: int) -> list[str]:
            start.wait(10)
            return ids(rows)

        with count_requests() as together, ThreadPoolExecutor(16) as pool:
            assert all(found == EVERY for found in pool.map(work, range(16)))
        assert together.count == alone.count


def test_a_thread_finds_the_default_and_not_somebodys_override() -> None:
    from wbmodel.errors import ConfigurationError

    def count() -> int:
        return Run.objects.count()

    with on(), ThreadPoolExecutor(1) as pool:
        assert count() == len(HOME)
        with pytest.raises(ConfigurationError, match="nothing to connect to"):
            pool.submit(count).result()
        assert pool.submit(Run.objects.count).result() == len(HOME), "made in the block"


def test_two_loops_share_one_session() -> None:
    with on("weak") as session:
        found: list[Any] = []

        async def work() -> list[str]:
            rows = Run.objects.using(session)
            several = await asyncio.gather(
                *(_ids(rows.filter(state=state)) for state in ("finished", "failed", "running", "crashed"))
            )
            return sorted(item for part in several for item in part)

        def loop() -> None:
            found.append(asyncio.run(work()))

        threads = [threading.Thread(target=loop) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert found == [sorted(EVERY)] * 2


async def _ids(rows: Any) -> list[str]:
    return [run.id async for run in rows]


async def test_tasks_on_one_queryset() -> None:
    with on("weak"):
        rows = Run.objects.all()
        assert await asyncio.gather(*(_ids(rows) for _ in range(5))) == [EVERY] * 5


async def test_requests_of_tasks_overlap() -> None:
    with on("hostile1") as session:
        backend: Any = session.backend
        await asyncio.gather(*(Run.objects.acount() for _ in range(8)))
        assert backend.most > 1
