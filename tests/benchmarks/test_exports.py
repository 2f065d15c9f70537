"""A long history from exported files, against the same history by documents."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.benchmarks.served_world import KEY, PATH, served_world
from wbmodel import Run, connect
from wbmodel.backend.asks import ReadSpec
from wbmodel.operations.histories import exports
from wbmodel.operations.histories.pieces import Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.slow
ROWS = 200_000


@pytest.mark.parametrize("keys", [None, ("loss", "acc")])
def test_a_long_history(keys: Any, ratios: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        served_world(1, metrics=3, rows=ROWS, exported=ROWS - 2_000) as world,
        connect(world.url, api_key=KEY, project=PATH, default=False) as session,
    ):
        with session:
            runs = list(Run.objects.only(*Run.__wbmodel_meta__.options.streams.fields))

        def batches() -> list[Any]:
            reading = session.iterate(read(ReadSpec(keys=keys), Given(runs), session.target))
            return [item.batch for items in reading for item in items if isinstance(item, Part)]

        def parts() -> int:
            return sum(batch.length for batch in batches())

        def columns() -> int:
            return sum(len(batch.columns["_step"]) for batch in batches())

        def seconds(run: Callable[[], int]) -> float:
            found = []
            for _ in range(3):  # the first time, the server makes its texts or files
                started = time.perf_counter()
                assert run() == ROWS
                found.append(time.perf_counter() - started)
            return min(found)

        files, lists = seconds(parts), seconds(columns)
        monkeypatch.setattr(exports, "LONG", 10**9)
        documents = seconds(columns)
    ratios.say(
        f"a history of {ROWS:,} rows x {'7 keys' if keys is None else '2 asked keys'}: documents {documents:.2f} s, "
        f"exported files {files:.2f} s as Arrow ({documents / files:.1f}x), {lists:.2f} s as lists "
        f"({documents / lists:.1f}x)"
    )
