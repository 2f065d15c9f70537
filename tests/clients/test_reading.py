"""What the official clients read from the served world is what wbmodel says of the same world.

``wandb`` 0.31.0 sends its GraphQL from a Go process and 0.10.28 from Python, under one operation name for several
documents; both run unchanged, against a real socket.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

import wbmodel
from tests.clients.conftest import PROJECT, RUN, Client, World
from wbmodel import Artifact, Project, Report, Run, Sweep, User
from wbmodel.codec import format_datetime
from wbmodel.engine.streams import sample
from wbmodel.operations.answer import items
from wbmodel.request import Read, ReadSpec, RunRef

pytestmark = pytest.mark.clients


def plain(value: Any) -> Any:
    """NaN as a text, so that it equals itself; moments as the wire has them."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def runs(world: World, **conditions: Any) -> Any:
    return Run.objects.using(world.session).filter(project=PROJECT, **conditions)


def ids(rows: Any) -> list[str]:
    return [run.id for run in rows]


def row(world: World, run: Run) -> dict[str, Any]:
    """A run as ``ask.py`` gives it."""
    entity, project = PROJECT.split("/")
    return plain(
        {
            "id": run.id,
            "name": run.name,
            "state": run.state,
            "tags": run.tags,
            "created_at": format_datetime(run.created_at),
            "path": [entity, project, run.id],
            "url": f"{world.server.url}/{PROJECT}/runs/{run.id}",
            "node_id": run.node_id,
            # Where wbmodel says None; see Dialect.missing_user.
            "user": "nobody" if run.user is None else run.user.username,
            "config": run.config,
            "summary": run.summary,
        }
    )


def history(world: World, **spec: Any) -> list[dict[str, Any]]:
    run = one_run(world)
    asked = items(Read([RunRef(run.node_id, *run.path.split("/"))], ReadSpec(**spec)))
    return plain([row for (batch,) in world.session.iterate(asked) for row in batch.rows()])


def one_run(world: World) -> Run:
    return runs(world).get(id=RUN.rsplit("/", 1)[1])


# -- the client itself -----------------------------------------------------------------------------


def test_it_is_the_client_that_it_is_said_to_be(client: Client, world: World) -> None:
    assert client.answers["version"] == client.version
    agents = {seen.agent for seen in world.server.seen}
    assert f"W&B Public Client {client.version}" in agents
    # use_artifact of 0.31.0 asks the server of the environment, whatever the base_url of its Api is.
    assert world.server.stats.mutations <= 1


def test_it_is_told_what_it_needs_without_one_failed_document(client: Client, world: World) -> None:
    asked = {"a_bad_filter", "a_wrong_key", *(name for name in client.answers if name.startswith("no_such_"))}
    raised = {name for name, found in client.answers.items() if isinstance(found, dict) and "raised" in found}
    assert raised <= asked


# -- projects and runs -----------------------------------------------------------------------------


def test_projects(client: Client, world: World) -> None:
    ours = Project.objects.using(world.session).filter(entity="demo")
    assert client["projects"] == [[project.name, "demo"] for project in ours]
    assert len(client["projects"]) == 6


def test_runs(client: Client, world: World) -> None:
    # The order that each asks for when its user does not: 0.31.0 oldest first, 0.10.28 newest first.
    ours = runs(world).order_by("-created_at" if client.old else "created_at")
    assert client["runs_lazy"] == [[run.id, run.name, run.state] for run in ours]
    assert client["runs_in_one_page"] == ids(ours)
    assert len(client["runs_lazy"]) == 31


def test_whole_runs_page_by_page(client: Client, world: World) -> None:
    ours = runs(world).select_related("user").order_by("-created_at" if client.old else "created_at")
    assert plain(client["runs_whole"]) == [row(world, run) for run in ours]


def test_a_lazy_run_loads_the_rest(client: Client, world: World) -> None:
    first = runs(world).order_by("created_at")[0]
    assert plain(client["a_lazy_run"]) == plain([first.id, first.config, first.summary])


def test_lengths_are_counts(client: Client, world: World) -> None:
    assert client["runs_length"] == [runs(world).count(), runs(world, summary__test_loss__lt=3.0).count()]
    assert client["runs_length"][0] > client["runs_length"][1] > 0


def test_filters_and_orders(client: Client, world: World) -> None:
    filtered = runs(world, summary__test_loss__lt=3.0).order_by("-summary.test_loss")
    assert client["runs_filtered"] == ids(filtered)
    by_config = runs(world, config__transformer__num_layers__gte=4).order_by("created_at")
    assert client["runs_by_config"] == ids(by_config)
    either = runs(world).filter(wbmodel.Q(state="crashed") | wbmodel.Q(config__dropout__patch__gt=0))
    assert client["runs_by_or"] == ids(either.order_by("created_at"))
    for name in ("runs_filtered", "runs_by_config", "runs_by_or"):
        assert 0 < len(client[name]) < 31, name


def test_one_run(client: Client, world: World) -> None:
    ours = runs(world).select_related("user").get(id="0lhwu6v9")
    assert plain(client["one_run"]) == row(world, ours)
    assert client["one_run"]["user"] == "viewer"
    assert client["one_run"]["name"] == "eine größere Übung"
    assert client["one_run"]["summary"]["inf"] == math.inf


def test_summary_values(client: Client, world: World) -> None:
    ours = one_run(world).summary
    assert plain(client["run_summary_values"]) == plain(ours)
    assert math.isnan(client["run_summary_values"]["nan"])


# -- streams and files -----------------------------------------------------------------------------


def test_history(client: Client, world: World) -> None:
    assert plain(client["history"]) == history(world)
    assert len(client["history"]) == 72


def test_history_sampled(client: Client, world: World) -> None:
    assert plain(client["history_sampled"]) == sample(history(world), 5)


def test_scan_history(client: Client, world: World) -> None:
    assert plain(client["scan_history"]) == history(world)
    ours = history(world, keys=("_step", "train_loss"))
    assert plain(client["scan_history_keys"]) == ours


def test_system_metrics(client: Client, world: World) -> None:
    assert client["system_metrics"] == history(world, stream="events")
    assert len(client["system_metrics"]) == 2


def test_console_lines(client: Client, world: World) -> None:
    if client.old:
        assert client["console"] == "not there"
    else:
        assert client["console"] == [item["line"] for item in history(world, stream="console")]
        assert client["console"][0] == "epoch 0"


def test_files(client: Client, world: World) -> None:
    run = runs(world).prefetch_related("files").get(id="0lhwu6v9")
    assert client["files"] == [[file.name, file.size, file.mimetype] for file in run.files]
    assert len(client["files"]) == 4
    assert client["file_content"] == "größer\n"


# -- sweeps, reports, people -----------------------------------------------------------------------


def test_a_sweep(client: Client, world: World) -> None:
    ours = Sweep.objects.using(world.session).filter(project=PROJECT).get(id="synvit01")
    theirs = client["sweep"]
    best = ours.best_run()
    assert best is not None
    assert (theirs["id"], theirs["node_id"], theirs["config"]) == (ours.id, ours.node_id, ours.config)
    assert theirs["best"] == best.id
    order = "-created_at" if client.old else "created_at"
    assert theirs["runs"] == ids(runs(world, sweep="synvit01").order_by(order))
    assert theirs["url"] == f"{world.server.url}/{PROJECT}/sweeps/synvit01"
    assert client["sweep_of_run"] == "synvit01"


def test_sweeps(client: Client, world: World) -> None:
    if client.old:
        assert client["sweeps"] == "not there"
    else:
        assert client["sweeps"] == ids(Sweep.objects.using(world.session).filter(project=PROJECT))


def test_reports(client: Client, world: World) -> None:
    ours = Report.objects.using(world.session).filter(project="demo/wandb-sdk-tests")
    expected = sorted(([report.id, report.description, report.spec] for report in ours), key=lambda item: str(item[1]))
    assert sorted(client["reports"], key=lambda item: str(item[1])) == expected
    assert len(expected) == 2


def test_the_viewer(client: Client, world: World) -> None:
    if client.old:
        assert client["viewer"] == ["demo"]
        return
    username, name, teams, keys, entity = client["viewer"]
    ours = User.objects.using(world.session).get(username="viewer")
    assert (username, name, entity) == (ours.username, ours.name, "demo")
    assert teams == ["viewer", "demo"]
    assert keys == []


def test_users(client: Client, world: World) -> None:
    if client.old:
        assert client["users"] == "not there"
    else:
        assert client["users"] == [user.username for user in User.objects.using(world.session)]


# -- artifacts -------------------------------------------------------------------------------------


def test_an_artifact(client: Client, world: World) -> None:
    versions = Artifact.objects.using(world.session).filter(project=PROJECT, type="model", collection="vit-weights")
    (version,) = (version for version in versions if "latest" in version.aliases)
    theirs = client["artifact"]
    assert theirs["version"] == version.version
    assert theirs["type"] == version.type_name
    assert theirs["digest"] == version.digest
    assert theirs["metadata"] == version.metadata
    assert theirs["size"] == version.size
    # Those in its own collection; wbmodel names the aliases in portfolios too.
    assert theirs["aliases"] == ["best", "latest"]
    assert {"best", "latest"} <= set(version.aliases)
    assert theirs["logged_by"] == "0lhwu6v9"
    assert theirs["used_by"] == ["o2syfzqt"]


def test_an_artifact_is_downloaded(client: Client, world: World) -> None:
    assert client["artifact_content"] == {"model.txt": "none here either\n"}


def test_artifact_types_and_versions(client: Client, world: World) -> None:
    # 0.10.28 knows sequences only.
    names = ["vit-weights"] if client.old else ["released", "vit-weights"]
    assert client["artifact_types"] == [["model", names]]
    assert client["artifact_versions"] == ["v1", "v0"]


# -- what is not there, and who may not ask --------------------------------------------------------


def test_what_is_not_there(client: Client) -> None:
    assert client.raised("no_such_run")[1].startswith("Could not find run")
    assert client.raised("no_such_project") == ("ValueError", "Could not find project nothere")
    assert client.raised("no_such_sweep")[1].startswith("Could not find sweep")


def test_the_servers_own_words_arrive(client: Client) -> None:
    kind, message = client.raised("no_such_entity")
    assert "nobody-at-all" in message
    kind, message = client.raised("a_bad_filter")
    assert "$nonsense" in message
    # Executed with an error beside the data; 0.10.28 raises a plain Exception for that.
    assert kind == ("Exception" if client.old else "WandbApiFailedError")


def test_a_wrong_key(client: Client, world: World) -> None:
    kind, message = client.raised("a_wrong_key")
    if client.old:
        assert (kind, "api_key" in message) == ("CommError", True)
    else:
        assert kind == "AuthenticationError"
    assert world.server.stats.statuses[401] >= 1
    # 404: the telemetry that 0.31.0 sends to its server as well.
    assert set(world.server.stats.statuses) <= {200, 401, 404}
