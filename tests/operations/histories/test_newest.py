"""The last rows of histories: few requests, whatever the steps, the keys and the server."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.support.backends import SERVERS, WEAK, over_loopback, served
from tests.support.histories import asking
from tests.support.keyed_histories import history_store
from wbmodel import Run
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.histories import Histories

ROOMY = attrs.evolve(WEAK, page_size=50, max_page_size=1000, max_aliases=20)


def rows(number: int, every: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "_step": every * at,
            "_timestamp": at,
            "x": at,
            **({"rare": at} if at % 1000 == 0 else {}),
            **({"early": at} if at < 50 else {}),
        }
        for at in range(number)
    ]


LONG = rows(6_000)
REPEATED = [{"_step": at // 40, "_timestamp": at, "x": at} for at in range(6_000)]
LATE = [
    *({"_step": at, "_timestamp": at, "x": at} for at in range(5_500)),
    *({"_step": 10**9 + at, "_timestamp": at, "x": at} for at in range(3)),
]
SHORT = rows(40)


@pytest.mark.parametrize("wanted", [1, 7, 900])
@pytest.mark.parametrize("steps", ["even", "repeated", "a jump at the end", "short"])
def test_the_last_rows_of_a_run(steps: str, wanted: int) -> None:
    logged = {"even": LONG, "repeated": REPEATED, "a jump at the end": LATE, "short": SHORT}[steps]
    with served(history_store([logged]), "live", capabilities=ROOMY):
        history = Run.objects.get(id="h0").history
        with asking() as asked:
            tail = history.tail(wanted)
            found = list(tail)
        assert found == logged[-wanted:]
        assert tail.complete
        assert history.last() == logged[-1]
    if steps != "repeated":  # ranges without repeated steps are proven at once
        assert len(asked) <= 6


def test_few_rows_are_read() -> None:
    with over_loopback(history_store([rows(20_000, every=1)]), "live") as (_, session):
        history = Run.objects.get(id="h0").history
        with session.stats.measuring() as used:
            assert [row["x"] for row in history.tail(5)] == list(range(19_995, 20_000))
        assert used.bytes < 30_000
        with session.stats.measuring() as all_rows:
            assert len(history) == 20_000
        assert all_rows.bytes > 5 * used.bytes


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [(("x",), 5_999), (("rare",), 5_000), (("early",), 49), (("x", "early"), 5_999), (("rare", "early"), 5_000)],
)
def test_the_last_values_of_keys(keys: tuple[str, ...], wanted: int, recwarn: Any) -> None:
    """A key that the last rows lack is not taken for one that nobody logged."""
    with served(history_store([LONG]), "live", capabilities=ROOMY):
        last = Run.objects.get(id="h0").history.values(*keys).last()
    assert last == {"_step": 3 * wanted, **{key: wanted for key in keys if key in LONG[wanted]}}
    assert not recwarn.list


def test_conditions_and_inner_rows_are_those_of_all_rows() -> None:
    with served(history_store([LONG]), "live", capabilities=ROOMY):
        history = Run.objects.get(id="h0").history
        assert [row["x"] for row in history.filter(x__lt=700).tail(2)] == [698, 699]
        assert history.values("rare", "early", how="inner").last() == {"_step": 0, "rare": 0, "early": 0}
        assert [row["x"] for row in history.values("x", "rare", how="inner").tail(2)] == [4_000, 5_000]
        assert [row["x"] for row in history.tail(100)[98:]] == [5_998, 5_999]
        assert [row["x"] for row in history[:10].tail(2)] == [8, 9]


@pytest.mark.parametrize("wanted", [1, 41, 60, 10**6])
def test_the_last_rows_of_many_runs_are_those_of_the_last_runs(wanted: int) -> None:
    histories = [LONG, SHORT, [], SHORT[:1], []]
    every = [{"run": f"h{at}", **row} for at, logged in enumerate(histories) for row in logged]
    with served(history_store(histories), "live", capabilities=ROOMY):
        tail = Run.objects.history.tail(wanted)
        with asking() as asked:
            assert list(tail) == every[-wanted:]
        assert tail.complete
        assert list(Run.objects.history.values("x").tail(wanted)) == [
            {key: row[key] for key in ("run", "_step", "x")} for row in every[-wanted:]
        ]
    if wanted <= 41:
        assert [request.operation_name for request in asked] == ["Runs", "Histories"]


def test_none_of_the_rows_are_none() -> None:
    with served(history_store([LONG]), "live", capabilities=ROOMY):
        history = Run.objects.get(id="h0").history
        with asking() as asked:
            assert list(history.tail(0)) == []
        assert asked == []


@pytest.mark.parametrize("lacks", ["Run.sampledHistory", "Run.historyKeys"])
def test_a_server_that_cannot_tell_where_they_begin(lacks: str) -> None:
    dialect = attrs.evolve(SERVERS["live"][0], lacking=frozenset({lacks}))
    with served(history_store([LONG]), "live", dialect=dialect, capabilities=ROOMY):
        assert Run.objects.get(id="h0").history.last() == LONG[-1]


@pytest.mark.parametrize("thinning", ["evenly", "random", "buckets"])
def test_a_server_with_a_limit_of_its_own(thinning: Any) -> None:
    dialect = Dialect(live=True, cursors="offsets", histories=Histories(max_samples=600, thinning=thinning))
    with served(history_store([LONG, REPEATED]), "live", dialect=dialect, capabilities=ROOMY):
        for name, logged in (("h0", LONG), ("h1", REPEATED)):
            assert list(Run.objects.get(id=name).history.tail(30)) == logged[-30:]
        assert Run.objects.get(id="h0").history.values("x").last() == {"_step": 17_997, "x": 5_999}
