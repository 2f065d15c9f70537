"""Histories with odd content: steps of every wrong kind, repeated steps, lines that are not rows."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.support.engine_world import Asker
from wbmodel.codec import loads
from wbmodel.engine import MemoryStore, RowStream
from wbmodel.request import ReadSpec
from wbmodel.testing import served

DOCUMENT = """query Q($low: Int64, $high: Int64, $specs: [JSONString!]!) {
  project(name: "v", entityName: "acme") { run(name: "r") { historyLineCount historyKeys(format: PLAINTEXT) historyTail
    history(minStep: $low, maxStep: $high, samples: 9999) sampledHistory(specs: $specs) } } }"""
SPECS = [json.dumps({"keys": ["_step", "x"], "samples": 2**53 - 1})]


def asker(rows: list[Any]) -> Asker:
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    store.add_run(store.add_project(store.add_entity("acme"), "v"), "r", history=rows)
    return Asker(store)


def run(ask: Asker, **variables: Any) -> dict[str, Any]:
    return dict(ask(DOCUMENT, specs=SPECS, **variables)["project"]["run"])


def rows_of(found: dict[str, Any]) -> list[Any]:
    return [loads(text) for text in found["history"]]


ODD_STEPS: dict[str, tuple[list[Any], list[int]]] = {
    "repeated": ([3, 3, 3], [3, 3, 3]),
    "falling": ([5, 4, 0], [0, 4, 5]),
    "a jump": ([0, 10**9, 1], [0, 1, 10**9]),
    "negative": ([-2, 0, -7], [-7, -2, 0]),
    "huge": ([10**30, 1, -(10**30)], [-(10**30), 1, 10**30]),
    "a float": ([2.0, 7.5, 1e30], [1, 2, int(1e30)]),
    "text": (["7", "x", 5], [0, 1, 5]),
    "null": ([None, None, 1], [0, 1, 1]),
    "missing": ([..., ..., 9], [0, 1, 9]),
    "a flag": ([True, False, 2], [0, 1, 2]),
    "not finite": ([math.nan, math.inf, -math.inf], [0, 1, 2]),
    "a list": ([[1], {"a": 1}, 3], [0, 1, 3]),
}


@pytest.mark.parametrize("name", ODD_STEPS)
def test_every_row_is_read_once_whatever_its_step(name: str) -> None:
    given, steps = ODD_STEPS[name]
    logged = [{"x": at} if step is ... else {"_step": step, "x": at} for at, step in enumerate(given)]
    ask = asker(logged)
    found = run(ask)
    assert [row["_step"] for row in rows_of(found)] == steps
    assert sorted(row["x"] for row in rows_of(found)) == [0, 1, 2]
    assert found["sampledHistory"][0] == [{"_step": row["_step"], "x": row["x"]} for row in rows_of(found)]
    assert found["historyLineCount"] == found["historyKeys"]["keys"]["_step"]["typeCounts"][0]["count"] == 3
    assert found["historyKeys"]["lastStep"] == max(steps)
    (batch,) = RowStream(logged).read(ReadSpec())
    assert list(batch.columns["_step"]) == steps


def test_odd_steps_over_http() -> None:
    from tests.support.http import KEY, post

    logged = [{"_step": step, "x": at} for at, step in enumerate([10**30, -5, "x", None, 1.5, 7, 7])]
    with served(asker(logged).engine, api_key=KEY) as server:
        found = post(server, DOCUMENT, {"specs": SPECS}).data["data"]["project"]["run"]
        assert len(found["history"]) == len(found["sampledHistory"][0]) == found["historyLineCount"] == 7
        beyond = post(server, DOCUMENT, {"specs": SPECS, "low": 10**9, "high": 10**31}).data["data"]["project"]["run"]
        assert [json.loads(text)["_step"] for text in beyond["history"]] == [10**30]


def test_five_thousand_rows_of_one_step() -> None:
    ask = asker([{"_step": 7, "x": number} for number in range(5000)])
    found = run(ask, low=7, high=8)
    assert [row["x"] for row in rows_of(found)] == list(range(5000)), "in the order in which they were logged"
    assert [row["x"] for row in found["sampledHistory"][0]] == list(range(5000))
    assert rows_of(run(ask, low=8)) == rows_of(run(ask, high=7)) == []


def test_lines_that_are_not_objects_count_and_are_not_read() -> None:
    ask = asker([{"x": 0}, [1], "text", None, 5, {"x": 1, "_step": 1}, math.nan])
    found = run(ask)
    assert rows_of(found) == [{"x": 0, "_step": 0}, {"x": 1, "_step": 1}]
    assert found["historyLineCount"] == 7
    assert found["historyKeys"]["keys"]["_step"]["typeCounts"] == [{"type": "number", "count": 2}]
    assert json.loads(json.loads(found["historyTail"])[0]) == {"x": 1, "_step": 1}
    stream = RowStream([{"x": 0}, [1], {"x": 2}])
    assert (stream.length(), stream.count(), list(stream.rows())[1]) == (3, 2, [1])
    again = stream.written(1, [{"x": 1}])
    assert [row["x"] for row in again.tail(9)] == [0, 1, 2], "a line that is not a row can be written again"
    events = RowStream([{"cpu": 1}, "x"], steps=False)
    assert (events.length(), events.count(), list(events.tail(5))) == (2, 1, [{"cpu": 1}])
    (batch,) = events.read(ReadSpec(stream="events"))
    assert batch.length == 1


def test_numbers_that_are_not_finite_are_bare_in_texts_and_texts_in_objects() -> None:
    ask = asker([{"x": math.nan}, {"x": math.inf}, {"x": [-math.inf, {"deep": math.nan}]}])
    found = run(ask)
    assert found["history"][0] == '{"x":NaN,"_step":0}'
    assert '"x":Infinity' in found["history"][1]
    assert '[-Infinity,{"deep":NaN}]' in found["history"][2]
    assert [row["x"] for row in found["sampledHistory"][0]] == ["NaN", "Infinity", ["-Infinity", {"deep": "NaN"}]]
    live = ask("""{ project(name: "v", entityName: "acme") { run(name: "r") {
      parquetHistory(liveKeys: ["x"]) { liveData } } } }""")["project"]["run"]["parquetHistory"]["liveData"]
    assert [row["x"] for row in live] == [row["x"] for row in found["sampledHistory"][0]]


def test_facts_of_keys_with_every_kind_of_value() -> None:
    media = {"_type": "image-file", "path": "a.png"}
    rows = [
        {"up": 1, "mixed": 1, "null": None, "nested": {"a": 1, "b": {"c": "x"}}, "media": media},
        {"up": 1, "mixed": "x", "null": None, "nested": {"a": None}, "media": None, "list": [1]},
        {"up": 2, "mixed": None, "nested": 5, "down": math.inf, "list": []},
        {"up": 3.5, "mixed": True, "null": 3, "down": -math.inf, "empty": {}, "odd": {"_type": 5}},
    ]
    keys = run(asker(rows))["historyKeys"]["keys"]

    def counts(key: str) -> dict[str, int]:
        return {entry["type"]: entry["count"] for entry in keys[key]["typeCounts"]}

    assert {key: counts(key) for key in keys} == {
        "_step": {"number": 4},
        "up": {"number": 4},
        "mixed": {"number": 1, "string": 1, "nil": 1, "bool": 1},
        "null": {"nil": 2, "number": 1},
        "nested.a": {"number": 1, "nil": 1},
        "nested.b.c": {"string": 1},
        "nested": {"number": 1},
        "media": {"image-file": 1, "nil": 1},
        "list": {"list": 2},
        "down": {"number": 2},
        "empty": {"map": 1},
        "odd": {"map": 1},
    }
    assert [key for key in keys if keys[key]["monotonic"]] == ["up", "_step", "nested"]
    assert keys["down"]["previousValue"] == -1.7976931348623157e308
    assert keys["mixed"]["previousValue"] is True


def test_facts_of_the_keys_of_many_runs_are_their_sum() -> None:
    ask = asker([{"x": 1}, {"x": "a"}])
    project = ask.store.project("acme", "v")
    assert project is not None
    ask.store.add_run(project, "s", history=[{"x": 2, "y": 1, "_step": 9}, {"x": 3, "_step": 4}])
    ask.store.add_run(project, "empty")
    found = ask('{ project(name: "v", entityName: "acme") { runs { historyKeys } } }')["project"]["runs"]["historyKeys"]
    assert found["keys"]["_step"]["typeCounts"] == [{"type": "number", "count": 4}]
    assert found["keys"]["y"]["typeCounts"] == [{"type": "number", "count": 1}]
    kinds = {one["type"]: one["count"] for one in found["keys"]["x"]["typeCounts"]}
    assert kinds == {"number": 3, "string": 1}


def test_twenty_thousand_keys() -> None:
    ask = asker([{f"k{number}": number for number in range(20_000)}, {"x": 1}])
    found = run(ask)
    assert len(found["historyKeys"]["keys"]) == 20_002
    assert found["sampledHistory"] == [[{"_step": 1, "x": 1}]]
