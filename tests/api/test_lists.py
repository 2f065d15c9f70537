"""Lists of the facade: lazy, each loop by itself, and never a request per run."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import VISION
from tests.support.http import KEY
from wbmodel import Api
from wbmodel.api import Runs


def requests(api: Api) -> int:
    return api.client.session.stats.requests


def newest_first() -> list[str]:
    rows = sorted(VISION, key=lambda run: run["id"])
    return [run["id"] for run in sorted(rows, key=lambda run: run["created_at"], reverse=True)]


def test_nothing_is_asked_before_it_is_needed(api: Api) -> None:
    runs = api.runs("acme/vision", {"state": "finished"}, order="+summary_metrics.loss")
    assert (repr(runs), runs.entity, runs.project, runs.order) == (
        "<Runs acme/vision>",
        "acme",
        "vision",
        "+summary_metrics.loss",
    )
    assert api.projects() is not None
    assert api.reports("vision") is not None
    assert api.project("vision").path == ["acme", "vision"]
    assert requests(api) == 0


def test_runs_come_newest_first_and_len_is_the_servers_total(api: Api) -> None:
    runs = api.runs("vision")
    assert (len(runs), runs.length) == (len(VISION), len(VISION))
    assert requests(api) == 1
    assert [run.id for run in runs] == newest_first()
    assert runs.more is False


def test_loops_do_not_disturb_each_other(api: Api) -> None:
    runs = api.runs("vision", {"state": "finished"})
    count = len(list(runs))
    assert sum(1 for _ in runs for _ in runs) == count * count
    first: Iterator[Any] = iter(runs)
    next(first)
    assert [run.id for run in runs][1] == next(first).id
    assert next(runs) is runs[0]
    assert runs.next() is runs[1]


def test_indexes_and_slices_are_those_of_a_list(api: Api) -> None:
    ids = newest_first()
    for index in (0, 5, -1, -3):
        assert api.runs("vision")[index].id == ids[index]
    for part in (slice(3), slice(2, 5), slice(30, None), slice(-2, None), slice(None, None, 7), slice(None, None, -1)):
        assert [run.id for run in api.runs("vision")[part]] == ids[part], part
    runs = api.runs("vision")
    assert runs[0] is runs[0]
    assert next(reversed(runs)).id == ids[-1]
    with pytest.raises(IndexError):
        runs[1000]


def test_per_page_is_the_size_of_a_page(api: Api) -> None:
    runs = api.runs("vision", per_page=3)
    assert runs[0].id == newest_first()[0]
    assert 0 < len(runs.objects) <= 3  # a row that may tie with one of the next page waits for it
    assert runs[5].id == newest_first()[5]
    assert (runs.cursor, runs.more) == (str(len(runs.objects)), True)
    assert 1 < requests(api) <= 4
    assert len(list(api.runs("vision", per_page=1000))) == len(VISION)


@pytest.mark.parametrize(
    ("per_page", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_pages_that_cannot_be(api: Api, per_page: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="per_page must be"):
        api.runs("vision", per_page=per_page)
    assert len(list(api.runs("vision", per_page=None))) == len(VISION)


def test_a_field_is_loaded_for_all_runs_at_once(api: Api) -> None:
    runs = api.runs("vision")
    names = [run.name for run in runs]
    assert len(names) == len(VISION)
    listed = requests(api)
    losses = {run.id: run.summary.get("loss") for run in runs}
    assert requests(api) == listed + 1
    rates = {run.id: run.config.get("lr") for run in runs}
    assert [run.commit for run in runs] == [None] * len(runs)
    assert [run.history_keys is None for run in runs]
    assert requests(api) == listed + 4
    assert rates == {run["id"]: run["config"].get("lr") for run in VISION}
    assert str(losses) == str(
        {run.id: next(r for r in VISION if r["id"] == run.id)["summary"].get("loss") for run in runs}
    )


def test_a_field_that_a_filter_loaded_in_part_is_whole_when_it_is_read(api: Api) -> None:
    runs = api.runs("vision", {"config.optimizer": "adam", "summary_metrics.loss": {"$lt": 2}})
    configs = {run.id: run.config for run in runs}
    assert configs == {run["id"]: run["config"] for run in VISION if run["id"] in configs}
    assert configs
    assert all("loss" in run.summary for run in runs)
    runs[0].config["more"] = 1
    assert runs[0].config["more"] == 1
    assert requests(api) == 3


def test_runs_can_be_loaded_whole_with_their_pages(api: Api) -> None:
    runs = api.runs("vision", lazy=False)
    assert [run.config for run in runs]
    assert [run.summary_metrics for run in runs]
    assert requests(api) == 1
    light = api.runs("vision")
    light[0]
    light.upgrade_to_full()
    before = requests(api)
    assert [(run.config, run.system_metrics) for run in light.objects]
    assert requests(api) == before


def test_sweeps_of_listed_runs_cost_nothing_before_they_are_read(api: Api) -> None:
    runs = api.runs("vision")
    sweeps = [run.sweep for run in runs]
    assert {sweep.id for sweep in sweeps if sweep} == {"sw1", "sw2"}
    assert requests(api) == 1
    configs = [sweep.config for sweep in sweeps if sweep]
    assert (len(configs) > 2, requests(api)) == (True, 3)


def test_asking_again_asks_the_server(api: Api) -> None:
    assert api.runs("vision") is not api.runs("vision")
    run = api.run("vision/v00")
    assert api.run("vision/v00") is run
    api.flush()
    assert api.run("vision/v00") is not run
    sweep = api.sweep("vision/sw1")
    assert api.sweep("vision/sw1") is sweep


def test_truth_is_one_page(api: Api) -> None:
    assert not api.runs("vision", {"state": "no such state"})
    assert api.runs("vision")
    assert requests(api) == 2


def test_a_pickle_has_no_key_and_finds_its_server_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = api.runs("vision", {"state": "finished"})
    runs[0].summary.get("loss")
    for item in (runs, runs[0], api.client, api.sweep("vision/sw1"), api.projects()):
        assert KEY.encode() not in pickle.dumps(item)
        assert KEY not in repr(vars(item))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    back: Runs = pickle.loads(pickle.dumps(runs))
    assert [run.id for run in back] == [run.id for run in runs]
    assert back[0].config == runs[0].config
    assert back.client.session is not api.client.session


def test_a_project_that_does_not_exist(api: Api) -> None:
    for use in (list, len, bool):
        with pytest.raises(ValueError, match="Could not find project nothere"):
            use(api.runs("nothere"))
    with pytest.raises(ValueError, match="Could not find project"):
        _ = api.project("nothere").id


def test_every_list_counts_and_lists(api: Api) -> None:
    project = api.project("vision")
    lists: list[Any] = [
        api.projects(),
        api.reports("vision"),
        project.sweeps(),
        project.artifacts_types(),
        project.collections(),
        api.artifact_versions("dataset", "vision/images"),
        api.artifact_type("dataset", "vision").collections(),
        api.run("vision/v00").logged_artifacts(),
        api.run("vision/v02").used_artifacts(),
        api.artifact("vision/images:latest").files(),
    ]
    for one in lists:
        assert len(one) == len(list(one)) > 0, one
        assert repr(one).startswith(f"<{type(one).__name__} ")
