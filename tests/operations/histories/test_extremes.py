"""Extremes and means of a key: exact, by buckets where these save reading a long history."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.keyed_histories import history_store, listed
from tests.support.keyed_requests import asked_names
from wbmodel import Run
from wbmodel.backend.asks import ReadSpec
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.histories import Histories
from wbmodel.errors import FieldError
from wbmodel.operations.histories.extremes import Extremes, extremes
from wbmodel.operations.histories.runs import Given

rng = random.Random(3)
LONG = [{"_step": at, "loss": rng.gauss(0, 1)} for at in range(5200)]
LONG[4321]["loss"] = 99.5  # a peak that samples miss
SHORT: list[dict[str, Any]] = [
    {"_step": 0, "loss": 5},
    {"_step": 1, "loss": None},
    {"_step": 2, "loss": math.nan},
    {"_step": 3, "loss": "text"},
    {"_step": 4, "loss": -7},
    {"_step": 5, "loss": True},
]
VALUES = [row["loss"] for row in LONG]


def found(key: str, runs: Any = None, spec: ReadSpec | None = None, *, mean: bool = False, **dialect: Any) -> Extremes:
    made = Dialect(live=True, cursors="offsets", histories=Histories(max_samples=1000), **dialect)
    with served(history_store([LONG, SHORT, []]), "weak", dialect=made) as session:
        source = listed(session) if runs is None else Given([run for run in Run.objects.all() if run.id in runs])
        return session.run(extremes(key, source, spec or ReadSpec(), session.target, mean=mean))


def test_of_a_long_history_by_buckets() -> None:
    with asked_names() as names:
        got = found("loss", ["h0"])
    assert (got.min, got.max, got.mean, got.count) == (min(VALUES), 99.5, None, None)
    assert names.count("RunHistories") == 1
    assert got.ends == ()  # no values were read


def test_of_a_server_without_buckets() -> None:
    got = found("loss", ["h0"], lacking=frozenset({"Run.bucketedHistory"}))
    assert (got.min, got.max) == (min(VALUES), 99.5)
    assert all(end.is_complete for end in got.ends)


def test_null_and_nan_and_what_is_not_a_number_are_left_out() -> None:
    assert attrs_of(found("loss", ["h1"], mean=True)) == (-7, 5, -1.0, 2)
    assert attrs_of(found("loss", ["h1"])) == (-7, 5, None, None)


def attrs_of(got: Extremes) -> tuple[Any, ...]:
    return got.min, got.max, got.mean, got.count


def test_of_all_runs() -> None:
    got = found("loss")
    assert (got.min, got.max) == (-7, 99.5)


def test_a_mean_is_made_of_all_values() -> None:
    got = found("loss", ["h0"], mean=True)
    assert got.count == len(VALUES)
    assert got.mean == pytest.approx(math.fsum(VALUES) / len(VALUES), rel=1e-12)


def test_a_range_of_steps_is_read() -> None:
    got = found("loss", ["h0"], ReadSpec(min_step=10, max_step=20))
    assert (got.min, got.max) == (min(VALUES[10:20]), max(VALUES[10:20]))


def test_no_such_key_and_no_values() -> None:
    with pytest.raises(FieldError, match="'los'; did you mean 'loss'"):
        found("los")
    assert attrs_of(found("loss", ["h2"], mean=True)) == (None, None, None, 0)
