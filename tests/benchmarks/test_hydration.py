"""Wire bytes to entities, against decoding the same bytes and keeping what was decoded."""

from __future__ import annotations

import json
import sys
import tracemalloc
from typing import Any

import orjson

from tests.benchmarks.material import nodes, page
from wbmodel import Run
from wbmodel.codec import loads
from wbmodel.compiler.hydrate import hydrator

META = Run.__wbmodel_meta__


def hydrate(body: bytes) -> list[Any]:
    data = loads(body)
    found = [edge["node"] for edge in data["data"]["project"]["runs"]["edges"]]
    return hydrator(META, META.default_fields(), (), "project")(found, None, None)


def read(body: bytes) -> list[Any]:
    rows = hydrate(body)
    for row in rows:
        row.config, row.summary  # noqa: B018 - reading is what is measured
    return rows


def floor(body: bytes) -> list[Any]:
    data = orjson.loads(body)
    kept = []
    for edge in data["data"]["project"]["runs"]["edges"]:
        node = edge["node"]
        node["config"] = orjson.loads(node["config"])
        node["summaryMetrics"] = orjson.loads(node["summaryMetrics"])
        kept.append(node)
    return kept


def test_hydrating_1000_runs(ratios: Any) -> None:
    body = page(1000)
    rows = read(body)
    assert (len(rows), len(rows[3].config), len(rows[3].summary)) == (1000, 30, 50)
    ratios.paired("1,000 runs hydrated, config and summary read", lambda: read(body), lambda: floor(body), 1.3, 15)
    ratios.paired(
        "1,000 runs hydrated, config and summary not read", lambda: hydrate(body), lambda: floor(body), 0.6, 15
    )


def test_memory(ratios: Any) -> None:
    make = hydrator(META, META.default_fields(), (), "project")
    tracemalloc.start()
    try:
        bodies = [page(1000) for _ in range(10)]
        before = tracemalloc.get_traced_memory()[0]
        rows = [row for body in bodies for row in read(body)]
        used = tracemalloc.get_traced_memory()[0] - before
        assert len(rows) == 10_000
        ratios.say(f"10,000 touched runs in memory: {used / 1e6:.0f} MB (wanted: at most 120 MB)")
        del rows
        found = nodes(1000)
        for node in found:
            node["config"] = node["summaryMetrics"] = None
        fresh = loads(json.dumps(found))
        before = tracemalloc.get_traced_memory()[0]
        rows = make(fresh, None, None)
        bare = (tracemalloc.get_traced_memory()[0] - before) / len(rows)
        own = sum(sys.getsizeof(text) for text in (rows[0].node_id, rows[0].id, rows[0].name))
        ratios.say(
            f"an entity without its texts: {bare:.0f} B (wanted: at most 600 B); its ids and name are {own} B more, "
            "the texts of config and summary are not counted"
        )
    finally:
        tracemalloc.stop()
