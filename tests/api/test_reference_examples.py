"""The examples of the reference page of 0.10.28, as they stand there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wbmodel import Api
from wbmodel.api import Runs

NAMES = {"v00": "foo", "v01": "bar", "v02": "baz", "v03": "foo"}


@pytest.fixture
def api(writable: Callable[[], Api]) -> Api:
    """Runs of ``my_entity/my_project`` with an experiment name each."""
    made = writable()
    for run_id, name in NAMES.items():
        run = made.run(f"acme/vision/{run_id}")
        run.config = {"experiment_name": name}
        run.summary["loss"] = len(run_id) + int(run_id[1:])
        run.update()
    made.flush()
    return made


def ids(runs: Runs) -> set[str]:
    return {run.id for run in runs}


def test_runs(api: Api) -> None:
    path = "acme/vision"
    found: Any = api.runs(path=path, filters={"config.experiment_name": "foo"})
    assert ids(found) == {"v00", "v03"}
    found = api.runs(path=path, filters={"$or": [{"config.experiment_name": "foo"}, {"config.experiment_name": "bar"}]})
    assert ids(found) == {"v00", "v01", "v03"}
    found = api.runs(path=path, filters={"config.experiment_name": {"$regex": "b.*"}})
    assert ids(found) == {"v01", "v02"}
    found = api.runs(path=path, filters={"config.experiment_name": {"$exists": True}}, order="+summary_metrics.loss")
    assert [run.id for run in found] == ["v00", "v01", "v02", "v03"]


def test_a_table_of_all_runs(api: Api) -> None:
    runs = api.runs("acme/vision", {"config.experiment_name": {"$ne": None}})
    summary_list, config_list, name_list = [], [], []
    for run in runs:
        summary_list.append(run.summary._json_dict)
        config_list.append({k: v for k, v in run.config.items() if not k.startswith("_")})
        name_list.append(run.name)
    assert sorted(config["experiment_name"] for config in config_list) == ["bar", "baz", "foo", "foo"]
    assert len(summary_list) == len(name_list) == 4
    assert all("loss" in summary for summary in summary_list)


def test_updating_a_config_and_a_summary(api: Api) -> None:
    run = api.run("acme/vision/v00")
    run.config["key"] = 42
    run.update()
    run.summary["accuracy"] = 0.9
    run.summary["accuracy_histogram"] = {"bins": [1, 2]}
    run.summary.update()
    api.flush()
    again = api.run("acme/vision/v00")
    assert (again.config["key"], again.summary["accuracy"]) == (42, 0.9)
    assert again.summary["accuracy_histogram"]["bins"] == [1, 2]
    again.summary["accuracy_2"] = again.summary["accuracy"]
    del again.summary["accuracy"]
    again.summary.update()
    api.flush()
    assert "accuracy" not in api.run("acme/vision/v00").summary


def test_sweeps_and_projects(api: Api) -> None:
    sweep = api.sweep("acme/vision/sw1")
    runs = sorted(sweep.runs, key=lambda run: run.summary.get("eval/acc", 0), reverse=True)
    assert runs[0].summary.get("eval/acc", 0) >= runs[-1].summary.get("eval/acc", 0)
    assert {project.name for project in api.projects("acme")} == {"vision", "nlp"}
    assert [run.id for run in api.runs("acme/vision")][:1] == [api.runs("acme/vision")[0].id]
