"""The servers of ``tests/support/backends.py``: each is what it says, in process and over loopback."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.backends import BEYOND_OLD, SERVERS, over_loopback, served
from tests.support.engine_world import make_world
from tests.support.http import post
from tests.support.odd_engine import bare_errors
from wbmodel import Run
from wbmodel.engine import Engine, MemoryStore
from wbmodel.engine.schema import executable_schema
from wbmodel.request import Request

PAGE = """{ project(name: "vision", entityName: "acme") { runs(first: 2, order: "+name") {
  edges { cursor node { name user { username } summaryMetrics historyTail config } } pageInfo { hasNextPage } } } }"""
FAILING = '{ project(name: "vision", entityName: "acme") { name runs(filters: "{\\"x\\": 1}") { edges { cursor } } } }'
KEYS = '{ project(name: "vision", entityName: "acme") { run(name: "r1") { config(keys: ["lr"]) } } }'


def asked(kind: str, store: MemoryStore, document: str) -> Any:
    """The data in process and over loopback, which are the same."""
    dialect, engine = SERVERS[kind]
    here = engine(store, dialect).execute(Request(document))
    with over_loopback(store, kind) as (server, _):
        there = post(server, document)
    assert there.data.get("data") == here.data
    return here.data


def test_what_an_old_server_lacks_is_in_the_schema() -> None:
    schema = executable_schema(BEYOND_OLD)
    assert "config" in schema.type_map["Run"].fields  # type: ignore[attr-defined]
    assert "host" not in schema.type_map["Run"].fields  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["old", "silent", "ignoring", "offsets", "live"])
def test_wbmodel_reads_each_of_them(kind: str) -> None:
    store = make_world()
    with served(store, kind) as session:
        here = [(run.id, run.config.get("lr")) for run in Run.objects.using(session).order_by("id")]
    with over_loopback(store, kind) as (_, session):
        there = [(run.id, run.config.get("lr")) for run in Run.objects.using(session).order_by("id")]
    assert here == there == [("r1", 0.1), ("r2", 1), ("r3", "0.1"), ("r4", None)]


@pytest.mark.parametrize(("kind", "status"), [("old", 400), ("silent", 400), ("ignoring", 200), ("live", 200)])
def test_an_old_server_refuses_keys_and_another_ignores_them(kind: str, status: int) -> None:
    with over_loopback(make_world(), kind) as (server, _):
        got = post(server, KEYS)
    assert got.status == status
    if status == 400:
        assert got.message == 'Unknown argument "keys" on field "Run.config".'
    else:
        assert ("optimizer" in got.data["data"]["project"]["run"]["config"]) is (kind == "ignoring")


@pytest.mark.parametrize(("kind", "status"), [("old", 200), ("live", 500), ("odd", 500)])
def test_a_failed_resolver(kind: str, status: int) -> None:
    with over_loopback(make_world(), kind) as (server, _):
        got = post(server, FAILING)
    assert got.status == status
    assert got.data["data"]["project"] == {"name": "vision", "runs": None}
    assert "'x'" in got.message or '"x"' in got.message


def test_odd_answers() -> None:
    store = make_world()
    first, nothing, second = asked("odd", store, PAGE)["project"]["runs"]["edges"]
    assert nothing is None
    assert (first["node"]["name"], first["node"]["user"]) == ("r1", None)
    assert second["node"]["summaryMetrics"] == '{"loss":"NaN"}'
    plain = asked("live", store, PAGE)["project"]["runs"]["edges"]
    assert plain[0]["node"]["user"] == {"username": "ada"}
    assert {**first["node"], "user": plain[0]["node"]["user"]} == plain[0]["node"]


def test_odd_texts_are_inside_texts_too() -> None:
    store = MemoryStore()
    project = store.add_project(store.add_entity("acme"), "vision")
    store.add_run(project, "r1", history=[{"loss": math.inf}], config={"lr": math.nan})
    (edge, _) = asked("odd", store, PAGE)["project"]["runs"]["edges"]
    assert edge["node"]["historyTail"] == r'["{\"loss\":\"Infinity\",\"_step\":0}"]'
    assert "NaN}" in edge["node"]["config"]


def test_errors_may_be_bare_texts() -> None:
    with over_loopback(make_world(), "live") as (server, _):
        server.faults.add(bare_errors(), times=None)
        got = post(server, FAILING)
        assert got.status == 500
        assert isinstance(got.data["errors"][0], str)
        assert "errors" not in post(server, PAGE).data


def test_an_engine_of_a_class_stays_one_behind_a_server() -> None:
    class Mine(Engine):
        pass

    assert type(Mine(make_world()).for_server(lambda file: "")) is Mine
