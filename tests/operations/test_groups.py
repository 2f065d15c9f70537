"""What can be asked of groups: having, columns, and the best row of each, equal to plain Python on random data."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.plain_world import runs_of
from tests.support.queries import on
from wbmodel import Count, F, Max, Mean, Min, Q, Run, everything_but
from wbmodel.errors import FieldError, QueryError
from wbmodel.objects.grouped import Grouped
from wbmodel.testing import assert_num_requests

MODELS = st.sampled_from(["ada", "bert", 1, None])
LOSSES = st.one_of(st.integers(-3, 3), st.floats(-2, 2), st.sampled_from([None, math.nan, "text", True, math.inf]))
NUMBER = (int, float)


def is_number(value: Any) -> bool:
    return isinstance(value, NUMBER) and not isinstance(value, bool) and value == value


def by_model(rows: list[Run]) -> list[list[Run]]:
    groups: dict[Any, list[Run]] = {}
    for row in rows:
        groups.setdefault(row.config["model"], []).append(row)
    return list(groups.values())


@settings(max_examples=deep(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(MODELS, LOSSES), max_size=20), st.integers(0, 5), st.sampled_from(["min", "max"]), st.booleans()
)
def test_equal_to_plain_python(pairs: list[tuple[Any, Any]], least: int, goal: Any, evaluated: bool) -> None:
    with runs_of([{"config": {"model": model}, "summary": {"loss": loss}} for model, loss in pairs]) as runs:
        rows = list(runs)
        if evaluated:
            assert len(runs) == len(rows)
        grouped = runs.group_by("config.model").annotate(n=Count(), first=Min("created_at"))
        expected = [group for group in by_model(rows) if len(group) >= least]
        kept = grouped.filter(n__gte=least)
        assert {(row["config.model"], row["n"]) for row in kept} == {(g[0].config["model"], len(g)) for g in expected}
        assert list(kept.values_list("n", "config.model")) == [(row["n"], row["config.model"]) for row in kept]
        assert list(kept.values_list("n", flat=True)) == [row["n"] for row in kept]
        assert list(kept.values("n")) == [{"n": row["n"]} for row in kept]
        # What having keeps and what its opposite keeps are all groups.
        assert sorted(map(str, [*kept, *grouped.exclude(n__gte=least)])) == sorted(map(str, grouped))
        best = {}
        for group in expected:
            numbers = [row for row in group if is_number(row.summary["loss"])]
            if numbers:
                sign = 1 if goal == "min" else -1
                newest = sorted(numbers, key=lambda row: (row.created_at, -int(row.id[1:])), reverse=True)
                best[group[0].config["model"]] = min(newest, key=lambda row: sign * row.summary["loss"])
        found = kept.best("summary.loss", goal=goal)
        assert {row.config["model"]: row.id for row in found} == {model: row.id for model, row in best.items()}
        order = [row["config.model"] for row in kept if row["config.model"] in best]
        assert [row.config["model"] for row in found] == order
        # The same as the best of a filtered queryset.
        for row in found:
            model = row.config["model"]
            condition = {"config__model__isnull": True} if model is None else {"config__model": model}
            assert runs.filter(**condition).best("summary.loss", goal=goal) == row


@pytest.mark.parametrize("kind", ["full", "weak", "hostile1"])
async def test_both_colours_on_every_backend(kind: str) -> None:
    with on(kind):
        rows = Run.objects.filter(project="acme/vision")
        grouped = rows.group_by("state").annotate(n=Count(), low=Min("summary.loss")).order_by("-n", "state")
        plain = grouped.best("summary.loss", goal="min")
        assert plain
        assert await grouped.abest("summary.loss", goal="min") == plain
        assert [row.summary["loss"] for row in plain] == [row["low"] for row in grouped if row["low"] is not None]
        assert [row async for row in grouped.filter(n__gt=1).values_list("n", flat=True)] == [
            row["n"] for row in grouped if row["n"] > 1
        ]
        # They are whole entities, and a slice and having count.
        assert all(row.config is not None and row.path for row in plain)
        assert grouped[:1].best("summary.loss", goal="min") == plain[:1]
        kept = grouped.filter(state=plain[-1].state)
        assert kept.best("summary.loss", goal="min") == plain[-1:]
    assert list(inspect.signature(Grouped.best).parameters) == list(inspect.signature(Grouped.abest).parameters)


def test_relations_of_the_best_are_loaded() -> None:
    with on("full"):
        rows = Run.objects.filter(project="acme/vision").prefetch_related("files")
        found = rows.group_by("state").best("summary.loss", goal="max")
        with assert_num_requests(0):
            assert [list(row.files) for row in found]


def test_conditions_are_spelled_as_in_querysets() -> None:
    worlds = [{"config": {"k": k, "a.b": k}, "summary": {"x": x}} for k, x in [(1, 1), (1, 2), (2, 3), (None, 4)]]
    with runs_of(worlds) as runs:
        grouped = runs.group_by("config.k").annotate(n=Count(), x=Mean("summary.x"), k__n=Max("summary.x"))

        def keys(*conditions: Q, **lookups: Any) -> list[Any]:
            return list(grouped.filter(*conditions, **lookups).values_list("config.k", flat=True))

        assert keys(n=2) == [1]
        assert keys(n__in=[1], x__gt=3) == keys(Q(n=1) & Q(x__gt=3)) == [None]
        assert keys(Q(n=2) | Q(x=4)) == [1, None]
        assert keys(~Q(n=2)) == keys(n__ne=2) == [2, None]
        assert keys(config__k__isnull=True) == keys(F.config["k"].isnull()) == [None]
        assert keys(F.config["k"] > 1) == [2]
        assert keys(F.x > 1.5) == [2, None]
        assert keys(k__n__range=(2, 3)) == [1, 2]
        assert keys() == keys(Q()) == [1, 2, None]
        quoted = runs.group_by(F.config["a.b"]).filter(F.config["a.b"] == 2)
        assert [list(row.values()) for row in quoted] == [[2]]
        apart = runs.group_by(everything_but("k")).annotate(n=Count())
        assert [row["n"] for row in apart.filter(n__gt=1)] == [2]
        times = runs.group_by("config.k").annotate(first=Min("created_at"))
        assert len(times.filter(first__gt="2000-01-01T00:00:00Z")) in (0, 3)
        assert [row.config_k for row in grouped.values_list("config.k", named=True)] == [1, 2, None]
        assert list(grouped.values_list("n").to_records()[0]) == ["n"]


def test_what_makes_no_sense_is_refused_before_anything_is_read() -> None:
    with on("full"), assert_num_requests(0):
        grouped = Run.objects.filter(project="acme/vision").group_by("state").annotate(n=Count())
        for message, call in {
            r"the groups have no column 'm'; columns: n, state": lambda: grouped.filter(m=1),
            r"the groups have no column 'stat'; did you mean 'state'": lambda: grouped.values_list("stat"),
            r"unknown lookup 'foo'": lambda: grouped.filter(n__foo=1),
            r"groups n in: takes a list": lambda: grouped.filter(n__in=1),
            r"groups state range: takes a pair": lambda: grouped.filter(state__range=1),
            r"Run.state does not hold numbers": lambda: grouped.best("state", goal="min"),
            r"has no field 'sumary'": lambda: grouped.best("sumary.loss", goal="min"),
        }.items():
            with pytest.raises(FieldError, match=message):
                call()
        for message, refused in {
            "filter cannot follow a slice": lambda: grouped[:2].filter(n=1),
            "goal must be 'min' or 'max'": lambda: grouped.best("summary.loss", goal="low"),  # type: ignore[arg-type]
            "takes one column, not 2": lambda: grouped.values_list("n", "state", flat=True),  # type: ignore[call-overload]
            "flat or named": lambda: grouped.values_list("n", flat=True, named=True),  # type: ignore[call-overload]
        }.items():
            with pytest.raises(QueryError, match=message):
                refused()
