"""Slices and indexes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.queries import HOME, ids, on
from wbmodel import Run
from wbmodel.errors import QueryError
from wbmodel.testing import assert_num_requests, count_requests, oracle

EVERY = oracle.answer(HOME, ("and", []))
ENDS = st.none() | st.integers(0, 40)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(ENDS, ENDS), min_size=1, max_size=3), st.sampled_from(["full", "weak"]))
def test_slices_of_slices(cuts: list[Any], kind: str) -> None:
    with on(kind):
        rows: Any = Run.objects.all()
        expected = EVERY
        for start, stop in cuts:
            rows, expected = rows[start:stop], expected[start:stop]
        assert ids(rows) == expected
        assert rows.count() == len(expected)
        assert rows.exists() is bool(expected)


@pytest.mark.parametrize("evaluated", [False, True])
def test_indexes(evaluated: bool) -> None:
    with on("weak"):
        rows = Run.objects.all()
        if evaluated:
            len(rows)
        assert [rows[index].id for index in (0, 1, 20, len(EVERY) - 1)] == [EVERY[index] for index in (0, 1, 20, -1)]
        with pytest.raises(IndexError):
            rows[len(EVERY)]
        assert [run.id for run in rows[3:9:2]] == EVERY[3:9:2]
        assert [run.id for run in rows[::7]] == EVERY[::7]
        assert rows[2:][0].id == EVERY[2]
        assert ids(rows[:0]) == []
        assert ids(rows[9:3]) == []


@pytest.mark.parametrize("key", [-1, slice(-3, None), slice(None, -1), slice(None, None, -1)])
def test_negative_is_refused_with_a_hint(key: Any) -> None:
    with assert_num_requests(0), pytest.raises(QueryError, match=r"reverse\(\)"):
        Run.objects.all()[key]


@pytest.mark.parametrize("key", ["1", 1.0, True, slice("a", None), slice(None, 1.5), (1, 2), None, slice(0, True)])
def test_what_is_no_index(key: Any) -> None:
    with pytest.raises(QueryError, match="whole number"):
        Run.objects.all()[key]


def test_a_step_of_zero() -> None:
    with pytest.raises(QueryError, match="cannot be 0"):
        Run.objects.all()[::0]


@pytest.mark.parametrize(
    "verb", ["filter", "exclude", "order_by", "reverse", "last", "latest", "earliest", "in_bulk", "best"]
)
def test_nothing_comes_after_a_slice(verb: str) -> None:
    rows = Run.objects.all()[:5]
    arguments: dict[str, Any] = {
        "filter": {"state": "x"},
        "exclude": {"state": "x"},
        "best": {"path": "summary.loss", "goal": "min"},
    }
    with assert_num_requests(0), pytest.raises(QueryError, match="cannot follow a slice"):
        getattr(rows, verb)(**arguments.get(verb, {}))


def test_what_may_come_after_a_slice() -> None:
    with on("full"):
        rows = Run.objects.all()[3:6]
        assert ids(rows.all()) == EVERY[3:6]
        assert [row["id"] for row in rows.values("id")] == EVERY[3:6]
        first = rows.first()
        assert first is not None
        assert first.id == EVERY[3]
        assert rows.count() == 3
        assert rows.contains(first)
        other = Run.objects.get(id=EVERY[6])
        assert not rows.contains(other)
        assert ids(rows.only("name")) == EVERY[3:6]


def test_a_slice_asks_for_no_more_rows_than_it_needs() -> None:
    with on("full"), count_requests() as sent:
        ids(Run.objects.all()[:7])
    assert [request.variables["first"] for request in sent.requests] == [7]
    with on("full"), count_requests() as sent:
        ids(Run.objects.all()[2:7])
    assert [request.variables["first"] for request in sent.requests] == [7]


def test_one_key_orders_ask_for_one_more_and_go_on_while_it_ties() -> None:
    """Ordered by a unique date the (n+1)th row ends it; among ties, all that tie are read."""
    from tests.support.backends import served
    from tests.support.worlds import small_world

    with served(small_world().store(), "drops"), count_requests() as sent:
        assert ids(Run.objects.all()[:3]) == ["r4", "r3", "r2"]
    assert [request.variables["first"] for request in sent.requests] == [4]


def test_a_slice_of_an_evaluated_queryset_is_a_list() -> None:
    with on("full"):
        rows = Run.objects.all()
        len(rows)
        with assert_num_requests(0):
            assert ids(rows[2:4]) == EVERY[2:4]
            assert rows[2:4][0] is rows[2]
