"""Random nonsense in filters, orders and cursors: always an answer or a GraphQL error, never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.engine_world import RUNS, make_world
from wbmodel.engine import Dialect, Engine
from wbmodel.engine.conditions import OPERATORS
from wbmodel.request import Request

WORLD = make_world()
ENGINES = [Engine(WORLD), Engine(WORLD, Dialect.mongo()), Engine(WORLD, Dialect.hostile())]

OPERATOR_KEYS = st.sampled_from([*OPERATORS, "$ne", "$nin", "$not", "$and", "$or", "$nor", "$foo", "$"])
FIELDS = st.sampled_from(
    [
        "config.lr",
        "config.optimizer.name",
        "summary_metrics.loss",
        "tags",
        "created_at",
        "heartbeat_at",
        "sweep",
        "config",
        "state",
        "exitcode",
        "keys_info.keys.loss",
        "config.",
        ".",
        "",
        "nope",
        "config..x",
        "config.a\\.b\\",
        "user.username",
    ]
)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("2024-01-01T00:00:00Z")
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(OPERATOR_KEYS, FIELDS, st.text(max_size=3)), inner, max_size=3),
    ),
    max_leaves=8,
)
FILTER = st.dictionaries(
    st.one_of(OPERATOR_KEYS, FIELDS), st.one_of(JSON, st.dictionaries(OPERATOR_KEYS, JSON, max_size=2)), max_size=3
)


def check(engine: Engine, variables: dict[str, Any]) -> None:
    response = engine.execute(Request(RUNS, variables))
    if response.errors:
        for error in response.errors:
            message = error["message"]
            assert isinstance(message, str)
            assert message
            # What Python says when code meets what it did not expect.
            for slip in (
                "object has no attribute",
                "not supported between",
                "unhashable",
                "NoneType",
                "argument of type",
                "Traceback",
            ):
                assert slip not in message, message
    else:
        assert response.data is not None
        project = response.data["project"]
        if variables.get("after") is None and variables.get("first") is None:
            assert len(project["runs"]["edges"]) == min(project["runCount"], engine.dialect.max_page)
    json.dumps(response.data, allow_nan=False)


@settings(max_examples=deep(400), deadline=None, derandomize=True)
@given(FILTER, st.sampled_from(ENGINES))
def test_filters(document: dict[str, Any], engine: Engine) -> None:
    check(engine, {"filters": json.dumps(document)})


@settings(max_examples=deep(100), deadline=None, derandomize=True)
@given(st.text(max_size=20), st.sampled_from(ENGINES))
def test_filter_texts(text: str, engine: Engine) -> None:
    check(engine, {"filters": text})


@settings(max_examples=deep(150), deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=20), FIELDS.map(lambda path: "-" + path)), st.sampled_from(ENGINES))
def test_orders(order: str, engine: Engine) -> None:
    check(engine, {"order": order})


@settings(max_examples=deep(100), deadline=None, derandomize=True)
@given(st.text(max_size=30), st.integers(-3, 3))
def test_cursors(after: str, first: int) -> None:
    check(ENGINES[0], {"after": after, "first": first})


@settings(max_examples=deep(150), deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_documents(text: str) -> None:
    ENGINES[0].execute(Request(text))


@pytest.mark.parametrize("value", [1, True, [], ["x"], {"a": {1: 2}}])
def test_variables_of_the_wrong_type(value: Any) -> None:
    for name in ("filters", "order", "after", "first"):
        response = ENGINES[0].execute(Request(RUNS, {name: value}))
        assert response.errors or response.data
