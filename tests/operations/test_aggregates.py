"""``aggregate`` and ``group_by``: equal to pandas on random data, and the rules of docs/reference/aggregates.md."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.plain_world import runs_of
from tests.support.queries import HOME, on
from wbmodel import (
    Count,
    F,
    First,
    Last,
    Max,
    Mean,
    Median,
    Min,
    Project,
    Quantile,
    Run,
    Std,
    Sum,
    errors,
    everything_but,
)
from wbmodel.errors import FieldError, QueryError, QueryWarning
from wbmodel.testing import assert_num_requests, count_requests

pd = pytest.importorskip("pandas")

NAN = math.nan
_ABSENT = object()
NUMBERS = st.one_of(
    st.integers(-1000, 1000), st.floats(-1e6, 1e6), st.none(), st.just(NAN), st.just(_ABSENT), st.integers(-3, 3)
)
KEYS = st.sampled_from([1, 1.0, 2, True, False, "a", "1", None, _ABSENT, [1, 2], [1.0, 2], {"b": 1}, 2.5, NAN])


def run_of(key: Any, value: Any) -> dict[str, Any]:
    return {
        "config": {} if key is _ABSENT else {"k": key, "other": 1},
        "summary": {} if value is _ABSENT else {"x": value, "other": 2},
    }


def token(key: Any) -> str:
    """What two equal keys have in common, told by other means than the code under test."""
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    if isinstance(key, list):
        return "list " + " ".join(map(token, key))
    return "null" if key is _ABSENT or key is None else f"{type(key).__name__} {json.dumps(key)}"


def same(ours: Any, theirs: Any) -> bool:
    if ours is None:
        return bool(pd.isna(theirs))
    return bool(ours == pytest.approx(float(theirs), rel=1e-9, abs=1e-6))


ASKED = {
    "n": Count(),
    "there": Count("summary.x"),
    "total": Sum("summary.x"),
    "mean": Mean(F.summary["x"]),
    "sd": Std("summary.x"),
    "low": Min("summary.x"),
    "high": Max("summary.x"),
    "middle": Median("summary.x"),
    "q": Quantile("summary.x", 0.3),
    "first": First("summary.x"),
    "last": Last("summary__x"),
}


def with_pandas(groups: Any) -> Any:
    return groups.agg(
        n="size",
        there="count",
        total="sum",
        mean="mean",
        sd="std",
        low="min",
        high="max",
        middle="median",
        q=lambda item: item.quantile(0.3),
        first="first",
        last="last",
    )


@settings(max_examples=deep(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(KEYS, NUMBERS), max_size=25))
def test_equal_to_pandas(pairs: list[tuple[Any, Any]]) -> None:
    series = pd.Series([None if value is _ABSENT else value for _, value in pairs], dtype="float64")
    with runs_of([run_of(*pair) for pair in pairs]) as runs:
        rows = list(runs.group_by("config.k").annotate(**ASKED))
        whole = runs.aggregate(**ASKED)
    assert [list(row) for row in rows] == [["config.k", *ASKED]] * len(rows)
    found = {token(row["config.k"]): row for row in rows}
    assert len(found) == len(rows)
    expected = with_pandas(series.groupby([token(key) for key, _ in pairs]))
    assert set(found) == set(expected.index)
    for key, row in found.items():
        for name in ASKED:
            assert same(row[name], expected.loc[key, name]), (key, name, row[name], expected.loc[key, name])
    if pairs:
        everything = with_pandas(series.groupby([0] * len(pairs))).loc[0]
        for name in ASKED:
            assert same(whole[name], everything[name]), name
    else:
        assert whole == dict.fromkeys(ASKED) | {"n": 0, "there": 0, "total": 0}


@pytest.mark.parametrize("kind", ["full", "weak", "hostile1"])
async def test_both_colours_on_every_backend(kind: str) -> None:
    with on(kind):
        rows = Run.objects.filter(project="acme/vision").order_by("id")
        grouped = rows.group_by("state", "group").annotate(n=Count(), first=First("id"), named=Count("config.lr"))
        expected: dict[Any, list[dict[str, Any]]] = {}
        for run in sorted(HOME, key=lambda run: str(run["id"])):
            expected.setdefault((run["state"], run["group"]), []).append(run)
        plain = list(grouped)
        assert {(row["state"], row["group"]): (row["n"], row["first"], row["named"]) for row in plain} == {
            key: (len(found), found[0]["id"], sum(run["config"].get("lr") is not None for run in found))
            for key, found in expected.items()
        }
        assert [row async for row in grouped._clone()] == plain
        assert plain == sorted(plain, key=lambda row: (row["state"], row["group"] is None, row["group"] or ""))
        assert await rows.aaggregate(n=Count(), m=Count("group")) == rows.aggregate(n=Count(), m=Count("group"))


def test_only_what_is_needed_is_asked_for() -> None:
    with on():
        rows = Run.objects.filter(project="acme/vision")
        for ask, fields in (
            (lambda: list(rows.group_by("config.lr").annotate(n=Count())), {"config"}),
            (lambda: list(rows.group_by("state").annotate(x=Count("summary.loss"))), {"state", "summaryMetrics"}),
            (lambda: list(rows.group_by("state")), {"state"}),
            (lambda: rows.aggregate(first=First("name")), {"displayName"}),
        ):
            with count_requests() as sent:
                ask()
            text = sent.requests[0].document.text
            assert {name for name in ("config", "summaryMetrics", "state", "displayName") if name in text} == fields
        # The backend is asked for the number alone.
        with count_requests() as sent:
            assert rows.aggregate(n=Count(), again=Count()) == {"n": len(HOME), "again": len(HOME)}
        assert "edges" not in sent.requests[0].document.text


def test_it_is_lazy_and_asks_once() -> None:
    with on():
        with assert_num_requests(0):
            grouped = Run.objects.filter(project="acme/vision").group_by("state").annotate(n=Count()).order_by("-n")[:2]
            assert str(grouped) == "<Grouped Runs by state, n=Count()>"
        with assert_num_requests(1):
            assert len(grouped) == len(list(grouped)) == 2
            assert grouped
            assert grouped[1] == list(grouped)[1]
            assert grouped.to_records() == list(grouped)
        rows = Run.objects.filter(project="acme/vision")
        list(rows)
        with assert_num_requests(0):
            assert rows.aggregate(n=Count(), m=Count("config.lr"))["n"] == len(HOME)
            assert len(rows.group_by("config.optimizer")) > 1


def test_keys_by_value() -> None:
    keys: list[Any] = [1, 1.0, True, "1", None, _ABSENT, [1, 2], [1, 2], {"a": 1, "b": 2}, {"b": 2, "a": 1}, NAN, NAN]
    with runs_of([run_of(key, 0) for key in keys]) as runs:
        rows = list(runs.group_by(F.config["k"]).annotate(n=Count()))
        whole = list(runs.group_by("config.k", "state").annotate(n=Count()))

    def shown(key: Any) -> str:
        return repr(dict(sorted(key.items())) if isinstance(key, dict) else key)

    assert [(shown(row["config.k"]), row["n"]) for row in rows] == [
        ("1", 2),
        ("'1'", 1),
        ("True", 1),
        ("[1, 2]", 2),
        ("{'a': 1, 'b': 2}", 2),
        ("nan", 2),
        ("None", 2),
    ]
    assert [row["n"] for row in whole] == [row["n"] for row in rows]


def test_everything_but() -> None:
    configs = [
        {"lr": 0.1, "seed": 1, "model": {"depth": 2, "seed": 5}},
        {"lr": 0.1, "seed": 2, "model": {"depth": 2, "seed": 6}},
        {"lr": 0.1, "seed": 3, "model": {"depth": 3}},
        {"lr": 0.2, "dropout": None, "a.b": 1},
        {"lr": 0.2, "a.b": 1.0},
        {},
    ]
    with runs_of([{"config": config} for config in configs]) as runs:
        grouped = runs.group_by(everything_but("seed", F.config["model"]["seed"])).annotate(n=Count(), who=First("id"))
        assert [(row["n"], row["who"]) for row in grouped] == [(2, "r0003"), (2, "r0000"), (1, "r0002"), (1, "r0005")]
        assert list(grouped[0]) == ['config."a.b"', "config.dropout", "config.lr", "config.model.depth", "n", "who"]
        assert [
            row["n"] for row in runs.group_by(everything_but("config.model", "seed", "lr")).annotate(n=Count())
        ] == [2, 4]
        assert len(runs.group_by("state", everything_but("seed", "model", "lr", "dropout", F.config["a.b"]))) == 1
        assert list(runs.none().group_by(everything_but("seed")).annotate(n=Count())) == []
        with pytest.warns(QueryWarning, match=r"none of the 6 Runs has the config key 'sed'; did you mean 'seed'"):
            assert len(runs.group_by(everything_but("sed"))) == 5


def test_orders_and_slices() -> None:
    values = [("a", 3), ("b", NAN), ("c", 1), ("a", 5), ("d", None), ("c", 1)]
    with runs_of([run_of(*pair) for pair in values]) as runs:
        grouped = runs.group_by("config.k").annotate(n=Count(), x=Mean("summary.x"))

        def keys(rows: Any) -> list[str]:
            return [row["config.k"] for row in rows]

        assert keys(grouped) == ["a", "b", "c", "d"]
        assert keys(grouped.order_by("x")) == ["c", "a", "b", "d"]
        assert keys(grouped.order_by("-x")) == ["a", "c", "b", "d"]
        assert keys(grouped.order_by("-n", "-config.k")) == ["c", "a", "d", "b"]
        assert keys(grouped.order_by(-F.config["k"])) == ["d", "c", "b", "a"]
        assert keys(grouped.order_by("x")[1:3]) == ["a", "b"]
        assert keys(grouped[1:][:2][1:]) == ["c"]
        assert grouped[:2].to_records() == list(grouped)[:2]
        with pytest.raises(IndexError):
            grouped[4]
        for call, says in (
            (lambda: grouped[:2].order_by("x"), "cannot follow a slice"),
            (lambda: grouped[:2].annotate(y=Count()), "cannot follow a slice"),
            (lambda: grouped[-1], "negative"),
            (lambda: grouped[::2], "without a step"),
        ):
            with pytest.raises(QueryError, match=says):
                call()
        with pytest.raises(FieldError, match=r"no column 'xx'; did you mean 'x'"):
            grouped.order_by("-xx")
        # A queryset that was sliced gives its rows, in its order.
        assert runs[:3].aggregate(n=Count(), x=Sum("summary.x"), first=First("config.k")) == {
            "n": 3,
            "x": 4,
            "first": "a",
        }
        assert runs.reverse().aggregate(first=First("config.k"), last=Last("config.k")) == {"first": "c", "last": "a"}


def test_min_and_max_of_text_and_dates() -> None:
    with on():
        rows = Run.objects.filter(project="acme/vision")
        found = rows.aggregate(first=Min("created_at"), last=Max("created_at"), low=Min("state"))
    dates = [run["created_at"] for run in HOME]
    assert found == {"first": min(dates), "last": max(dates), "low": min(run["state"] for run in HOME)}


def test_numbers_of_every_size() -> None:
    with runs_of([run_of("a", value) for value in (10**400, 1, 2**70)]) as runs:
        found = runs.aggregate(
            total=Sum("summary.x"), mean=Mean("summary.x"), high=Max("summary.x"), sd=Std("summary.x")
        )
    assert found["total"] == 10**400 + 1 + 2**70
    assert found["high"] == 10**400
    assert (found["mean"], found["sd"]) == (math.inf, math.inf)
    with runs_of([run_of("a", value) for value in (math.inf, -math.inf, 1.0)]) as runs:
        found = runs.aggregate(
            total=Sum("summary.x"), mean=Mean("summary.x"), low=Min("summary.x"), middle=Median("summary.x")
        )
    assert math.isnan(found["total"])
    assert math.isnan(found["mean"])
    assert (found["low"], found["middle"]) == (-math.inf, 1.0)


@pytest.mark.parametrize(
    ("odd", "ask", "says"),
    [
        ("n/a", Mean("summary.x"), r"m=Mean\('summary.x'\): Run acme/p/r0001 has 'n/a' there, which is not a number"),
        (True, Sum("summary.x"), r"has True there, which is not a number"),
        ([1], Median("summary.x"), r"has \[1\] there"),
        ({"a": 1}, Quantile("summary.x", 0.5), r"has \{'a': 1\} there"),
        ("n/a", Min("summary.x"), r"r0001 has 'n/a' there, which has another type"),
        (True, Max("summary.x"), r"has True there, which has another type than the values before it, or no"),
    ],
)
def test_what_is_no_number_is_named(odd: Any, ask: Any, says: str) -> None:
    with runs_of([run_of("a", 1), run_of("a", odd), run_of("a", 2.0)]) as runs:
        with pytest.raises(FieldError, match=says) as caught:
            runs.aggregate(m=ask)
        assert "F.summary['x'].isfinite()" in str(caught.value)
        with pytest.raises(FieldError, match=says):
            list(runs.group_by("state").annotate(m=ask))
        # The way out that the message names.
        assert runs.filter(F.summary["x"].isfinite()).aggregate(n=Count(), m=ask)["n"] == 2
        # Whatever has no need of numbers takes any value.
        assert runs.aggregate(n=Count("summary.x"), last=First("summary.x")) == {"n": 3, "last": 1}


def test_questions_without_a_meaning_are_refused_before_asking() -> None:
    rows = Run.objects.all()
    for call, error, says in (
        (lambda: rows.aggregate(m=Mean("state")), FieldError, r"Run.state does not hold numbers \(text\)"),
        (lambda: rows.aggregate(m=Mean("created_at")), FieldError, "Min, Max, Count or First"),
        (lambda: rows.aggregate(m=Min("tags")), FieldError, "Run.tags does not hold numbers"),
        (lambda: rows.aggregate(m=Sum("summary")), FieldError, "name a key"),
        (lambda: rows.aggregate(m=Sum("user")), FieldError, "name a field of it: user.username"),
        (lambda: rows.aggregate(m=Mean("summry.x")), FieldError, "did you mean 'summary'"),
        (lambda: rows.aggregate(m=Mean(3)), FieldError, "takes a path"),  # type: ignore[arg-type]
        (lambda: rows.aggregate(m=Quantile("summary.x", 1.5)), QueryError, "from 0 to 1, not 1.5"),
        (lambda: rows.aggregate(m="summary.x"), QueryError, "is not an aggregate"),  # type: ignore[arg-type]
        (lambda: rows.values("id").aggregate(n=Count()), QueryError, "must come before values"),
        (rows.group_by, QueryError, "aggregate"),
        (lambda: rows.group_by("state", "state"), QueryError, "'state' is requested twice"),
        (lambda: rows.group_by("config.lr", F.config["lr"]), QueryError, "requested twice"),
        (lambda: rows.group_by("stat"), FieldError, "did you mean 'state'"),
        (lambda: rows.group_by("state").annotate(state=Count()), QueryError, "'state' already exists"),
        (lambda: rows.group_by("state").annotate(n=Count()).annotate(n=Count()), QueryError, "'n' already exists"),
        (lambda: rows.group_by("state").annotate(n=Count).order_by("n"), QueryError, "is not an aggregate"),  # type: ignore[arg-type]
        (lambda: rows.group_by(everything_but("a"), everything_but("b")), QueryError, "only once"),
        (lambda: rows.group_by(everything_but(F.summary["a"])), FieldError, "config keys"),
        (lambda: rows.group_by(everything_but("-seed")), FieldError, "no sign"),
        (lambda: Project.objects.group_by(everything_but("seed")), FieldError, "no field 'config'"),
        (everything_but, QueryError, "needs the config keys"),
    ):
        with assert_num_requests(0), pytest.raises(error, match=says):
            call()
    assert issubclass(errors.FieldError, ValueError)


@pytest.mark.slow
async def test_a_deadline_holds_for_them_too() -> None:
    with on("weak", delay=30.0):
        rows = Run.objects.filter(project="acme/vision").timeout(0.03)
        grouped = rows.group_by("state")
        for call in (
            lambda: rows.aggregate(x=Count("id")),
            rows.fields,
            rows.to_records,
            grouped.to_csv,
            lambda: list(grouped),
        ):
            with pytest.raises(errors.RequestTimeout, match=r"timeout of 0\.03 s"):
                call()
        for twin in (rows.aaggregate(x=Count("id")), rows.afields(), rows.ato_records(), grouped.ato_csv()):
            with pytest.raises(errors.RequestTimeout, match=r"timeout of 0\.03 s"):
                await twin


def test_grouped_querysets_pickle() -> None:
    with on():
        grouped = (
            Run.objects.filter(project="acme/vision")
            .group_by("state")
            .annotate(n=Count(), x=Max(F.summary["eval/acc"]))
        )
        copy = pickle.loads(pickle.dumps(grouped))
        assert list(copy) == list(grouped)
        assert repr(copy) == repr(grouped)


def test_what_the_server_refuses_comes_through() -> None:
    with on(), pytest.raises(Project.DoesNotExist):
        Run.objects.filter(project="acme/nowhere").aggregate(n=Count("config.lr"))
