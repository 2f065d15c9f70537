"""Frames and groups of 10,000 runs with 80 keys, against polars reading the same rows from JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.benchmarks.material import world
from wbmodel import Count, Mean, QuerySet, Run, connect

pl = pytest.importorskip("polars")
COUNT = 10_000


@pytest.fixture(scope="module")
def runs() -> Iterator[QuerySet[Run]]:
    made = connect("fixtures:", world=world(COUNT), name="bench-frames", default=False)
    rows = Run.objects.using(made).filter(project="acme/big")
    assert rows.count() == COUNT
    yield rows
    made.close()


@pytest.fixture(scope="module")
def lines() -> bytes:
    flat = []
    for run in world(COUNT)["entities"]["acme"]["projects"]["big"]["runs"]:
        row = {key: run[key] for key in ("id", "name", "state", "tags", "created_at")}
        for field in ("config", "summary"):
            row |= {f"{field}.{key}": value for key, value in run[field].items()}
        flat.append(json.dumps(row))
    return "\n".join(flat).encode()


def test_to_polars(runs: QuerySet[Run], lines: bytes, ratios: Any) -> None:
    frame, floor = runs.to_polars(), pl.read_ndjson(lines, infer_schema_length=None)
    assert frame.height == COUNT
    shared = [name for name in floor.columns if name != "created_at"]
    assert len(shared) == 84
    assert frame.select(shared).sort("id").equals(floor.select(shared).sort("id"))
    # All rows are looked at for the types, as ours are; by default polars looks at the first 100 and trusts the rest.
    ratios.paired(
        "10,000 runs x 80 keys to_polars(), asked of the backend",
        runs.to_polars,
        lambda: pl.read_ndjson(lines, infer_schema_length=None),
        2,
    )
    ratios.paired(
        "  the same, against polars with types from 100 rows",
        runs.to_polars,
        lambda: pl.read_ndjson(lines),
        2,
    )
    ratios.paired("  of that, list(runs)", lambda: list(runs.all()), lambda: pl.read_ndjson(lines), 2)


def test_group_by(runs: QuerySet[Run], lines: bytes, ratios: Any) -> None:
    def ours() -> list[dict[str, Any]]:
        grouped = runs.group_by("config.optimizer", "state").annotate(n=Count(), loss=Mean("summary.loss"))
        return list(grouped)

    def floor() -> Any:
        frame = pl.read_ndjson(lines)
        keys = ("config.optimizer", "state")
        return frame.group_by(*keys).agg(pl.len().alias("n"), pl.col("summary.loss").mean().alias("loss"))

    expected = floor().sort("config.optimizer", "state").to_dicts()
    assert [row | {"loss": pytest.approx(row["loss"])} for row in expected] == ours()
    ratios.paired("10,000 runs grouped by two keys, count and mean", ours, floor, 3)
