"""Every mutation: what it changes, what null leaves alone, what it refuses."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from tests.support.engine_world import Asker
from wbmodel.engine.schema import executable_schema


def mutate(ask: Asker, name: str, returning: str, /, **given: Any) -> Any:
    kind = name[0].upper() + name[1:] + "Input!"
    return ask(f"mutation($input: {kind}) {{ {name}(input: $input) {{ {returning} }} }}", input=given)[name]


def refused(ask: Asker, name: str, returning: str = "clientMutationId", /, **given: Any) -> str:
    kind = name[0].upper() + name[1:] + "Input!"
    before = ask.store.token
    message = ask.error(f"mutation($input: {kind}) {{ {name}(input: $input) {{ {returning} }} }}", input=given)
    assert ask.store.token == before, "nothing is changed by what is refused"
    return message


def run_id(ask: Asker, name: str = "r1") -> str:
    return str(
        ask(f'{{ project(name: "vision", entityName: "acme") {{ run(name: "{name}") {{ id }} }} }}')["project"]["run"][
            "id"
        ]
    )


def test_every_mutation_of_the_schema_is_tested_here() -> None:
    from pathlib import Path

    mutation = executable_schema().mutation_type
    assert mutation is not None
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in mutation.fields if f'"{name}"' not in text] == []


def test_upsert_model(ask: Asker) -> None:
    made = mutate(
        ask,
        "upsertModel",
        "inserted model { id name description } project { entityName user { username } }",
        entityName="acme",
        name="new",
        description="d",
    )
    assert made["inserted"] is True
    assert made["project"] == {"entityName": "acme", "user": {"username": "ada"}}
    changed = mutate(
        ask,
        "upsertModel",
        "inserted model { id name description access }",
        entityName="acme",
        name="new",
        access="PRIVATE",
    )
    assert (changed["inserted"], changed["model"]["description"], changed["model"]["access"]) == (False, "d", "PRIVATE")
    assert changed["model"]["id"] == made["model"]["id"]
    renamed = mutate(
        ask, "upsertModel", "project { id name description }", id=made["model"]["id"], name="newer", description=""
    )
    assert renamed["project"] == {"id": made["model"]["id"], "name": "newer", "description": ""}
    own = mutate(ask, "upsertModel", "project { entityName }", name="mine", entityName="")
    assert own["project"]["entityName"] == "ada"
    assert "'acm'" in refused(ask, "upsertModel", entityName="acm", name="x")
    assert "name" in refused(ask, "upsertModel", entityName="acme")
    assert "views" in refused(ask, "upsertModel", entityName="acme", name="x", views="{")


def test_delete_model(ask: Asker) -> None:
    project = ask('{ project(name: "vision", entityName: "acme") { id } }')["project"]["id"]
    assert mutate(ask, "deleteModel", "success", id=project) == {"success": True}
    assert ask('{ project(name: "vision", entityName: "acme") { id } }')["project"] is None
    message = refused(ask, "deleteModel", id=project)
    assert "project with id" in message
    assert "does not exist" in message


def test_rename_project(ask: Asker) -> None:
    done = mutate(
        ask,
        "renameProject",
        "inserted project { name } clientMutationId",
        entityName="acme",
        oldProjectName="vision",
        newProjectName="eyes",
        clientMutationId="7",
    )
    assert done == {"inserted": False, "project": {"name": "eyes"}, "clientMutationId": "7"}
    assert ask('{ project(name: "eyes", entityName: "acme") { runCount } }')["project"]["runCount"] == 4
    assert "acme/empty" in refused(
        ask, "renameProject", entityName="acme", oldProjectName="eyes", newProjectName="empty"
    )
    assert "acme/visio" in refused(ask, "renameProject", entityName="acme", oldProjectName="visio", newProjectName="x")
    assert "empty" in refused(ask, "renameProject", entityName="acme", oldProjectName="eyes", newProjectName="")


BUCKET = """inserted bucket { id name displayName notes tags group jobType state config summaryMetrics sweepName
  user { username } heartbeatAt project { name entityName } commit }"""


def test_upsert_bucket_makes_a_run(ask: Asker) -> None:
    made = mutate(
        ask,
        "upsertBucket",
        BUCKET,
        entityName="acme",
        modelName="vision",
        name="new",
        displayName="shiny",
        tags=["a", "b", "a"],
        groupName="g",
        jobType="train",
        config='{"lr": {"value": 0.5}, "_wandb": {"value": {"t": 1}}}',
        summaryMetrics='{"loss": NaN, "text": "NaN"}',
        sweep="sw1",
        commit="abc",
    )
    assert made["inserted"] is True
    bucket = made["bucket"]
    assert json.loads(bucket["config"]) == {"lr": {"desc": None, "value": 0.5}, "_wandb": {"value": {"t": 1}}}
    assert bucket["summaryMetrics"] == '{"loss":NaN,"text":NaN}'
    assert {
        key: bucket[key]
        for key in (
            "name",
            "displayName",
            "tags",
            "group",
            "jobType",
            "state",
            "sweepName",
            "user",
            "project",
            "commit",
        )
    } == {
        "name": "new",
        "displayName": "shiny",
        "tags": ["a", "b"],
        "group": "g",
        "jobType": "train",
        "state": "running",
        "sweepName": "sw1",
        "user": {"username": "ada"},
        "project": {"name": "vision", "entityName": "acme"},
        "commit": "abc",
    }
    assert bucket["heartbeatAt"]
    assert ask.names({"config.lr": 0.5}) == ["new"]


def test_upsert_bucket_changes_only_what_is_not_null(ask: Asker) -> None:
    before = mutate(ask, "upsertBucket", BUCKET, id=run_id(ask))
    assert before["inserted"] is False
    changed = mutate(ask, "upsertBucket", BUCKET, id=run_id(ask), notes="n", displayName=None)["bucket"]
    assert changed == {**before["bucket"], "notes": "n"}
    cleared = mutate(
        ask, "upsertBucket", BUCKET, id=run_id(ask), tags=[], notes="", groupName="", summaryMetrics="{}", sweep=""
    )["bucket"]
    assert (cleared["tags"], cleared["notes"], cleared["group"], cleared["summaryMetrics"], cleared["sweepName"]) == (
        [],
        "",
        "",
        "{}",
        None,
    )
    by_name = mutate(ask, "upsertBucket", BUCKET, entityName="acme", modelName="vision", name="r1", displayName="again")
    assert (by_name["inserted"], by_name["bucket"]["displayName"], by_name["bucket"]["config"]) == (
        False,
        "again",
        before["bucket"]["config"],
    )


def test_upsert_bucket_keeps_the_wandb_part_of_a_config_that_comes_without_it(ask: Asker) -> None:
    changed = mutate(ask, "upsertBucket", BUCKET, id=run_id(ask), config='{"lr": {"value": 9, "desc": "why"}}')[
        "bucket"
    ]
    config = json.loads(changed["config"])
    assert config["lr"] == {"value": 9, "desc": "why"}
    assert config["_wandb"]["value"]["cli_version"] == "0.31.0"
    assert config.keys() == {"lr", "_wandb"}


def test_upsert_bucket_makes_the_project_and_a_name(ask: Asker) -> None:
    made = mutate(ask, "upsertBucket", BUCKET, entityName=None, modelName="fresh", displayName="x")["bucket"]
    assert made["project"] == {"name": "fresh", "entityName": "ada"}
    assert re.fullmatch("[a-z0-9]{8}", made["name"])
    loose = mutate(ask, "upsertBucket", BUCKET, entityName="")["bucket"]
    assert loose["project"] == {"name": "uncategorized", "entityName": "ada"}
    assert loose["displayName"] == loose["name"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"id": "bm9wZQ=="}, "bm9wZQ=="),
        ({"config": "{"}, "config"),
        ({"config": "[]"}, "config"),
        ({"summaryMetrics": "3"}, "summaryMetrics"),
        ({"summaryMetrics": "nope"}, "summaryMetrics"),
        ({"sweep": "sw2"}, "did you mean 'sw1'"),
        ({"entityName": "acmee"}, "did you mean 'acme'"),
        ({"modelName": "fresh", "sweep": "sw1"}, "'sw1'"),
    ],
)
def test_upsert_bucket_refuses(ask: Asker, given: dict[str, Any], word: str) -> None:
    assert word in refused(ask, "upsertBucket", **{"entityName": "acme", "modelName": "vision", "name": "zz", **given})
    assert ask('{ project(name: "fresh", entityName: "acme") { id } }')["project"] is None


def test_an_id_of_something_else_is_named_so(ask: Asker) -> None:
    project = ask('{ project(name: "vision", entityName: "acme") { id } }')["project"]["id"]
    assert "belongs to a project" in refused(ask, "upsertBucket", id=project)


def test_delete_run(ask: Asker) -> None:
    run = run_id(ask)
    assert mutate(ask, "deleteRun", "clientMutationId", id=run) == {"clientMutationId": None}
    assert "r1" not in ask.names()
    assert ask(
        '{ project(name: "vision", entityName: "acme") { artifact(name: "data:v0") { createdBy { __typename } } } }'
    )["project"]["artifact"] == {"createdBy": None}
    assert "does not exist" in refused(ask, "deleteRun", id=run)


def test_delete_run_with_its_artifacts(ask: Asker) -> None:
    mutate(ask, "deleteRun", "clientMutationId", id=run_id(ask), deleteArtifacts=True)
    data = ask(
        """{ project(name: "vision", entityName: "acme") { artifact(name: "data:v0") { id } other:
          artifact(name: "data:v1") { versionIndex } } }"""
    )
    assert data["project"] == {"artifact": None, "other": {"versionIndex": 1}}


def test_update_run_state_and_stop_run(ask: Asker) -> None:
    assert mutate(ask, "updateRunState", "success", id=run_id(ask), state="killed") == {"success": True}
    assert ask.names({"state": "killed"}) == ["r1"]
    assert mutate(ask, "stopRun", "success", id=run_id(ask, "r3")) == {"success": True}
    run = ask('{ project(name: "vision", entityName: "acme") { run(name: "r3") { stopped shouldStop state } } }')[
        "project"
    ]["run"]
    assert run == {"stopped": True, "shouldStop": True, "state": "running"}
    assert "run with id 'x'" in refused(ask, "updateRunState", id="x", state="y")
    assert "run with id 'x'" in refused(ask, "stopRun", id="x")


def test_upsert_sweep(ask: Asker) -> None:
    yaml = "method: random\nmetric: {name: loss, goal: minimize}\nparameters:\n  lr: {min: 0.1, max: 1}\n"
    made = mutate(
        ask,
        "upsertSweep",
        "inserted configValidationWarnings sweep { id name method config state project { name entity { name } } }",
        entityName="acme",
        projectName="vision",
        config=yaml,
    )
    assert made["inserted"] is True
    assert made["configValidationWarnings"] == []
    sweep = made["sweep"]
    assert (sweep["method"], sweep["config"], sweep["state"], sweep["project"]["entity"]["name"]) == (
        "random",
        yaml,
        "RUNNING",
        "acme",
    )
    changed = mutate(
        ask,
        "upsertSweep",
        "inserted sweep { name state displayName config }",
        id=sweep["id"],
        state="PAUSED",
        displayName="s",
    )
    assert changed == {
        "inserted": False,
        "sweep": {"name": sweep["name"], "state": "PAUSED", "displayName": "s", "config": yaml},
    }
    as_json = mutate(
        ask, "upsertSweep", "sweep { method }", entityName="acme", projectName="vision", config='{"method": "bayes"}'
    )
    assert as_json == {"sweep": {"method": "bayes"}}
    for wrong in ("- a list", "a: [", "3"):
        assert "config" in refused(
            ask, "upsertSweep", "inserted", entityName="acme", projectName="vision", config=wrong
        )
    assert "acme/nope" in refused(ask, "upsertSweep", "inserted", entityName="acme", projectName="nope", config=yaml)


def test_delete_sweep(ask: Asker) -> None:
    sweep = ask('{ project(name: "vision", entityName: "acme") { sweep(sweepName: "sw1") { id } } }')["project"][
        "sweep"
    ]["id"]
    assert mutate(ask, "deleteSweep", "success", id=sweep) == {"success": True}
    data = ask('{ project(name: "vision", entityName: "acme") { totalSweeps run(name: "r1") { sweepName } } }')[
        "project"
    ]
    assert data == {"totalSweeps": 0, "run": {"sweepName": None}}
    assert "sweep with id" in refused(ask, "deleteSweep", id=sweep)


def test_upsert_view_as_the_reports_library_sends_it(ask: Asker) -> None:
    document = """mutation upsertView($id: ID, $entityName: String, $projectName: String, $type: String, $name:
      String, $displayName: String,
      $description: String, $spec: String!) { upsertView(input: {id: $id, entityName: $entityName, projectName:
      $projectName, name: $name,
      displayName: $displayName, description: $description, type: $type, createdUsing: WANDB_SDK, spec: $spec})
      {
      view { id type name displayName description project { id name entityName } spec updatedAt } inserted } }"""
    made = ask(document, entityName="acme", projectName="vision", displayName="T", spec='{"blocks": [1]}', type="runs")[
        "upsertView"
    ]
    assert made["inserted"] is True
    view = made["view"]
    assert (view["type"], view["displayName"], json.loads(view["spec"]), view["project"]["entityName"]) == (
        "runs",
        "T",
        {"blocks": [1]},
        "acme",
    )
    changed = ask(document, id=view["id"], description="d", spec='{"blocks": []}')["upsertView"]
    assert changed["inserted"] is False
    assert (changed["view"]["displayName"], changed["view"]["description"], changed["view"]["spec"]) == (
        "T",
        "d",
        '{"blocks":[]}',
    )
    renamed = mutate(ask, "upsertView", "view { id name }", id=view["id"], name="other")
    assert renamed["view"] == {"id": view["id"], "name": "other"}
    assert "'rep'" in refused(ask, "upsertView", id=view["id"], name="rep")
    assert "'rep'" in refused(ask, "upsertView", entityName="acme", projectName="vision", name="rep")
    assert "spec" in refused(ask, "upsertView", entityName="acme", projectName="vision", spec="{")


def test_delete_view(ask: Asker) -> None:
    view = ask(
        '{ project(name: "vision", entityName: "acme") { allViews(viewName: "rep") { edges { node { id } } } } }'
    )["project"]["allViews"]["edges"][0]["node"]["id"]
    assert mutate(ask, "deleteView", "success pendingDrafts", id=view, deleteDrafts=True) == {
        "success": True,
        "pendingDrafts": False,
    }
    assert "report with id" in refused(ask, "deleteView", id=view)


# -- artifacts -------------------------------------------------------------------------------------


def artifact(ask: Asker, name: str) -> Any:
    return ask(
        f"""{{ project(name: "vision", entityName: "acme") {{ artifact(name: "{name}") {{ id description
          metadata tags {{ name }} aliases {{ alias artifactCollectionName }} state }} }} }}"""
    )["project"]["artifact"]


def test_update_artifact(ask: Asker) -> None:
    node = artifact(ask, "data:v1")["id"]
    changed = mutate(
        ask,
        "updateArtifact",
        "artifact { id description metadata tags { name } }",
        artifactID=node,
        description="d",
        metadata='{"a": NaN}',
        tagsToAdd=[{"tagName": "new"}, {"tagName": "t2"}],
        tagsToDelete=[{"tagName": "t"}],
    )["artifact"]
    assert changed == {
        "id": node,
        "description": "d",
        "metadata": '{"a":NaN}',
        "tags": [{"name": "new"}, {"name": "t2"}],
    }
    mutate(
        ask,
        "updateArtifact",
        "artifact { id }",
        artifactID=node,
        aliases=[{"artifactCollectionName": "data", "alias": alias} for alias in ("v1", "x", "latest")],
    )
    assert [item["alias"] for item in artifact(ask, "data:v1")["aliases"]] == ["x", "latest"]
    mutate(ask, "updateArtifact", "artifact { id }", artifactID=node, aliases=[])
    assert artifact(ask, "data:v1")["aliases"] == []
    assert artifact(ask, "data:v1")["description"] == "d"
    assert "metadata" in refused(ask, "updateArtifact", artifactID=node, metadata="[]")
    assert "'nope'" in refused(
        ask, "updateArtifact", artifactID=node, aliases=[{"artifactCollectionName": "nope", "alias": "x"}]
    )
    assert "artifact with id" in refused(ask, "updateArtifact", artifactID="x")


def test_add_and_delete_aliases(ask: Asker) -> None:
    first, second = artifact(ask, "data:v0")["id"], artifact(ask, "data:v1")["id"]
    place = {"entityName": "acme", "projectName": "vision", "artifactCollectionName": "data"}
    assert mutate(ask, "addAliases", "success", artifactID=first, aliases=[{**place, "alias": "best"}]) == {
        "success": True
    }
    assert artifact(ask, "data:best")["id"] == first
    assert [item["alias"] for item in artifact(ask, "data:v1")["aliases"]] == ["latest"]
    assert mutate(ask, "deleteAliases", "success", artifactID=second, aliases=[{**place, "alias": "latest"}]) == {
        "success": True
    }
    assert artifact(ask, "data:v1")["aliases"] == []
    assert "'v7'" in refused(ask, "addAliases", artifactID=first, aliases=[{**place, "alias": "v7"}])


def test_delete_artifact(ask: Asker) -> None:
    node = artifact(ask, "data:v1")["id"]
    assert "latest" in refused(ask, "deleteArtifact", artifactID=node)
    gone = mutate(ask, "deleteArtifact", "artifact { id state }", artifactID=node, deleteAliases=True)
    assert gone == {"artifact": {"id": node, "state": "DELETED"}}
    assert artifact(ask, "data:v1") is None
    run = ask('{ project(name: "vision", entityName: "acme") { run(name: "r2") { inputArtifacts { totalCount } } } }')[
        "project"
    ]["run"]
    assert run == {"inputArtifacts": {"totalCount": 0}}


def test_delete_files(ask: Asker) -> None:
    """All of them, or none; files of artifacts stay."""
    inner = "files { edges { node { id name } } }"
    text = f'{{ project(name: "vision", entityName: "acme") {{ runs {{ edges {{ node {{ {inner} }} }} }} }} }}'
    nodes = [
        file["node"]["id"] for run in ask(text)["project"]["runs"]["edges"] for file in run["node"]["files"]["edges"]
    ]
    assert len(nodes) > 1
    artifact_file = ask(
        f'{{ artifact(id: "{artifact(ask, "data:v0")["id"]}") {{ files {{ edges {{ node {{ id }} }} }} }} }}'
    )
    fixed = [edge["node"]["id"] for edge in artifact_file["artifact"]["files"]["edges"]]
    assert "whose files are fixed" in refused(ask, "deleteFiles", files=[nodes[0], fixed[0]])
    assert "file with id" in refused(ask, "deleteFiles", files=[nodes[0], "nowhere"])
    assert mutate(ask, "deleteFiles", "success", files=nodes[:1]) == {"success": True}
    left = [
        edge["node"]["id"] for run in ask(text)["project"]["runs"]["edges"] for edge in run["node"]["files"]["edges"]
    ]
    assert left == nodes[1:]


def test_use_artifact(ask: Asker) -> None:
    node = artifact(ask, "data:v0")["id"]
    given = {"artifactID": node, "entityName": "acme", "projectName": "vision"}
    for _ in range(2):
        assert mutate(ask, "useArtifact", "artifact { id }", runName="r3", **given) == {"artifact": {"id": node}}
    data = ask(f'{{ artifact(id: "{node}") {{ usedBy {{ edges {{ node {{ name }} }} }} }} }}')
    assert data == {"artifact": {"usedBy": {"edges": [{"node": {"name": "r3"}}]}}}
    assert "'r9'" in refused(ask, "useArtifact", runName="r9", **given)


def test_numbers_survive(ask: Asker) -> None:
    text = json.dumps({"big": 2**80, "inf": math.inf, "one": 1.0, "tiny": 5e-324})
    got = mutate(ask, "upsertBucket", BUCKET, id=run_id(ask), summaryMetrics=text)["bucket"]["summaryMetrics"]
    assert json.loads(got) == {"big": 2**80, "inf": math.inf, "one": 1.0, "tiny": 5e-324}
    assert "1.0" in got
