"""``wbmodel.Api`` beside the bare queryset and the official client: it is thin, and asks for what a loop reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.contest import official, own
from tests.benchmarks.served_world import ServedWorld, served_world

ROWS = 5_000


@pytest.fixture(scope="module")
def far() -> Iterator[ServedWorld]:
    with served_world(ROWS, latency=0.05) as made:
        yield made


def test_listing_is_as_fast_as_the_queryset(far: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    ours, bare = own(far, "facade, list", tmp_path, 3), own(far, "light", tmp_path, 3)
    assert ours.rows == bare.rows == ROWS
    ratios.say(
        f"api.runs() of 5,000 runs with 50 ms of latency: {ours.load}, {ours.seconds:.2f} s; the queryset "
        f"{bare.load}, {bare.seconds:.2f} s: {bare.seconds / ours.seconds:.2f}x as fast (wanted: at least 0.8x)"
    )


def test_a_name_and_a_key_of_each_run(far: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    ours, theirs = own(far, "facade, values", tmp_path, 3), official(far, "values", tmp_path)
    assert ours.rows == theirs.rows == ROWS
    ratios.say(
        f"run.name and run.summary.get('loss') in a loop over 5,000 runs with 50 ms of latency: {ours.load}, "
        f"{ours.seconds:.2f} s; wandb 0.31.0 with lazy=False: {theirs.load}, {theirs.seconds:.2f} s: "
        f"{theirs.seconds / ours.seconds:.0f}x (wanted: at least 25x)"
    )
