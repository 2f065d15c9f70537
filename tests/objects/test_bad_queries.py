"""What is wrong with a query is one clear error: the right class, the thing, the place, the way out, and no request."""

from __future__ import annotations

import pickle
import sys
import time
from datetime import datetime, timezone
from functools import reduce
from operator import or_
from typing import Any

import pytest

from tests.support.backends import KINDS, served
from tests.support.worlds import make_world
from wbmodel import F, Project, Q, Run, errors
from wbmodel.errors import FieldError, QueryError, WbmodelError
from wbmodel.testing import assert_num_requests

STORE = make_world().store()
NAIVE = datetime(2021, 4, 23)  # noqa: DTZ001 - refusing it is the point

Runs = Run.objects.all

BAD: list[tuple[str, Any, type[Exception], str]] = [
    # Unknown names, with the nearest.
    ("field", lambda: Runs().filter(stat="finished"), FieldError, "Run has no field 'stat'; did you mean 'state'"),
    (
        "field without a neighbour",
        lambda: Runs().filter(xyzzy=1),
        FieldError,
        "Run has no field 'xyzzy'; did you mean the key 'config.xyzzy' or 'summary.xyzzy'",
    ),
    (
        "field in F",
        lambda: Runs().filter(F.sumary["loss"] < 1),
        FieldError,
        "no field 'sumary'; did you mean 'summary'",
    ),
    ("field of another entity", lambda: Project.objects.filter(state="a"), FieldError, "Project has no field 'state'"),
    (
        "lookup",
        lambda: Runs().filter(state__startwith="a"),
        FieldError,
        "unknown lookup 'startwith'; did you mean 'startswith'",
    ),
    (
        "lookup in F",
        lambda: Runs().filter(F.state.lookup("like", "a")),
        FieldError,
        "unknown lookup 'like'; the lookups are exact, ne",
    ),
    ("key in a column", lambda: Runs().filter(**{"state.x": 1}), FieldError, "Run.state is text and has no keys"),
    ("relation's field", lambda: Runs().filter(user__age=3), FieldError, "User has no field 'age'"),
    ("order", lambda: Runs().order_by("-creatd_at"), FieldError, "no field 'creatd_at'; did you mean 'created_at'"),
    ("order by a list", lambda: Runs().order_by("tags"), FieldError, "Run.tags has no order"),
    ("random order", lambda: Runs().order_by("?"), FieldError, "shuffle them"),
    ("column", lambda: Runs().values("nme"), FieldError, "no field 'nme'; did you mean"),
    ("only", lambda: Runs().only("nme"), FieldError, "no field 'nme'"),
    (
        "select_related",
        lambda: Runs().select_related("usr"),
        FieldError,
        r"select_related\('usr'\): Run has no to-one relation 'usr'; did you mean 'user'",
    ),
    (
        "prefetch_related",
        lambda: Runs().prefetch_related("file"),
        FieldError,
        r"prefetch_related\('file'\).*did you mean 'files'",
    ),
    # Wrong values.
    (
        "soon",
        lambda: Runs().filter(created_at__gt="soon"),
        FieldError,
        "Run created_at gt: 'soon' is not a date and time; give an aware datetime, a date, or RFC 3339",
    ),
    (
        "naive",
        lambda: Runs().filter(created_at__gt=NAIVE),
        FieldError,
        "Run created_at gt: .* has no time zone; add one, for instance tzinfo=timezone.utc",
    ),
    ("naive in F", lambda: Runs().filter(F.created_at > NAIVE), FieldError, "has no time zone"),
    ("naive snapshot", lambda: Runs().snapshot(NAIVE), FieldError, "has no time zone"),
    (
        "in with text",
        lambda: Runs().filter(state__in="finished"),
        FieldError,
        r"Run state in: takes a list of values, not 'finished' \(str\); write \['finished'\]",
    ),
    ("in with None", lambda: Runs().filter(state__in=None), FieldError, "takes a list of values, not None"),
    (
        "project in text",
        lambda: Runs().filter(project__in="a/b"),
        FieldError,
        "Run project: in takes a list, not 'a/b'",
    ),
    ("number for text", lambda: Runs().filter(state=3), FieldError, "Run state exact: the field holds text, not 3"),
    ("tags with text", lambda: Runs().filter(tags="a"), FieldError, "use contains='a'"),
    ("regex", lambda: Runs().filter(name__regex="("), FieldError, r"'\(' is not a valid regular expression"),
    ("NaN", lambda: Runs().filter(summary__loss=float("nan")), FieldError, "nothing equals NaN; use isnan=True"),
    ("an object", lambda: Runs().filter(config__x=object()), FieldError, "not a JSON value"),
    ("isnull with text", lambda: Runs().filter(state__isnull="yes"), FieldError, "takes True or False, not 'yes'"),
    ("best of text", lambda: Runs().best("state", goal="min"), FieldError, "does not hold numbers"),
    # What is no condition.
    (
        "a dict",
        lambda: Runs().filter({"state": "a"}),
        QueryError,
        r"filter\(\) takes conditions such as Q\(...\) or F.x > 1, not \{'state': 'a'\}",
    ),
    ("a path", lambda: Runs().filter(F.state), QueryError, r"takes conditions"),
    ("True", lambda: Runs().exclude(True), QueryError, r"exclude\(\) takes conditions"),
    ("a chained comparison", lambda: Runs().filter(0 < F.summary["loss"] < 1), TypeError, r"use .range\(low, high\)"),
    # Slices.
    ("negative slice", lambda: Runs()[-3:], QueryError, r"\.reverse\(\)\[:n\]"),
    ("negative index", lambda: Runs()[-1], QueryError, r"\.last\(\)"),
    ("filter after a slice", lambda: Runs()[:3].filter(state="a"), QueryError, "filter cannot follow a slice"),
    ("exclude after a slice", lambda: Runs()[:3].exclude(state="a"), QueryError, "exclude cannot follow a slice"),
    ("get after a slice", lambda: Runs()[:3].get(id="a"), QueryError, "filter cannot follow a slice"),
    ("order after a slice", lambda: Runs()[:3].order_by("name"), QueryError, "order_by cannot follow a slice"),
    # Routing.
    (
        "project under |",
        lambda: Runs().filter(Q(project="a/b") | Q(project="a/c")),
        FieldError,
        r"use project__in=\[...\]",
    ),
    ("project excluded", lambda: Runs().exclude(project="a/b"), FieldError, "selects where to look"),
    (
        "project contains",
        lambda: Runs().filter(project__contains="a"),
        FieldError,
        "takes only project=... or project__in",
    ),
    ("project with three parts", lambda: Runs().filter(project="a/b/c"), FieldError, "write entity/project"),
    ("entity with a slash", lambda: Runs().filter(entity="a/b"), FieldError, "use project='a/b'"),
]


@pytest.mark.parametrize(("make", "error", "says"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_queries(make: Any, error: type[Exception], says: str) -> None:
    with served(STORE), assert_num_requests(0), pytest.raises(error, match=says) as caught:
        make()
    assert error is TypeError or isinstance(caught.value, WbmodelError)
    assert len(str(caught.value)) < 1500
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


def test_the_classes_are_builtins_too() -> None:
    """Who has never heard of wbmodel catches what Python calls such an error."""
    assert issubclass(FieldError, ValueError)
    assert issubclass(QueryError, TypeError)
    assert issubclass(errors.FieldNotLoaded, AttributeError)
    assert issubclass(errors.DoesNotExist, LookupError)
    assert issubclass(errors.ServerError, RuntimeError)


@pytest.mark.parametrize(
    "kind",
    # One that takes them as they are; the others are the same work again.
    [kind if kind == "full" else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS],
)
def test_ten_thousand_terms(kind: str) -> None:
    """Any width: as one list, as Qs joined one by one, as keyword arguments; on every kind of server."""
    wanted = ["v01", "v02", *(f"none-{index}" for index in range(10_000))]
    with served(STORE, kind):
        started = time.process_time()  # others use the machine too
        assert sorted(run.id for run in Run.objects.filter(id__in=wanted)) == ["v01", "v02"]
        either = reduce(or_, (Q(name=item) for item in ["alpha", *wanted]))
        expected = sorted(run.id for run in Run.objects.filter(name="alpha"))
        assert sorted(run.id for run in Run.objects.filter(either)) == expected
        assert len(Run.objects.exclude(either)) == 34 - len(expected)
        every = Q(*(Q(config__lr__ne=index + 100) for index in range(10_000)))
        assert len(Run.objects.filter(every)) == 34
        assert len(repr(either)) < 1_000
        assert len(str(Run.objects.filter(either).explain().to_dict()["order"])) < 300
        assert time.process_time() - started < 15


@pytest.mark.parametrize("kind", ["full", "hostile2"])
def test_nesting_up_to_the_limit_is_answered(kind: str) -> None:
    from wbmodel.query.conditions import MAX_DEPTH

    condition = Q(state="finished")
    for index in range(MAX_DEPTH - 2):
        condition = (condition & Q(config__lr__isnull=False)) if index % 2 else (condition | Q(name="alpha"))
    with served(STORE, kind):
        assert isinstance(Run.objects.filter(condition).count(), int)
        assert Run.objects.filter(condition).count() == len(Run.objects.filter(condition))


@pytest.mark.parametrize("depth", [150, 5_000, 50_000])
def test_nesting_beyond_it_is_an_error_and_no_recursion(depth: int) -> None:
    condition = Q(state="finished")
    for index in range(depth):
        condition = (condition & Q(group="a")) if index % 2 else (condition | Q(name="b"))
    with (
        served(STORE),
        assert_num_requests(0),
        pytest.raises(FieldError, match=r"is nested \d+ levels deep, and the limit is 100"),
    ):
        Run.objects.filter(condition)
    # Letting go of it, comparing and printing it does not overflow the stack either.
    del condition
    assert sys.getrecursionlimit() < 50_000


def test_what_the_session_lacks_is_said_before_any_request() -> None:
    with served(STORE, "weak", project=None), assert_num_requests(0):
        with pytest.raises(FieldError, match="which project"):
            Run.objects.count()
        with pytest.raises(FieldError, match="which project"):
            str(Run.objects.all().query)


def test_get_none_and_two() -> None:
    with served(STORE):
        with pytest.raises(
            Run.DoesNotExist,
            match=r"'nothing' on engine: \(it does not exist, or .*may not see it\); check the spelling",
        ):
            Run.objects.get(id="nothing")
        with pytest.raises(
            Run.MultipleObjectsReturned,
            match=r"more than one Run with name equals 'alpha' on engine:.*add a condition, or use first",
        ):
            Run.objects.get(name="alpha")


def test_no_session_says_how_to_connect() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"connect\('fixtures:PATH'\).*WBMODEL_URL"):
        list(Run.objects.all())
    with pytest.raises(errors.ConfigurationError, match="no open session is called 'prod'"):
        list(Run.objects.using("prod"))


def test_what_a_server_refuses_is_its_error_with_its_words() -> None:
    with served(STORE) as session, pytest.raises(errors.ServerError, match="nonsense") as caught:
        session.execute("query { nonsense }")
    assert caught.value.errors
    assert caught.value.server_message is not None


def test_moments_with_a_zone_are_fine() -> None:
    with served(STORE):
        when = datetime(2021, 4, 5, tzinfo=timezone.utc)
        assert (
            Run.objects.filter(created_at__gt=when).count()
            == Run.objects.filter(created_at__gt="2021-04-05T02:00:00+02:00").count()
        )


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        '"',
        "\\",
        "a\\.b",
        "\x00",
        "\ud800",
        "$ne",
        "__proto__",
        "%s",
        "{}",
        "a" * 5_000,
        " ",
        "\n",
        "'",
        "🎲",
    ],
)
@pytest.mark.parametrize("kind", ["full", "weak", "hostile2"])
def test_any_key_can_be_asked_for(kind: str, key: str) -> None:
    """Keys are data: none breaks the filter, the order or the document."""
    world = make_world()
    for index, run in enumerate(world.of("acme/vision")):
        if index < 6:
            run["config"][key] = index
            run["summary"][key] = {key: index}
    with served(world.store(), kind):
        path = F.config[key]
        assert Run.objects.filter(path == 3).count() == 1
        assert Run.objects.filter(path.exists()).count() == 6
        assert [run.config[key] for run in Run.objects.filter(path >= 0).order_by(-path)] == [5, 4, 3, 2, 1, 0]
        nested = F.summary[key][key]
        assert [run.summary[key][key] for run in Run.objects.order_by(nested)[:3]] == [0, 1, 2]
        assert sum(cell is not None for cell in Run.objects.values_list(path, flat=True)) == 6
