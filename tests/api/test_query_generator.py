"""``QueryGenerator``: what the report editor stores, as Mongo filters and back."""

from __future__ import annotations

from typing import Any

import pytest

from wbmodel import Run
from wbmodel.api import QueryGenerator
from wbmodel.api.orders import order_keys
from wbmodel.errors import FieldError

GENERATOR = QueryGenerator()
LOSS = {"section": "summary", "name": "loss"}


@pytest.mark.parametrize(
    ("key", "formatted"),
    [
        ("loss", "-summary_metrics.loss"),
        ("+loss", "+summary_metrics.loss"),
        ("summary_metrics.loss", "-summary_metrics.loss"),
        ("+config.lr", "+config.lr"),
        ("-eval.acc", "-summary_metrics.eval.acc"),
        ("createdAt", None),
        ("name", None),
        ("created_at", "-summary_metrics.created_at"),
    ],
)
def test_order_keys_are_formatted_as_the_original_does(key: str, formatted: str | None) -> None:
    assert QueryGenerator.format_order_key(key) == formatted


def test_keys_and_paths() -> None:
    keys = [LOSS, {"section": "config", "name": "lr"}, {"section": "keys_info", "name": "x"}]
    keys += [{"section": "run", "name": "state"}, {"section": "tags", "name": "a"}]
    paths = ["summary_metrics.loss", "config.lr", "keys_info.keys.x", "state", "tags.a"]
    assert [GENERATOR.key_to_server_path(key) for key in keys] == paths
    assert [GENERATOR.server_path_to_key(path) for path in paths] == keys
    with pytest.raises(ValueError, match="Invalid key"):
        GENERATOR.key_to_server_path({"section": "nowhere", "name": "x"})


@pytest.mark.parametrize("op", ["=", "!=", ">", ">=", "<", "<=", "IN", "NIN", "REGEX"])
def test_conditions_go_there_and_back(op: str) -> None:
    value: Any = [1, 2] if op.endswith("IN") else "x"
    group = {"op": "OR", "filters": [{"op": "AND", "filters": [{"key": LOSS, "op": op, "value": value}]}]}
    mongo = GENERATOR.filter_to_mongo(group)
    (condition,) = mongo["$or"][0]["$and"]
    name = QueryGenerator.INDIVIDUAL_OP_TO_MONGO.get(op)
    assert condition == {"summary_metrics.loss": {name: value} if name else value}
    (back,) = GENERATOR.mongo_to_filter(mongo)["filters"][0]["filters"]
    assert (back["key"], back["op"], back["value"]) == (LOSS, op, value)


def test_unfinished_and_disabled_conditions_are_left_out() -> None:
    parts = [
        {"key": {"section": "run", "name": ""}, "op": "=", "value": 1},
        {"key": LOSS, "op": ">", "value": None},
        {"key": LOSS, "op": "=", "value": 1, "disabled": True},
    ]
    assert GENERATOR.filter_to_mongo({"op": "AND", "filters": parts}) == {"$and": []}


def test_tags() -> None:
    tag = {"section": "tags", "name": "good"}
    assert GENERATOR.filter_to_mongo({"key": tag, "op": "=", "value": True}) == {"tags": "good"}
    without = {"$or": [{"tags": None}, {"tags": {"$ne": "good"}}]}
    assert GENERATOR.filter_to_mongo({"key": tag, "op": "=", "value": False}) == without
    assert GENERATOR.filter_to_mongo({"key": tag, "op": "IN", "value": ["a"]}) == {"tags": {"$in": ["a"]}}


def test_orders_of_the_editor() -> None:
    keys = {"keys": [{"key": LOSS, "ascending": True}, {"key": {"section": "run", "name": "createdAt"}}]}
    assert GENERATOR.keys_to_order(keys) == ["+summary_metrics.loss", "-createdAt"]
    assert GENERATOR.order_to_keys(["+x"])["keys"][0]["ascending"] is True
    with pytest.raises(ValueError, match=r"begins with \+ or -"):
        GENERATOR.order_to_keys(["x"])


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        ("-created_at", ["-F.created_at"]),
        ("createdAt", ["-F.created_at"]),
        ("+heartbeat_at", ["F.heartbeat_at"]),
        (" + summary_metrics.loss ", ["F.summary['loss']"]),
        ("config.lr.value", ["-F.config['lr']"]),
        ("+config.opt.value.lr", ["F.config['opt']['lr']"]),
        ("-state,+name", ["-F.state", "F.id"]),
        ("+displayName", ["F.name"]),
        ('-summary_metrics."a.b"', ["-F.summary['a.b']"]),
        ("", []),
        (None, []),
    ],
)
def test_orders_of_runs(order: str | None, keys: list[str]) -> None:
    assert list(map(str, order_keys(Run, order))) == keys


def test_orders_that_cannot_be() -> None:
    with pytest.raises(FieldError, match=r"did you mean 'summary_metrics.loss'"):
        order_keys(Run, "loss")
    with pytest.raises(FieldError, match="is not a field to order by"):
        order_keys(Run, "+nonsense.x")
    for wrong in (3, ["-created_at"]):
        with pytest.raises(TypeError, match="must be text"):
            order_keys(Run, wrong)  # type: ignore[arg-type]
