"""A result that is empty because no row has a value of a condition's type there is said, wherever it is asked."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tests.support.places import on, world
from tests.support.plain_world import runs_of
from wbmodel import Count, Q, Run
from wbmodel.errors import OperandWarning
from wbmodel.testing import assert_num_requests

RUNS: list[dict[str, Any]] = [
    {"config": {"rev": "7", "flag": True, "lr": 0.1, "dims": [1, 2], "odd": 1, "null": None, "in": {"deep": "x"}}},
    {"config": {"rev": "8", "odd": "one"}},
]

ASK: dict[str, Any] = {
    "list": list,
    "for": lambda rows: [run.id for run in rows.iterator()],
    "values": lambda rows: list(rows.values("id")),
    "first": lambda rows: rows.first(),
    "best": lambda rows: rows.best("config.lr", goal="min"),
    "get_or_none": lambda rows: rows.get_or_none(),
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "table": lambda rows: rows.to_csv(),
    "groups": lambda rows: list(rows.group_by("state").annotate(n=Count())),
    "slice": lambda rows: list(rows[:3]),
}


@pytest.mark.parametrize("verb", ASK)
def test_every_verb_says_why_it_is_empty(verb: str) -> None:
    with (
        runs_of(RUNS) as runs,
        pytest.warns(OperandWarning, match=r'^config\.rev is text in the rows here, such as "8"'),
    ):
        ASK[verb](runs.filter(config__rev=7))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Q(config__rev__gte=7), 'config.rev is text in the rows here, such as "8", and the filter asks for a number'),
        (Q(config__rev__in=[7, 8]), "config.rev is text .* asks for a number"),
        (Q(config__rev__in=[7, True]), "asks for a number or true or false"),
        (Q(config__flag="True"), "config.flag is true or false in the rows here, such as true, .* asks for text"),
        (Q(config__flag=1), "config.flag is true or false .* asks for a number"),
        (Q(config__lr="0.1"), "config.lr is a number in the rows here, such as 0.1, .* asks for text"),
        (Q(config__lr__range=("0", "1")), "config.lr is a number"),
        (Q(config__lr__startswith="0"), "config.lr is a number .* asks for text"),
        (Q(config__dims=1), r"config.dims is a list in the rows here, such as \[1, 2\], .* asks for a number"),
        (Q(config__odd=True), "config.odd is a number or text in the rows here, .* asks for true or false"),
        (Q(config__in__deep=1), 'config.in.deep is text in the rows here, such as "x"'),
        (Q(config__in="x"), "config.in is an object"),
        (Q(config__rev=7) | Q(config__lr=5), "config.rev is text"),
    ],
)
def test_the_path_and_both_types_are_named(condition: Q, words: str) -> None:
    with runs_of(RUNS) as runs, pytest.warns(OperandWarning, match=words) as told:
        assert list(runs.filter(condition)) == []
    assert len(told) == 1


@pytest.mark.parametrize(
    "condition",
    [
        Q(config__rev="9"),
        Q(config__lr=5),
        Q(config__odd="two"),
        Q(config__null=3),
        Q(config__nobody=3),
        Q(config__rev__isnull=True),
        Q(state="running"),
        Q(config__rev="7") & Q(state="running"),
        ~Q(config__rev=7) & Q(state="running"),
    ],
)
def test_other_empty_results_say_nothing(condition: Q) -> None:
    with runs_of(RUNS) as runs, warnings.catch_warnings():
        warnings.simplefilter("error", OperandWarning)
        assert list(runs.filter(condition)) == []
        assert len(runs.exclude(config__rev=7)) == 2
        assert list(runs.filter(config__rev=7)[5:]) == []


def test_what_it_costs() -> None:
    """One request of an empty result with such a condition; on a server, once for a condition of a session."""
    with on("live", world(3)), warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandWarning)
        rows = Run.objects.filter(config__lr="x")
        with assert_num_requests(2):
            assert list(rows) == []
        with assert_num_requests(1):
            assert rows.filter(state="finished").first() is None
        with assert_num_requests(1):
            assert list(Run.objects.filter(state="failed")) == []
        with pytest.raises(Run.DoesNotExist):
            Run.objects.get(id="nobody")  # asks who the account is, once
        with assert_num_requests(1), pytest.raises(Run.DoesNotExist):
            Run.objects.get(config__lr="other", state="finished")


async def test_the_async_twins_say_it_too() -> None:
    with runs_of(RUNS) as runs, pytest.warns(OperandWarning, match="config.rev"):
        assert [run async for run in runs.filter(config__rev=7)] == []
