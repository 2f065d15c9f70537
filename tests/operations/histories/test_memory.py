"""The memory of a process that reads very many values in portions."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.histories import history_world
from tests.support.http import KEY
from wbmodel.engine import Dialect, Engine
from wbmodel.testing import served

READS = """
import resource, sys
import wbmodel
from wbmodel import Run

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

with wbmodel.connect(sys.argv[1], project="acme/vision"):
    Run.objects.first().history.first()
    before, values, history = peak(), 0, Run.objects.history
    for batch in history.chunks():
        values += batch.length * (len(batch.columns) - 1)
    print(int(before), int(peak()), values, history.complete)
"""
KEYS = 9


RUNS = 50


@pytest.mark.slow
def test_ten_million_values_in_portions() -> None:
    rows = [{"_step": at, **{f"metric{key}": at / (key + 3) for key in range(KEYS)}} for at in range(1_000_000 // RUNS)]
    world = history_world({f"r{at:02d}": rows for at in range(RUNS)})
    with served(Engine(world, Dialect(live=True, cursors="offsets")), api_key=KEY) as server:
        done = subprocess.run(
            [sys.executable, "-c", READS, server.url],
            env={**os.environ, "WANDB_API_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=450,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    before, peak, values, complete = done.stdout.split()
    print(f"{int(values):,} values of {RUNS} runs: {peak} MiB at most, {before} MiB after the first request")
    assert int(values) == 10_000_000
    assert complete == "True"
    assert int(peak) < 300
