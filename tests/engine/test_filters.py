"""Each operator, each kind of field, each error of the filter language, in the default dialect."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.engine_world import Asker, matching
from wbmodel.engine import Dialect, MemoryStore
from wbmodel.engine.conditions import load_filter
from wbmodel.engine.fields import LanguageError, known_fields
from wbmodel.engine.paths import split_order, split_path

VALUES: dict[str, Any] = {
    "one": 1,
    "onef": 1.0,
    "two": 2,
    "half": 0.5,
    "nan": math.nan,
    "inf": math.inf,
    "true": True,
    "false": False,
    "text": "adam",
    "number-text": "1",
    "empty": "",
    "null": None,
    "list": [1, "a"],
    "dict": {"b": 1},
    "dict-true": {"b": True},
}


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    store = MemoryStore()
    store.add_entity("e")
    project = store.add_project("e", "p")
    for name, value in VALUES.items():
        store.add_run(project, name, config={"k": value})
    store.add_run(project, "absent")
    return list(store.runs(project))


def hits(rows: list[Any], document: dict[str, Any], dialect: Dialect | None = None) -> set[str]:
    matches = matching(document, "Run", dialect or Dialect())
    return {row.name for row in rows if matches is None or matches(row)}


ALL = {*VALUES, "absent"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (1, {"one", "onef"}),
        (1.0, {"one", "onef"}),
        ("1", {"number-text"}),
        (True, {"true"}),
        (False, {"false"}),
        ("", {"empty"}),
        (None, {"null", "absent"}),
        ([1, "a"], {"list"}),
        ([True, "a"], set()),
        ({"b": 1}, {"dict"}),
        ({"b": True}, {"dict-true"}),
        ({}, set()),
        ({"$eq": 2}, {"two"}),
        ({"$eq": None}, {"null", "absent"}),
        ({"$ne": 1}, ALL - {"one", "onef"}),
        ({"$ne": None}, ALL - {"null", "absent"}),
        ({"$gt": 0.5}, {"one", "onef", "two", "inf"}),
        ({"$gte": 0.5}, {"half", "one", "onef", "two", "inf"}),
        ({"$lt": 1}, {"half"}),
        ({"$lte": 1}, {"half", "one", "onef"}),
        ({"$gt": "1"}, {"text"}),
        ({"$lte": "1"}, {"number-text", "empty"}),
        ({"$gt": 0.5, "$lt": 2}, {"one", "onef"}),
        ({"$in": [1, "adam", None]}, {"one", "onef", "text", "null", "absent"}),
        ({"$in": [True]}, {"true"}),
        ({"$in": [[1, "a"], {"b": 1}]}, {"list", "dict"}),
        ({"$in": []}, set()),
        ({"$in": [math.nan]}, set()),
        (math.nan, set()),
        ({"$nin": []}, ALL),
        ({"$nin": [1, None]}, ALL - {"one", "onef", "null", "absent"}),
        ({"$exists": True}, ALL - {"absent"}),
        ({"$exists": False}, {"absent"}),
        ({"$regex": "^a"}, {"text"}),
        ({"$regex": "d"}, {"text"}),
        ({"$regex": ""}, {"text", "number-text", "empty"}),
        ({"$contains": "da"}, {"text"}),
        ({"$contains": 1}, {"list"}),
        ({"$contains": "a"}, {"text", "list"}),
        ({"$contains": True}, set()),
        ({"$all": [1, "a"]}, {"list"}),
        ({"$all": [1]}, {"list", "one", "onef"}),
        ({"$all": []}, set()),
        ({"$size": 2}, {"list"}),
        ({"$size": 2.0}, {"list"}),
        ({"$size": 0}, set()),
        ({"$not": {"$gt": 0.5}}, ALL - {"one", "onef", "two", "inf"}),
        ({"$not": 1}, ALL - {"one", "onef"}),
        ({"$not": {"$not": {"$gt": 1}}}, {"two", "inf"}),
    ],
)
def test_a_condition_on_a_value(rows: list[Any], condition: Any, expected: set[str]) -> None:
    assert hits(rows, {"config.k": condition}) == expected
    assert hits(rows, {"config.k.value": condition}) == expected
    assert hits(rows, {"$not": {"config.k": condition}}) == ALL - expected
    assert hits(rows, {"$nor": [{"config.k": condition}]}) == ALL - expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, ALL),
        ({"$and": []}, ALL),
        ({"$or": [{"$and": []}]}, ALL),
        ({"$or": []}, set()),
        ({"$nor": []}, ALL),
        ({"$or": [{"name": "one"}, {"name": "two"}, {"config.k": "adam"}]}, {"one", "two", "text"}),
        ({"$or": [{"name": "one"}, {}]}, ALL),
        ({"$or": [{"name": None}, {"name": "one"}]}, {"one"}),
        ({"$and": [{"config.k": {"$gt": 0}}, {"name": {"$ne": "inf"}}]}, {"one", "onef", "two", "half"}),
        ({"config.k": {"$gt": 0}, "name": {"$ne": "inf"}}, {"one", "onef", "two", "half"}),
        ({"$nor": [{"config.k": 1}, {"config.k": None}]}, ALL - {"one", "onef", "null", "absent"}),
        ({"$not": {}}, set()),
    ],
)
def test_joined_conditions(rows: list[Any], document: dict[str, Any], expected: set[str]) -> None:
    assert hits(rows, document) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "crashed"}, ["r2"]),
        ({"display_name": "one"}, ["r1"]),
        ({"displayName": {"$regex": "^t"}}, ["r2", "r3"]),
        ({"name": {"$in": ["r1", "r4", "nobody"]}}, ["r1", "r4"]),
        ({"config.optimizer.name": "adam"}, ["r1"]),
        ({"config.optimizer.value.name": "adam"}, ["r1"]),
        ({"config.optimizer.beta\\.1": 0.9}, ["r1"]),
        ({"config.optimizer.beta.1": 0.9}, []),
        ({"summary_metrics.eval/acc": {"$gte": 0.9}}, ["r1"]),
        ({"summaryMetrics.loss": {"$lt": 1}}, ["r1", "r3"]),
        ({"summary_metrics.nothing": {"$exists": True}}, ["r1"]),
        ({"tags": "good"}, ["r1", "r4"]),
        ({"tags": {"$in": ["first", "other"]}}, ["r1"]),
        ({"tags": {"$nin": ["first", "other"]}}, ["r2", "r3", "r4"]),
        ({"tags": {"$ne": "good"}}, ["r2", "r3"]),
        ({"tags": {"$all": ["good", "first"]}}, ["r1"]),
        ({"tags": {"$size": 1}}, ["r4"]),
        ({"tags": {"$contains": "good"}}, ["r1", "r4"]),
        ({"tags": {"$contains": "goo"}}, []),
        ({"tags": {"$regex": "^fir"}}, ["r1"]),
        ({"tags": ["good"]}, ["r4"]),
        ({"tags": None}, []),
        ({"sweep": "sw1"}, ["r1", "r2"]),
        ({"sweep": None}, ["r3", "r4"]),
        ({"group": None}, ["r2", "r3"]),
        ({"group": ""}, ["r4"]),
        ({"group": {"$exists": True}}, ["r1", "r2", "r3", "r4"]),
        ({"jobType": None, "job_type": None}, ["r1", "r2", "r3", "r4"]),
        ({"username": "ada"}, ["r1"]),
        ({"user.username": {"$ne": "ada"}}, ["r2", "r3", "r4"]),
        ({"keys_info.keys.nested\\.b": {"$exists": True}}, ["r1"]),
        ({"keys_info.keys.nested.b": {"$ne": None}}, ["r1"]),
        ({"keys_info.keys.other": {"$exists": True}}, []),
    ],
)
def test_fields_of_runs(ask: Asker, filters: dict[str, Any], expected: list[str]) -> None:
    text = json.dumps(filters)
    assert sorted(ask.names(text)) == expected
    data = ask(
        'query($f: JSONString) { project(name: "vision", entityName: "acme") { runCount(filters: $f) } }', f=text
    )
    assert data["project"]["runCount"] == len(expected)


def test_dates_are_instants(ask: Asker) -> None:
    project = ask.store.project("acme", "vision")
    assert project is not None
    run = ask.store.run(project, "r2")
    assert run is not None
    moment = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    ask.store.update(run.id, heartbeat_at=moment)
    for text in (
        "2024-05-01T10:00:00Z",
        "2024-05-01T10:00:00",
        "2024-05-01T12:00:00+02:00",
        "2024-05-01T10:00:00.000000Z",
    ):
        assert ask.names({"heartbeat_at": text}) == ["r2"]
        assert ask.names({"heartbeatAt": {"$gte": text}}) == ["r2"]
        assert ask.names({"heartbeatAt": {"$in": [text]}}) == ["r2"]
        assert ask.names({"heartbeatAt": {"$gt": text}}) == []
        assert sorted(ask.names({"heartbeatAt": {"$ne": text}})) == ["r1", "r3", "r4"]
    assert ask.names({"heartbeat_at": {"$regex": "^2024-05"}}) == ["r2"]
    assert sorted(ask.names({"heartbeat_at": None})) == ["r1", "r3", "r4"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"stat": "x"}, ["'stat'", "not a field of Run", "'state'", "config.<key>"]),
        ({"config.a": {"$foo": 1}}, ["'config.a'", "'$foo'", "$gte"]),
        ({"config.a": {"$gt": 1, "b": 2}}, ["'config.a'", "'b'"]),
        ({"$xor": []}, ["'$xor'", "$and"]),
        ({"$gt": 1}, ["'$gt'", "under a key"]),
        ({"config.a": {"$or": []}}, ["$or", "outside keys", "'config.a'"]),
        ({"$and": {}}, ["$and requires a list"]),
        ({"$or": [1]}, ["number 1", "object"]),
        ({"$or": 1}, ["$or requires a list", "number 1"]),
        ({"created_at": {"$gt": "soon"}}, ["$gt", "'created_at'", "date", "'soon'"]),
        ({"created_at": 5}, ["'created_at'", "date", "number 5"]),
        ({"created_at": {"$contains": "x"}}, ["$contains", "'created_at'"]),
        ({"config.a": {"$regex": "("}}, ["$regex", "'config.a'", "'('"]),
        ({"config.a": {"$regex": 1}}, ["$regex", "number 1"]),
        ({"config.a": {"$in": 1}}, ["$in", "'config.a'", "list", "number 1"]),
        ({"config.a": {"$nin": "x"}}, ["$nin", "list", "text 'x'"]),
        ({"config.a": {"$gt": None}}, ["$gt", "null"]),
        ({"config.a": {"$gt": True}}, ["$gt", "boolean True"]),
        ({"config.a": {"$lt": []}}, ["$lt", "list []"]),
        ({"config.a": {"$exists": "yes"}}, ["$exists", "text 'yes'"]),
        ({"config.a": {"$size": -1}}, ["$size", "number -1"]),
        ({"config.a": {"$size": math.inf}}, ["$size", "number inf"]),
        ({"config.a": {"$all": "x"}}, ["$all", "text 'x'"]),
    ],
)
def test_what_is_wrong_is_named(document: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(LanguageError) as caught:
        matching(document, "Run", Dialect())
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "3", '"x"', "nul", "{]"])
def test_filters_that_are_no_object_are_errors(ask: Asker, text: str) -> None:
    from tests.support.engine_world import RUNS

    response = ask.send(RUNS, filters=text)
    assert response.data == {"project": None}  # runCount is never null
    assert response.errors
    assert all("filters" in error["message"] for error in response.errors)


@pytest.mark.parametrize("text", [None, "", "{}", "null"])
def test_no_filters_match_all(ask: Asker, text: str | None) -> None:
    assert len(ask.names(text)) == 4


def test_an_object_in_place_of_text_is_taken(ask: Asker) -> None:
    assert ask.names({"state": "crashed"}) == ["r2"]
    assert load_filter({"a": 1}) == {"a": 1}


def test_many_terms_are_no_recursion(rows: list[Any]) -> None:
    terms = [{"name": f"x{n}"} for n in range(10_000)]
    assert hits(rows, {"$or": [*terms, {"name": "one"}]}) == {"one"}
    assert hits(rows, {"$or": [{"config.k": {"$gt": n}} for n in range(10_000)]}) == {
        "one",
        "onef",
        "two",
        "half",
        "inf",
    }
    assert hits(rows, {"$and": [{"name": {"$ne": f"x{n}"}} for n in range(10_000)]}) == ALL
    assert hits(rows, {"name": {"$in": [f"x{n}" for n in range(10_000)]}}) == set()
    assert hits(rows, {"$nor": terms}) == ALL


@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize("operator", ["$and", "$not", "under a key"])
def test_deep_filters_are_a_clear_error(ask: Asker, depth: int, operator: str) -> None:
    opening, closing = {
        "$and": ('{"$and":[', "]}"),
        "$not": ('{"$not":', "}"),
        "under a key": ('{"$not":', "}"),
    }[operator]
    text = opening * depth + '{"state":"x"}' + closing * depth
    if operator == "under a key":
        text = '{"state":' + text.replace('{"state":"x"}', '"x"') + "}"
    message = ask.error(
        """query($f: JSONString) { project(name: "vision") { id } p: project(name: "vision", entityName: "acme")
          { runCount(filters: $f) } }""",
        f=text,
    )
    assert "deep" in message


def test_nesting_up_to_the_limit_works(rows: list[Any]) -> None:
    document: dict[str, Any] = {"name": "one"}
    for _ in range(98):
        document = {"$and": [document, {}]}
    assert hits(rows, document) == {"one"}


@pytest.mark.parametrize(
    ("path", "literal", "plain"),
    [
        ("a.b", ["a", "b"], ["a", "b"]),
        (r"a\.b", ["a.b"], ["a\\", "b"]),
        (r"a\\.b", ["a\\", "b"], ["a\\\\", "b"]),
        (r"a\,b.c", ["a,b", "c"], ["a\\,b", "c"]),
        (r"a\b", ["a\\b"], ["a\\b"]),
        ("a\\", ["a\\"], ["a\\"]),
        ("a..b", ["a", "", "b"], ["a", "", "b"]),
    ],
)
def test_paths(path: str, literal: list[str], plain: list[str]) -> None:
    assert split_path(path, True) == literal
    assert split_path(path, False) == plain


def test_orders_are_split_at_commas() -> None:
    assert split_order(r"-a,+b\,c, d\.e,,") == [("a", True), (r"b\,c", False), (r"d\.e", False)]
    assert split_order("") == []


def test_every_known_field_can_be_asked(ask: Asker) -> None:
    samples = {"Run": ask.store.runs(ask.store.project("acme", "vision"))}  # type: ignore[arg-type]
    for name in known_fields("Run"):
        path = name.replace("<key>", "k")
        matches = matching({path: None}, "Run", Dialect())
        assert matches is not None
        assert {type(matches(row)) for row in samples["Run"]} == {bool}
