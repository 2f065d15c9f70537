"""What a backend tells beside an answer is a warning at the user's line, wherever the answer was waited for."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Run
from wbmodel.request import CallNote, Request, Response

STORE = make_world().store()


class Telling(EngineBackend):
    """The engine, which tells something beside every answer."""

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        return attrs.evolve(super().execute(request), note=CallNote(told=("a field is left out",)))


async def _listed() -> None:
    [run async for run in Run.objects.all()]


def _iterated() -> None:
    for _ in Run.objects.iterator():
        pass


def _in_a_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        rows = Run.objects.all()
        pool.submit(lambda: len(rows)).result()


WAYS: dict[str, Callable[[], Any]] = {
    "sync": lambda: list(Run.objects.all()),
    "count": lambda: Run.objects.count(),  # noqa: PLW0108 - the line is the lambda's
    "async": lambda: asyncio.run(_listed()),
    "iteration": _iterated,
    "thread": _in_a_thread,
}


@pytest.mark.parametrize("way", WAYS)
def test_it_points_at_the_line_of_the_user(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.backends.EngineBackend", Telling)
    with served(STORE, "drops", capabilities=WEAK), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        WAYS[way]()
    told = [item.filename for item in said if "left out" in str(item.message)]
    assert told
    assert set(told) == {__file__}
