"""``run.history`` and ``qs.history``: chains and answers against plain lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backends import WEAK, over_loopback, served
from tests.support.depth import deep
from tests.support.keyed_histories import expected, history_store
from wbmodel import Q, Run
from wbmodel.engine.memory import MemoryStore
from wbmodel.errors import FieldError
from wbmodel.objects.history import HistorySet
from wbmodel.session.session import Session

COLUMNS = attrs.evolve(WEAK, columns=True)
PLACES = ("columns", "documents")
Row = dict[str, Any]


@contextmanager
def at(place: str, store: MemoryStore) -> Iterator[Session]:
    options = {"capabilities": COLUMNS} if place == "columns" else {}
    with served(store, "weak", **options) as session:
        yield session


def plain(rows: list[Row]) -> list[Row]:
    """Rows by step, without empty cells."""
    return [{key: cell for key, cell in row.items() if cell is not None} for row in sorted(rows, key=by_step)]


def by_step(row: Row) -> int:
    return int(row["_step"])


def joined(rows: list[Row], *keys: str) -> list[Row]:
    return [{key: cell for key, cell in row.items() if cell is not None} for row in expected(rows, keys, None, None)]


# -- chains against plain lists --------------------------------------------------------------------

cells = st.none() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["x", True, 2**60, float("inf")])
row_dicts = st.fixed_dictionaries({"_step": st.integers(-2, 6)}, optional={"loss": cells, "acc": cells, "a.b": cells})
histories = st.lists(st.lists(row_dicts, max_size=12), min_size=1, max_size=4)

CONDITIONS: list[tuple[dict[str, Any], Callable[[Row], bool]]] = [
    ({"_step__gte": 1}, lambda row: row["_step"] >= 1),
    ({"step__lt": 4}, lambda row: row["_step"] < 4),
    ({"_step__range": (0, 2.5)}, lambda row: 0 <= row["_step"] <= 2.5),
    ({"_step": 3}, lambda row: row["_step"] == 3),
    ({"_step__in": [1, 4]}, lambda row: row["_step"] in (1, 4)),
    ({"loss__gt": 0}, lambda row: number(row.get("loss")) and row["loss"] > 0),
    ({"acc__isnull": True}, lambda row: row.get("acc") is None),
    ({"acc__exists": True}, lambda row: row.get("acc") is not None),
    ({"loss__ne": 1}, lambda row: not (number(row.get("loss")) and row["loss"] == 1)),
    ({"a__b__gte": 0}, lambda row: number(row.get("a.b")) and row["a.b"] >= 0),
]

STEPS: list[tuple[Callable[[HistorySet], HistorySet], Callable[[list[Row]], list[Row]]]] = [
    (lambda it: it[2:5], lambda rows: rows[2:5]),
    (lambda it: it[1:], lambda rows: rows[1:]),
    (lambda it: it[:0], lambda rows: rows[:0]),
    (lambda it: it[1::3], lambda rows: rows[1::3]),
    (lambda it: it.tail(3), lambda rows: rows[-3:]),
    (lambda it: it.tail(0), lambda rows: []),
    (lambda it: it.sample(10**6), lambda rows: rows),
]


def number(value: Any) -> bool:
    return type(value) in (int, float)


def chains(examples: int) -> Any:
    """Random histories, and chains of random steps."""
    cases = given(
        given_rows=histories,
        keys=st.sampled_from([None, ("loss",), ("acc", "loss"), ("a.b", "_step")]),
        inner=st.booleans(),
        conditions=st.lists(st.sampled_from(CONDITIONS), max_size=2),
        steps=st.lists(st.sampled_from(STEPS), max_size=3),
        negated=st.booleans(),
    )
    return lambda test: settings(max_examples=examples, deadline=None)(cases(test))


@chains(deep(12))
def test_chains_give_what_plain_lists_give(
    given_rows: list[list[Row]], keys: Any, inner: bool, conditions: Any, steps: Any, negated: bool
) -> None:
    check_chain(given_rows, keys, inner, conditions, steps, negated)


@pytest.mark.slow
@chains(400)
def test_more_chains_give_what_plain_lists_give(
    given_rows: list[list[Row]], keys: Any, inner: bool, conditions: Any, steps: Any, negated: bool
) -> None:
    check_chain(given_rows, keys, inner, conditions, steps, negated)


def check_chain(
    given_rows: list[list[Row]], keys: Any, inner: bool, conditions: Any, steps: Any, negated: bool
) -> None:
    tested = [
        key
        for lookups, _ in conditions
        for key in ("loss", "acc", "a.b")
        if any(key.replace(".", "__") in name for name in lookups)
    ]
    # One run has every key, so that none is misspelt.
    given_rows = [*given_rows, [{"_step": 0, "loss": 1, "acc": 2, "a.b": 3}]]
    wanted = []
    for at_run, rows in enumerate(given_rows):
        found = plain(rows) if keys is None else joined(rows, *keys, *tested)
        for _, test in conditions:
            found = [row for row in found if test(row) is not negated]
        if keys is not None:
            asked = [key for key in keys if key != "_step"]
            some = all if inner else any
            found = [row for row in found if some(row.get(key) is not None for key in asked)]
            found = [{key: row[key] for key in ("_step", *asked) if key in row} for row in found]
        wanted += [{"run": f"h{at_run}", **row} for row in found]
    for _, choose in steps:
        wanted = choose(wanted)
    store = history_store(given_rows)
    for place in PLACES:
        with at(place, store):
            got = Run.objects.history
            for lookups, _ in conditions:
                got = got.filter(~Q(**lookups) if negated else Q(**lookups))
            got = got.values(*keys, how="inner" if inner else "outer") if keys is not None else got
            for apply, _ in steps:
                got = apply(got)
            assert list(got) == wanted
            assert [row for batch in got.chunks(3) for row in batch.rows()] == wanted
            assert got.count() == len(wanted)


# -- answers ---------------------------------------------------------------------------------------


@settings(max_examples=deep(12), deadline=None)
@given(histories, st.integers(1, 6), st.integers(-4, 9))
def test_answers_are_those_of_plain_lists(given_rows: list[list[Row]], some: int, step: int) -> None:
    given_rows = [*given_rows, [{"_step": 0, "loss": 1, "acc": 2, "a.b": 3}]]
    rows = [{"run": f"h{at}", **row} for at, rows in enumerate(given_rows) for row in plain(rows)]
    rows_of_numbers = [row for row in rows if number(row.get("loss")) and math.isfinite(row["loss"])]
    numbers = [row["loss"] for row in rows_of_numbers]
    with at("columns", history_store(given_rows)):
        history = Run.objects.history
        assert history.first() == rows[0]
        assert history.last() == rows[-1]
        assert history.at(step) == next((row for row in rows if row["_step"] == step), None)
        assert history.at(step, nearest=True) == min(rows, key=lambda row: abs(row["_step"] - step))
        assert list(history.tail(some)) == rows[-some:]
        assert (history.min("loss"), history.max("loss")) == (min(numbers), max(numbers))
        mean = history.mean("loss")
        assert mean == sum(numbers) / len(numbers) or mean == pytest.approx(sum(numbers) / len(numbers))
        for goal, choose in (("min", min), ("max", max)):
            best = choose(rows_of_numbers, key=lambda row: row["loss"])
            assert history.best("loss", goal) == best
        long = [
            {"run": row["run"], "_step": row["_step"], "key": key, "value": row[key]}
            for row in rows
            for key in row
            if key not in ("run", "_step")
        ]
        assert sorted(history.long(), key=repr) == sorted(long, key=repr)
        assert [(run.id, [*map(filled, table.records())]) for run, table in history.by_run()] == [
            (f"h{at}", plain(rows)) for at, rows in enumerate(given_rows)
        ]
        check_sample(history, rows, some)


def filled(row: Row) -> Row:
    return {key: cell for key, cell in row.items() if cell is not None}


def check_sample(history: HistorySet, rows: list[Row], some: int) -> None:
    """``some`` rows in order, with the first and the last, the same for the same seed."""
    sample = list(history.sample(some, seed=3))
    assert len(sample) == min(some, len(rows))
    at = iter(rows)
    assert all(any(row == candidate for candidate in at) for row in sample), "they are rows, in order"
    assert sample[0] == rows[0]
    assert some == 1 or sample[-1] == rows[-1]
    assert list(history.sample(some, seed=3)) == sample


def test_a_sample_takes_each_row_as_often_and_does_not_depend_on_batches() -> None:
    rows = [{"_step": step, "x": step} for step in range(40)]
    store, batched = history_store([rows]), history_store([rows[:7], rows[7:8], rows[8:]])
    taken = [0] * 40
    with at("columns", store):
        samples = [[row["x"] for row in Run.objects.history.sample(10, seed)] for seed in range(100)]
    with at("columns", batched):
        again = [[row["x"] for row in Run.objects.history.sample(10, seed)] for seed in range(20)]
    assert samples[:20] == again
    for sample in samples:
        for x in sample:
            taken[x] += 1
    assert taken[0] == taken[-1] == 100
    # 8 of 38 rows, 100 times: 21 of each, with a deviation of 4.
    assert all(21 - 19 < times < 21 + 20 for times in taken[1:-1])


def test_extremes_leave_out_what_is_no_number() -> None:
    rows = [
        {"_step": 0, "x": math.nan},
        {"_step": 1, "x": 3, "t": "a"},
        {"_step": 2, "x": None},
        {"_step": 3, "x": -1.5},
    ]
    far = [{"_step": 0, "x": 2**70, "y": math.nan}, {"_step": 1, "x": "text", "z": math.inf}, {"_step": 2, "z": 1e308}]
    far += [{"_step": 3, "y": -math.inf}, {"_step": 4, "z": 10**400}]
    with at("columns", history_store([rows, far])):
        first = Run.objects.get(id="h0").history
        assert (first.min("x"), first.max("x"), first.mean("x")) == (-1.5, 3, 0.75)
        with pytest.raises(FieldError, match="'t' has no numbers in history"):
            first.min("t")
        second = Run.objects.get(id="h1").history
        assert second.max("x") == 2**70
        assert (second.min("y"), second.mean("y"), second.best("y")) == (None, None, None)
        assert (second.max("z"), second.mean("z")) == (1e308, 1e308)
        assert second.best("z", "max") == far[2]


def test_the_mean_does_not_depend_on_the_portions() -> None:
    from wbmodel.operations.histories.answers import Extremes

    values = [1e16, 1.0, -1e16, 0.1, 3, 2**53 + 1, -0.3] * 9
    whole, pieces = Extremes(), Extremes()
    whole.add(values)
    for value in values:
        pieces.add([value])
    assert whole.mean == pieces.mean
    huge = Extremes()
    huge.add([1e308] * 10)
    assert huge.mean == math.inf


def test_a_server_gives_the_same_as_a_store_in_process() -> None:
    rows = [{"_step": step // 2, "loss": 1 / (step + 1), **({"a.b": step} if step % 3 else {})} for step in range(30)]
    store = history_store([rows, rows[:4], []], config={"lr": 0.1})

    def told() -> list[Any]:
        history = Run.objects.history
        joined = history.values("config.lr", "loss", "a.b", occurrence=True).filter(_step__gte=1, loss__lt=0.3)
        one = Run.objects.get(id="h0").history
        return [
            list(history),
            list(joined),
            joined.to_polars().rows(),
            list(joined.sample(5)),
            list(joined.long().tail(3)),
            [(run.id, table.columns) for run, table in history.by_run()],
            [one.count(), one.min("loss"), one.best("a.b", "max"), one.at(7), one.last(), one.complete],
            {key: info.count for key, info in history.keys().items()},
            list(one.follow()),
        ]

    with at("columns", store):
        here = told()
    with over_loopback(store, "live"):
        assert told() == here
