"""Whole histories of many runs, against the loop over ``scan_history`` of the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.contest import official, own
from tests.benchmarks.served_world import served_world

RUNS, ROWS = 100, 200


@pytest.mark.parametrize(("latency", "wanted"), [(0.0, 15), (0.05, 50)])
def test_whole_histories(latency: float, wanted: int, ratios: Any, tmp_path: Path) -> None:
    with served_world(RUNS, latency, metrics=3, rows=ROWS) as world:
        ours, theirs = own(world, "histories", tmp_path), official(world, "histories", tmp_path)
    assert ours.rows == theirs.rows == RUNS
    ratios.say(
        f"whole histories of {RUNS} runs x {ROWS} rows x 7 keys, {latency * 1e3:.0f} ms away: {ours.load} (wanted: at "
        f"most {RUNS // 15} requests), {ours.seconds:.3f} s; scan_history of wandb 0.31.0 in a loop: {theirs.load}, "
        f"{theirs.seconds:.2f} s: {theirs.seconds / ours.seconds:.0f}x (wanted: at least {wanted}x)"
    )
    assert ours.requests <= RUNS // 15
