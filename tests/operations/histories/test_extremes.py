"""Extremes and means of a key: exact, by buckets where these save reading a long history."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.backends import over_loopback, served
from tests.support.keyed_histories import history_store
from tests.support.keyed_requests import asked_names
from wbmodel import Run
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.histories import Histories
from wbmodel.errors import FieldError

rng = random.Random(3)
LONG: list[dict[str, Any]] = [{"_step": at, "loss": rng.gauss(0, 1)} for at in range(5200)]
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


@contextmanager
def world(*histories: Any, **dialect: Any) -> Iterator[Any]:
    made = Dialect(live=True, cursors="offsets", histories=Histories(max_samples=1000), **dialect)
    with served(history_store(histories or (LONG, SHORT, [])), "weak", dialect=made) as session:
        yield session


def of(run: str) -> Any:
    return Run.objects.get(id=run).history


def test_of_a_long_history_by_buckets() -> None:
    with world(), asked_names() as names:
        history = of("h0")
        assert (history.min("loss"), history.max("loss")) == (min(VALUES), 99.5)
        assert history.complete
    assert names == ["Run", "RunHistories", "RunHistories"]


def test_of_a_server_without_buckets() -> None:
    with world(lacking=frozenset({"Run.bucketedHistory"})):
        history = of("h0")
        assert (history.min("loss"), history.max("loss")) == (min(VALUES), 99.5)
        assert history.complete


def test_null_and_nan_and_what_is_not_a_number_are_left_out() -> None:
    with world():
        assert (of("h1").min("loss"), of("h1").max("loss"), of("h1").mean("loss")) == (-7, 5, -1.0)


@pytest.mark.parametrize("odd", [math.nan, math.inf, "text", None, True, [1], 2**70, 10**400])
def test_what_buckets_do_not_tell_is_read(odd: Any) -> None:
    """The same as without buckets, whatever stands among the numbers."""
    rows = [*LONG[:-1], {"_step": 9999, "loss": odd}]
    found = []
    for lacking in (frozenset[str](), frozenset({"Run.bucketedHistory"})):
        with world(rows, lacking=lacking):
            found.append((of("h0").min("loss"), of("h0").max("loss")))
    assert found[0] == found[1]


def test_of_all_runs() -> None:
    with world():
        history = Run.objects.history
        assert (history.min("loss"), history.max("loss")) == (-7, 99.5)
        assert history.complete


def test_of_runs_of_which_only_the_long_ones_have_the_key(recwarn: Any) -> None:
    with world(LONG, [{"_step": 0, "acc": 1}]):
        assert Run.objects.history.max("loss") == 99.5
    assert not recwarn.list


def test_a_mean_is_made_of_all_values() -> None:
    with world():
        assert of("h0").mean("loss") == pytest.approx(math.fsum(VALUES) / len(VALUES), rel=1e-12)


def test_conditions_slices_and_fields_of_the_run_are_read() -> None:
    with world():
        history = of("h0")
        assert history.filter(_step__gte=10, _step__lt=20).max("loss") == max(VALUES[10:20])
        assert history.filter(loss__lt=0).max("loss") == max(value for value in VALUES if value < 0)
        assert history[:100].max("loss") == max(VALUES[:100])
        assert history.tail(9).min("loss") == min(VALUES[-9:])
        with pytest.raises(FieldError, match=r"'run\.state' has no numbers"):
            history.max("run.state")


def test_no_such_key_and_no_values() -> None:
    with world():
        for run in ("h0", "h1"):
            with pytest.raises(FieldError, match="'los'; did you mean 'loss'"):
                of(run).min("los")
        assert of("h2").min("loss") is None


def test_a_run_that_is_gone_is_said() -> None:
    with world(LONG, LONG) as session:
        runs = list(Run.objects.all())
        session.execute(f'mutation {{ deleteRun(input: {{id: "{runs[0].node_id}"}}) {{ clientMutationId }} }}')
        with pytest.raises(Exception, match="h0.* is not on .* any more"):
            runs[0].history.min("loss")
        listed = Run.objects.all()
        assert len(listed) == 1
        assert listed.history.max("loss") == 99.5


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(200_000, marks=pytest.mark.slow)], ids=["20,000 rows", "200,000 rows"]
)
def test_the_rows_of_a_long_history_are_not_read(count: int) -> None:
    rows = [{"_step": at, "loss": abs(at - count // 3) / 7, "acc": at, "note": "x" * 40} for at in range(count)]
    with over_loopback(history_store([rows]), "live") as (_, session):
        history = of("h0")
        with session.stats.measuring() as used, asked_names() as names:
            assert history.min("loss") == 0
            assert history.max("loss") == (count - count // 3 - 1) / 7
    assert names == ["RunHistories"] * 2
    assert used.bytes < 20_000
    print(f"the extremes of {count:,} rows: {used.bytes:,} bytes in {used.requests} requests")
