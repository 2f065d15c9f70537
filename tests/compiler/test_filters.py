"""Filters as the server gets them: the wire form of each lookup, how far each is trusted, and that none is dropped."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings

from tests.support.backends import FULL, WEAK
from tests.support.depth import deep
from tests.support.strategies import as_q, conditions
from wbmodel import F, Q, Run
from wbmodel.backend import Capabilities
from wbmodel.codec import dumps
from wbmodel.compiler.explain import explain
from wbmodel.compiler.filters import Compiled, compile_filter
from wbmodel.compiler.target import Target
from wbmodel.query.conditions import leaves, resolve
from wbmodel.query.lookups import LOOKUPS, rewrites
from wbmodel.query.plan import Plan

META = Run.__wbmodel_meta__
STRONG = Capabilities(strict_values=True, literal_keys=True, regex=True, exists=True)
NOTHING = Capabilities()
NOON = datetime(2021, 4, 23, 12, tzinfo=timezone.utc)
SENT = "2021-04-23T12:00:00Z"


def compiled(condition: Q, can: Capabilities, pushed: bool = True) -> Compiled:
    return compile_filter(resolve(META, condition)[0], can, pushed)


# condition, (grade, wire) of a server that promises all, (grade, wire) of one that promises nothing
LR = F.config["lr"]
LOSS = F.summary["loss"]
# A cleared text is "" on the server, and reads as null.
NO_GROUP = {"$or": [{"group": None}, {"group": ""}]}
A_GROUP = {"$and": [{"group": {"$ne": None}}, {"group": {"$ne": ""}}]}
GRADES = ("exact", "superset")

TABLE: list[tuple[str, Q, tuple[str, Any], tuple[str, Any]]] = [
    ("exact", Q(state="a"), ("exact", {"state": "a"}), ("superset", {"state": "a"})),
    ("exact", LR == 1, ("exact", {"config.lr": 1}), ("superset", {"config.lr": 1})),
    (
        "exact",
        LR.lookup("exact", None),
        ("exact", {"$and": [{"config.lr": None}, {"config.lr": {"$exists": True}}]}),
        ("superset", {"config.lr": None}),
    ),
    ("exact", Q(group=None), ("exact", NO_GROUP), ("exact", NO_GROUP)),
    ("exact", LR == [1], ("local", None), ("local", None)),
    ("exact", math.inf == LOSS, ("exact", {"summary_metrics.loss": math.inf}), ("local", None)),
    ("exact", Q(created_at=NOON), ("exact", {"created_at": SENT}), ("exact", {"created_at": SENT})),
    ("exact", Q(sweep="sw1"), ("exact", {"sweep": "sw1"}), ("superset", {"sweep": "sw1"})),
    ("exact", Q(user="ada"), ("exact", {"username": "ada"}), ("superset", {"username": "ada"})),
    ("exact", Q(notes="x"), ("local", None), ("local", None)),
    ("ne", LR != 1, ("exact", {"$or": [{"config.lr": None}, {"config.lr": {"$ne": 1}}]}), ("local", None)),
    ("ne", Q(state__ne="a"), *[(grade, {"$or": [{"state": None}, {"state": {"$ne": "a"}}]}) for grade in GRADES]),
    ("ne", Q(created_at__ne=NOON), *[("exact", {"$or": [{"created_at": None}, {"created_at": {"$ne": SENT}}]})] * 2),
    ("ne", Q(group__ne=None), *[("exact", A_GROUP)] * 2),
    (
        "ne",
        LR.lookup("ne", None),
        ("exact", {"$nor": [{"$and": [{"config.lr": None}, {"config.lr": {"$exists": True}}]}]}),
        ("local", None),
    ),
    ("gt", LR > 1, ("exact", {"config.lr": {"$gt": 1}}), ("superset", {"config.lr": {"$gt": 1}})),
    (
        "gt",
        LOSS > 1,
        ("exact", {"summary_metrics.loss": {"$gt": 1}}),
        ("superset", {"$or": [{"summary_metrics.loss": {"$gt": 1}}, {"summary_metrics.loss": "Infinity"}]}),
    ),
    ("gt", LR > "a", ("exact", {"config.lr": {"$gt": "a"}}), ("local", None)),
    ("gte", Q(created_at__gte=NOON), *[("exact", {"created_at": {"$gte": SENT}})] * 2),
    (
        "lt",
        LOSS < 1,
        ("exact", {"summary_metrics.loss": {"$lt": 1}}),
        ("superset", {"$or": [{"summary_metrics.loss": {"$lt": 1}}, {"summary_metrics.loss": "-Infinity"}]}),
    ),
    ("lt", math.inf > LOSS, ("exact", {"summary_metrics.loss": {"$lt": math.inf}}), ("local", None)),
    ("lte", LR <= 2, ("exact", {"config.lr": {"$lte": 2}}), ("superset", {"config.lr": {"$lte": 2}})),
    (
        "in",
        Q(state__in=["a", "b"]),
        ("exact", {"state": {"$in": ["a", "b"]}}),
        ("superset", {"state": {"$in": ["a", "b"]}}),
    ),
    ("in", Q(tags__in=["a"]), ("exact", {"tags": {"$in": ["a"]}}), ("superset", {"tags": {"$in": ["a"]}})),
    (
        "in",
        Q(group__in=["a", None]),
        ("exact", {"$or": [{"$or": [{"group": {"$in": ["a"]}}, {"group": None}]}, {"group": ""}]}),
        ("superset", {"$or": [{"$or": [{"group": {"$in": ["a"]}}, {"group": None}]}, {"group": ""}]}),
    ),
    ("in", LR.in_([1, [2]]), ("local", None), ("local", None)),
    (
        "nin",
        Q(state__nin=["a"]),
        *[(grade, {"$or": [{"state": None}, {"state": {"$nin": ["a"]}}]}) for grade in GRADES],
    ),
    (
        "range",
        LR.range(1, 2),
        ("exact", {"config.lr": {"$gte": 1, "$lte": 2}}),
        ("superset", {"config.lr": {"$gte": 1, "$lte": 2}}),
    ),
    ("contains", Q(tags__contains="a"), ("exact", {"tags": "a"}), ("superset", {"tags": "a"})),
    (
        "contains",
        Q(name__contains="a.b"),
        ("exact", {"display_name": {"$regex": r"a\.b"}}),
        ("superset", {"display_name": {"$regex": r"a\.b"}}),
    ),
    ("contains", LR.contains("a"), *[("superset", {"config.lr": {"$ne": None}})] * 2),
    ("icontains", Q(name__icontains="a"), ("exact", {"display_name": {"$regex": "(?i)a"}}), ("local", None)),
    (
        "startswith",
        Q(name__startswith="a-"),
        ("exact", {"display_name": {"$regex": "^a-"}}),
        ("superset", {"display_name": {"$regex": "^a-"}}),
    ),
    ("endswith", Q(name__endswith="(a"), *[("superset", {"display_name": {"$regex": r"\(a$"}})] * 2),
    ("iexact", Q(name__iexact="a"), ("exact", {"display_name": {"$regex": r"(?i)\Aa\Z"}}), ("local", None)),
    ("regex", Q(name__regex="^a"), ("exact", {"display_name": {"$regex": "^a"}}), ("local", None)),
    ("iregex", Q(name__iregex="^a"), ("exact", {"display_name": {"$regex": "(?i)^a"}}), ("local", None)),
    ("isnull", LR.isnull(), *[("exact", {"config.lr": None})] * 2),
    ("isnull", LR.isnull(False), *[("exact", {"config.lr": {"$ne": None}})] * 2),
    ("exists", LR.exists(), ("exact", {"config.lr": {"$exists": True}}), ("local", None)),
    ("exists", LR.exists(False), ("exact", {"config.lr": {"$exists": False}}), ("superset", {"config.lr": None})),
    ("isnan", LOSS.isnan(), ("local", None), ("local", None)),
    ("isfinite", LOSS.isfinite(), ("local", None), ("local", None)),
    (
        "date",
        Q(created_at__date="2021-04-23"),
        *[("exact", {"created_at": {"$gte": "2021-04-23T00:00:00Z", "$lt": "2021-04-24T00:00:00Z"}})] * 2,
    ),
]


@pytest.mark.parametrize(("lookup", "condition", "strong", "weak"), TABLE)
def test_wire_form_and_grade(lookup: str, condition: Q, strong: Any, weak: Any) -> None:
    for promises, (grade, wire) in ((STRONG, strong), (NOTHING, weak)):
        found = compiled(condition, promises)
        assert (found.grade, found.wire) == (grade, wire)


@pytest.mark.parametrize("promises", [STRONG, NOTHING])
def test_nothing_is_sent_exactly_where_a_condition_is_local(promises: Capabilities) -> None:
    for _, condition, _, _ in TABLE:
        for note in (*compiled(condition, promises).notes, *compiled(~condition, promises).notes):
            assert (note.wire is None) == (note.grade == "local")


def test_the_table_is_complete() -> None:
    built_in = {name for name in LOOKUPS if name not in rewrites()}
    assert built_in - {row[0] for row in TABLE} == {"within"}  # which depends on the moment; it is the same as gte


@pytest.mark.parametrize(
    ("condition", "wire"),
    [
        (~(F.created_at > NOON), {"$or": [{"created_at": None}, {"created_at": {"$lte": SENT}}]}),
        (~Q(created_at__lte=NOON), {"$or": [{"created_at": None}, {"created_at": {"$gt": SENT}}]}),
        (~Q(group__isnull=True), A_GROUP),
        (~Q(group__isnull=False), NO_GROUP),
    ],
)
def test_opposites_that_any_server_can_be_asked(condition: Q, wire: Any) -> None:
    for promises in (STRONG, NOTHING):
        assert (compiled(condition, promises).grade, compiled(condition, promises).wire) == ("exact", wire)


def test_nothing_is_sent_that_no_client_was_seen_to_send() -> None:
    """A server that promises nothing is asked in the words of W&B's own clients."""
    known = {"$and", "$or", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$regex"}

    def operators(value: Any) -> set[str]:
        if isinstance(value, dict):
            return {key for key in value if key.startswith("$")}.union(*map(operators, value.values()))
        return set().union(*map(operators, value)) if isinstance(value, list) else set()

    for _, condition, _, _ in TABLE:
        for item in (condition, ~condition):
            assert operators(compiled(item, NOTHING).wire) <= known


@settings(max_examples=deep(150), deadline=None, derandomize=True)
@given(conditions)
def test_a_server_that_promises_nothing_gets_strict_json_and_known_operators(condition: Any) -> None:
    text = dumps(compiled(as_q(condition), NOTHING).wire)
    assert "$nor" not in text
    assert "$exists" not in text
    json.loads(text, parse_constant=pytest.fail)


@settings(max_examples=deep(150), deadline=None, derandomize=True)
@given(conditions)
def test_no_leaf_is_dropped(condition: Any) -> None:
    """Each leaf is in explain() exactly once, and what is not exact is asked here."""
    node, _ = resolve(META, as_q(condition))
    wanted = sorted(str(leaf) for leaf in leaves(node))
    for capabilities in (FULL, WEAK):
        told = explain(Plan(meta=META, where=node), Target(capabilities=capabilities, project="acme/vision"))
        found = [*told.pushed, *told.superset, *told.local]
        if told.requests.startswith("0"):
            continue  # it is known that nothing matches
        plain = sorted(item.removesuffix(" (re-checked locally)").removesuffix(" (local only)") for item in found)
        assert plain == wanted


def test_and_keeps_what_can_be_asked() -> None:
    found = compiled((LR > 1) & Q(name__iregex="a") & Q(group=None), NOTHING)
    assert found.wire == {"$and": [{"config.lr": {"$gt": 1}}, NO_GROUP]}
    assert found.grade == "superset"
    assert [note.grade for note in found.notes] == ["superset", "local", "exact"]


def test_two_conditions_on_one_key_are_not_merged_into_one() -> None:
    found = compiled((LR > 1) & (LR < 2), STRONG)
    assert found.wire == {"$and": [{"config.lr": {"$gt": 1}}, {"config.lr": {"$lt": 2}}]}


def test_one_local_part_of_an_or_makes_all_of_it_local() -> None:
    found = compiled((LR > 1) | Q(name__iregex="a"), NOTHING)
    assert (found.wire, found.grade) == (None, "local")
    assert [note.grade for note in found.notes] == ["local", "local"]
    found = compiled(((LR > 1) | Q(name__iregex="a")) & Q(group=None), NOTHING)
    assert (found.wire, found.grade) == (NO_GROUP, "superset")


def test_a_connection_without_filters() -> None:
    found = compiled(Q(state="a", group="b"), STRONG, pushed=False)
    assert (found.wire, found.grade) == (None, "local")
    assert [note.grade for note in found.notes] == ["local", "local"]


@pytest.mark.parametrize(
    ("path", "strong", "weak"),
    [
        (F.config["a"]["b"], r"config.a.b", "config.a.b"),
        (F.config["a.b"], r"config.a\.b", None),
        (F.config["a\\b"], r"config.a\\b", None),
        (F.config[""], None, None),
        (F.config["a"]["value"], None, None),
        (F.config["a"]["b"]["value"], "config.a.b.value", "config.a.b.value"),
        (F.summary["eval/acc"], "summary_metrics.eval/acc", "summary_metrics.eval/acc"),
        (F.summary["a"]["value"], "summary_metrics.a.value", "summary_metrics.a.value"),
        (F.summary["a b"], "summary_metrics.a b", "summary_metrics.a b"),
    ],
)
def test_paths(path: Any, strong: str | None, weak: str | None) -> None:
    for promises, expected in ((STRONG, strong), (NOTHING, weak)):
        found = compiled(path == 1, promises)
        assert found.wire == (None if expected is None else {expected: 1})


def test_orders_say_config_value() -> None:
    from wbmodel.compiler.filters import order_path
    from wbmodel.query.order import parse_order

    for spelling, strong, weak in (
        ("config.lr", "config.lr.value", "config.lr.value"),
        ("config.a.b", "config.a.value.b", "config.a.value.b"),
        ('config."a.b"', r"config.a\.b.value", None),
        ("config.a.value", None, None),
        ("summary.loss", "summary_metrics.loss", "summary_metrics.loss"),
        (F.summary["a,b"], r"summary_metrics.a\,b", None),
        # How a server collates text is not known, so text is ordered here unless it promises.
        ("name", "display_name", None),
        (F.summary["a "], None, None),
        ("user.username", None, None),
        ("notes", None, None),
    ):
        key = parse_order(META, spelling)
        assert order_path(key.path, STRONG) == strong
        assert order_path(key.path, NOTHING) == weak


def test_ten_thousand_terms() -> None:
    condition = Q(*(Q(config__lr__ne=index) for index in range(10_000)))
    found = compiled(condition, STRONG)
    assert found.wire is not None
    assert len(found.wire["$and"]) == 10_000
    assert len(found.notes) == 10_000
