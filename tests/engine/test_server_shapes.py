"""Dialects that are about the shape of a server: what it lacks, what it ignores, what its cursors are."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.engine_world import RUNS, Asker, make_world
from tests.support.http import KEY, post
from wbmodel.engine import Dialect, Engine, MemoryStore
from wbmodel.errors import ConfigurationError
from wbmodel.testing import served

DOCUMENT = '{ project(name: "vision", entityName: "acme") { %s } }'
PARTS = DOCUMENT % 'run(name: "r1") { name config(keys: ["lr"]) }'


@pytest.mark.parametrize(
    ("lacking", "selection", "message"),
    [
        (
            "Run.config(keys)",
            'run(name: "r1") { config(keys: "lr") }',
            'Unknown argument "keys" on field "Run.config".',
        ),
        ("RunConnection.totalCount", "runs { totalCount }", 'Cannot query field "totalCount" on type "RunConnection".'),
        ("Project.fields", "fields { edges { cursor } }", 'Cannot query field "fields" on type "Project".'),
        (
            "Project.groupedRuns",
            'groupedRuns(groupKeys: "group") { __typename }',
            'Cannot query field "groupedRuns" on type "Project".',
        ),
        (
            "PageInfo.startCursor",
            "runs { pageInfo { startCursor } }",
            'Cannot query field "startCursor" on type "PageInfo".',
        ),
        ("Run.historyKeys(format)", 'run(name: "r1") { historyKeys(format: PLAINTEXT) }', 'Unknown argument "format"'),
    ],
)
def test_what_a_server_lacks_is_refused_as_an_old_one_does(lacking: str, selection: str, message: str) -> None:
    store, dialect = make_world(), Dialect(lacking=[lacking])
    assert message.replace('"', "'") in Asker(store, dialect).error(DOCUMENT % selection)
    assert Asker(store)(DOCUMENT % selection)["project"] is not None
    with served(Engine(store, dialect), api_key=KEY) as server:
        got = post(server, DOCUMENT % selection)
        assert (got.status, got.data.get("data")) == (400, None)
        assert message in got.message
        assert post(server, DOCUMENT % "name").status == 200


def test_the_rest_of_the_field_is_still_there() -> None:
    ask = Asker(make_world(), Dialect(lacking={"Run.config(keys)", "Run.host"}))
    whole = ask(DOCUMENT % 'run(name: "r1") { config summaryMetrics(keys: "loss") }')["project"]["run"]
    assert "optimizer" in whole["config"]
    assert whole["summaryMetrics"] == '{"loss":0.5}'
    assert "host" in ask.error(DOCUMENT % 'run(name: "r1") { host }')


def test_introspection_shows_what_is_lacking() -> None:
    document = '{ __type(name: "Run") { fields { name args { name } } } }'
    shown = {field["name"]: field["args"] for field in Asker(make_world())(document)["__type"]["fields"]}
    lacking = Asker(make_world(), Dialect(lacking={"Run.config(keys)", "Run.host"}))(document)["__type"]["fields"]
    less = {field["name"]: field["args"] for field in lacking}
    assert shown.keys() - less.keys() == {"host"}
    assert (shown["config"], less["config"]) == ([{"name": "keys"}], [])


@pytest.mark.parametrize("document", ['{ __type(name: "Run") { name } }', "{ __schema { queryType { name } } }"])
def test_introspection_may_be_refused(document: str) -> None:
    ask = Asker(make_world(), Dialect(introspection=False))
    assert "introspection has been disabled" in str(ask.send(document).errors[0]["message"])
    assert ask("{ __typename viewer { __typename } }")["__typename"] == "Query"


@pytest.mark.parametrize("name", ["Run", "Run.config(", "Run.config(keys", "config keys", "Run.config(a, b)"])
def test_a_name_of_another_form_is_refused(name: str) -> None:
    for switch in ("lacking", "ignoring"):
        with pytest.raises(ConfigurationError, match="Run.config"):
            Dialect(**{switch: {name}})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Run.nonsense", "Nonsense.config", "Run.config(nonsense)", "JSONString.x"])
def test_a_name_that_the_schema_does_not_have_is_refused(name: str) -> None:
    for switch in ("lacking", "ignoring"):
        with pytest.raises(ConfigurationError, match=r"not in the schema"):
            Asker(make_world(), Dialect(**{switch: {name}})).send(PARTS)  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", ['["lr"]', "$keys", "[]"])
def test_an_argument_may_be_taken_and_ignored(keys: str) -> None:
    ask = Asker(make_world(), Dialect(ignoring={"Run.config(keys)"}))
    selection = 'run(name: "r1") { ...F } runs { edges { node { ...F } } }'
    fragment = f" fragment F on Run {{ name part: config(keys: {keys}) summaryMetrics(keys: {keys}) }}"
    found = ask(f"query Q($keys: [String!]) {DOCUMENT % selection}{fragment}", keys=["lr"])["project"]
    whole = Asker(make_world())(DOCUMENT % 'run(name: "r1") { config }')["project"]["run"]["config"]
    assert found["run"] == {"name": "r1", "part": whole, "summaryMetrics": "{}"}
    assert found["run"] in [edge["node"] for edge in found["runs"]["edges"]]


def cursor(index: int) -> str:
    return base64.b64encode(f"arrayconnection:{index}".encode()).decode()


def test_offset_cursors_are_the_index_of_their_row() -> None:
    ask = Asker(make_world(), Dialect(cursors="offsets"))
    names = ask.names()
    assert len(names) == 4
    page = ask(RUNS, first=3)["project"]["runs"]
    assert [edge["cursor"] for edge in page["edges"]] == [cursor(0), cursor(1), cursor(2)]
    assert page["pageInfo"] == {"endCursor": cursor(2), "hasNextPage": True}
    rest = ask(RUNS, first=3, after=cursor(2))["project"]["runs"]
    assert [edge["node"]["name"] for edge in rest["edges"]] == names[3:]
    assert rest["pageInfo"] == {"endCursor": cursor(3), "hasNextPage": False}
    beyond = ask(RUNS, first=3, after=cursor(99))["project"]["runs"]
    assert (beyond["edges"], beyond["pageInfo"]) == ([], {"endCursor": None, "hasNextPage": False})
    # Any order will do: the index says nothing of it.
    assert ask(RUNS, order="+name", after=cursor(0))["project"]["runs"]["edges"][0]["node"]["name"] == "r2"


def test_pages_of_offsets_repeat_and_skip_while_runs_come_and_go() -> None:
    store = MemoryStore()
    project = store.add_project(store.add_entity("acme"), "vision")
    for number in range(6):
        store.add_run(project, f"r{number}")
    ask = Asker(store, Dialect(cursors="offsets"))

    def page(after: str | None) -> list[str]:
        edges = ask(RUNS, first=2, after=after, order="+name")["project"]["runs"]["edges"]
        return [edge["node"]["name"] for edge in edges]

    assert page(None) == ["r0", "r1"]
    store.add_run(project, "a")
    assert page(cursor(1)) == ["r1", "r2"]
    for name in ("a", "r0"):
        run = store.run(project, name)
        assert run is not None
        store.delete(run.id)
    assert page(cursor(3)) == ["r5"]


@pytest.mark.parametrize("after", ["x", cursor(-1), base64.b64encode(b"arrayconnection:").decode(), "YXJyYXk6MQ=="])
def test_other_texts_are_not_offset_cursors(after: str) -> None:
    ask = Asker(make_world(), Dialect(cursors="offsets"))
    assert "not a cursor" in ask.error(RUNS, after=after)


def test_offset_cursors_are_not_promised_to_be_stable() -> None:
    assert not Engine(make_world(), Dialect(cursors="offsets")).capabilities.stable_cursors
    assert Engine(make_world()).capabilities.stable_cursors


def test_lines_and_fields_keep_their_cursors_under_offsets() -> None:
    ask: Any = Asker(make_world(), Dialect(cursors="offsets"))
    lines = 'run(name: "r1") { logLines(first: 2, after: $after) { edges { cursor node { number } } } }'
    fields = "fields(first: 2, after: $after) { edges { cursor node { path } } }"
    for selection, read in (
        (lines, lambda found: found["run"]["logLines"]["edges"]),
        (fields, lambda found: found["fields"]["edges"]),
    ):
        document = f"query Q($after: String) {DOCUMENT % selection}"
        first = read(ask(document)["project"])
        second = read(ask(document, after=first[-1]["cursor"])["project"])
        assert len(second) == 2
        assert not [edge for edge in second if edge in first]
