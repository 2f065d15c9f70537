"""Histories, system metrics, console lines; as documents and as columns; and bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.engine.conftest import Asker
from wbmodel.engine import Engine, MemoryStore
from wbmodel.engine.history import flat_row, sample
from wbmodel.errors import DoesNotExist
from wbmodel.request import BlobRef, ReadSpec

IN_RUN = """query($specs: [JSONString!], $a: Int64, $b: Int64, $n: Int, $last: Int, $keys: [String!]) {{
  project(name: "vision", entityName: "acme") {{ run(name: "{0}") {{ {1} }} }} }}"""


def of_run(ask: Asker, selection: str, run: str = "r1", **variables: Any) -> Any:
    return ask(IN_RUN.format(run, selection), **variables)["project"]["run"]


def rows(texts: list[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in texts]


def test_history_is_text_per_row(ask: Asker) -> None:
    got = of_run(ask, "history")["history"]
    assert got == ['{"loss":1.0,"_step":0}', '{"loss":NaN,"_step":1}', '{"acc":0.5,"nested":{"b":1},"_step":5}']


@pytest.mark.parametrize(
    ("low", "high", "steps"),
    [(0, 5, [0, 1]), (1, 6, [1, 5]), (None, 1, [0]), (1, None, [1, 5]), (2, 2, []), (-5, 99, [0, 1, 5])],
)
def test_history_ranges_are_half_open(ask: Asker, low: int | None, high: int | None, steps: list[int]) -> None:
    got = of_run(ask, "history(minStep: $a, maxStep: $b, samples: 100)", a=low, b=high)["history"]
    assert [row["_step"] for row in rows(got)] == steps


def test_sampled_history_wants_all_keys_and_includes_max_step(ask: Asker) -> None:
    specs = [
        json.dumps(spec)
        for spec in (
            {"keys": ["_step", "loss", "_step"], "samples": 100},
            {"keys": ["loss"], "minStep": 0, "maxStep": 0, "samples": 10},
            {"keys": ["nested.b", "acc"]},
            {"keys": ["nope"]},
            {},
            {"keys": ["_step"], "minStep": 1, "maxStep": 5},
        )
    ]
    assert of_run(ask, "sampledHistory(specs: $specs)", specs=specs)["sampledHistory"] == [
        [{"_step": 0, "loss": 1.0}, {"_step": 1, "loss": "NaN"}],
        [{"loss": 1.0}],
        [{"nested.b": 1, "acc": 0.5}],
        [],
        [{"loss": 1.0, "_step": 0}, {"loss": "NaN", "_step": 1}, {"acc": 0.5, "nested.b": 1, "_step": 5}],
        [{"_step": 1}, {"_step": 5}],
    ]


@pytest.mark.parametrize("spec", ["{", "[]", '{"keys": [1]}', '{"minStep": "a"}', '{"samples": true}'])
def test_wrong_specs_are_errors(ask: Asker, spec: str) -> None:
    assert "sampledHistory" in ask.error(IN_RUN.format("r1", "sampledHistory(specs: $specs)"), specs=[spec])


def test_sampling_keeps_the_ends(ask: Asker) -> None:
    project = ask.store.project("acme", "vision")
    assert project is not None
    ask.store.add_run(project, "long", history=[{"x": n, "_step": n} for n in range(1000)])
    got = rows(of_run(ask, "history(samples: $n)", "long", n=10)["history"])
    assert len(got) == 10
    assert (got[0]["_step"], got[-1]["_step"]) == (0, 999)
    assert [row["_step"] for row in got] == sorted({row["_step"] for row in got})
    assert sample([1, 2, 3], 1) == [3]
    assert sample([1, 2, 3], None) == sample([1, 2, 3], 0) == sample([1, 2, 3], 3) == [1, 2, 3]


def test_history_keys(ask: Asker) -> None:
    got = of_run(ask, "historyKeys historyLineCount historyTail")
    assert got["historyKeys"]["lastStep"] == 5
    assert got["historyKeys"]["keys"].keys() == {"loss", "_step", "acc", "nested.b"}
    assert got["historyKeys"]["keys"]["loss"] == {
        "typeCounts": [{"type": "number", "count": 2}],
        "monotonic": False,
        "previousValue": "NaN",
    }
    assert got["historyKeys"]["keys"]["_step"]["monotonic"] is True
    assert got["historyLineCount"] == 3
    assert [json.loads(text)["_step"] for text in json.loads(got["historyTail"])] == [5]
    assert of_run(ask, "historyKeys historyLineCount historyTail", "r2") == {
        "historyKeys": None,
        "historyLineCount": 0,
        "historyTail": "[]",
    }


def test_events_and_console(ask: Asker) -> None:
    got = of_run(
        ask,
        """events(samples: 1) all: events eventsLineCount eventsTail logLineCount parquetHistory(liveKeys:
          $keys) { parquetUrls liveData }""",
        keys=["_step"],
    )
    assert rows(got["events"]) == [{"system.cpu": 2.5, "_runtime": 2}]
    assert len(got["all"]) == got["eventsLineCount"] == 2
    assert got["parquetHistory"] == {"parquetUrls": [], "liveData": []}
    assert got["logLineCount"] == 5
    last = of_run(
        ask,
        """logLines(last: $last, useImprovedPagination: true) { edges { node { number line level label timestamp
          } } pageInfo { hasNextPage } }""",
        last=2,
    )["logLines"]
    assert [(edge["node"]["number"], edge["node"]["line"]) for edge in last["edges"]] == [(3, "line 3"), (4, "line 4")]
    first = of_run(ask, "logLines(first: 2) { edges { node { number } } pageInfo { hasNextPage } }")["logLines"]
    assert ([edge["node"]["number"] for edge in first["edges"]], first["pageInfo"]["hasNextPage"]) == ([0, 1], True)


def test_wandb_config(ask: Asker) -> None:
    assert of_run(ask, "wandbConfig(keys: $keys)", keys=["t"]) == {"wandbConfig": '{"t":{"1":[1]}}'}
    assert json.loads(of_run(ask, "wandbConfig")["wandbConfig"]) == {"t": {"1": [1]}, "cli_version": "0.31.0"}
    assert of_run(ask, "wandbConfig(keys: $keys)", "r2", keys=["t"]) == {"wandbConfig": None}


def test_flat_rows() -> None:
    row = {"a": {"b": {"c": 1}, "d": 2}, "image": {"_type": "image-file", "path": "x"}, "empty": {}}
    assert flat_row(row) == {"a.b.c": 1, "a.d": 2, "image": {"_type": "image-file", "path": "x"}, "empty": {}}


# -- columns ---------------------------------------------------------------------------------------


@pytest.fixture
def engine(store: MemoryStore) -> Engine:
    return Engine(store)


def read(engine: Engine, **spec: Any) -> list[Any]:
    project = engine.store.project("acme", "vision")
    assert project is not None
    run = engine.store.run(project, "r1")
    assert run is not None
    return list(engine.read(run.id, ReadSpec(**spec)))


def test_history_as_columns(engine: Engine) -> None:
    (batch,) = read(engine)
    assert batch.length == 3
    loss = batch.columns["loss"]
    assert loss[0] == 1.0
    assert math.isnan(loss[1])
    assert loss[2] is None
    assert batch.columns["_step"] == [0, 1, 5]
    assert batch.columns["nested.b"] == [None, None, 1]
    (some,) = read(engine, keys=("acc", "nope"))
    assert some.columns == {"_step": [5], "acc": [0.5], "nope": [None]}
    (ranged,) = read(engine, min_step=1, max_step=5)
    assert ranged.columns["_step"] == [1]
    assert read(engine, keys=("nope",)) == []


def test_events_and_console_as_columns(engine: Engine) -> None:
    (events,) = read(engine, stream="events")
    assert events.columns == {"system.cpu": [1.5, 2.5], "_runtime": [1, 2]}
    (lines,) = read(engine, stream="console", min_step=3)
    assert lines.columns["line"] == ["line 3", "line 4"]
    assert lines.columns["number"] == [3, 4]


def test_long_histories_come_in_batches(engine: Engine) -> None:
    project = engine.store.project("acme", "vision")
    assert project is not None
    run = engine.store.add_run(project, "long", history=[{"x": n} for n in range(20_000)])
    batches = list(engine.read(run.id, ReadSpec(keys=("x",))))
    assert [batch.length for batch in batches] == [8192, 8192, 3616]
    assert [x for batch in batches for x in batch.columns["x"]] == list(range(20_000))


def test_reading_no_run(engine: Engine) -> None:
    with pytest.raises(DoesNotExist, match="'nope'"):
        engine.read("nope", ReadSpec())


# -- bytes -----------------------------------------------------------------------------------------


def test_opening_files(engine: Engine) -> None:
    project = engine.store.project("acme", "vision")
    assert project is not None
    run = engine.store.run(project, "r2")
    data = engine.store.collection(project, "data")
    assert run is not None
    assert data is not None
    membership = engine.store.membership(data, "v0")
    assert membership is not None
    artifact = membership.artifact
    engine.store.update(engine.store.files(run)[0], content=lambda: b"late")
    assert engine.open(BlobRef("run_file", run.id, "config.yaml")) == b"late"
    assert engine.open(BlobRef("artifact_file", artifact.id, "a.txt")) == b"hello"
    manifest = json.loads(engine.open(BlobRef("artifact_file", artifact.id, "wandb_manifest.json")))
    assert manifest["contents"]["b/c.bin"] == {"digest": "etag", "size": 7, "ref": "s3://bucket/c"}
    assert manifest["contents"]["a.txt"]["birthArtifactID"] == artifact.id
    for ref, words in (
        (BlobRef("artifact_file", artifact.id, "b/c.bin"), "reference to 's3://bucket/c'"),
        (BlobRef("run_file", run.id, "nope"), "not there"),
        (BlobRef("run_file", "nope", "x"), "not there"),
        (BlobRef("artifact_file", run.id, "config.yaml"), "not there"),
    ):
        with pytest.raises(DoesNotExist, match=words):
            engine.open(ref)


def test_a_server_writes_its_own_urls(store: MemoryStore) -> None:
    engine = Engine(store, url_for=lambda file: f"http://here/{file.name}")
    from wbmodel.request import Request

    response = engine.execute(
        Request(
            """{ project(name: "vision", entityName: "acme") { run(name: "r2") { files { edges { node { url
              directUrl } } } } } }"""
        )
    )
    assert response.data is not None
    node = response.data["project"]["run"]["files"]["edges"][0]["node"]
    assert node == {"url": "http://here/config.yaml", "directUrl": "http://here/config.yaml"}
