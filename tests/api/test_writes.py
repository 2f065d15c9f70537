"""Changes through the facade: only what was changed is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import wbmodel
from wbmodel import Api
from wbmodel.api import CommError

Make = Callable[[], Api]


def test_update_sends_what_was_changed_and_keeps_the_rest(writable: Make) -> None:
    api = writable()
    mine, other = api.run("vision/v00"), api.runs("vision", {"name": "v00"})[0]
    other.notes = "of another"
    other.config["theirs"] = 1
    other.update()
    mine.tags = ["a"]
    mine.name = "new"
    mine.update()
    api.flush()
    found = api.run("vision/v00")
    assert (found.tags, found.name, found.notes, found.config["theirs"]) == (["a"], "new", "of another", 1)


def test_config_keeps_the_servers_own_keys(writable: Make) -> None:
    api = writable()
    run = api.run("vision/v00")
    document = (
        "mutation M($id: String!, $config: JSONString) { upsertBucket(input: {id: $id, config: $config}) "
        "{ bucket { id } } }"
    )
    config = '{"lr": {"value": 1}, "_wandb": {"value": {"t": 1}}}'
    api.client.execute(document, {"id": run.storage_id, "config": config})
    run.load(force=True)
    assert (run.config, run.rawconfig) == ({"lr": 1}, {"lr": 1, "_wandb": {"t": 1}})
    assert run.json_config == '{"lr":{"value":1,"desc":null},"_wandb":{"value":{"t":1},"desc":null}}'
    run.config["lr"] = 2
    run.update()
    run.config = {"new": True}
    run.save()
    api.flush()
    assert api.run("vision/v00").rawconfig == {"new": True, "_wandb": {"t": 1}}


def test_summary(writable: Make) -> None:
    numpy = pytest.importorskip("numpy")
    api = writable()
    summary = api.run("vision/v00").summary
    summary["nested"] = {"x": {"y": 1}}
    summary["nested"]["x"]["z"] = numpy.float32(0.5)
    summary.scalar = numpy.int64(3)
    summary.update({"list": numpy.array([1, 2]), "nested": {"x": 7}}, overwrite=False)
    api.flush()
    found = api.run("vision/v00").summary
    assert found["nested"]._json_dict == {"x": {"y": 1, "z": 0.5}}
    assert (found.scalar, found["list"], found.get("no"), "list" in found) == (3, [1, 2], None, True)
    del found["list"]
    found.update()
    api.flush()
    assert "list" not in api.run("vision/v00").summary.keys()  # noqa: SIM118
    with pytest.raises(KeyError):
        _ = found.nowhere


def test_create_and_delete(writable: Make) -> None:
    api = writable()
    made = api.create_run(run_id="fresh", project="vision")
    assert (made.id, made.path, made.state) == ("fresh", ["acme", "vision", "fresh"], "running")
    assert api.create_run(run_id="fresh", project="vision").storage_id == made.storage_id
    assert api.create_run().project == "uncategorized"
    made.delete()
    with pytest.raises(CommError, match="Could not find run"):
        api.run("vision/fresh")
    with pytest.raises(CommError):
        made.delete()
    api.create_project("brand-new", "acme")
    assert "brand-new" in [project.name for project in api.projects()]


def test_waiting_ends_for_a_killed_run(writable: Make) -> None:
    api = writable()
    run = api.create_run(run_id="doomed", project="vision", state="killed")
    run.wait_until_finished()
    assert run.state == "killed"
    assert "killed" in wbmodel.TERMINAL
