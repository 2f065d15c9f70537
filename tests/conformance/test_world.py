"""The seeded world: the same each time, holding what real projects hold, and the same by every way in."""

from __future__ import annotations

import json

import pytest

from wbmodel import Run, connect
from wbmodel.testing import oracle
from wbmodel.testing.world import KEYS, World, make_world


def test_equal_arguments_give_equal_worlds_that_share_nothing() -> None:
    one, other = make_world(), make_world()
    assert repr(one) == repr(other)
    one.run("e-one")["config"]["every"] = "changed"
    one.runs.pop()
    assert other.run("e-one")["config"]["every"] == 1
    assert repr(make_world()) == repr(other)


def test_names_are_the_caller_s() -> None:
    world = make_world(entity="team", viewer="me", other=None, own=False, names=("a", "b", "c"))
    assert (world.project, world.second, world.own) == ("team/a", "team/b", None)
    assert {run["user"] for run in world.runs} <= {"me", None}
    assert {run["project"] for run in world.runs} == {"team/a", "team/b"}
    with connect("fixtures:", world=world.fixtures(), project="team/a", default=False, name="named") as session:
        assert Run.objects.using(session).count() == len(world.rows("Run"))


def test_rows_are_told_apart_by_their_keys() -> None:
    world = make_world()
    for name, key in KEYS.items():
        found = world.files(world.run("e-one")) if name == "File" else world.rows(name)
        assert found, name
        assert len({row[key] for row in found}) == len(found), name


def test_ids_are_safe_in_documents_and_dates_tie() -> None:
    runs = make_world().rows("Run")
    assert all(run["id"].replace("-", "").isalnum() for run in runs)
    dates = [run["created_at"] for run in runs]
    assert len(set(dates)) < len(dates)
    assert any(date.microsecond for date in dates)


@pytest.mark.parametrize("key", ["model", "model.depth", "a b", "sl/ash", 'q"uote', "under__score", "ключ", "co,mma"])
def test_awkward_keys_are_there_and_are_absent(key: str) -> None:
    configs = [run["config"] for run in make_world().rows("Run")]
    assert 0 < sum(key in config for config in configs) < len(configs)


def test_the_fixtures_form_is_the_world() -> None:
    world = make_world()
    given = world.fixtures()
    with connect("fixtures:", world=given, project=world.project, default=False, name="form") as session:
        runs = {run.id: run for run in Run.objects.using(session)}
    assert list(runs) == oracle.answer(world.rows("Run"), ("and", []))
    for row in world.rows("Run"):
        assert repr(runs[row["id"]].config) == repr(row["config"])
        assert repr(runs[row["id"]].summary) == repr(row["summary"])
    json.dumps(given)  # plain data


def test_sweeps_count_their_runs_and_know_their_best() -> None:
    world = make_world()
    for sweep in world.rows("Sweep"):
        assert sweep["run_count"] == sum(run["sweep"] == sweep["id"] for run in world.rows("Run"))
    assert {sweep["id"]: sweep["best_loss"] for sweep in world.rows("Sweep")} == {"sw1": 0.1, "sw2": None, "sw3": None}


def test_a_run_that_comes_later_is_of_the_world() -> None:
    world = make_world()
    before = len(world.rows("Run", world.second))
    row = world.add(id="later", project=world.second, state="running")
    assert world.rows("Run", world.second)[-1] is row
    assert len(world.rows("Run", world.second)) == before + 1


def test_drafts_are_no_reports() -> None:
    world: World = make_world()
    assert [item["id"] for item in world.rows("Report")] == ["rep1", "rep2"]
    assert [item["id"] for item in world.reports if item["draft"]] == ["rep3"]
