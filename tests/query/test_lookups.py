"""Every lookup: the values it takes, those it refuses and what it says then, and what it means."""

from __future__ import annotations

import enum
import math
import pickle
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from wbmodel import F, Q, Run
from wbmodel.errors import FieldError
from wbmodel.json_values import ABSENT
from wbmodel.query.conditions import Leaf, leaves, resolve
from wbmodel.query.evaluate import predicate
from wbmodel.query.lookups import LOOKUPS, add_lookup, rewrites

META = Run.__wbmodel_meta__
UTC = timezone.utc
NOON = datetime(2021, 4, 23, 12, tzinfo=UTC)
NAIVE = datetime(2021, 4, 23, 12)  # noqa: DTZ001 - refusing it is the point


class Color(enum.Enum):
    RED = "red"


class Scalar:
    """What numpy and torch give for one number."""

    shape = ()

    def item(self) -> float:
        return 0.5


ACCEPTED: dict[str, list[tuple[str, Any]]] = {
    "exact": [
        ("state", "finished"),
        ("state", None),
        ("state", Color.RED),
        ("config__x", 1),
        ("config__x", None),
        ("config__x", [1]),
        ("config__x", (1, 2)),
        ("config__x", {"a": 1}),
        ("config__x", True),
        ("config__x", Scalar()),
        ("config__x", math.inf),
        ("created_at", NOON),
        ("created_at", "2021-04-23T12:00:00Z"),
        ("created_at", "2021-04-23T12:00:00+02:00"),
        ("tags", ["a"]),
        ("tags", []),
        ("file_count", 3),
        ("read_only", True),
        ("sweep", "sw1"),
        ("user", "ada"),
        ("user__username", None),
    ],
    "ne": [("state", "finished"), ("state", None), ("config__x", 1), ("tags", ["a"])],
    "gt": [
        ("config__x", 1),
        ("config__x", "a"),
        ("created_at", NOON),
        ("file_count", 2),
        ("state", "a"),
        ("config__x", Scalar()),
    ],
    "gte": [("config__x", 1), ("created_at", "2021-04-23 12:00:00+00:00")],
    "lt": [("config__x", 0.5), ("heartbeat_at", NOON)],
    "lte": [("config__x", -math.inf), ("heartbeat_at", NOON)],
    "in": [
        ("state", ["a", "b"]),
        ("state", ("a",)),
        ("state", {"a"}),
        ("state", []),
        ("state", [None, "a"]),
        ("tags", ["a"]),
        ("config__x", [1, "a", None, [1]]),
        ("config__x", range(3)),
        ("created_at", [NOON]),
        ("state", (word for word in "ab")),
    ],
    "nin": [("state", ["a"]), ("config__x", []), ("tags", ["a"])],
    "range": [
        ("config__x", (1, 2)),
        ("config__x", [1, 2.5]),
        ("created_at", (NOON, "2021-05-01T00:00:00Z")),
        ("state", ("a", "b")),
    ],
    "contains": [
        ("tags", "a"),
        ("name", "a"),
        ("config__x", "a"),
        ("config__x", 1),
        ("config__x", None),
        ("config__x", [1]),
    ],
    "icontains": [("tags", "a"), ("name", "A"), ("config__x", "a")],
    "startswith": [("name", "a"), ("name", ""), ("config__x", "a")],
    "endswith": [("name", "a"), ("config__x", "a")],
    "iexact": [("name", "a"), ("config__x", "A")],
    "regex": [("name", "^a"), ("config__x", r"\d+$"), ("name", "")],
    "iregex": [("name", "^A"), ("config__x", "a|b")],
    "isnull": [("state", True), ("config__x", False), ("tags", True), ("sweep", True), ("user", False)],
    "exists": [("config__x", True), ("config__x", False), ("state", True)],
    "isnan": [("summary__x", True), ("summary__x", False), ("file_count", True)],
    "isfinite": [("summary__x", True), ("summary__x", False)],
    "date": [("created_at", date(2021, 4, 23)), ("created_at", "2021-04-23")],
    "within": [("created_at", timedelta(days=7)), ("heartbeat_at", timedelta(0))],
}
"""lookup -> (path as a keyword, operand)."""

REFUSED: dict[str, list[tuple[str, Any, str]]] = {
    "exact": [
        ("state", 1, "holds text, not 1"),
        ("state", True, "holds text"),
        ("file_count", "3", "holds a number"),
        ("file_count", True, "holds a number"),
        ("read_only", 1, "true or false"),
        ("config__x", math.nan, "isnan=True"),
        ("created_at", NAIVE, "tzinfo=timezone.utc"),
        ("created_at", "soon", "RFC 3339"),
        ("created_at", "2021-04-23T12:00:00", "no time zone"),
        ("created_at", 3, "aware datetime"),
        ("tags", "a", "contains='a'"),
        ("tags", [1], "list of text"),
        ("config__x", object(), "not a JSON value"),
        ("config__x", NOON, "not a JSON value"),
        ("config__x", b"x", "not a JSON value"),
    ],
    "ne": [("state", 1, "holds text"), ("created_at", NAIVE, "no time zone")],
    "gt": [
        ("created_at", "soon", "RFC 3339"),
        ("created_at", NAIVE, "no time zone"),
        ("config__x", None, "a number or text"),
        ("config__x", True, "a number or text"),
        ("config__x", [1], "a number or text"),
        ("config__x", math.nan, "isnan=True"),
        ("state", 3, "takes text"),
        ("file_count", "3", "takes a number"),
        ("tags", "a", "contains"),
        ("read_only", True, "no order"),
    ],
    "gte": [("created_at", NAIVE, "no time zone")],
    "lt": [("state", 1, "takes text")],
    "lte": [("config__x", {}, "a number or text")],
    "in": [
        ("state", "finished", r"write \['finished'\]"),
        ("state", 3, "a list of values"),
        ("state", [1], "holds text"),
        ("state", {"a": 1}, "list of values"),
        ("state", b"a", "list of values"),
        ("created_at", [NAIVE], "no time zone"),
        ("config__x", [math.nan], "isnan"),
        ("tags", "a", "list of values"),
    ],
    "nin": [("state", "finished", r"write \['finished'\]")],
    "range": [
        ("config__x", 3, r"a pair \(low, high\)"),
        ("config__x", (1, 2, 3), "a pair"),
        ("config__x", (1, "a"), "both ends"),
        ("config__x", "ab", "a pair"),
        ("config__x", (None, 1), "number or text"),
        ("created_at", (NAIVE, NOON), "no time zone"),
    ],
    "contains": [
        ("tags", 1, "takes text"),
        ("name", 1, "takes text"),
        ("created_at", "2021", "does not hold text"),
        ("config__x", NOON, "not a JSON value"),
    ],
    "icontains": [("name", 1, "takes text"), ("config__x", 1, "takes text"), ("file_count", "1", "does not hold text")],
    "startswith": [
        ("name", None, "takes text"),
        ("created_at", "2021", "does not hold text"),
        ("tags", "a", "is a list"),
    ],
    "endswith": [("name", 1, "takes text"), ("tags", "a", "is a list")],
    "iexact": [("name", 1, "takes text")],
    "regex": [
        ("name", "(", "is not a valid regular expression"),
        ("name", 1, "takes text"),
        ("config__x", "a{1", None or ""),
    ],
    "iregex": [("name", "*", "is not a valid regular expression")],
    "isnull": [("state", 1, "True or False"), ("state", None, "True or False"), ("state", "yes", "True or False")],
    "exists": [("config__x", 0, "True or False")],
    "isnan": [("state", True, "does not hold numbers"), ("summary__x", 1, "True or False")],
    "isfinite": [("created_at", True, "does not hold numbers")],
    "date": [
        ("created_at", NOON, "datetime.date"),
        ("created_at", "April", "2021-04-23"),
        ("config__x", date(2021, 4, 23), "date-time field"),
        ("created_at", 1, "datetime.date"),
    ],
    "within": [
        ("created_at", 7, "a timedelta"),
        ("config__x", timedelta(1), "date-time field"),
        ("created_at", timedelta.max, "before the earliest date"),
    ],
}
REFUSED["regex"] = [case for case in REFUSED["regex"] if case[2]]


def one(path: str, lookup: str, value: Any) -> Leaf:
    node, _ = resolve(META, Q(**{f"{path}__{lookup}": value}))
    assert isinstance(node, Leaf)
    return node


def test_the_tables_are_complete() -> None:
    built_in = [name for name in LOOKUPS if name not in rewrites()]
    assert list(ACCEPTED) == built_in
    assert list(REFUSED) == built_in
    assert all(ACCEPTED.values())
    assert all(REFUSED.values())


def test_every_entry_says_what_it_is() -> None:
    for name, entry in LOOKUPS.items():
        assert entry.name == name
        assert entry.phrase
        assert entry.takes
        assert name == "exact" or name in entry.example


def test_a_lookup_is_pickled_by_name() -> None:
    assert all(pickle.loads(pickle.dumps(entry)) is entry for entry in LOOKUPS.values())


@pytest.mark.parametrize(
    ("lookup", "path", "value"), [(name, *case) for name, cases in ACCEPTED.items() for case in cases]
)
def test_accepted(lookup: str, path: str, value: Any) -> None:
    found = one(path, lookup, value)
    assert found.lookup.name == {"ne": "exact", "nin": "in"}.get(lookup, lookup)
    assert found.negated is (lookup in ("ne", "nin"))
    assert isinstance(str(found), str)
    # The operand is in normal form: it is accepted again as it is, except where a span has become a moment.
    if lookup not in ("date", "within"):
        assert found.lookup.accept(found.operand, found.path.kind, "again") == found.operand


@pytest.mark.parametrize(
    ("lookup", "path", "value", "says"), [(name, *case) for name, cases in REFUSED.items() for case in cases]
)
def test_refused(lookup: str, path: str, value: Any, says: str) -> None:
    with pytest.raises(FieldError, match=says) as caught:
        one(path, lookup, value)
    # The place is named: the entity, the field and the lookup.
    named = path.split("__", maxsplit=1)[0]
    assert str(caught.value).startswith("Run ")
    assert named in str(caught.value)
    assert lookup in str(caught.value)


@pytest.mark.parametrize("lookup", [name for name in LOOKUPS if name not in ("exact", "isnull", "exists", "ne")])
def test_a_whole_json_field_needs_a_key(lookup: str) -> None:
    with pytest.raises(FieldError, match="name a key inside config"):
        resolve(META, F.config.lookup(lookup, ACCEPTED[lookup][-1][1]))


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        # exact None is null, isnull is absent or null, exists tells them apart.
        (F.config["k"] == None, None, True),  # noqa: E711
        (F.config["k"] == None, ABSENT, False),  # noqa: E711
        (F.config["k"].isnull(), ABSENT, True),
        (F.config["k"].isnull(), None, True),
        (F.config["k"].exists(), None, True),
        (F.config["k"].exists(), ABSENT, False),
        # Negation keeps rows that lack the key.
        (F.config["k"] != 1, ABSENT, True),
        (F.config["k"] != 1, None, True),
        (F.config["k"] != 1, math.nan, True),
        (F.config["k"].nin([1]), ABSENT, True),
        (~(F.config["k"] > 1), ABSENT, True),
        (~(F.config["k"] > 1), math.nan, True),
        # Comparisons never match absent, null or NaN, and never cross types.
        (F.config["k"] > -math.inf, math.nan, False),
        (F.config["k"] < 1, None, False),
        (F.config["k"] < 1, ABSENT, False),
        (F.config["k"] < 2, "1", False),
        (F.config["k"] < "2", 1, False),
        (F.config["k"] < 2, True, False),
        (F.config["k"] == 1, True, False),
        (F.config["k"] == True, 1, False),  # noqa: E712
        (F.config["k"] == 1, 1.0, True),
        (F.config["k"] == "1", 1, False),
        (F.config["k"].in_([1, "a"]), True, False),
        (F.config["k"].in_([None]), None, True),
        (F.config["k"].in_([None]), ABSENT, False),
        (F.config["k"].in_([]), 1, False),
        (F.config["k"].in_([[1]]), [1.0], True),
        (F.config["k"].in_([[1]]), [True], False),
        (F.config["k"] == {"a": [1]}, {"a": [1.0]}, True),
        (F.config["k"] == {"a": 1}, {"a": True}, False),
        (F.config["k"].isnan(), math.nan, True),
        (F.config["k"].isnan(), "NaN", False),
        (F.config["k"].isnan(False), ABSENT, True),
        (F.config["k"].isfinite(), math.inf, False),
        (F.config["k"].isfinite(), 10**400, True),
        (F.config["k"].isfinite(), True, False),
        (F.config["k"] > 10**400, math.inf, True),
        (F.config["k"] == 2**63 + 1, 2**63, False),
        # contains on a list is membership, on text a substring.
        (F.config["k"].contains("a"), ["a", "b"], True),
        (F.config["k"].contains("a"), ["ab"], False),
        (F.config["k"].contains("a"), "bab", True),
        (F.config["k"].contains(1), [True], False),
        (F.config["k"].contains(1), "1", False),
        (F.config["k"].icontains("A"), ["a"], True),
        (F.config["k"].icontains("A"), ["ab"], False),
        (F.config["k"].icontains("A"), "bab", True),
        # Text, to the letter.
        (F.config["k"].endswith("a"), "a\n", False),
        (F.config["k"].startswith("b"), "a\nb", False),
        (F.config["k"].iexact("a"), "A\n", False),
        (F.config["k"].startswith("a.b"), "axb", False),
        (F.config["k"].regex("^b"), "a\nb", False),
        (F.config["k"].regex("b"), "abc", True),
        (F.config["k"].iregex("B"), "abc", True),
        (F.config["k"].range(1, 2), 2, True),
        (F.config["k"].range(1, 2), 2.5, False),
    ],
)
def test_meaning(condition: Q, value: Any, expected: bool) -> None:
    node, _ = resolve(META, condition)
    asked = predicate(node)
    assert asked is not None

    class Row:
        config: dict[str, Any] = {} if value is ABSENT else {"k": value}

    assert asked(Row()) is expected


def test_a_whole_json_field_may_be_null() -> None:
    node, _ = resolve(META, F.config.isnull())
    assert isinstance(node, Leaf)
    assert (node.path.dotted, node.lookup.name) == ("config", "isnull")
    # In keywords the first part after such a field is always a key, whatever it is called.
    node, _ = resolve(META, Q(config__isnull=True))
    assert isinstance(node, Leaf)
    assert (node.path.dotted, node.lookup.name) == ("config.isnull", "exact")


def test_within_is_measured_when_the_condition_is_resolved() -> None:
    before = datetime.now(UTC)
    operand = one("created_at", "within", timedelta(days=1)).operand
    assert before - timedelta(days=1) <= operand <= datetime.now(UTC) - timedelta(days=1)


def test_a_day_is_a_day_in_utc() -> None:
    assert one("created_at", "date", "2021-04-23").operand == (
        datetime(2021, 4, 23, tzinfo=UTC),
        datetime(2021, 4, 24, tzinfo=UTC),
    )


# -- lookups of plugins ----------------------------------------------------------------------------


@pytest.fixture
def close_to() -> Any:
    def rewrite(path: Any, value: Any) -> Q:
        result: Q = path.range(value * 0.9, value * 1.1) & ~path.isnan()
        return result

    add_lookup("closeto", rewrite, "is close to")
    yield rewrite
    del LOOKUPS["closeto"]


def test_a_plugin_lookup_rewrites(close_to: Any) -> None:
    for condition in (Q(config__lr__closeto=10), F.config["lr"].lookup("closeto", 10), Q(**{"config.lr__closeto": 10})):
        node, _ = resolve(META, condition)
        assert [(leaf.path.dotted, leaf.lookup.name, leaf.negated) for leaf in leaves(node)] == [
            ("config.lr", "range", False),
            ("config.lr", "isnan", True),
        ]
    node, _ = resolve(META, ~Q(config__lr__closeto=10))
    assert [(leaf.lookup.name, leaf.negated) for leaf in leaves(node)] == [("range", True), ("isnan", False)]
    assert "closeto" in rewrites()


def test_a_plugin_lookup_cannot_take_a_name(close_to: Any) -> None:
    with pytest.raises(ValueError, match="'exact' is already registered"):
        add_lookup("exact", close_to, "")
    with pytest.raises(ValueError, match="'closeto' is already registered"):
        add_lookup("closeto", lambda path, value: Q(), "")
    for name in ("a b", "a__b", "", "1a"):
        with pytest.raises(ValueError, match="cannot be the name"):
            add_lookup(name, close_to, "")
    add_lookup("closeto", close_to, "is close to")  # the same one again is no conflict


def test_a_plugin_lookup_that_gives_no_condition() -> None:
    add_lookup("broken", lambda path, value: "nothing", "is broken")
    try:
        with pytest.raises(FieldError, match="plugin lookup 'broken' returned 'nothing'"):
            resolve(META, Q(config__x__broken=1))
    finally:
        del LOOKUPS["broken"]
    with pytest.raises(FieldError, match="unknown lookup 'broken'"):
        resolve(META, Q(state__broken=1))
