"""Histories, system metrics, console lines; as documents and as columns; and bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.engine_world import Asker
from wbmodel.engine import ConsoleLine, Engine, KeyFacts, MemoryStore, RowStream, Stream
from wbmodel.engine.streams import flat_row, sample
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
            {"keys": ["_step"], "minStep": 1, "maxStep": 5},  # a step alone gives nothing, as at W&B
        )
    ]
    assert of_run(ask, "sampledHistory(specs: $specs)", specs=specs)["sampledHistory"] == [
        [{"_step": 0, "loss": 1.0}, {"_step": 1, "loss": "NaN"}],
        [{"loss": 1.0}],
        [{"nested.b": 1, "acc": 0.5}],
        [],
        [{"loss": 1.0, "_step": 0}, {"loss": "NaN", "_step": 1}, {"acc": 0.5, "nested.b": 1, "_step": 5}],
        [],
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
    assert got["parquetHistory"] == {"parquetUrls": [], "liveData": [{"_step": 0}, {"_step": 1}, {"_step": 5}]}
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
    engine.store.update(engine.store.files(run)[0].id, content=lambda: b"late")
    assert engine.open(BlobRef("run_file", run.id, "config.yaml")) == b"late"
    assert engine.open(BlobRef("artifact_file", artifact.id, "a.txt")) == b"hello"
    manifest = json.loads(engine.open(BlobRef("artifact_file", artifact.id, "wandb_manifest.json")))
    assert manifest["contents"]["b/c.bin"] == {"digest": "etag", "size": 7, "ref": "s3://bucket/c"}
    assert manifest["contents"]["a.txt"]["birthArtifactID"] == artifact.id
    for ref, words in (
        (BlobRef("artifact_file", artifact.id, "b/c.bin"), "reference to 's3://bucket/c'"),
        (BlobRef("run_file", run.id, "nope"), "does not exist"),
        (BlobRef("run_file", "nope", "x"), "does not exist"),
        (BlobRef("artifact_file", run.id, "config.yaml"), "does not exist"),
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


# -- streams by line and by step -------------------------------------------------------------------


def steps_of(rows: Any) -> list[Any]:
    return [None if row is None else row["_step"] for row in rows]


def test_a_history_is_read_by_step_and_kept_by_line() -> None:
    stream = RowStream([{"_step": 3}, {"_step": -2}, {"_step": 1, "x": "a"}, {"_step": 1, "x": "b"}, {"x": 0}])
    assert steps_of(stream.rows()) == [3, -2, 1, 1, 4]
    assert steps_of(stream.rows(1, 3)) == [-2, 1]
    assert [(row["_step"], row.get("x")) for row in stream.between(None, None)] == [
        (-2, None),
        (1, "a"),
        (1, "b"),
        (3, None),
        (4, 0),
    ]
    assert steps_of(stream.between(-2, 1)) == [-2]
    assert steps_of(stream.between(1, None)) == [1, 1, 3, 4]
    assert stream.between(5, 2) == []
    assert steps_of(stream.tail(2)) == [1, 4]
    assert (stream.length(), stream.count(), stream.last_step) == (5, 5, 4)
    (batch,) = stream.read(ReadSpec(min_step=-9))
    assert batch.columns["_step"] == [-2, 1, 1, 3, 4]


def test_negative_steps_in_documents(ask: Asker) -> None:
    project = ask.store.project("acme", "vision")
    assert project is not None
    ask.store.add_run(project, "below", history=[{"_step": 2}, {"_step": -5}])
    assert steps_of(rows(of_run(ask, "history(samples: 9)", "below")["history"])) == [-5, 2]
    assert steps_of(rows(of_run(ask, "history(minStep: $a)", "below", a=0)["history"])) == [2]
    got = of_run(ask, "historyKeys historyTail", "below")
    assert got["historyKeys"]["lastStep"] == 2
    assert json.loads(json.loads(got["historyTail"])[0]) == {"_step": -5}, "the last by line"


def test_writing_overwrites_and_never_truncates() -> None:
    stream: Any = RowStream([{"x": n} for n in range(4)])
    once = stream.written(1, [{"x": "new"}])
    assert [row["x"] for row in once.rows()] == [0, "new", 2, 3]
    assert list(once.written(1, [{"x": "new"}]).rows()) == list(once.rows())
    gap = once.written(6, [{"x": 6}])
    assert (gap.length(), gap.count()) == (7, 5)
    assert steps_of(gap.rows()) == [0, 1, 2, 3, None, None, 6]
    assert steps_of(gap.tail(2)) == [3, 6]
    filled = gap.written(4, [{"x": 4}, {"x": 5}])
    assert (filled.length(), filled.count()) == (7, 7)
    assert steps_of(stream.rows()) == [0, 1, 2, 3], "the old stream is as it was"
    with pytest.raises(ValueError, match="-1"):
        stream.written(-1, [])


def test_a_gap_in_documents(ask: Asker) -> None:
    project = ask.store.project("acme", "vision")
    assert project is not None
    run = ask.store.add_run(project, "gap")
    ask.store.update(run.id, history=run.history.written(3, [{"x": 1}]), console=run.console.written(2, [LINE]))
    got = of_run(ask, "historyLineCount logLineCount history logLines { edges { node { number line } } }", "gap")
    assert got["historyLineCount"] == 4
    assert rows(got["history"]) == [{"x": 1, "_step": 3}]
    assert got["logLineCount"] == 3
    assert got["logLines"]["edges"] == [{"node": {"number": 2, "line": "late"}}]


LINE = ConsoleLine(line="late")


class Counting(RowStream):
    """Rows of a place that can change, as a file is."""

    def __init__(self) -> None:
        self.content = [{"x": 1.0}, {"x": 2.0}]
        self.reads = 0

    def rows(self, start: int = 0, stop: int | None = None) -> Any:
        self.reads += 1
        yield from self.content[start:stop]

    @property
    def token(self) -> int:
        return len(self.content)


def test_a_subclass_says_rows_and_token_and_all_else_follows() -> None:
    stream = Counting()
    assert isinstance(stream, Stream)
    assert (stream.length(), stream.count(), stream.last_step) == (2, 2, 1)
    assert stream.keys()["x"] == KeyFacts(2, {"number": 2}, 2.0, True)
    assert steps_of(stream.between(1, None)) == [1]
    assert stream.reads == 1, "read once while the token is the same"
    stream.content.append({"x": 0.5})
    assert (stream.length(), stream.last_step, stream.keys()["x"].monotonic) == (3, 2, False)
    assert [row["x"] for row in stream.rows(1)] == [2.0, 0.5]


@settings(max_examples=deep(200), deadline=None, derandomize=True)
@given(
    st.lists(st.integers(-3, 3), max_size=12),
    st.one_of(st.none(), st.integers(-5, 5)),
    st.one_of(st.none(), st.integers(-5, 5), st.floats(-5, 5)),
)
def test_ranges_are_what_a_scan_gives(steps: list[int], low: Any, high: Any) -> None:
    rows = [{"_step": step, "line": line} for line, step in enumerate(steps)]
    scanned = [row for row in rows if (low is None or row["_step"] >= low) and (high is None or row["_step"] < high)]
    assert list(RowStream(rows).between(low, high)) == sorted(scanned, key=lambda row: row["_step"])
