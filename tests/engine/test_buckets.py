"""``bucketedHistory``: means and extremes from all rows, compared with a plain computation."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from wbmodel.engine.buckets import DEFAULT_BINS, buckets
from wbmodel.engine.history_index import Index
from wbmodel.engine.streams import RowStream


def asked(rows: list[Any], **spec: Any) -> list[dict[str, Any]]:
    index = Index(RowStream(rows).between(None, None))
    return list(buckets(index, index.between(None, None), spec))


def test_buckets_are_equal_ranges_of_the_axis() -> None:
    rows = [{"_step": step, "loss": 100 - step} for step in range(100)]
    assert asked(rows, keys=["loss"], bins=2) == [
        {"lossAvg": 75.5, "lossMin": 51, "lossMax": 100, "_stepAvg": 24.5},
        {"lossAvg": 25.5, "lossMin": 1, "lossMax": 50, "_stepAvg": 74.5},
    ]
    assert len(asked(rows, keys=["loss"], samples=10)) == 10
    assert len(asked(rows, keys=["loss"])) == 100, "fewer than asked where there are fewer rows"
    assert len(asked([{"_step": n, "x": n} for n in range(2000)], keys=["x"])) == DEFAULT_BINS


def test_only_finite_numbers_count() -> None:
    odd = [math.nan, math.inf, -math.inf, None, "5", True, [1], {"a": 1}, 10**400]
    rows = [{"_step": 0, "x": value} for value in odd] + [{"_step": 0, "x": 2}, {"_step": 0, "x": 4}]
    assert asked(rows, keys=["x"], bins=5) == [{"xAvg": 3.0, "xMin": 2, "xMax": 4, "_stepAvg": 0.0}]
    assert asked(rows[:9], keys=["x"]) == asked([], keys=["x"]) == asked(rows, keys=["nope"]) == asked(rows) == []


def test_rows_that_have_any_of_the_keys_count_each_for_its_own() -> None:
    rows = [{"_step": 0, "a": 1}, {"_step": 1, "b": 2}, {"_step": 9, "c": 0}, {"_step": 9, "a": 3, "b": math.nan}]
    assert asked(rows, keys=["a", "b"], bins=2) == [
        {"aAvg": 1.0, "aMin": 1, "aMax": 1, "bAvg": 2.0, "bMin": 2, "bMax": 2, "_stepAvg": 0.5},
        {"aAvg": 3.0, "aMin": 3, "aMax": 3, "_stepAvg": 9.0},
    ]


def test_any_metric_may_be_the_axis() -> None:
    rows = [{"_step": step, "t": t, "x": step} for step, t in enumerate([5.0, 1.0, math.nan, 3.0, "a"])]
    assert [row["tAvg"] for row in asked(rows, keys=["x"], xAxis="t", bins=3)] == [1.0, 3.0, 5.0]
    assert asked(rows, keys=["t"], xAxis="t", bins=1) == [{"tAvg": 3.0, "tMin": 1.0, "tMax": 5.0}]


def test_numbers_at_the_ends_of_floats() -> None:
    big = 1.7e308
    assert asked([{"_step": 0, "x": big}, {"_step": 0, "x": big}], keys=["x"])[0]["xAvg"] == pytest.approx(big)
    rows = [{"_step": 0, "t": -big, "x": 1}, {"_step": 1, "t": big, "x": 2}]
    assert [row["tAvg"] for row in asked(rows, keys=["x"], xAxis="t", bins=2)] == [-big, big]
    assert len(asked([{"_step": -5, "x": 1}, {"_step": 10**30, "x": 2}], keys=["x"], bins=7)) == 2


NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.integers(-100, 100), st.sampled_from([math.nan, math.inf, None, "x"]))
ROWS = st.lists(st.fixed_dictionaries({"_step": st.integers(-20, 20)}, optional={"a": NUMBERS, "b.c": NUMBERS}))


@settings(max_examples=deep(150), deadline=None, derandomize=True)
@given(ROWS, st.integers(1, 9))
def test_buckets_hold_every_number_once(rows: list[dict[str, Any]], bins: int) -> None:
    found = asked(rows, keys=["a", "b.c"], bins=bins)
    assert len(found) <= bins
    assert [row["_stepAvg"] for row in found] == sorted(row["_stepAvg"] for row in found)
    for key in ("a", "b.c"):
        numbers = [row[key] for row in rows if type(row.get(key)) in (int, float) and math.isfinite(row[key])]
        have = [row for row in found if f"{key}Avg" in row]
        assert bool(have) == bool(numbers)
        if numbers:
            assert min(row[f"{key}Min"] for row in have) == min(numbers)
            assert max(row[f"{key}Max"] for row in have) == max(numbers)
            assert all(row[f"{key}Min"] <= row[f"{key}Avg"] + 1e-9 <= row[f"{key}Max"] + 2e-9 for row in have)
    if found and bins == 1:
        (whole,) = found
        a = [row["a"] for row in rows if type(row.get("a")) in (int, float) and math.isfinite(row["a"])]
        assert not a or whole["aAvg"] == pytest.approx(math.fsum(a) / len(a))


def test_buckets_in_documents_have_windows_with_their_end(ask: Any) -> None:
    specs = [json.dumps(spec) for spec in ({"keys": ["loss"], "minStep": 0, "maxStep": 1}, {"keys": ["acc"]})]
    document = """query Q($specs: [JSONString!]!) { project(name: "vision", entityName: "acme") { run(name: "r1") {
      bucketedHistory(specs: $specs, packVersion: 1) } } }"""
    assert ask(document, specs=specs)["project"]["run"]["bucketedHistory"] == [
        [{"lossAvg": 1.0, "lossMin": 1.0, "lossMax": 1.0, "_stepAvg": 0.0}],
        [{"accAvg": 0.5, "accMin": 0.5, "accMax": 0.5, "_stepAvg": 5.0}],
    ]
    for spec in ('{"xAxis": 3}', '{"bins": "x"}', '{"samples": NaN}'):
        assert "bucketedHistory" in ask.error(document, specs=[spec])
