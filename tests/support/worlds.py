"""A seeded world in plain data, and the store that serves it. The plain data is what oracles read.

Three projects with about sixty runs that hold what real ones hold: absent, null and NaN values, infinities, lists,
booleans, text that looks like numbers, several types under one key, nested and literally dotted keys, ties in dates
and in values, tags, groups, users, sweeps, artifacts with files, reports.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs

from wbmodel.engine.memory import MemoryStore

__all__ = ["DAY", "START", "World", "make_world", "small_world"]

START = datetime(2021, 4, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NAN = math.nan

_OPTIMIZERS = ["adam", "sgd", "Adam", "adamw", "1", "", None]
_MIXED = [1, 1.0, True, "1", "a", False, 0, [1], {"value": 1}, None, 2.5]
_STATES = ["finished", "crashed", "running", "failed"]
_TAGS = ["baseline", "broken", "Baseline", "v1", "a.b"]
_LOSSES = [0.1, 0.2, 0.2, 0.25, 0.3, 0.5, 1, 2.0, NAN, None]


@attrs.define
class World:
    """``runs`` are dicts (``project``, ``id``, ``name``, ``config`` ...) in no particular order."""

    projects: dict[str, dict[str, Any]]
    runs: list[dict[str, Any]]
    sweeps: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]

    def of(self, *projects: str) -> list[dict[str, Any]]:
        """The runs of these projects."""
        return [run for run in self.runs if run["project"] in projects]

    def store(self) -> MemoryStore:
        """A fresh store with all of it. The viewer is ``ada``."""
        return _store(self)


def make_world(seed: int = 7, null_in_lists: bool = True) -> World:
    """The world; equal seeds give equal worlds. ``null_in_lists`` False: no list in it holds a null."""
    rng = random.Random(seed)
    projects = {
        "acme/vision": {"description": "images", "created_at": START},
        "acme/nlp": {"description": None, "created_at": START + DAY},
        "ada/scratch": {"description": "", "created_at": START},
    }
    sweeps = [
        {"project": "acme/vision", "id": "sw1", "name": "first", "config": _sweep("minimize"), "created_at": START},
        {"project": "acme/vision", "id": "sw2", "name": None, "config": {"method": "grid"}, "created_at": START + DAY},
        {"project": "acme/nlp", "id": "sw1", "name": "nlp", "config": _sweep("maximize"), "created_at": START},
    ]
    runs: list[dict[str, Any]] = []
    for project, number in (("acme/vision", 34), ("acme/nlp", 18), ("ada/scratch", 8)):
        for index in range(number):
            run = _run(rng, project, index)
            if not null_in_lists and run["config"].get("dims") == [1, None]:
                run["config"]["dims"] = [1, 2]
            runs.append(run)
    artifacts = [
        _artifact("acme/vision", "images", "dataset", 0, "v00", ["used-first"], ["v01", "v02"]),
        _artifact("acme/vision", "images", "dataset", 1, "v01", ["latest"], ["v02", "v03"]),
        _artifact("acme/vision", "weights", "model", 0, "v02", ["best", "latest"], []),
        _artifact("acme/nlp", "images", "dataset", 0, None, ["latest"], ["n00"]),
    ]
    return World(projects, runs, sweeps, _reports(), artifacts)


def small_world() -> World:
    """One project with five plain runs, for tests that count."""
    runs = [
        {
            "project": "acme/vision",
            "id": f"r{index}",
            "name": f"run {index}",
            "state": "finished",
            "tags": [],
            "config": {"lr": 0.1 * index},
            "summary": {"loss": index},
            "group": None,
            "job_type": None,
            "notes": None,
            "user": "ada",
            "sweep": None,
            "created_at": START + index * DAY,
            "heartbeat_at": None,
        }
        for index in range(5)
    ]
    return World({"acme/vision": {"description": None, "created_at": START}}, runs, [], [], [])


def _sweep(goal: str) -> dict[str, Any]:
    return {"method": "random", "metric": {"name": "loss", "goal": goal}, "parameters": {"lr": {"min": 0, "max": 1}}}


def _run(rng: random.Random, project: str, index: int) -> dict[str, Any]:
    prefix = project.split("/")[1][0]
    config: dict[str, Any] = {}
    if rng.random() < 0.8:
        config["lr"] = rng.choice([0.001, 0.01, 0.01, 0.1, 1, None])
    if rng.random() < 0.8:
        config["optimizer"] = rng.choice(_OPTIMIZERS)
    if rng.random() < 0.7:
        config["mixed"] = rng.choice(_MIXED)
    if rng.random() < 0.6:
        config["model"] = {"depth": rng.choice([2, 3, None]), "name": rng.choice(["vit", "ViT"]), "a.b": index % 3}
    if rng.random() < 0.3:
        # A literal key that reads like the nested one above, with another value.
        config["model.depth"] = rng.choice([7, 8])
    if rng.random() < 0.4:
        config["dims"] = rng.choice([[1, 2, 3], [1, None], [], ["a", "adam"], "1,2"])
    if rng.random() < 0.3:
        config["wrapped"] = rng.choice([{"value": 3, "desc": None}, {"value": {"value": 4}}, 3])
    if rng.random() < 0.3:
        config.update({"a b": index % 2, "sl/ash": "x", 'q"uote': 1, "under__score": 2, "_lead": 3, "ключ": "да"})
    summary: dict[str, Any] = {}
    if rng.random() < 0.85:
        summary["loss"] = rng.choice(_LOSSES)
    if rng.random() < 0.6:
        summary["eval/acc"] = round(rng.random(), 1)
    if rng.random() < 0.4:
        summary["best"] = rng.choice([math.inf, -math.inf, 1.5, NAN])
    if rng.random() < 0.4:
        summary["eval"] = {"f1": rng.choice([0.5, 0.75, NAN]), "NaN": "text"}
    sweep = rng.choice([None, None, "sw1", "sw2"]) if project != "ada/scratch" else None
    if project == "acme/nlp" and sweep == "sw2":
        sweep = None
    return {
        "project": project,
        "id": f"{prefix}{index:02d}",
        "name": rng.choice(["alpha", "beta", "Beta", "gamma-1", "gamma-2"]),
        "state": rng.choice(_STATES),
        "config": config,
        "summary": summary,
        "tags": sorted(rng.sample(_TAGS, rng.choice([0, 0, 1, 2]))),
        "group": rng.choice([None, "g1", "g2", "G1"]),
        "job_type": rng.choice([None, "train", "eval"]),
        "notes": rng.choice([None, "a note\n", ""]),
        "user": rng.choice(["ada", "bob", None]),
        "sweep": sweep,
        # Few distinct moments, so that dates tie.
        "created_at": START + rng.choice(range(12)) * DAY + timedelta(microseconds=rng.choice([0, 0, 1])),
        "heartbeat_at": rng.choice([None, START + 20 * DAY, START + 30 * DAY]),
    }


def _artifact(
    project: str,
    collection: str,
    kind: str,
    version: int,
    logged_by: str | None,
    aliases: list[str],
    used_by: list[str],
) -> dict[str, Any]:
    return {
        "project": project,
        "collection": collection,
        "type": kind,
        "version": version,
        "aliases": aliases,
        "logged_by": logged_by,
        "used_by": used_by,
        "created_at": START + version * DAY,
        "metadata": {"rows": 10 + version},
        "files": {"data.csv": b"a,b\n", f"part-{version}.bin": b"\x00" * version},
    }


def _reports() -> list[dict[str, Any]]:
    def leaf(section: str, name: str, op: str, value: Any) -> dict[str, Any]:
        return {"key": {"section": section, "name": name}, "op": op, "value": value, "disabled": False}

    def runs(filters: list[dict[str, Any]], root: int, tree: list[str], ascending: bool = False) -> dict[str, Any]:
        return {
            "filters": {"op": "OR", "filters": [{"op": "AND", "filters": filters}]},
            "selections": {"root": root, "bounds": [], "tree": tree},
            "sort": {"key": {"section": "summary", "name": "loss"}, "ascending": ascending},
            "enabled": True,
        }

    groups = [
        {
            "name": "finished",
            "openRunSet": 0,
            "runSets": [runs([leaf("run", "state", "=", "finished")], 1, ["v00"], True)],
        },
        {"name": "picked", "openRunSet": 1, "runSets": [runs([], 1, []), runs([], 0, ["v03", "v04", "v05"])]},
        {"name": "config", "openRunSet": 0, "runSets": [runs([leaf("config", "lr.value", ">=", 0.01)], 1, [])]},
        {"name": "tags", "openRunSet": 0, "runSets": [runs([leaf("tags", "baseline", "=", True)], 1, [])]},
    ]
    spec = {"panelGroups": groups}
    blocks = {"version": 5, "blocks": [{"type": "paragraph"}, {"type": "panel-grid", "metadata": groups[0]}]}
    return [
        {"project": "acme/vision", "id": "rep1", "name": "Old report", "spec": spec, "created_at": START},
        {"project": "acme/vision", "id": "rep2", "name": "New report", "spec": blocks, "created_at": START + DAY},
    ]


def _store(world: World) -> MemoryStore:
    store = MemoryStore(clock=lambda: START)
    store.viewer = store.add_user("ada", name="Ada", created_at=START)
    store.add_user("bob", name="Bob", created_at=START)
    store.add_entity("acme", members=["ada", "bob"], created_at=START)
    projects = {}
    for path, fields in world.projects.items():
        entity, name = path.split("/")
        projects[path] = store.add_project(entity, name, **fields)
    for sweep in world.sweeps:
        fields = {key: value for key, value in sweep.items() if key not in ("project", "id", "name")}
        store.add_sweep(projects[sweep["project"]], sweep["id"], display_name=sweep["name"], user="ada", **fields)
    runs = {}
    for run in world.runs:
        fields = {key: value for key, value in run.items() if key not in ("project", "id", "name")}
        made = store.add_run(projects[run["project"]], run["id"], display_name=run["name"], **fields)
        store.add_file(made, "config.yaml", b"lr: 1\n", created_at=START)
        store.add_file(made, f"media/{run['id']}.txt", b"x" * 10, created_at=START)
        runs[run["project"], run["id"]] = made
    for item in world.artifacts:
        project = projects[item["project"]]
        collection = store.collection(project, item["collection"]) or store.add_collection(
            project, item["collection"], type=item["type"], created_at=START
        )
        version = store.add_version(
            collection,
            version=item["version"],
            aliases=item["aliases"],
            files=item["files"],
            metadata=item["metadata"],
            logged_by=runs.get((item["project"], item["logged_by"])),
            created_at=item["created_at"],
        )
        for run_id in item["used_by"]:
            store.use(runs[item["project"], run_id], version)
    for report in world.reports:
        fields = {key: value for key, value in report.items() if key not in ("project", "id", "name")}
        store.add_view(projects[report["project"]], report["id"], display_name=report["name"], user="ada", **fields)
    return store
