"""Each switch of the dialect, both ways."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest

from tests.support.engine_world import Asker, make_world, matching, ticking
from wbmodel.engine import Dialect, Engine, MemoryStore
from wbmodel.engine.dialect import TYPES, ValueType
from wbmodel.engine.fields import LanguageError
from wbmodel.errors import ConfigurationError
from wbmodel.request import Request

DEFAULT = Dialect()
NULLS = ["nan", "null", "absent"]
"""Rows without a value, newest first."""


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    store = MemoryStore(clock=ticking())
    store.viewer = store.add_user("ada")
    project = store.add_project("ada", "p")
    values: dict[str, Any] = {
        "absent": None,
        "null": None,
        "one": 1,
        "text1": "1",
        "true": True,
        "adam": "adam",
        "Adam": "Adam",
        "nan": math.nan,
        "inf": math.inf,
        "minus": -math.inf,
        "list": [1, "adam"],
        "texts": ["adam"],
        "two": 2,
        "object": {"a": 1},
    }
    for name, value in values.items():
        store.add_run(project, name, config={} if name == "absent" else {"k": value, "a.b": 1}, tags=["x", "Y"])
    return store


def hits(store: MemoryStore, condition: Any, key: str = "config.k", **switches: Any) -> set[str]:
    project = store.project("ada", "p")
    assert project is not None
    matches = matching({key: condition}, "Run", Dialect(**switches))
    return {run.name for run in store.runs(project) if matches is None or matches(run)}


def listed(store: MemoryStore, order: str, **switches: Any) -> list[str]:
    document = 'query($o: String) { project(name: "p") { runs(order: $o, first: 1000) { edges { node { name } } } } }'
    response = Engine(store, Dialect(**switches)).execute(Request(document, {"o": order}))
    assert not response.errors, response.errors
    assert response.data is not None
    return [edge["node"]["name"] for edge in response.data["project"]["runs"]["edges"]]


def test_ne_keeps_null(store: MemoryStore) -> None:
    for condition in ({"$ne": 1}, {"$nin": [1]}):
        assert {"absent", "null"} <= hits(store, condition)
        dropped = hits(store, condition, ne_keeps_null=False)
        assert dropped == hits(store, condition) - {"absent", "null"}
    assert hits(store, {"$ne": None}, ne_keeps_null=False) == hits(store, {"$ne": None})


def test_nulls_first_in_both_directions(store: MemoryStore) -> None:
    for order in ("+config.k", "-config.k"):
        assert set(listed(store, order)[-3:]) == {"absent", "null", "nan"}
        assert set(listed(store, order, nulls="first")[:3]) == {"absent", "null", "nan"}


def test_nan_as_text(store: MemoryStore) -> None:
    assert hits(store, {"$gt": 5}) == {"inf"}
    assert hits(store, {"$gt": 5}, nan="text") == set()
    assert hits(store, "NaN") == set()
    assert hits(store, "NaN", nan="text") == {"nan"}
    assert hits(store, {"$regex": "Inf"}, nan="text") == {"inf", "minus"}
    order = listed(store, "+config.k", nan="text")
    assert order.index("two") < order.index("minus") < order.index("inf") < order.index("nan") < order.index("adam")


SWITCHED: tuple[ValueType, ...] = ("object", "text", "list", "number", "bool")


def test_types_stand_in_the_order_that_the_dialect_says(store: MemoryStore) -> None:
    plain = ["minus", "one", "two", "inf", "text1", "Adam", "adam", "true", "texts", "list", "object"]
    switched = ["object", "text1", "Adam", "adam", "texts", "list", "minus", "one", "two", "inf", "true"]
    assert listed(store, "+config.k") == plain + NULLS
    assert listed(store, "+config.k", types=SWITCHED) == switched + NULLS
    assert listed(store, "-config.k", types=SWITCHED) == switched[::-1] + NULLS
    assert listed(store, "+config.k", types=SWITCHED, nulls="first") == NULLS + switched
    # A list before an object, whatever their texts.
    assert listed(store, "+config.k", types=("number", "text", "bool", "object", "list")) == [
        *plain[:-3],
        "object",
        "texts",
        "list",
        *NULLS,
    ]


def test_infinities_as_text_stand_among_texts(store: MemoryStore) -> None:
    texts = ["minus", "text1", "Adam", "inf", "nan", "adam"]
    assert listed(store, "+config.k", nan="text", types=SWITCHED) == [
        "object",
        *texts,
        "texts",
        "list",
        "one",
        "two",
        "true",
        *NULLS[1:],
    ]
    assert listed(store, "-config.k", nan="text") == [
        "object",
        "list",
        "texts",
        "true",
        *texts[::-1],
        "two",
        "one",
        *NULLS[1:],
    ]


def test_dates_are_numbers(store: MemoryStore) -> None:
    for types in permutations(TYPES):
        assert listed(store, "+created_at", types=types)[:2] == ["absent", "null"]


@pytest.mark.parametrize(
    "types", [(), ("text",), ("text", "text", "bool", "list", "object"), (*TYPES, "date"), list(TYPES), "text", None]
)
def test_types_are_the_five_types(types: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"must be the tuple \('number', 'text', 'bool', 'list', 'object'\)"
    ) as told:
        Dialect(types=types)
    assert repr(types) in str(told.value)


def test_case_blind(store: MemoryStore) -> None:
    assert hits(store, "adam") == {"adam"}
    assert hits(store, "aDAM", case_blind=True) == {"adam", "Adam"}
    assert hits(store, {"$in": ["ADAM"]}, case_blind=True) == {"adam", "Adam"}
    assert hits(store, {"$regex": "^A"}) == {"Adam"}
    assert hits(store, {"$regex": "^A"}, case_blind=True) == {"adam", "Adam"}
    assert hits(store, {"$contains": "AD"}, case_blind=True) == {"adam", "Adam"}
    assert hits(store, "y", "tags") == set()
    assert len(hits(store, "y", "tags", case_blind=True)) == 14
    assert "adam" not in hits(store, {"$ne": "ADAM"}, case_blind=True)


def test_cross_types(store: MemoryStore) -> None:
    assert hits(store, 1) == {"one"}
    assert hits(store, 1, cross_types=True) == {"one", "text1", "true"}
    assert hits(store, "1", cross_types=True) == {"one", "text1", "true"}
    assert hits(store, True, cross_types=True) == {"one", "text1", "true"}
    assert hits(store, {"$lt": 2}, cross_types=True) == {"one", "text1", "true", "minus"}
    assert hits(store, "adam", cross_types=True) == {"adam"}


def test_arrays_as_elements(store: MemoryStore) -> None:
    assert hits(store, "adam", arrays="elements") == {"adam", "list", "texts"}
    assert hits(store, {"$gt": 0}, arrays="elements") == {"one", "list", "two", "inf"}
    assert hits(store, ["adam"], arrays="elements") == {"texts"}
    assert "list" not in hits(store, {"$ne": 1}, arrays="elements")
    assert hits(store, {"$size": 1}, arrays="elements") == {"texts"}


def test_null_comparisons(store: MemoryStore) -> None:
    assert hits(store, {"$gte": None}, null_comparisons=True) == {"absent", "null"}
    assert hits(store, {"$gt": None}, null_comparisons=True) == set()
    assert hits(store, {"$gt": False}, null_comparisons=True) == {"true"}
    with pytest.raises(LanguageError, match="null"):
        hits(store, {"$gte": None})


def test_arbitrary_ties_are_shuffled_and_stay(store: MemoryStore) -> None:
    newest = listed(store, "+state")
    assert newest == list(reversed([run.name for run in store.runs(store.project("ada", "p"))]))  # type: ignore[arg-type]
    shuffled = listed(store, "+state", ties="arbitrary", seed=1)
    assert shuffled != newest
    assert sorted(shuffled) == sorted(newest)
    assert shuffled == listed(store, "+state", ties="arbitrary", seed=1)
    assert shuffled != listed(store, "+state", ties="arbitrary", seed=2)


def test_one_order_key(store: MemoryStore) -> None:
    assert listed(store, "+state,+name") == sorted(listed(store, "+state"))
    assert listed(store, "+state,+name", multi_order=False) == listed(store, "+state")


def test_literal_keys(store: MemoryStore) -> None:
    assert len(hits(store, 1, "config.a\\.b")) == 13
    assert hits(store, 1, "config.a\\.b", literal_keys=False) == set()


def test_max_page(store: MemoryStore) -> None:
    assert len(listed(store, "+name", max_page=4)) == 4


def test_max_depth(store: MemoryStore) -> None:
    with pytest.raises(LanguageError, match="3 levels"):
        matching({"$and": [{"$and": [{"$and": [{}]}]}]}, "Run", Dialect(max_depth=3))


def test_features() -> None:
    document = "{ serverInfo { features { name isEnabled } cliVersionInfo } }"
    store = make_world()
    assert Asker(store)(document) == {"serverInfo": {"features": [], "cliVersionInfo": {}}}
    got = Asker(store, Dialect(features=frozenset({"B", "A"})))(document)
    assert got["serverInfo"]["features"] == [{"name": "A", "isEnabled": True}, {"name": "B", "isEnabled": True}]


@pytest.mark.parametrize(
    ("connection", "kind"),
    [("sweeps", "Sweep"), ("allViews", "View"), ("artifactCollections", "ArtifactCollection"), ("runs", "Run")],
)
def test_connections_that_take_no_filters_say_so(connection: str, kind: str) -> None:
    ask = Asker(make_world(), Dialect(filtered=frozenset()))
    document = """query($f: JSONString, $o: String) { project(name: "vision", entityName: "acme") { %s(filters:
      $f, order: $o) { edges { cursor } } } }"""
    ask(document % connection, f="{}")
    ask(document % connection)
    assert kind in ask.error(document % connection, f='{"name": "x"}')
    assert "order" in ask.error(document % connection, o="+name")


def test_the_named_dialects_differ_from_the_default_where_they_say() -> None:
    mongo, hostile = Dialect.mongo(), Dialect.hostile(3)
    assert (mongo.arrays, mongo.literal_keys, mongo.ne_keeps_null) == ("elements", False, True)
    import attrs

    same = {name for name, value in attrs.asdict(hostile).items() if value == attrs.asdict(DEFAULT)[name]}
    limits = {"max_depth", "max_terms", "max_orders"}
    shapes = {"exports", "max_answer", "missing_user", "regex", "live", "lacking", "ignoring", "introspection"}
    assert same == {"null_comparisons", *limits, *shapes}
    assert hostile.seed == 3
    assert len({Dialect.hostile(seed).types for seed in range(20)}) > 10
