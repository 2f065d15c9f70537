"""The in-memory store: what goes in comes out, and what does not fit is refused by name."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from tests.support.engine_world import make_world
from wbmodel.engine import MemoryStore, StoreError
from wbmodel.engine.records import load_config_text


def vision(store: MemoryStore) -> Any:
    return store.project("acme", "vision")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda s: s.add_user("ada"), ["user 'ada' already exists"]),
        (lambda s: s.add_entity("acme"), ["entity 'acme' already exists"]),
        (lambda s: s.add_entity("new", members=["adaa"]), ["adaa", "did you mean 'ada'"]),
        (lambda s: s.add_project("acm", "x"), ["'acm'", "did you mean 'acme'"]),
        (lambda s: s.add_project("acme", "vision"), ["acme/vision", "exists"]),
        (lambda s: s.add_run(vision(s), "r1"), ["'r1'", "acme/vision", "exists"]),
        (lambda s: s.add_run(vision(s), "x", sweep="sw2"), ["run 'x'", "sweep 'sw2'", "did you mean 'sw1'"]),
        (lambda s: s.add_run(vision(s), "x", user="adda"), ["run 'x'", "user 'adda'"]),
        (lambda s: s.add_run(s.project("acme", "empty"), "x", sweep=s.sweep(vision(s), "sw1")), ["another project"]),
        (lambda s: s.add_run(vision(s), "x", confg={}), ["no field 'confg'", "config"]),
        (lambda s: s.add_sweep(vision(s), "sw1"), ["sweep 'sw1'", "exists"]),
        (lambda s: s.add_view(vision(s), "rep"), ["report 'rep'", "exists"]),
        (lambda s: s.add_artifact_type(vision(s), "dataset"), ["artifact type 'dataset'"]),
        (lambda s: s.add_collection(vision(s), "data", type="dataset"), ["collection 'data'", "exists"]),
        (lambda s: s.add_collection(vision(s), "d2", type="dataset", kind="list"), ["'list'"]),
        (lambda s: s.add_version(s.collection(vision(s), "data"), version=0), ["v0", "acme/vision/data"]),
        (lambda s: s.add_version(s.collection(vision(s), "chosen")), ["portfolio", "link()"]),
        (lambda s: s.add_version(s.collection(vision(s), "data"), aliases=["v9"]), ["'v9'", "version number"]),
        (lambda s: s.update(s.run(vision(s), "r1").id, naem="x"), ["no field 'naem'", "name"]),
        (lambda s: s.update(s.run(vision(s), "r1").id, name="x"), ["cannot be renamed"]),
        (lambda s: s.update(vision(s).id, name="empty"), ["acme/empty", "exists"]),
        (lambda s: s.delete(s.user("ada").id), ["cannot be deleted"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(wrong: Any, words: list[str]) -> None:
    store = make_world()
    with pytest.raises(StoreError) as caught:
        wrong(store)
    for word in words:
        assert word in str(caught.value)


def test_ids_are_unique_and_stay(store: MemoryStore) -> None:
    project = vision(store)
    run = store.run(project, "r1")
    assert base64.b64decode(run.id) == b"Run:v1:r1:vision:acme"
    store.update(project.id, name="renamed")
    assert store.project("acme", "vision") is None
    assert store.node(run.id) is run
    assert run.path == "acme/renamed/r1"
    other = store.add_run(store.add_project("acme", "vision"), "r1")
    assert other.id != run.id
    assert store.node(other.id) is other


def test_every_change_counts_the_version_up(store: MemoryStore) -> None:
    project, seen = vision(store), {store.token}
    run = store.add_run(project, "new")
    seen.add(store.token)
    store.update(run.id, notes="x")
    seen.add(store.token)
    store.use(run, store.membership(store.collection(project, "data"), "latest").artifact)
    seen.add(store.token)
    store.delete(run.id)
    seen.add(store.token)
    assert len(seen) == 5


def test_wire_texts_are_made_once_and_again_after_a_change(store: MemoryStore) -> None:
    run = store.run(vision(store), "r1")
    text = run.config_text
    assert json.loads(text)["lr"] == {"desc": None, "value": 0.1}
    assert json.loads(text)["_wandb"] == {"value": {"t": {"1": [1]}, "cli_version": "0.31.0"}}
    assert run.config_text is text
    before = run.updated_at
    store.update(run.id, config={"lr": 2})
    assert json.loads(run.config_text)["lr"]["value"] == 2
    assert run.updated_at is not None
    assert run.updated_at != before


def test_summary_text_keeps_what_json_libraries_lose(store: MemoryStore) -> None:
    run = store.add_run(
        vision(store),
        "odd",
        summary={"nan": math.nan, "inf": -math.inf, "null": None, "big": 2**80, "one": 1.0, "lone": "\ud800"},
    )
    assert (
        run.summary_text
        == '{"nan":NaN,"inf":-Infinity,"null":null,"big":1208925819614629174706176,"one":1.0,"lone":"\ud800"}'
    )


def test_config_text_goes_round() -> None:
    text = (
        '{"a":{"value":1},"b":{"desc":"why","value":{"c":2}},"plain":3,"d":{"value":4,"other":5},"_wandb":{"value":{}}}'
    )
    config, wandb_part, desc = load_config_text(text)
    assert config == {"a": 1, "b": {"c": 2}, "plain": 3, "d": {"value": 4, "other": 5}}
    assert wandb_part == {"value": {}}
    assert desc == {"b": "why"}
    store = make_world()
    run = store.add_run(vision(store), "x", config=config, config_wandb=wandb_part, config_desc=desc)
    assert load_config_text(run.config_text) == (config, wandb_part, desc)


def test_history_is_read_when_it_is_asked_and_lines_without_steps_are_numbered(store: MemoryStore) -> None:
    reads: list[int] = []

    def rows() -> list[dict[str, Any]]:
        reads.append(1)
        return [{"a": 1}, {"a": 2, "_step": 7}, {"a": 3, "_step": 8.0}, {"a": 4, "_step": None}]

    run = store.add_run(vision(store), "lazy", history=rows)
    assert not reads
    assert [row["_step"] for row in run.history.rows()] == [0, 7, 8, 3]
    assert run.history.count() == 4
    assert len(reads) == 1


def test_aliases_move(store: MemoryStore) -> None:
    data = store.collection(vision(store), "data")
    third = store.add_version(data, aliases=["latest"])
    assert store.membership(data, "latest").artifact is third
    assert store.membership(data, "v1").aliases == ["best"]
    assert store.membership(data, "v2").artifact is third
    assert store.membership(data, "v7") is None


def test_digests_are_the_clients(store: MemoryStore) -> None:
    # The rule of protocol.md, section 11, worked by hand with hashlib.
    import hashlib

    digest = base64.b64encode(hashlib.md5(b"hello!").digest()).decode()
    expected = hashlib.md5(f"wandb-artifact-manifest-v1\na.txt:{digest}\n".encode()).hexdigest()
    artifact = store.membership(store.collection(vision(store), "data"), "v1").artifact
    assert artifact.digest == expected
    assert store.files(artifact)[0].digest == digest


def test_deleting_a_run_leaves_its_artifacts_without_it(store: MemoryStore) -> None:
    project = vision(store)
    run, user = store.run(project, "r1"), store.run(project, "r2")
    first = store.membership(store.collection(project, "data"), "v0").artifact
    second = store.membership(store.collection(project, "data"), "v1").artifact
    files = store.files(user)
    store.delete(run.id)
    store.delete(user.id)
    assert first.logged_by is None
    assert list(store.used_by(second)) == []
    assert [store.node(file.id) for file in files] == [None, None]
    assert [run.name for run in store.sweep_runs(store.sweep(project, "sw1"))] == []
    assert store.run(project, "r1") is None


def test_deleting_a_sweep_leaves_its_runs(store: MemoryStore) -> None:
    project = vision(store)
    store.delete(store.sweep(project, "sw1").id)
    assert store.run(project, "r1").sweep is None
    assert len(store.runs(project)) == 4


def test_deleting_a_project_takes_everything_with_it(store: MemoryStore) -> None:
    project = vision(store)
    elsewhere = store.add_collection(store.project("acme", "empty"), "links", type="dataset", kind="portfolio")
    store.link(store.membership(store.collection(project, "data"), "v0").artifact, elsewhere)
    inside = [*store.runs(project), *store.sweeps(project), *store.views(project), *store.collections(project)]
    store.delete(project.id)
    assert [store.node(record.id) for record in inside] == [None] * len(inside)
    assert list(store.versions(elsewhere)) == []
    assert [project.name for project in store.projects(store.entity("acme"))] == ["empty"]


def test_moving_a_run_between_sweeps(store: MemoryStore) -> None:
    project = vision(store)
    other = store.add_sweep(project, "sw2")
    run = store.run(project, "r1")
    store.update(run.id, sweep="sw2")
    assert run.sweep is other
    assert list(store.sweep_runs(other)) == [run]
    store.update(run.id, sweep=None)
    assert list(store.sweep_runs(other)) == []


def test_a_record_deleted_twice_is_an_error(store: MemoryStore) -> None:
    run = store.run(vision(store), "r1")
    store.delete(run.id)
    with pytest.raises(StoreError, match="not in this store"):
        store.delete(run.id)
