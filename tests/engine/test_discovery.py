"""Facts about all runs of a project without reading them: fields, tags, groups, history keys; and facts about one."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.support.engine_world import START, Asker, make_world
from tests.support.strict_store import StrictStore
from wbmodel.engine import Dialect, ListStore, MemoryStore


@pytest.fixture
def ask() -> Asker:
    return Asker(make_world())


def project(ask: Asker, selection: str, **variables: Any) -> Any:
    kinds = {"filters": "JSONString", "first": "Int", "after": "String", "pattern": "String", "keys": "[String]"}
    declared = ", ".join(f"${name}: {kinds[name]}" for name in variables)
    head = f"query Q({declared})" if declared else "query Q"
    document = f'{head} {{ project(name: "vision", entityName: "acme") {{ {selection} }} }}'
    return ask(document, **variables)["project"]


FIELDS = """fields(first: $first, after: $after, pattern: $pattern) { edges { cursor node { path type } }
  pageInfo { endCursor hasNextPage hasPreviousPage } }"""


def fields(ask: Asker, pattern: str | None = None, first: int | None = None) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    after = None
    while True:
        page = project(ask, FIELDS, first=first, after=after, pattern=pattern)["fields"]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        found += [(edge["node"]["path"], edge["node"]["type"]) for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


EVERY = [
    ("config.flag", "bool"),
    ("config.layers", "list"),
    ("config.lr", "number"),
    ("config.lr", "string"),
    ("config.optimizer.beta\\.1", "number"),
    ("config.optimizer.name", "string"),
    ("summary_metrics.eval/acc", "number"),
    ("summary_metrics.loss", "number"),
    ("summary_metrics.nothing", "nil"),
]


@pytest.mark.parametrize("first", [None, 1, 2, 200])
def test_fields_are_paths_with_types_in_pages(ask: Asker, first: int | None) -> None:
    assert fields(ask, first=first) == EVERY


def test_a_field_is_a_path_of_filters(ask: Asker) -> None:
    for path, kind in fields(ask):
        assert bool(ask.names(json.dumps({path: {"$exists": True}}))) is True, (path, kind)


@pytest.mark.parametrize(
    ("pattern", "found"), [("LR", EVERY[2:4]), ("metrics.", EVERY[6:]), ("eval/", EVERY[6:7]), ("%", []), ("", EVERY)]
)
def test_a_pattern_narrows_fields(ask: Asker, pattern: str, found: list[tuple[str, str]]) -> None:
    assert fields(ask, pattern) == found


def test_a_cursor_of_fields_belongs_to_them(ask: Asker) -> None:
    document = 'query Q($after: String) { project(name: "vision", entityName: "acme") { %s } }'
    runs = project(ask, "runs(first: 1) { edges { cursor } }")["runs"]["edges"][0]["cursor"]
    some = project(ask, "fields(first: 1) { edges { cursor } }")["fields"]["edges"][0]["cursor"]
    assert "cursor" in ask.error(document % "fields(after: $after) { edges { cursor } }", after=runs)
    assert "cursor" in ask.error(document % "runs(after: $after) { edges { cursor } }", after=some)
    assert "cursor" in ask.error(document % "fields(after: $after) { edges { cursor } }", after="nonsense")


def test_tags_are_counted(ask: Asker) -> None:
    assert project(ask, "tagCounts { name count }")["tagCounts"] == [
        {"name": "good", "count": 2},
        {"name": "first", "count": 1},
    ]


GROUPED = """groupedRuns(groupKeys: $keys, first: $first) {
  ... on GroupedRunConnection { edges { node { group totalRuns } } } }"""


@pytest.mark.parametrize(
    ("key", "groups"),
    [
        ("group", {"": 1, "g": 1}),
        ("state", {"finished": 2, "crashed": 1, "running": 1}),
        ("config.flag", {"true": 1, "false": 1}),
        ("config.lr", {"0.1": 1, "1": 1}),
        ("sweep", {"sw1": 2}),
        ("tags", {"good": 2, "first": 1}),
        ("config.nothing", {}),
    ],
)
def test_runs_are_counted_by_the_value_of_one_field(ask: Asker, key: str, groups: dict[str, int]) -> None:
    found = project(ask, GROUPED, keys=[key], first=None)["groupedRuns"]["edges"]
    counts = [edge["node"]["totalRuns"] for edge in found]
    assert counts == sorted(counts, reverse=True)
    assert {edge["node"]["group"] for edge in found} == groups.keys()
    if key != "config.lr":  # the number and the text are two groups of one spelling
        assert {edge["node"]["group"]: edge["node"]["totalRuns"] for edge in found} == groups


def test_groups_have_a_limit_and_one_key(ask: Asker) -> None:
    assert len(project(ask, GROUPED, keys=["state"], first=2)["groupedRuns"]["edges"]) == 2
    project_of = 'query Q($keys: [String], $first: Int) {{ project(name: "vision", entityName: "acme") {{ {} }} }}'
    document = project_of.format(GROUPED)
    for keys in ([], ["group", "state"], [None], None):
        assert "one group key" in ask.error(document, keys=keys)
    assert "nonsense" in ask.error(document, keys=["nonsense"])


def test_history_keys_of_a_connection_are_those_of_all_its_runs() -> None:
    store = MemoryStore()
    world = store.add_project(store.add_entity("acme"), "vision")
    for name, rows in {
        "old": [{"loss": 3.0, "_step": 0}, {"loss": 1.0, "_step": 1}],
        "new": [{"loss": "x", "acc": 1, "_step": 7}],
        "none": [],
    }.items():
        store.add_run(world, name, history=rows)
    ask = Asker(store)
    selection = "runs(filters: $filters, first: $first) { historyKeys edges { node { name historyKeys } } }"
    keys = project(ask, selection, filters=None, first=1)["runs"]["historyKeys"]
    assert {kind["type"]: kind["count"] for kind in keys["keys"]["loss"]["typeCounts"]} == {"number": 2, "string": 1}
    assert keys["keys"]["loss"]["monotonic"] is False
    assert keys["keys"]["acc"] == {
        "typeCounts": [{"type": "number", "count": 1}],
        "monotonic": True,
        "previousValue": 1,
    }
    assert keys["lastStep"] == 7
    assert keys["keys"]["_step"]["typeCounts"][0]["count"] == 3
    (edge,) = (only := project(ask, selection, filters='{"name": "old"}', first=9)["runs"])["edges"]
    assert only["historyKeys"] == edge["node"]["historyKeys"]
    assert project(ask, selection, filters='{"name": "none"}', first=9)["runs"]["historyKeys"] is None


def test_history_keys_take_a_format(ask: Asker) -> None:
    run = project(ask, 'run(name: "r1") { historyKeys(format: PLAINTEXT) plain: historyKeys }')["run"]
    assert run["historyKeys"] == run["plain"]
    assert run["plain"]["lastStep"] == 5
    document = '{ project(name: "vision", entityName: "acme") { run(name: "r1") { historyKeys(format: BINARY) } } }'
    assert "BINARY" in ask.error(document)


@pytest.mark.parametrize("strict", [False, True])
def test_any_store_answers_by_its_groups_and_keys(strict: bool) -> None:
    store = MemoryStore()
    world = store.add_project(store.add_entity("acme"), "vision")
    store.add_run(world, "r1", config={"lr": 1}, tags=["a"], group="g", history=[{"x": 1}])
    seen: Any = StrictStore(store) if strict else store
    found = project(
        Asker(seen),
        "fields { edges { node { path } } } tagCounts { name } runs(first: 0) { historyKeys } "
        'groupedRuns(groupKeys: ["group"]) { ... on GroupedRunConnection { edges { node { group } } } }',
    )
    assert found["fields"]["edges"] == [{"node": {"path": "config.lr"}}]
    assert found["tagCounts"] == [{"name": "a"}]
    assert found["runs"]["historyKeys"]["keys"].keys() == {"x", "_step"}
    assert found["groupedRuns"]["edges"] == [{"node": {"group": "g"}}]
    if strict:
        assert seen.loads == []


def test_counts_of_a_store_are_kept_until_it_changes() -> None:
    store = make_world()
    ask = Asker(store)
    asked = []
    rows = ListStore._rows

    def counted(self: Any, relation: str, parent: str | None) -> Any:
        asked.append(relation)
        return rows(self, relation, parent)

    store._selection._rows = lambda relation, parent: counted(store, relation, parent)
    for _ in range(3):
        project(ask, 'tagCounts { name } groupedRuns(groupKeys: ["group"]) { __typename } ')
        fields(ask, first=1)
    assert asked.count("project.runs") == 1
    run = store.run(store.project("acme", "vision"), "r2")  # type: ignore[arg-type]
    assert run is not None
    store.update(run.id, tags=["new"])
    assert {"name": "new"} in project(ask, "tagCounts { name }")["tagCounts"]


# -- one run ---------------------------------------------------------------------------------------


INFO = """run(name: "r") { updatedAt computeSeconds host tags: tagColors { name colorIndex }
  runInfo { program args os python executable cpuCount cpuCountLogical gpu gpuCount git { remote commit } } }"""


def one_run(**fields: Any) -> MemoryStore:
    store = MemoryStore(clock=lambda: START)
    store.add_run(store.add_project(store.add_entity("acme"), "vision"), "r", **fields)
    return store


def test_run_info_is_what_the_client_noted() -> None:
    store = one_run(tags=["a"], host="box", program="ignored.py")
    noted = {
        "program": "train.py",
        "args": ["--lr", "1"],
        "os": "Linux",
        "python": "3.11.4",
        "cpu_count": 8,
        "gpu": "A100",
        "gpu_count": 2,
        "git": {"remote": "git@example.org:a", "commit": "abc"},
    }
    run = store.run(store.project("acme", "vision"), "r")  # type: ignore[arg-type]
    assert run is not None
    store.add_file(run, "wandb-metadata.json", json.dumps(noted).encode())
    found = project(Asker(store), INFO)["run"]
    assert found["runInfo"] == {
        **{key: noted[key] for key in ("program", "args", "os", "python", "gpu", "git")},
        "executable": None,
        "cpuCount": 8,
        "cpuCountLogical": None,
        "gpuCount": 2,
    }
    assert (found["host"], found["tags"]) == ("box", [{"name": "a", "colorIndex": None}])
    assert found["updatedAt"] is None
    store.update(run.id, notes="changed")
    assert project(Asker(store), INFO)["run"]["updatedAt"].startswith("2024-01-01T00:00:00")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"args": 1, "gpu_count": "2", "git": "x", "os": {}}'])
def test_run_info_of_a_spoilt_file_is_that_of_the_record(content: bytes) -> None:
    store = one_run(program="train.py", commit="abc")
    run = store.run(store.project("acme", "vision"), "r")  # type: ignore[arg-type]
    assert run is not None
    store.add_file(run, "wandb-metadata.json", content)
    info = project(Asker(store), INFO)["run"]["runInfo"]
    assert {key: value for key, value in info.items() if value is not None} == {
        "program": "train.py",
        "git": {"remote": None, "commit": "abc"},
    }


def test_a_run_of_which_nothing_is_known_has_no_info() -> None:
    found = project(Asker(one_run()), INFO)["run"]
    assert (found["runInfo"], found["computeSeconds"]) == (None, None)


@pytest.mark.parametrize(
    ("summary", "seconds"),
    [({"_runtime": 12.7}, 12), ({"_runtime": 3}, 3), ({"_runtime": math.nan}, 60), ({"_runtime": "x"}, 60), ({}, 60)],
)
def test_compute_seconds_are_the_logged_ones_or_those_between_the_dates(summary: Any, seconds: int) -> None:
    from datetime import timedelta

    store = one_run(summary=summary, heartbeat_at=START + timedelta(minutes=1), created_at=START)
    assert project(Asker(store), INFO)["run"]["computeSeconds"] == seconds


HISTORY = 'run(name: "r1") { %s }'


def test_history_takes_the_arguments_of_the_live_server(ask: Asker) -> None:
    run = project(ask, HISTORY % "history(maxKeyLimit: 1) sampledHistory(specs: [], packVersion: 1)")["run"]
    assert (len(run["history"]), run["sampledHistory"]) == (3, [])
    assert project(ask, HISTORY % "bucketedHistory(specs: [], packVersion: 1)")["run"]["bucketedHistory"] == []
    parquet = 'parquetHistory(liveKeys: ["loss"]) { parquetUrls liveData }'
    live = [{"loss": 1.0}, {"loss": "NaN"}]
    assert project(ask, HISTORY % parquet)["run"]["parquetHistory"] == {"parquetUrls": [], "liveData": live}


@pytest.mark.parametrize("selection", ["sampledHistory", "bucketedHistory", "parquetHistory { parquetUrls }"])
def test_specs_and_live_keys_are_required(ask: Asker, selection: str) -> None:
    document = f'{{ project(name: "vision", entityName: "acme") {{ {HISTORY % selection} }} }}'
    assert "is required" in ask.error(document)


def test_spoilt_specs_are_refused(ask: Asker) -> None:
    spoilt = 'run(name: "r1") { %s(specs: ["[1]"]) }'
    for field in ("sampledHistory", "bucketedHistory"):
        document = f'{{ project(name: "vision", entityName: "acme") {{ {spoilt % field} }} }}'
        assert f"{field}: a spec must be a JSON object" in ask.error(document)


def test_histories_inside_a_list_of_runs_are_those_of_each(ask: Asker) -> None:
    selection = """%s { name history(minStep: 0, maxStep: 2) events wandbConfig(keys: ["t"])
      sampledHistory(specs: ["{\\"keys\\": [\\"loss\\", \\"_step\\"]}"]) }"""
    many = project(ask, "runs { edges { %s } }" % (selection % "node"))["runs"]["edges"]
    assert len(many) == 4
    for edge in many:
        name = edge["node"]["name"]
        assert project(ask, selection % f'run(name: "{name}")')["run"] == edge["node"]
    first = next(edge["node"] for edge in many if edge["node"]["name"] == "r1")
    assert first["sampledHistory"] == [[{"loss": 1.0, "_step": 0}, {"loss": "NaN", "_step": 1}]]


def test_a_dialect_without_literal_keys_writes_plain_dots() -> None:
    assert ("config.optimizer.beta.1", "number") in fields(Asker(make_world(), Dialect(literal_keys=False)))
