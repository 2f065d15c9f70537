"""``Api``: settings, the account, one thing by its path, errors, and what is left out."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gql
import pytest

import wbmodel
from tests.api.conftest import VISION
from tests.support.http import KEY
from wbmodel import Api
from wbmodel.api import CommError, Error, Project, Run, Sweep, UsageError
from wbmodel.errors import ConfigurationError, DoesNotExist, FieldError, NotAuthenticated, NotSupported, ServerError


def test_making_one_is_fast_and_does_no_io(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path))
    open_before = set(wbmodel.connections)
    started = time.perf_counter()
    for _ in range(10):
        Api({"base_url": "https://localhost:1", "entity": "e"})
    assert (time.perf_counter() - started) / 10 < 0.005
    assert set(wbmodel.connections) == open_before


def test_importing_it_loads_no_library() -> None:
    heavy = "{'gql', 'graphql', 'aiohttp', 'pandas', 'pluggy'}"
    code = f"import sys; from wbmodel import Api; Api(); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WBMODEL_URL", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert Api().settings["base_url"] == "https://api.wandb.ai"
    monkeypatch.setenv("WANDB_BASE_URL", "https://example.com")
    monkeypatch.setenv("WANDB_ENTITY", "mine")
    monkeypatch.setenv("WANDB_PROJECT", "home")
    monkeypatch.setenv("WANDB_RUN_ID", "abc")
    settings = {"base_url": "https://example.com", "entity": "mine", "project": "home", "run": "abc"}
    assert Api().settings == settings
    given = {"base_url": "https://example.org/", "entity": "e", "project": "p", "run": "r"}
    assert Api(given).settings == {**given, "base_url": "https://example.org"}
    both = Api({"project": "acme/vision"}).settings
    assert (both["entity"], both["project"]) == ("acme", "vision")
    with pytest.warns(DeprecationWarning, match="use entity"):
        assert Api({"username": "old"}).default_entity == "old"


@pytest.mark.parametrize(("overrides", "told"), [("x", "is a dict"), ({"entity": 3}, "override entity must be text")])
def test_overrides_that_cannot_be(overrides: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Api(overrides)
    with pytest.raises(TypeError, match="api_key must be text"):
        Api(api_key=3)  # type: ignore[arg-type]


def test_the_key_comes_from_the_environment_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine example.com login user password of-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    here = {"base_url": "https://example.com"}
    assert Api(here).api_key == "of-netrc"
    monkeypatch.setenv("WANDB_API_KEY", "of-environment")
    assert Api(here).api_key == "of-environment"
    assert Api(here, api_key="of-argument").api_key == "of-argument"


def test_it_runs_on_any_backend(tmp_path: Path) -> None:
    assert len(Api({"base_url": "demo:"}).runs("demo/vit-prisma")) == 31
    with pytest.raises(wbmodel.errors.WbmodelError, match="nowhere"):
        list(Api({"base_url": f"fixtures:{tmp_path}/nowhere"}).projects("demo"))
    with pytest.raises(wbmodel.errors.UnknownBackend):
        list(Api({"base_url": "nonsense:x"}).projects("demo"))


def test_the_process_wide_session_is_left_alone(api: Api) -> None:
    with wbmodel.connect("demo:", project="demo/vit-prisma", default=False):
        assert len(api.runs("vision")) == len(VISION)
        assert wbmodel.Run.objects.count() == 31


# -- the account and the client --------------------------------------------------------------------


def test_the_account(api: Api) -> None:
    bare = Api({"base_url": api.settings["base_url"]}, api_key=KEY)
    assert (bare.default_entity, bare.default_entity) == ("ada", "ada")
    assert bare.client.session.stats.requests == 1
    assert (bare.viewer.username, type(bare.viewer.name)) == ("ada", str)
    assert [user.username for user in bare.users("bob")] == ["bob"]
    assert bare.user("nobody-at-all") is None
    assert isinstance(bare.viewer.teams, list)
    assert [project.name for project in bare.projects()] == ["scratch"]
    with pytest.raises(NotAuthenticated):
        _ = Api({"base_url": api.settings["base_url"]}, api_key="x" * 40).default_entity


def test_the_client_takes_documents_of_gql(api: Api) -> None:
    document = gql.gql('query P($name: String!) { project(name: $name, entityName: "acme") { name } }')
    for given in (document, 'query P($name: String!) { project(name: $name, entityName: "acme") { name } }'):
        assert api.client.execute(given, variable_values={"name": "vision"}) == {"project": {"name": "vision"}}
    viewer = api.client.execute(Api.VIEWER_QUERY)["viewer"]
    assert viewer["entity"] == "ada"
    assert api.client.app_url == f"{api.settings['base_url']}/"
    with pytest.raises(ServerError, match="nonsense"):
        api.client.execute("{ nonsense }")


# -- one thing by its path -------------------------------------------------------------------------


def test_one_run(api: Api) -> None:
    run = api.run("acme/vision/v00")
    (plain,) = (one for one in VISION if one["id"] == "v00")
    assert (run.id, run.name, run.state, run.tags) == ("v00", plain["name"], plain["state"], plain["tags"])
    assert (run.config, run.path) == (plain["config"], ["acme", "vision", "v00"])
    assert run.url == f"{api.settings['base_url']}/acme/vision/runs/v00"
    assert (run.created_at, run.createdAt) == (run._attrs["createdAt"],) * 2  # type: ignore[attr-defined]
    assert (run.jobType, run.job_type) == (plain["job_type"],) * 2  # type: ignore[attr-defined]
    assert repr(run) == f"<Run acme/vision/v00 ({plain['state']})>"
    assert api.client.session.stats.requests == 1
    assert run.lastHistoryStep == -1
    with pytest.raises(AttributeError, match="object has no attribute 'nonsense'"):
        _ = run.nonsense  # type: ignore[attr-defined]


def test_what_does_not_exist_is_a_comm_error_with_its_cause(api: Api) -> None:
    asked: list[Callable[[], Any]] = [
        lambda: api.run("vision/nothere"),
        lambda: api.sweep("vision/nothere"),
        lambda: api.artifact("vision/nothere:latest"),
        lambda: api.artifact_type("nothere", "vision"),
        lambda: api.artifact_collection("model", "vision/nothere"),
    ]
    for ask in asked:
        with pytest.raises(CommError, match="nothere") as caught:
            ask()
        error = caught.value
        assert isinstance(error, Error)
        assert isinstance(error.exc, ValueError)
        assert error.__cause__ is error.exc
        assert isinstance(error.exc.__cause__, DoesNotExist)
        assert str(error) == error.message


def test_bad_paths_are_comm_errors_too(api: Api) -> None:
    for ask in (lambda: api.run("a/b/c/d"), lambda: api.run(""), lambda: api.sweep(""), lambda: api.artifact("")):
        with pytest.raises(CommError):
            ask()
    with pytest.raises(ValueError, match="no project"):
        api.runs()


def test_bad_orders_and_filters_are_told_before_a_request(api: Api) -> None:
    for order in ("loss", "+nonsense"):
        with pytest.raises(FieldError):
            api.runs("vision", order=order)
    wrong: list[tuple[Any, type[Exception]]] = [
        (["state"], TypeError),
        ({"summary_metrics.loss": float("nan")}, ValueError),
        ({"created_at": {"$gt": "soon"}}, ValueError),
        ({"config.lr": {"$in": 3}}, ValueError),
    ]
    for filters, error in wrong:
        with pytest.raises(error):
            api.runs("vision", filters)
    assert api.client.session.stats.requests == 0


def test_artifacts(api: Api) -> None:
    version = api.artifact("acme/vision/images:latest", type="dataset")
    assert (version.name, version.version, version.aliases) == ("images:v1", "v1", ["latest"])
    assert api.artifact("vision/images").name == "images:v1"
    assert (version.entity, version.project, version.type) == ("acme", "vision", "dataset")
    assert version.qualified_name == "acme/vision/images:v1"
    found = version.logged_by()
    assert found is not None
    assert (found.id, sorted(run.id for run in version.used_by())) == ("v01", ["v02", "v03"])
    with pytest.raises(CommError, match="type model specified but this artifact is of type dataset"):
        api.artifact("vision/images:latest", type="model")
    assert api.artifact_exists("vision/images:v0") is True
    assert api.artifact_exists("vision/images:v7") is False
    assert api.artifact_exists("vision/images:v0", "model") is False
    assert api.artifact_collection_exists("vision/images", "dataset") is True
    assert api.artifact_collection_exists("vision/nothere", "dataset") is False
    assert [one.name for one in api.artifacts("dataset", "vision/images")] == ["images:v1", "images:v0"]
    assert version.collection.versions()[0].id == version.id
    assert version.commit_hash is None
    assert version.updated_at


def test_existence_is_not_a_guess_where_the_server_fails() -> None:
    lost = Api({"base_url": "http://127.0.0.1:9", "entity": "e", "project": "p"}, timeout=1, api_key=KEY)
    with pytest.raises(CommError):
        lost.artifact_exists("images:latest")


def test_sweeps(api: Api) -> None:
    sweep = api.sweep("acme/vision/sweeps/sw1")
    assert (sweep.id, sweep.name, sweep.order) == ("sw1", "first", "+summary_metrics.loss")
    mine = [run for run in VISION if run["sweep"] == "sw1"]
    assert {run.id for run in sweep.runs} == {run["id"] for run in mine} == set(sweep.runs_by_id)
    best = sweep.best_run()
    assert best is not None
    oldest = sweep.best_run(order="+created_at")
    assert oldest is not None
    assert oldest.model.created_at == min(run["created_at"] for run in mine)
    by_key = sweep.best_run(order="-eval/acc")
    assert by_key is not None
    assert by_key.summary["eval/acc"] == max(run["summary"].get("eval/acc", 0) for run in mine)
    assert Sweep.get(api.client, "acme", "vision", "nothere") is None


def test_reports(api: Api) -> None:
    reports = list(api.reports("acme/vision"))
    named = api.reports("vision", name=reports[0].name)
    assert [one.id for one in named] == [reports[0].id]
    assert list(api.reports("vision", name="no%20such")) == []
    assert len(api.reports("acme/vision/any")) == len(reports)
    shown = [report.runs(report.sections[0]) for report in reports if report.sections]
    assert shown
    assert all(isinstance(run, Run) for runs in shown for run in runs)


def test_from_path(api: Api) -> None:
    assert isinstance(api.from_path("vision"), Project)
    assert isinstance(api.from_path("acme/vision"), Project)
    assert isinstance(api.from_path("acme/vision/v00"), Run)
    assert isinstance(api.from_path("acme/vision/runs/v00"), Run)
    assert isinstance(api.from_path("acme/vision/sweeps/sw1"), Sweep)
    with pytest.raises(UsageError, match="is not a path"):
        api.from_path("a/b/c/d")


# -- what is left out ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run_queue", "automations", "registries", "organization", "create_team"])
def test_asking_for_what_is_left_out_says_so(api: Api, name: str) -> None:
    with pytest.raises(NotSupported, match="is not in wbmodel"):
        getattr(api, name)
    assert not hasattr(api, name)


def test_sync_tensorboard_is_honest(api: Api) -> None:
    with pytest.raises(NotSupported, match="does not send TensorBoard logs"):
        api.sync_tensorboard("logs")


def test_a_name_that_nobody_has_is_an_attribute_error(api: Api) -> None:
    with pytest.raises(AttributeError, match="'Api' object has no attribute 'rums'"):
        _ = api.rums  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError):
        _ = Api({"base_url": "https://exa mple?x#y"}).api_key
