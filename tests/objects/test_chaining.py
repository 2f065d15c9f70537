"""Chain methods give new querysets and never touch their parent."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.queries import HOME, ids, on
from tests.support.strategies import ORDER_KEYS, as_keys, as_q, leaves, orders
from wbmodel import Project, Q, Run
from wbmodel.errors import FieldError, QueryError
from wbmodel.objects.queryset import QuerySet
from wbmodel.query.plan import Plan
from wbmodel.testing import assert_num_requests, oracle

STEPS: list[Any] = [
    lambda rows: rows.filter(state="finished"),
    lambda rows: rows.exclude(state="failed"),
    lambda rows: rows.order_by("name", "-created_at"),
    lambda rows: rows.reverse(),
    lambda rows: rows.all(),
    lambda rows: rows.none(),
    lambda rows: rows.only("name"),
    lambda rows: rows.defer("config"),
    lambda rows: rows.select_related("user"),
    lambda rows: rows.prefetch_related("files"),
    lambda rows: rows.distinct(),
    lambda rows: rows.snapshot(),
    lambda rows: rows.using(None),
    lambda rows: rows | rows.filter(group="g1"),
    lambda rows: rows & rows.filter(group="g1"),
    lambda rows: rows[2:9],
    lambda rows: rows.values("name"),
    lambda rows: rows.values_list("name", flat=True),
]


def state(rows: QuerySet[Any, Any]) -> tuple[Plan, Any]:
    return rows._plan, (rows._using, list(rows._result.rows), rows._result.complete)


@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6))
def test_the_parent_never_changes(steps: list[Any]) -> None:
    rows: Any = Run.objects.all()
    for step in steps:
        before = state(rows)
        kept = pickle.dumps(before[0].where)
        try:
            made = step(rows)
        except QueryError:
            continue
        assert state(rows) == before
        assert pickle.dumps(rows._plan.where) == kept
        assert made is not rows
        rows = made


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(leaves, min_size=1, max_size=3), orders(ORDER_KEYS))
def test_filters_add_up_and_the_last_order_counts(conditions: list[Any], keys: Any) -> None:
    with on("full"):
        rows = Run.objects.order_by("name")
        for condition in conditions:
            rows = rows.filter(as_q(condition))
        rows = rows.order_by(*as_keys(keys))
        assert ids(rows) == oracle.answer(HOME, ("and", conditions), keys)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(leaves, leaves)
def test_or_and_and(one: Any, other: Any) -> None:
    with on("full"):
        first, second = Run.objects.filter(as_q(one)), Run.objects.filter(as_q(other))
        assert ids(first | second) == oracle.answer(HOME, ("or", [one, other]))
        assert ids(first & second) == oracle.answer(HOME, ("and", [one, other]))


def test_or_with_nothing_and_with_everything() -> None:
    with on("full"):
        some = Run.objects.filter(state="finished")
        everything = oracle.answer(HOME, ("and", []))
        assert ids(some | Run.objects.all()) == everything
        assert ids(Run.objects.all() | some) == everything
        assert ids(some | Run.objects.none()) == ids(some)
        assert ids(Run.objects.none() | some) == ids(some)
        assert ids(some & Run.objects.none()) == []
        assert ids(Run.objects.none() | Run.objects.none()) == []


def test_what_cannot_be_combined() -> None:
    runs = Run.objects.all()
    for other, says in (
        (Project.objects.all(), "Runs and Projects"),
        (runs[:3], "cannot follow a slice"),
        (runs.values("name"), "must come before values"),
        (Q(state="a"), "with another queryset"),
    ):
        with pytest.raises(QueryError, match=says):
            runs | other  # type: ignore[operator]
        with pytest.raises(QueryError, match=says):
            runs & other  # type: ignore[operator]
    with pytest.raises(QueryError, match="different projects"):
        runs.filter(project="a/b") | runs.filter(project="a/c")
    both = runs.filter(project__in=["a/b", "a/c"]) & runs.filter(project="a/c")
    assert both._plan.scopes == {"project": ("a/c",)}


def test_reverse_of_reverse() -> None:
    with on("full"):
        rows = Run.objects.order_by("-summary.loss", "name", "id")
        assert ids(rows.reverse().reverse()) == ids(rows)
        keys: Any = [(("summary", "loss"), False), (("name",), True), (("id",), True)]
        assert ids(rows.reverse()) == oracle.answer(HOME, ("and", []), keys)


def test_no_order_is_the_default_order() -> None:
    with on("full"):
        assert (
            ids(Run.objects.order_by("name").order_by()) == ids(Run.objects.all()) == oracle.answer(HOME, ("and", []))
        )


def test_only_and_defer() -> None:
    with on("full"):
        run = Run.objects.only("name").first()
        assert run is not None
        assert {"name", "id", "node_id", "project", "created_at"} >= set(run.loaded_fields()) > {"name"}
        assert Run.objects.only("name").only("tags")._plan.only == ("tags",)
        run = Run.objects.defer("config").defer("summary").first()
        assert run is not None
        assert not {"config", "summary"} & set(run.loaded_fields())
        # What a check or an order needs is loaded, whatever was left out.
        assert ids(
            Run.objects.only("name").filter(summary__loss__isnan=True).order_by("-summary.eval/acc")
        ) == oracle.answer(HOME, ("leaf", ("summary", "loss"), "isnan", True), [(("summary", "eval/acc"), True)])
    with pytest.raises(FieldError, match="no field 'nme'; did you mean 'name'"):
        Run.objects.only("nme")
    with pytest.raises(FieldError, match="no field 'confg'"):
        Run.objects.defer("confg")


def test_shapes_come_last() -> None:
    shaped = Run.objects.values("name")
    for verb in ("only", "defer", "select_related", "prefetch_related"):
        with pytest.raises(QueryError, match="must come before values"):
            getattr(shaped, verb)("name")
    with pytest.raises(QueryError, match="remove prefetch_related"):
        Run.objects.prefetch_related("files").values("name")
    assert len(list(_on_values(shaped.filter(state="finished").order_by("name")))) > 0


def _on_values(rows: Any) -> list[Any]:
    with on("full"):
        return list(rows)


def test_snapshot_bounds_what_comes_in() -> None:
    from datetime import datetime, timezone

    at = datetime(2021, 4, 5, tzinfo=timezone.utc)
    with on("full"):
        assert ids(Run.objects.snapshot(at)) == oracle.answer(HOME, ("leaf", ("created_at",), "lte", at))
        assert ids(Run.objects.snapshot()) == ids(Run.objects.all())
    from wbmodel import User

    with pytest.raises(QueryError, match="no creation date"):
        User.objects.snapshot()


def test_a_manager_belongs_to_the_class() -> None:
    with on("full"), assert_num_requests(1):
        run = Run.objects.first()
        assert run is not None
        with pytest.raises(AttributeError, match=r"Run\.objects"):
            run.objects  # noqa: B018
    assert Run.objects is not Run.objects
