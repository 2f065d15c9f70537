"""A bare date is that day in UTC, in every comparison, in Python as in the filter language."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.backends import KINDS, served
from wbmodel import F, Run
from wbmodel.cli.filter_text import parse_filter
from wbmodel.engine import MemoryStore
from wbmodel.errors import FieldError

DAY = date(2026, 11, 23)
START = datetime(2026, 11, 23, tzinfo=timezone.utc)
MOMENTS = {
    "before": START - timedelta(microseconds=1),
    "first": START,
    "noon": START + timedelta(hours=12),
    "last": START + timedelta(days=1, microseconds=-1),
    "after": START + timedelta(days=1),
}
CASES: list[tuple[str, str, list[str]]] = [
    ("exact", "=", ["first", "noon", "last"]),
    ("ne", "!=", ["before", "after"]),
    ("gt", ">", ["after"]),
    ("gte", ">=", ["first", "noon", "last", "after"]),
    ("lt", "<", ["before"]),
    ("lte", "<=", ["before", "first", "noon", "last"]),
]


def store() -> MemoryStore:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    project = made.add_project("acme", "vision")
    for name, moment in MOMENTS.items():
        made.add_run(project, name, created_at=moment)
    return made


def names(rows: Any) -> set[str]:
    return {run.id for run in rows}


@pytest.mark.parametrize("kind", ["full", "weak", "drops"])
@pytest.mark.parametrize("day", [DAY, "2026-11-23"])
def test_a_day_is_a_whole_day(kind: str, day: Any) -> None:
    assert kind in KINDS
    with served(store(), kind):
        for lookup, _, expected in CASES:
            rows = Run.objects.filter(**{f"created_at__{lookup}": day})
            assert names(rows) == set(expected), lookup
            assert names(Run.objects.exclude(**{f"created_at__{lookup}": day})) == set(MOMENTS) - set(expected)
        assert names(Run.objects.filter(created_at=day)) == names(Run.objects.filter(F.created_at == day))
        assert names(Run.objects.filter(created_at__range=(day, day))) == {"first", "noon", "last"}
        assert names(Run.objects.filter(created_at__range=(MOMENTS["noon"], day))) == {"noon", "last"}
        assert names(Run.objects.filter(created_at__in=[day, MOMENTS["after"]])) == {"first", "noon", "last", "after"}
        assert names(Run.objects.exclude(created_at__nin=[day])) == {"first", "noon", "last"}
        assert names(Run.objects.filter(created_at__gt=START.isoformat())) == {"noon", "last", "after"}


def test_python_and_the_filter_language_agree() -> None:
    with served(store()):
        for lookup, sign, expected in CASES:
            assert names(
                Run.objects.filter(parse_filter(f"created_at {sign} 2026-11-23", Run.__wbmodel_meta__))
            ) == set(expected), lookup


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-11-31", "is not a date"),
        (START.replace(tzinfo=None), "no time zone"),
        ("2026-11-23T10:00:00", "no time zone"),
        ("23.11.2026", "is not a date"),
        (20261123, "takes an aware datetime"),
    ],
)
def test_what_is_neither_a_day_nor_a_moment_is_refused(value: Any, words: str) -> None:
    for lookup in ("exact", "gt"):
        with pytest.raises(FieldError, match=words):
            Run.objects.filter(**{f"created_at__{lookup}": value})


def test_the_first_and_the_last_day_are_days() -> None:
    for day in (date.min, date.max):
        for lookup, _, _ in CASES:
            Run.objects.filter(**{f"created_at__{lookup}": day})
