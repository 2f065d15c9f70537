"""``distinct()``: equal results come once, before anything is counted, sliced or shown."""

from __future__ import annotations

import pytest

from tests.support.backends import served
from tests.support.worlds import make_world
from wbmodel import Run
from wbmodel.errors import QueryError

WORLD = make_world()


@pytest.mark.parametrize("kind", ["full", "weak"])
def test_a_slice_counts_what_differs(kind: str) -> None:
    with served(WORLD.store(), kind):
        rows = (
            Run.objects.filter(project="acme/vision").order_by("created_at").values_list("state", flat=True).distinct()
        )
        everything = list(rows.all())
        assert len(everything) == len(set(everything)) == rows.all().count() > 3
        assert set(everything) == {run["state"] for run in WORLD.of("acme/vision")}
        assert list(rows[:3]) == everything[:3]
        assert list(rows[1:3]) == everything[1:3]
        assert rows[2] == everything[2]
        assert (rows.first(), rows[1:].first()) == (everything[0], everything[1])
        assert rows[1:3].count() == 2
        # A repr reads one page; the weak server's is too small for all of them.
        assert kind == "weak" or all(state in repr(rows) for state in everything)
        list(rows)
        assert list(rows[:3]) == everything[:3]


def test_it_comes_before_the_slice() -> None:
    with pytest.raises(QueryError, match="distinct cannot follow a slice"):
        Run.objects.values("state")[:3].distinct()


def test_entities_are_distinct_by_nature() -> None:
    with served(WORLD.store()):
        rows = Run.objects.filter(project="acme/nlp").distinct()
        assert len(rows[:5]) == 5
        assert rows.count() == len(WORLD.of("acme/nlp"))
