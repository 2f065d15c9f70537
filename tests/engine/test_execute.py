"""Documents in, strict JSON out: roots, relations, errors, what real clients send."""

from __future__ import annotations

import base64
import json
import math
import subprocess
import sys
import threading
from typing import Any

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType, get_named_type, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.engine_world import Asker, make_world
from wbmodel.engine import Dialect, Engine, MemoryStore
from wbmodel.engine.context import Context
from wbmodel.engine.pages import Reader
from wbmodel.engine.schema import executable_schema
from wbmodel.request import Document, Request


def test_the_viewer_and_people(ask: Asker) -> None:
    data = ask(
        """{ viewer { id username name email admin entity flags deletedAt teams { edges { node { name isTeam } }
          } projects { edges { node { name } } } } }"""
    )["viewer"]
    assert base64.b64decode(data.pop("id")) == b"User:1"
    assert data == {
        "username": "ada",
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "admin": True,
        "entity": "ada",
        "flags": "{}",
        "deletedAt": None,
        "teams": {"edges": [{"node": {"name": "ada", "isTeam": False}}, {"node": {"name": "acme", "isTeam": True}}]},
        "projects": {"edges": [{"node": {"name": "private"}}]},
    }
    users = ask(
        """query($q: String, $f: JSONString) { users(query: $q, filters: $f) { totalCount edges { node {
          username } } } }""",
        q="HOPPER",
    )
    assert users["users"] == {"totalCount": 1, "edges": [{"node": {"username": "grace"}}]}
    document = "query($f: JSONString) { users(filters: $f) { totalCount } }"
    assert ask(document, f='{"username": {"$in": ["ada", "grace"]}}')["users"]["totalCount"] == 2


def test_entities(ask: Asker) -> None:
    document = """query($n: String) { entity(name: $n) { name isTeam entityType members { username role } user {
      username } project(name: "vision") { name } } }"""
    team = ask(document, n="acme")["entity"]
    assert team == {
        "name": "acme",
        "isTeam": True,
        "entityType": "team",
        "user": None,
        "project": {"name": "vision"},
        "members": [{"username": "ada", "role": "admin"}, {"username": "grace", "role": "member"}],
    }
    for missing in (None, ""):
        own = ask(document, n=missing)["entity"]
        assert (own["name"], own["entityType"], own["user"]) == ("ada", "user", {"username": "ada"})
    assert ask(document, n="nobody")["entity"] is None


def test_no_viewer_has_no_default_entity() -> None:
    store = make_world()
    store.viewer = None
    ask = Asker(store)
    assert ask('{ viewer { id } entity { name } project(name: "vision") { name } }') == {
        "viewer": None,
        "entity": None,
        "project": None,
    }
    assert "default entity" in ask.error("{ models { totalCount } }")


@pytest.mark.parametrize("field", ["project", "model"])
def test_a_missing_project_is_null(ask: Asker, field: str) -> None:
    document = f"query($e: String, $p: String) {{ found: {field}(entityName: $e, name: $p) {{ name }} }}"
    assert ask(document, e="acme", p="vision") == {"found": {"name": "vision"}}
    for entity, project in (("acme", "nope"), ("nope", "vision"), ("acme", None), ("acme", ""), (None, "vision")):
        assert ask(document, e=entity, p=project) == {"found": None}
    for entity in (None, ""):
        assert ask(document, e=entity, p="private") == {"found": {"name": "private"}}


def test_projects_of_an_entity(ask: Asker) -> None:
    document = """query($e: String, $f: JSONString, $o: String) { models(entityName: $e, filters: $f, order: $o)
      { totalCount edges { cursor node { name } } pageInfo { hasNextPage } } }"""
    data = ask(document, e="acme")["models"]
    assert [edge["node"]["name"] for edge in data["edges"]] == ["empty", "vision"], "newest first"
    assert data["totalCount"] == 2
    assert ask(document, e="acme", f='{"name": "vision"}')["models"]["totalCount"] == 1
    assert "'nope'" in ask.error(document, e="nope")
    nested = ask('{ entity(name: "acme") { projects(order: "+name") { edges { node { name entityName } } } } }')
    assert nested["entity"]["projects"]["edges"][1]["node"] == {"name": "vision", "entityName": "acme"}


def test_a_project(ask: Asker) -> None:
    data = ask(
        """query { project(name: "vision", entityName: "acme") { id internalId name entityName entity { name }
          description createdAt updatedAt access """
        "user { username } isBenchmark readOnly totalSweeps runCount views } }"
    )["project"]
    assert base64.b64decode(data.pop("internalId")) == b"ProjectInternalId:1"
    assert data.pop("id")
    assert data.pop("createdAt").endswith("Z")
    assert data == {
        "name": "vision",
        "entityName": "acme",
        "entity": {"name": "acme"},
        "description": "pictures",
        "updatedAt": None,
        "access": None,
        "user": {"username": "ada"},
        "isBenchmark": False,
        "readOnly": False,
        "totalSweeps": 1,
        "runCount": 4,
        "views": None,
    }


def test_a_run(ask: Asker) -> None:
    fragment = """fragment Full on Run { __typename id name displayName projectId state config summaryMetrics
      systemMetrics tags notes description group
      jobType commit createdAt heartbeatAt sweepName exitcode running failed stopped shouldStop readOnly user {
      username } project { name } fileCount }"""
    document = (
        fragment
        + """ query($n: String) { project(name: "vision", entityName: "acme") { run(name: $n) { ...Full }
          bucket(name: $n, missingOk: true) { id } } }"""
    )
    data = ask(document, n="r1")["project"]
    run = data["run"]
    assert data["bucket"]["id"] == run["id"]
    assert json.loads(run.pop("config")) == {
        "lr": {"desc": None, "value": 0.1},
        "optimizer": {"desc": None, "value": {"name": "adam", "beta.1": 0.9}},
        "layers": {"desc": None, "value": [64, 32]},
        "flag": {"desc": None, "value": True},
        "_wandb": {"value": {"t": {"1": [1]}, "cli_version": "0.31.0"}},
    }
    assert json.loads(run.pop("summaryMetrics")) == {"loss": 0.5, "eval/acc": 0.9, "nothing": None}
    assert json.loads(run.pop("systemMetrics")) == {"system.cpu": 2.5, "_runtime": 2}
    assert run.pop("createdAt")
    assert run.pop("id")
    assert run == {
        "__typename": "Run",
        "name": "r1",
        "displayName": "one",
        "projectId": "1",
        "state": "finished",
        "tags": ["good", "first"],
        "notes": None,
        "description": None,
        "group": "g",
        "jobType": None,
        "commit": None,
        "heartbeatAt": None,
        "sweepName": "sw1",
        "exitcode": None,
        "running": False,
        "failed": False,
        "stopped": False,
        "shouldStop": False,
        "readOnly": False,
        "user": {"username": "ada"},
        "project": {"name": "vision"},
        "fileCount": 0,
    }
    assert ask(document, n="nobody")["project"] == {"run": None, "bucket": None}
    crashed = ask(document, n="r2")["project"]["run"]
    assert crashed["summaryMetrics"] == '{"loss":NaN}', "bare tokens stand inside text only"
    assert (crashed["failed"], crashed["fileCount"]) == (True, 2)


def test_sweeps(ask: Asker) -> None:
    data = ask(
        """query { project(name: "vision", entityName: "acme") { sweep(sweepName: "sw1") { name displayName
          description state method config bestLoss runCount """
        """runCountExpected project { name } runs(order: "+name") { edges { node { name } } } } none:
          sweep(sweepName: "x") { id } sweeps(filters: "{}") { edges { node { name } } } } }"""
    )["project"]
    assert json.loads(data["sweep"].pop("config"))["method"] == "grid"
    assert data == {
        "sweep": {
            "name": "sw1",
            "displayName": "grid",
            "description": None,
            "state": "RUNNING",
            "method": "grid",
            "bestLoss": 0.5,
            "runCount": 2,
            "runCountExpected": None,
            "project": {"name": "vision"},
            "runs": {"edges": [{"node": {"name": "r1"}}, {"node": {"name": "r2"}}]},
        },
        "none": None,
        "sweeps": {"edges": [{"node": {"name": "sw1"}}]},
    }


def test_best_loss_follows_the_goal(ask: Asker) -> None:
    project = ask.store.project("acme", "vision")
    assert project is not None
    sweep = ask.store.add_sweep(project, "max", config={"metric": {"name": "eval.acc", "goal": "maximize"}})
    for name, summary in (
        ("m1", {"eval": {"acc": 1}}),
        ("m2", {"eval.acc": 3}),
        ("m3", {}),
        ("m4", {"eval.acc": math.nan}),
        ("m5", {"eval.acc": True}),
    ):
        ask.store.add_run(project, name, sweep=sweep, summary=summary)
    document = 'query { project(name: "vision", entityName: "acme") { sweep(sweepName: "max") { bestLoss method } } }'
    assert ask(document)["project"]["sweep"] == {"bestLoss": 3.0, "method": "custom"}


def test_reports(ask: Asker) -> None:
    document = """query($n: String, $t: String) { project(name: "vision", entityName: "acme") {
      allViews(viewName: $n, viewType: $t, order: "+name") {
      totalCount edges { node { id name type displayName spec user { username } project { name } } } } } }"""
    data = ask(document, t="runs")["project"]["allViews"]
    assert data["totalCount"] == 1
    report = data["edges"][0]["node"]
    assert json.loads(report["spec"]) == {"blocks": []}
    assert (report["name"], report["displayName"], report["user"]) == ("rep", "A report", {"username": "ada"})
    assert ask(document)["project"]["allViews"]["totalCount"] == 2
    assert ask(document, n="A draft")["project"]["allViews"]["edges"][0]["node"]["type"] == "runs/draft"
    view = "query($id: ID!) { view(id: $id) { name } artifact(id: $id) { id } artifactCollection(id: $id) { id } }"
    assert ask(view, id=report["id"]) == {"view": {"name": "rep"}, "artifact": None, "artifactCollection": None}
    assert ask(view, id="bm9wZQ==")["view"] is None


def test_artifacts(ask: Asker) -> None:
    document = """query($n: String!) { project(name: "vision", entityName: "acme") { artifact(name: $n) {
      id digest digestAlgorithm state versionIndex description metadata labels size fileCount commitHash
      historyStep ttlDurationSeconds ttlIsInherited
      tags { name } aliases { alias artifactCollectionName artifactCollection { __typename name project { name
      entity { name } } } }
      artifactType { name } artifactSequence { name latestArtifact { versionIndex } digestAlgorithm state tags {
      edges { node { name } } } }
      artifactMemberships { edges { node { versionIndex aliases { alias } artifactCollection { __typename name }
      artifact { versionIndex } files { totalCount } } } }
      createdBy { __typename ... on Run { name } ... on User { username } } usedBy { edges { node { name } } }
      files { totalCount uploadHeaders edges { node { name sizeBytes digest directUrl storagePath artifact {
      versionIndex } } } }
      currentManifest { id file { directUrl sizeBytes name } } } } }"""
    first = ask(document, n="data:v-one")["project"]["artifact"]
    assert (first["versionIndex"], first["size"], first["fileCount"], json.loads(first["metadata"])) == (
        0,
        12,
        2,
        {"rows": 10},
    )
    assert first["createdBy"] == {"__typename": "Run", "name": "r1"}
    assert [(alias["alias"], alias["artifactCollection"]["__typename"]) for alias in first["aliases"]] == [
        ("v-one", "ArtifactSequence"),
        ("prod", "ArtifactPortfolio"),
    ]
    assert [edge["node"]["artifactCollection"]["name"] for edge in first["artifactMemberships"]["edges"]] == [
        "chosen",
        "data",
    ]
    assert [edge["node"]["name"] for edge in first["files"]["edges"]] == ["a.txt", "b/c.bin"]
    assert first["files"]["edges"][1]["node"]["storagePath"] == "s3://bucket/c"
    second = ask(document, n="data")["project"]["artifact"]
    assert (second["versionIndex"], second["tags"], second["usedBy"]) == (
        1,
        [{"name": "t"}],
        {"edges": [{"node": {"name": "r2"}}]},
    )
    assert second["createdBy"] == {"__typename": "User", "username": "grace"}
    assert ask(document, n="chosen:prod")["project"]["artifact"]["id"] == first["id"]
    assert ask(document, n="chosen")["project"]["artifact"]["id"] == first["id"], (
        "the newest, where nothing is called latest"
    )
    for missing in ("data:v9", "nope:latest", "nope", ""):
        assert ask(document, n=missing)["project"]["artifact"] is None


def test_artifact_types_and_collections(ask: Asker) -> None:
    data = ask(
        """query { project(name: "vision", entityName: "acme") {
          artifactTypes { totalCount edges { node { name description createdAt } } }
          artifactType(name: "dataset") { name artifact(name: "data:v0") { versionIndex }
          artifactCollection(name: "data") { name }
            artifactSequence(name: "chosen") { name } artifactSequences { totalCount edges { node { name } } }
            artifactCollections(order: "+name", filters: "{\\"kind\\": \\"portfolio\\"}") { totalCount edges {
            node { name } } } }
          ofArtifact: artifactType(name: "data:latest") { name }
          none: artifactType(name: "nope") { name }
          artifactCollections(order: "-name") { totalCount edges { node { __typename name tags { edges { node {
          name } } } defaultArtifactType { name } ... on ArtifactSequence { latestArtifact { versionIndex } } }
          } }
          artifactCollection(name: "data") { description aliases { edges { node { alias } } }
          artifactMembership(aliasName: "v0") { versionIndex artifact { versionIndex } }
            artifacts(order: "+version_index") { totalCount edges { version node { versionIndex } } }
            best: artifacts(
              filters: "{\\"aliases\\": \\"best\\", \\"metadata.rows\\": null, \\"state\\": \\"COMMITTED\\"}"
            ) { edges { version } } }
          artifactCollectionMembership(name: "chosen:prod") { versionIndex artifact { versionIndex } } } }"""
    )["project"]
    assert data["artifactTypes"]["totalCount"] == 1
    assert data["artifactType"] == {
        "name": "dataset",
        "artifact": {"versionIndex": 0},
        "artifactCollection": {"name": "data"},
        "artifactSequence": None,
        "artifactSequences": {"totalCount": 1, "edges": [{"node": {"name": "data"}}]},
        "artifactCollections": {"totalCount": 1, "edges": [{"node": {"name": "chosen"}}]},
    }
    assert (data["ofArtifact"], data["none"]) == ({"name": "dataset"}, None)
    assert [(edge["node"]["name"], edge["node"]["__typename"]) for edge in data["artifactCollections"]["edges"]] == [
        ("data", "ArtifactSequence"),
        ("chosen", "ArtifactPortfolio"),
    ]
    collection = data["artifactCollection"]
    assert [edge["node"]["alias"] for edge in collection["aliases"]["edges"]] == ["best", "latest", "v-one"]
    assert [edge["version"] for edge in collection["artifacts"]["edges"]] == ["v0", "v1"]
    assert collection["best"] == {"edges": [{"version": "v1"}]}
    assert data["artifactCollectionMembership"] == {"versionIndex": 0, "artifact": {"versionIndex": 0}}


def test_edges_between_runs_and_artifacts(ask: Asker) -> None:
    document = """query($n: String) { project(name: "vision", entityName: "acme") { run(name: $n) {
      inputArtifacts { totalCount edges { node { versionIndex } } }
      outputArtifacts { totalCount edges { node { versionIndex } } } } } }"""
    assert ask(document, n="r2")["project"]["run"]["inputArtifacts"] == {
        "totalCount": 1,
        "edges": [{"node": {"versionIndex": 1}}],
    }
    assert ask(document, n="r1")["project"]["run"]["outputArtifacts"] == {
        "totalCount": 1,
        "edges": [{"node": {"versionIndex": 0}}],
    }


def test_files_of_a_run(ask: Asker) -> None:
    document = """query($names: [String], $like: String) { project(name: "vision", entityName: "acme") {
      run(name: "r2") { fileCount files(names: $names, pattern: $like) {
      totalCount edges { node { id name displayName sizeBytes mimetype md5 digest url(upload: false) directUrl
      uploadUrl uploadHeaders updatedAt artifact { id } } } } } } }"""
    run = ask(document)["project"]["run"]
    assert run["fileCount"] == run["files"]["totalCount"] == 2
    file = run["files"]["edges"][0]["node"]
    assert (file["name"], file["sizeBytes"], file["mimetype"]) == ("config.yaml", 6, "text/yaml")
    assert file["url"] == file["directUrl"]
    assert file["directUrl"].endswith("/config.yaml")

    def names(**variables: Any) -> list[str]:
        return [edge["node"]["name"] for edge in ask(document, **variables)["project"]["run"]["files"]["edges"]]

    assert names(names=["media/plot 1.png", "nope"]) == ["media/plot 1.png"]
    assert names(like="%.png") == ["media/plot 1.png"]
    assert names(like="confi_.yaml") == ["config.yaml"]
    assert names(like="config") == []
    assert names(names=[]) == ["config.yaml", "media/plot 1.png"]


# -- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{ viewer {", "Syntax Error"),
        ("{ viewer { nope } }", "nope"),
        ("{ nope }", "nope"),
        ('{ project(nme: "x") { id } }', "nme"),
        ("query($x: Nope) { viewer { id } }", "Nope"),
        ("query { artifact { id } }", "id"),
        ("query($id: ID!) { artifact(id: $id) { id } }", "$id"),
        ("query A { viewer { id } } query B { viewer { id } }", "operation"),
        ("{ viewer { id } } " + "{" * 3000, "Syntax Error"),
        ("{ " + "viewer { " * 50_000, "deep"),
        ("subscription { viewer { id } }", "subscription"),
    ],
)
def test_wrong_documents_are_answered_not_raised(ask: Asker, document: str, words: str) -> None:
    response = ask.send(document)
    assert response.data is None
    assert words in str(response.errors)


def test_an_error_names_its_place_and_leaves_the_rest(ask: Asker) -> None:
    response = ask.send(
        """{ viewer { username } project(name: "vision", entityName: "acme") { name
          runs(filters: "{\\"nope\\": 1}") { edges { cursor } } } }"""
    )
    assert response.data == {"viewer": {"username": "ada"}, "project": {"name": "vision", "runs": None}}
    assert response.errors[0]["path"] == ["project", "runs"]
    assert "'nope'" in response.errors[0]["message"]


def test_what_real_clients_send_is_taken(ask: Asker) -> None:
    document = """#graphql
    query Runs($project: String!, $with: Boolean = false, $unused: Int, $id: String) {
      project(name: $project, entityName: "acme") {
        ... on Project @include(if: true) { n: name }
        skipped: name @skip(if: true)
        runs(first: 1) { edges { node { ...Lean user @include(if: $with) { username } } } }
      }
      artifact(id: $id) { id }
    }
    fragment Lean on Run { id: name }
    fragment Unused on Run { id }"""
    response = ask.engine.execute(
        Request(document, {"project": "vision", "undeclared": 1, "id": "x"}, operation_name="")
    )
    assert not response.errors
    assert response.data == {"project": {"n": "vision", "runs": {"edges": [{"node": {"id": "r4"}}]}}, "artifact": None}


def test_several_projects_by_alias(ask: Asker) -> None:
    data = ask(
        """{ a: project(name: "vision", entityName: "acme") { runCount } b: project(name: "empty", entityName:
          "acme") { runCount } c: project(name: "no") { runCount } }"""
    )
    assert data == {"a": {"runCount": 4}, "b": {"runCount": 0}, "c": None}


def test_replies_are_strict_json() -> None:
    store = make_world()
    project = store.project("acme", "vision")
    assert project is not None
    nasty = {"nan": math.nan, "inf": math.inf, "deep": [{"x": -math.inf}], "big": 2**70}
    store.add_run(project, "nasty", config=nasty, summary=nasty, history=[{**nasty, "_step": 0}], events=[nasty])
    document = """query { project(name: "vision", entityName: "acme") { runs { edges { node { config
      summaryMetrics systemMetrics historyKeys historyTail history
      events sampledHistory(specs: ["{}"]) } } } } }"""
    data = Asker(store)(document)
    text = json.dumps(data, allow_nan=False)
    run = json.loads(text)["project"]["runs"]["edges"][0]["node"]
    assert run["historyKeys"]["keys"]["nan"]["previousValue"] == "NaN"
    assert run["sampledHistory"] == [
        [{"nan": "NaN", "inf": "Infinity", "deep": [{"x": "-Infinity"}], "big": 2**70, "_step": 0}]
    ]
    assert '"inf":Infinity' in run["history"][0]


def test_ast_documents_need_no_text(store: MemoryStore) -> None:
    document = Document(ast=parse("{ viewer { username } }"))
    engine = Engine(store)
    for _ in range(2):
        assert engine.execute(Request(document)).data == {"viewer": {"username": "ada"}}


def test_an_engine_answers_threads(store: MemoryStore) -> None:
    ask = Asker(store)
    wrong: list[Any] = []

    def work(number: int) -> None:
        for turn in range(20):
            ask(
                "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }",
                i={"modelName": "t", "name": f"{number}-{turn}"},
            )
            names = ask('{ project(name: "t") { runCount runs(first: 1000) { edges { node { name } } } } }')["project"]
            if names["runCount"] != len(names["runs"]["edges"]) or names["runCount"] < turn:
                wrong.append(names)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert ask('{ project(name: "t") { runCount } }')["project"]["runCount"] == 120


def test_importing_the_engine_loads_no_heavy_library() -> None:
    heavy = ("graphql", "gql", "aiohttp", "msgspec", "yaml", "cattrs", "asyncio", "pandas")
    code = f"import sys, wbmodel.engine; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- the short cut for lists does the executor's work ----------------------------------------------


def _plain_selection(kind: GraphQLObjectType, draw: Any, depth: int) -> str:
    names = draw(st.lists(st.sampled_from(["__typename", *kind.fields]), min_size=1, max_size=6, unique=True))
    parts = []
    for position, name in enumerate(names):
        if name == "__typename":
            parts.append(name)
            continue
        field = kind.fields[name]
        if any(isinstance(arg.type, GraphQLNonNull) for arg in field.args.values()):
            continue
        inner = get_named_type(field.type)
        alias = f"a{position}: " if draw(st.booleans()) else ""
        directive = draw(st.sampled_from(["", "", " @include(if: true)", " @skip(if: true)"]))
        if isinstance(inner, GraphQLObjectType):
            if depth:
                parts.append(f"{alias}{name}{directive} {{ {_plain_selection(inner, draw, depth - 1)} }}")
        elif not hasattr(inner, "fields") and not hasattr(inner, "types"):
            parts.append(alias + name + directive)
        else:
            parts.append(f"{alias}{name}{directive} {{ __typename }}")
    return " ".join(parts) or "__typename"


ROOTS = {
    "Run": """project(name: "vision", entityName: "acme") {{ runs {{ totalIgnored: __typename edges {{ cursor
      node {{ {0} }} }} }} }}""",
    "Sweep": 'project(name: "vision", entityName: "acme") {{ sweeps {{ edges {{ node {{ {0} }} }} }} }}',
    "View": 'project(name: "vision", entityName: "acme") {{ allViews {{ edges {{ node {{ {0} }} }} }} }}',
    "Project": 'models(entityName: "acme") {{ edges {{ node {{ {0} }} }} }}',
    "Artifact": """project(name: "vision", entityName: "acme") {{ artifactCollection(name: "data") {{ artifacts
      {{ edges {{ version node {{ {0} }} }} }} }} }}""",
    "User": "users {{ edges {{ node {{ {0} }} }} }}",
    "File": """project(name: "vision", entityName: "acme") {{ run(name: "r2") {{ files {{ edges {{ node {{ {0}
      }} }} }} }} }}""",
}


@settings(max_examples=deep(150), deadline=None, derandomize=True)
@given(st.data())
def test_projected_lists_equal_executed_ones(data: st.DataObject) -> None:
    from graphql import execute, validate

    from wbmodel.engine.projection import ProjectingExecutor

    root = data.draw(st.sampled_from(sorted(ROOTS)))
    schema = executable_schema()
    kind = schema.type_map[root]
    assert isinstance(kind, GraphQLObjectType)
    ast = parse("{ " + ROOTS[root].format(_plain_selection(kind, data.draw, 2)) + " }")
    assert not validate(schema, ast)
    context = Context(WORLD, Reader(Dialect()))
    plain = execute(schema, ast, context_value=context)
    short = execute(schema, ast, context_value=context, executor_class=ProjectingExecutor)
    assert short == plain


WORLD = make_world()


def test_the_short_cut_is_taken_and_leaves_errors_to_the_executor(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wbmodel.engine import projection

    taken: list[Any] = []
    original = projection.ProjectingExecutor._projection

    def noting(self: Any, *args: Any) -> Any:
        made = original(self, *args)
        taken.append(made)
        return made

    monkeypatch.setattr(projection.ProjectingExecutor, "_projection", noting)
    ask = Asker(store)
    ask('{ project(name: "vision", entityName: "acme") { runs { edges { node { name user { username } } } } } }')
    assert taken
    assert taken[0] is not None
    ask(
        '{ project(name: "vision", entityName: "acme") { runs { edges { node { files(first: 1) { totalCount } } } } } }'
    )
    assert taken[-1] is None, "arguments are the executor's"
    project = store.project("acme", "vision")
    assert project is not None
    sweep = store.sweep(project, "sw1")
    assert sweep is not None
    sweep.state = None  # type: ignore[assignment]
    response = ask.send('{ project(name: "vision", entityName: "acme") { sweeps { edges { node { state } } } } }')
    assert response.data == {"project": {"sweeps": None}}
    assert response.errors[0]["path"] == ["project", "sweeps", "edges", 0, "node", "state"]
