"""The engine over a store that takes nothing for granted: the kit passes, and parts are loaded page by page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.backends import store_of
from tests.support.engine_world import make_world
from tests.support.strict_store import StrictBackend, StrictStore, superset
from wbmodel.engine import Engine, MemoryStore, Select, predicate
from wbmodel.engine.conditions import parse_filter
from wbmodel.engine.dialect import Dialect
from wbmodel.request import Request
from wbmodel.testing.conformance import check

PAGE = """{ project(entityName: "acme", name: "p") { runs(first: 1000) { edges { node {
  name config user { username } project { name } } } } } }"""


@pytest.mark.slow  # the tests beside it hold what the store is strict about
def test_the_kit_passes_over_it() -> None:
    report = check(lambda world: StrictBackend(store_of(world)), colours=["sync"])
    assert report.ok, str(report)
    assert sum(item.result == "passed" for item in report.outcomes) > 300


def test_a_page_of_a_thousand_runs_loads_each_part_once() -> None:
    inner = MemoryStore()
    inner.add_user("ada")
    inner.add_entity("acme")
    project = inner.add_project("acme", "p")
    for number in range(1000):
        inner.add_run(project, f"r{number}", config={"lr": number}, user="ada")
    store = StrictStore(inner)
    data = Engine(store).execute(Request(PAGE)).data
    assert data is not None
    edges = data["project"]["runs"]["edges"]
    assert len(edges) == 1000
    assert edges[0]["node"]["config"] == '{"lr":{"desc":null,"value":999}}'
    assert sorted(store.loads) == [("config", 1000), ("project", 1000), ("user", 1000)]


def test_what_the_engine_may_not_do_is_an_error() -> None:
    store = StrictStore(make_world())
    with store.view() as view:
        project = view.project("acme", "vision")
        with pytest.raises(AssertionError, match="asked for whole"):
            view.select(Select("project.runs", project.id))
        page = view.select(Select("project.runs", project.id, first=2))
        assert page.total == 4
        store.totals = False
        with pytest.raises(AssertionError, match="does not select one"):
            page.total  # noqa: B018
        assert view.node(page.rows[0].id) is page.rows[0], "one record for one id in a view"
        with store.view() as other:
            assert other.node(page.rows[0].id) is not page.rows[0]


@pytest.mark.parametrize(
    "document",
    [
        {"name": "r1", "state": "finished"},
        {"$or": [{"name": "r1"}, {"config.lr": {"$gt": 0.5}}]},
        {"name": {"$ne": "r1"}},
        {"$nor": [{"tags": "good"}]},
        {},
    ],
)
def test_a_superset_has_all_that_match(document: dict[str, Any]) -> None:
    store = make_world()
    exact = parse_filter(document, "Run", Dialect())
    project = store.project("acme", "vision")
    assert project is not None
    tests = [predicate(condition, "Run") or (lambda run: True) for condition in (exact, superset(exact))]
    for run in store.runs(project):
        assert tests[1](run) or not tests[0](run)
