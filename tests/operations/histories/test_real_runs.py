"""The curves of real runs, as they were exported, read back from a server that has them."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.histories import history_world, reading
from tools.source_tree import ROOT
from wbmodel import Run

EXPORT = ROOT.parent / "shared/data/exports/nanogpt-history/wandb_export.csv"


@pytest.mark.skipif(not EXPORT.exists(), reason="../shared/data is not here")
def test_the_curves_of_real_runs_come_back_whole() -> None:
    curves: dict[str, list[dict[str, Any]]] = {}
    with EXPORT.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, cell in row.items():
                run, dash, key = name.partition(" - ")
                if dash and "__" not in key and cell:
                    curves.setdefault(run, []).append({"_step": int(row["Step"]), key: float(cell)})
    assert len(curves) > 2
    with served(history_world(curves), "weak") as session:
        found = reading(session, list(Run.objects.all()))
    assert {run: got.rows for run, got in found.items()} == curves
    assert all(got.end.is_complete for got in found.values())
