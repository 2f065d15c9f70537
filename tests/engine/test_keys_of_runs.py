"""``config(keys:)``, ``summaryMetrics(keys:)`` and the counts of a connection of runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.engine_world import Asker, make_world
from wbmodel.engine import MemoryStore
from wbmodel.engine.projection import ProjectingExecutor
from wbmodel.request import Request

KEYS = """query Q($keys: [String!]) { project(name: "vision", entityName: "acme") {
  runs(order: "+name") { edges { node { config(keys: $keys) summaryMetrics(keys: $keys) } } }
  run(name: "r1") { config(keys: $keys) summaryMetrics(keys: $keys) } } }"""


@pytest.fixture
def ask() -> Asker:
    return Asker(make_world())


def parts(ask: Asker, document: str = KEYS, **variables: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and summary of r1, which must be the same alone and in a list."""
    project = ask(document, **variables)["project"]
    assert project["runs"]["edges"][0]["node"] == project["run"]
    run = project["run"]
    return json.loads(run["config"]), json.loads(run["summaryMetrics"])


@pytest.mark.parametrize("variables", [{}, {"keys": None}])
def test_without_keys_the_whole_object_comes(ask: Asker, variables: dict[str, Any]) -> None:
    config, summary = parts(ask, **variables)
    assert list(config) == ["lr", "optimizer", "layers", "flag", "_wandb"]
    assert summary == {"loss": 0.5, "eval/acc": 0.9, "nothing": None}
    whole = 'query { project(name: "vision", entityName: "acme") { run(name: "r1") { config summaryMetrics } } }'
    assert json.loads(ask(whole)["project"]["run"]["config"]) == config


def test_keys_are_top_level_literal_and_keep_their_wrapping(ask: Asker) -> None:
    keys = ["lr", "optimizer", "optimizer.name", "eval/acc", "nothing", "loss.x", "lr", "ключ", ""]
    config, summary = parts(ask, keys=keys)
    assert config == {
        "lr": {"desc": None, "value": 0.1},
        "optimizer": {"desc": None, "value": {"name": "adam", "beta.1": 0.9}},
    }
    assert summary == {"eval/acc": 0.9, "nothing": None}


def test_keys_may_have_dots_slashes_quotes_and_be_empty() -> None:
    store = MemoryStore()
    project = store.add_project(store.add_entity("acme"), "vision")
    odd = {"a.b": 1, "a": {"b": 2}, 'q"uote': 3, "\\": 4, "": 5, "é/ö": 6, "\ud800": 7}
    store.add_run(project, "r1", config=odd, summary=odd)
    for key, value in odd.items():
        config, summary = parts(Asker(store), keys=[key])
        assert (config, summary) == ({key: {"desc": None, "value": value}}, {key: value})


def test_the_housekeeping_of_config_is_a_key_like_any(ask: Asker) -> None:
    config, _ = parts(ask, keys=["_wandb"])
    assert config == {"_wandb": {"value": {"t": {"1": [1]}, "cli_version": "0.31.0"}}}


@pytest.mark.parametrize("keys", [[], ["no such key"]])
def test_no_key_gives_an_empty_object(ask: Asker, keys: list[str]) -> None:
    assert parts(ask, keys=keys) == ({}, {})


def test_aliases_give_several_parts_of_one_column(ask: Asker) -> None:
    document = """{ project(name: "vision", entityName: "acme") { runs(first: 1, order: "+name") { edges { node {
      a: config(keys: ["lr"]) b: config(keys: ["flag"]) c: summaryMetrics(keys: "loss") } } } } }"""
    (edge,) = ask(document)["project"]["runs"]["edges"]
    assert {key: list(json.loads(text)) for key, text in edge["node"].items()} == {
        "a": ["lr"],
        "b": ["flag"],
        "c": ["loss"],
    }


def test_non_finite_numbers_stay_tokens(ask: Asker) -> None:
    document = (
        """{ project(name: "vision", entityName: "acme") { run(name: "r2") { summaryMetrics(keys: ["loss"]) } } }"""
    )
    assert ask(document)["project"]["run"]["summaryMetrics"] == '{"loss":NaN}'


@pytest.mark.parametrize("keys", [[None], [1], {}])
def test_wrong_keys_are_refused(ask: Asker, keys: Any) -> None:
    found = ask.send(KEYS, keys=keys)
    assert found.data is None
    assert "'$keys' has invalid value" in found.errors[0]["message"]


def test_a_change_shows_in_a_part() -> None:
    store = make_world()
    ask = Asker(store)
    parts(ask, keys=["lr"])
    project = store.project("acme", "vision")
    assert project is not None
    run = store.run(project, "r1")
    assert run is not None
    store.update(run.id, config={"lr": 7})
    assert parts(ask, keys=["lr"])[0] == {"lr": {"desc": None, "value": 7}}


def test_a_list_of_parts_does_not_make_the_whole_texts(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = []
    complete = ProjectingExecutor._projection

    def counted(self: Any, item: Any, details: Any) -> Any:
        made = complete(self, item, details)
        lists.append(made is not None)
        return made

    monkeypatch.setattr(ProjectingExecutor, "_projection", counted)
    parts(ask, keys=["lr", "loss"])
    assert lists == [True]
    project = ask.store.project("acme", "vision")
    assert project is not None
    assert [run._config_text or run._summary_text for run in ask.store.runs(project)] == [None] * 4


COUNTED = """query Q($filters: JSONString, $first: Int, $after: String) {
  project(name: "vision", entityName: "acme") { runCount(filters: $filters)
    runs(filters: $filters, first: $first, after: $after, order: "+name") { totalCount edges { cursor }
      pageInfo { startCursor endCursor hasPreviousPage hasNextPage } }
    sweep(sweepName: "sw1") { runs { totalCount } } } }"""


def test_a_page_says_how_many_runs_match_and_where_it_is(ask: Asker) -> None:
    project = ask(COUNTED, first=3)["project"]
    runs = project["runs"]
    cursors = [edge["cursor"] for edge in runs["edges"]]
    assert project["runCount"] == runs["totalCount"] == 4
    assert project["sweep"]["runs"]["totalCount"] == 2
    info = {"startCursor": cursors[0], "endCursor": cursors[2], "hasPreviousPage": False, "hasNextPage": True}
    assert runs["pageInfo"] == info
    rest = ask(COUNTED, first=3, after=cursors[2])["project"]["runs"]
    assert (rest["totalCount"], len(rest["edges"])) == (4, 1)
    assert (rest["pageInfo"]["hasPreviousPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)


@pytest.mark.parametrize(
    ("filters", "count"), [({"state": "crashed"}, 1), ({"config.flag": {"$exists": True}}, 2), ({"state": "x"}, 0)]
)
def test_the_total_honours_the_filter(ask: Asker, filters: dict[str, Any], count: int) -> None:
    runs = ask(COUNTED, filters=json.dumps(filters), first=1)["project"]["runs"]
    assert runs["totalCount"] == count
    assert (runs["pageInfo"]["startCursor"] is None) is (count == 0)


def test_the_total_comes_without_rows(ask: Asker) -> None:
    found = ask.engine.execute(Request(COUNTED, {"first": 0})).data["project"]["runs"]
    assert (found["totalCount"], found["edges"]) == (4, [])
