"""``explain()`` and ``str(qs.query)``: what they say, and that they ask nothing."""

from __future__ import annotations

import json

import pytest

from tests.support.backends import served
from tests.support.worlds import make_world
from wbmodel import F, Q, Run, Sweep
from wbmodel.testing import assert_num_requests, count_requests

STORE = make_world().store()


def test_it_asks_nothing() -> None:
    rows = Run.objects.filter(summary__loss__lt=0.3, name__iregex="a").order_by("-summary.loss")[:5]
    with served(STORE, "weak"), assert_num_requests(0):
        told = rows.explain()
        str(told)
        told.to_dict()
        str(rows.query)
        repr(rows.query)


async def test_the_twin_asks_nothing_and_says_the_same() -> None:
    rows = Run.objects.filter(summary__loss__lt=0.3)
    with served(STORE, "weak"), assert_num_requests(0):
        assert str(await rows.aexplain()) == str(rows.explain())


def test_what_it_says_of_a_server_that_promises_little() -> None:
    rows = Run.objects.filter(
        F.summary["loss"] < 0.3, created_at__gt="2021-04-01T00:00:00Z", name__iregex="a"
    ).order_by("summary.loss")[:5]
    with served(STORE, "weak"):
        told = rows.explain()
    assert told.entity == "Run"
    assert told.pushed == ("created_at is above 2021-04-01T00:00:00Z",)
    assert told.superset == ("summary.loss is below 0.3 (re-checked locally)",)
    assert told.local == ("name matches, ignoring case, 'a' (local only)",)
    assert "ties locally" in told.order
    assert "rows that lack it come last" in told.order
    assert told.route == "project.runs"
    assert "until the slice is filled" in told.requests
    assert told.filters is not None
    assert json.loads(told.filters)["$and"]
    assert [item.operation_name for item in told.documents] == ["Runs"]


def test_what_it_says_of_a_server_that_promises_all() -> None:
    rows = Run.objects.filter(F.summary["loss"] < 0.3, name__iregex="a").order_by("summary.loss")[:5]
    with served(STORE, "full"):
        told = rows.explain()
    assert len(told.pushed) == 2
    assert (told.superset, told.local) == ((), ())
    assert told.order == "summary.loss (by the backend)"
    assert told.requests == "1"


@pytest.mark.parametrize("kind", ["full", "weak", "hostile2"])
def test_the_bound_on_requests_holds(kind: str) -> None:
    """What explain(analyze=True) counts is what explain() promised, where it promises a number."""
    with served(STORE, kind):
        for rows in (
            Run.objects.all(),
            Run.objects.filter(state="finished"),
            Run.objects.order_by("name")[:3],
            Run.objects.filter(id="v01"),
        ):
            told = rows.explain(analyze=True)
            assert told.analysis is not None
            assert told.analysis["rows"] == len(rows)
            if told.requests.isdigit():
                assert told.analysis["sent requests"] <= int(told.requests)
            assert "rows" in str(told)
            assert told.to_dict()["analysis"] == told.analysis


def test_queries_that_are_known_to_be_empty() -> None:
    with served(STORE), assert_num_requests(0):
        for rows in (
            Run.objects.none(),
            Run.objects.filter(state__in=[]),
            Run.objects.all()[3:3],
            Run.objects.filter(project__in=[]),
        ):
            told = rows.explain()
            assert told.requests.startswith("0")
            assert told.documents == ()
            assert list(rows) == []
            assert rows.count() == 0
            assert not rows.exists()


def test_one_by_its_key() -> None:
    with served(STORE, "weak"):
        told = Run.objects.filter(id="v01", state="finished").explain()
        assert told.route == "one Run by its id"
        assert told.requests == "1"
        assert "key" in told.documents[0].variables


def test_several_projects() -> None:
    with served(STORE, "full"):
        told = Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).explain()
        assert "of 2 parents" in told.route
        assert "by aliases" in told.route
        told = Run.objects.filter(entity="acme").explain()
        assert told.route == "every Project is listed first, then Runs of each"
        assert told.documents == ()
    with served(STORE, "weak", project=None, entity=None):
        told = Sweep.objects.filter(entity="acme").explain()
        assert "Project is listed first" in told.route


def test_the_printed_query_is_what_is_sent() -> None:
    for kind in ("full", "weak", "hostile2"):
        with served(STORE, kind):
            rows = Run.objects.filter(state="finished").order_by("-summary.loss")[:3]
            with_text = str(rows.query)
            with count_requests() as sent:
                list(rows)
            text, _, variables = with_text.rpartition("\n\n")
            assert text == sent.requests[0].document.text
            assert json.loads(variables) == dict(sent.requests[0].variables)


def test_prefetching_is_said() -> None:
    with served(STORE):
        told = Run.objects.prefetch_related("files")[:3].explain()
        assert "prefetch_related" in told.requests


def test_long_operands_are_shortened() -> None:
    with served(STORE):
        text = str(Run.objects.filter(Q(state__in=[str(index) for index in range(10_000)])).explain())
        assert len(text.splitlines()[1]) < 200
