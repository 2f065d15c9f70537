"""Histories with asked keys, by documents: every row, joined alike on every backend."""

from __future__ import annotations

import random
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, over_loopback, served
from tests.support.keyed_histories import expected, history_store, reading
from wbmodel.backend.asks import ReadSpec

COLUMNS = attrs.evolve(WEAK, columns=True)


def made(rng: random.Random, rows: int) -> list[dict[str, Any]]:
    """A history of odd steps and sparse keys."""
    found, step = [], rng.choice([-3, 0, 7])
    for _ in range(rows):
        step += rng.choice([0, 0, 1, 1, 1, 2, -1, 1000])
        row: dict[str, Any] = {"_step": step}
        for key in ("loss", "acc", "a/b"):
            if rng.random() < 0.6:
                row[key] = rng.choice([1, 0.5, None, "text", True, float("inf"), [1, 2], {"_type": "x", "v": 1}])
        found.append(row)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_backend_gives_the_same_rows(seed: int) -> None:
    rng = random.Random(seed)
    histories = [made(rng, rng.choice([0, 1, 5, 40])) for _ in range(7)]
    histories.append([{"_step": 0, "loss": 1, "acc": 2, "a/b": 3}])
    store = history_store(histories)
    specs = [
        ReadSpec(keys=("loss",)),
        ReadSpec(keys=("acc", "loss", "a/b")),
        ReadSpec(keys=("loss", "acc"), min_step=1, max_step=900),
        ReadSpec(keys=("_step", "loss")),
    ]
    for spec in specs:
        wanted = {
            f"h{at}": expected(rows, spec.keys or (), spec.min_step, spec.max_step) for at, rows in enumerate(histories)
        }
        with served(store, "full") as session:
            in_process = reading(session, spec)
        with served(store, "weak") as session:
            by_documents = reading(session, spec)
        with served(store, "weak", capabilities=COLUMNS) as session:
            by_columns = reading(session, spec)
        with over_loopback(store, "live") as (_, session):
            by_server = reading(session, spec)
        for got in (in_process, by_documents, by_columns, by_server):
            assert got.rows == wanted
            assert got.order == list(wanted)
            assert all(end.is_complete for end in got.ends.values())
