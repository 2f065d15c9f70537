"""The condition tree: what a filter document becomes, what a dialect is lowered to, and that it can be a key."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.support.engine_world import make_world
from wbmodel.engine import All, Compare, Dialect, Json, LanguageError, Not, Path, Some, predicate
from wbmodel.engine.conditions import Condition, parse_filter

K = Path("json", "config", ("k",))
NAME = Path("plain", "name")


def parsed(document: dict[str, Any], **switches: Any) -> Condition:
    return parse_filter(document, "Run", Dialect(**switches))


@pytest.mark.parametrize(
    ("document", "tree"),
    [
        ({}, All()),
        ({"$and": []}, All()),
        ({"$or": []}, Some()),
        ({"$nor": []}, All()),
        ({"$not": {}}, Some()),
        ({"$or": [{"name": "a"}, {}]}, All()),
        ({"name": "a"}, Compare(NAME, "eq", "a")),
        ({"config.k": None}, Compare(K, "eq", None)),
        ({"config.k.value": {"$gte": 1}}, Compare(K, "gte", 1)),
        ({"config.k": {"$ne": 1}}, Not(Compare(K, "eq", 1))),
        ({"config.k": {"$nin": [1, "a"]}}, Not(Compare(K, "in", (1, "a")))),
        ({"config.k": {"$not": {"$exists": 0}}}, Not(Compare(K, "exists", False))),
        ({"config.k": [1, {"a": 2}]}, Compare(K, "eq", Json('[1,{"a":2}]'))),
        ({"config.k": {"$size": 2.0}}, Compare(K, "size", 2)),
        (
            {"createdAt": {"$lt": "2024-01-01"}},
            Compare(Path("time", "created_at"), "lt", datetime(2024, 1, 1, tzinfo=timezone.utc)),
        ),
        ({"sweepName": "s"}, Compare(Path("plain", "sweep"), "eq", "s")),
        ({"tags": "a"}, Compare(Path("list", "tags"), "eq", "a")),
        ({"keys_info.keys.a.b": None}, Compare(Path("json", "keys_info", ("a.b",)), "eq", None)),
        ({r"config.a\.b.c": 1}, Compare(Path("json", "config", ("a.b", "c")), "eq", 1)),
        ({"name": "a", "config.k": 1}, All((Compare(NAME, "eq", "a"), Compare(K, "eq", 1)))),
        ({"$nor": [{"name": "a"}]}, Not(Compare(NAME, "eq", "a"))),
        ({"$and": [{"$and": [{"name": "a"}]}, {}]}, Compare(NAME, "eq", "a")),
    ],
)
def test_a_document_as_a_tree(document: dict[str, Any], tree: Condition) -> None:
    assert parsed(document) == tree


def test_many_equalities_on_one_path_are_one_in() -> None:
    terms: list[dict[str, Any]] = [{"name": f"r{n}"} for n in range(5000)]
    assert parsed({"$or": terms}) == Compare(NAME, "in", tuple(f"r{n}" for n in range(5000)))
    mixed = parsed({"$or": [{"name": "a"}, {"config.k": {"$gt": 1}}, {"name": None}, {"config.k": 2}]})
    assert mixed == Some((Compare(NAME, "in", ("a", None)), Compare(K, "eq", 2), Compare(K, "gt", 1)))


@pytest.mark.parametrize(
    ("document", "switches", "tree"),
    [
        ({"config.k": "A"}, {"case_blind": True}, Compare(K, "eq", "A", frozenset({"fold"}))),
        ({"config.k": {"$gt": "A"}}, {"case_blind": True}, Compare(K, "gt", "A")),
        ({"config.k": {"$exists": True}}, {"case_blind": True, "nan": "text"}, Compare(K, "exists", True)),
        (
            {"config.k": 1},
            {"cross_types": True, "arrays": "elements"},
            Compare(K, "eq", 1, frozenset({"cross_types", "elements"})),
        ),
        (
            {"config.k": {"$gte": None}},
            {"null_comparisons": True},
            Compare(K, "gte", None, frozenset({"nulls_compare"})),
        ),
        ({"config.k": "NaN"}, {"nan": "text"}, Compare(K, "eq", "NaN", frozenset({"nan_text"}))),
        ({"name": "NaN"}, {"nan": "text"}, Compare(NAME, "eq", "NaN")),
        (
            {"config.k": {"$ne": 1}},
            {"ne_keeps_null": False},
            All((Not(Compare(K, "eq", 1)), Not(Compare(K, "eq", None)))),
        ),
        ({r"config.a\.b": 1}, {"literal_keys": False}, Compare(Path("json", "config", ("a\\", "b")), "eq", 1)),
    ],
)
def test_a_dialect_is_lowered_into_the_tree(document: Any, switches: dict[str, Any], tree: Condition) -> None:
    assert parsed(document, **switches) == tree


def test_conditions_are_keys_that_tell_types_apart() -> None:
    # Equal in Python, and not the same question: a cache that took one for another would answer wrongly.
    questions = [parsed({"config.k": value}) for value in (1, 1.0, True, "1", [1], [1.0])]
    assert len(set(questions)) == len(questions)
    assert parsed({"config.k": {"$in": [1]}}) != parsed({"config.k": {"$in": [True]}})
    assert len({parsed({"config.k": {"$gt": 0.5}, "name": "a"}) for _ in range(3)}) == 1
    assert hash(parsed({"config.k": math.nan})) is not None


def test_like_is_sql_s() -> None:
    store = make_world()
    project = store.project("acme", "vision")
    assert project is not None

    def names(pattern: str) -> list[str]:
        matches = predicate(Compare(NAME, "like", pattern), "Run")
        assert matches is not None
        return [run.name for run in store.runs(project) if matches(run)]

    assert names("r_") == ["r1", "r2", "r3", "r4"]
    assert names("%2") == ["r2"]
    assert names("r.") == []
    assert names("r") == []


def test_what_is_always_true_needs_no_predicate() -> None:
    assert predicate(All(), "Run") is None
    never = predicate(Some(), "Run")
    assert never is not None
    assert never(object()) is False


def test_a_tree_too_deep_for_the_stack_is_a_language_error() -> None:
    tree: Condition = Compare(NAME, "eq", "a")
    for _ in range(100_000):
        tree = Not(tree)
    with pytest.raises(LanguageError, match="too deeply"):
        predicate(tree, "Run")
