"""The worlds of the probe, in the format of fixtures: a seeded one to ask, and a small one to change.

The seeded one holds what real projects hold: absent, null and NaN values, infinities, lists, booleans, text that looks
like numbers, several types under one key, nested and literally dotted keys, ties in dates and in values.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta, timezone
from typing import Any

__all__ = ["DAY", "START", "big_world", "small_world"]

START = datetime(2021, 4, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NAN = math.nan

_OPTIMIZERS = ["adam", "sgd", "Adam", "adamw", "1", "", None]
_MIXED = [1, 1.0, True, "1", "a", False, 0, [1], {"value": 1}, None, 2.5, 10**20, -1, math.inf, "NaN"]
_STATES = ["finished", "crashed", "running", "failed", "killed"]
_TAGS = ["baseline", "broken", "Baseline", "v1", "a.b"]
_LOSSES = [0.1, 0.2, 0.2, 0.25, 0.3, 0.5, 1, 2.0, NAN, None, -math.inf]


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def big_world(seed: int = 7) -> dict[str, Any]:
    """Three projects with about sixty runs; equal seeds give equal worlds."""
    rng = random.Random(seed)
    return {
        "wbmodel": 1,
        "viewer": "ada",
        "users": {
            "ada": {"name": "Ada", "entity": "acme", "created_at": _text(START)},
            "bob": {"name": "Bob", "created_at": _text(START)},
        },
        "entities": {
            "acme": {
                "type": "team",
                "members": ["ada", "bob"],
                "projects": {"vision": _vision(rng), "nlp": _nlp(rng), "empty": {"created_at": _text(START)}},
            },
            "ada": {
                "type": "user",
                "projects": {"scratch": {"description": "", "created_at": _text(START), "runs": _runs(rng, "s", 8)}},
            },
        },
    }


def _vision(rng: random.Random) -> dict[str, Any]:
    return {
        "description": "images",
        "created_at": _text(START),
        "runs": _runs(rng, "v", 34, ["sw1", "sw2"], {"v01": ["images:v0", "images:v1"], "v02": ["images:v0"]}),
        "sweeps": {
            "sw1": {"name": "first", "config": _sweep("minimize"), "user": "ada", "created_at": _text(START)},
            "sw2": {"config": {"method": "grid"}, "user": "ada", "state": "PAUSED", "created_at": _text(START + DAY)},
        },
        "reports": _reports(),
        "artifact_types": {"dataset": {"description": "data"}, "model": {}},
        "artifacts": {
            "images": _collection("dataset", 2, [None, "v01"], [["used-first"], ["latest"]]),
            "weights": _collection("model", 1, ["v02"], [["best", "latest"]]),
        },
    }


def _nlp(rng: random.Random) -> dict[str, Any]:
    return {
        "created_at": _text(START + DAY),
        "runs": _runs(rng, "n", 18, ["sw1"], {"n00": ["images:v0"]}),
        "sweeps": {"sw1": {"name": "nlp", "config": _sweep("maximize"), "created_at": _text(START)}},
        "artifact_types": {"dataset": {}},
        "artifacts": {"images": _collection("dataset", 1, [None], [["latest"]])},
    }


def _sweep(goal: str) -> dict[str, Any]:
    return {"method": "random", "metric": {"name": "loss", "goal": goal}, "parameters": {"lr": {"min": 0, "max": 1}}}


def _runs(
    rng: random.Random, prefix: str, number: int, sweeps: Any = (), used: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    made = {}
    for index in range(number):
        name = f"{prefix}{index:02d}"
        made[name] = _run(rng, index, sweeps)
        if used and name in used:
            made[name]["used_artifacts"] = used[name]
    return made


def _run(rng: random.Random, index: int, sweeps: Any) -> dict[str, Any]:
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
    run: dict[str, Any] = {
        "name": rng.choice(["alpha", "beta", "Beta", "gamma-1", "gamma-2"]),
        "state": rng.choice(_STATES),
        "config": config,
        "summary": summary,
        "tags": sorted(rng.sample(_TAGS, rng.choice([0, 0, 1, 2]))),
        # Few distinct moments, so that dates tie.
        "created_at": _text(START + rng.choice(range(12)) * DAY + timedelta(microseconds=rng.choice([0, 0, 1]))),
        "files": {"config.yaml": _file("lr: 1\n"), f"media/{index}.txt": _file("x" * 10)},
    }
    maybe = {
        "group": rng.choice([None, "g1", "g2", "G1"]),
        "job_type": rng.choice([None, "train", "eval"]),
        "notes": rng.choice([None, "a note\n", ""]),
        "user": rng.choice(["ada", "bob", None]),
        "sweep": rng.choice([None, None, *sweeps]),
        "commit": rng.choice([None, "abc123"]),
        "heartbeat_at": rng.choice([None, _text(START + 20 * DAY), _text(START + 30 * DAY)]),
    }
    return {**run, **{name: value for name, value in maybe.items() if value is not None}}


def _file(text: str) -> dict[str, Any]:
    return {"text": text, "created_at": _text(START), "updated_at": _text(START)}


def _collection(kind: str, number: int, logged_by: list[Any], aliases: list[list[str]]) -> dict[str, Any]:
    versions = []
    for version in range(number):
        made = {
            "version": version,
            "aliases": aliases[version],
            "metadata": {"rows": 10 + version, "deep": {"a": [1, None]}},
            "created_at": _text(START + version * DAY),
            "files": {"data.csv": _file("a,b\n"), f"part-{version}.txt": _file("x" * version)},
        }
        if logged_by[version]:
            made["logged_by"] = logged_by[version]
        versions.append(made)
    return {"type": kind, "created_at": _text(START), "versions": versions}


def _reports() -> dict[str, Any]:
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
        {"name": "odd", "openRunSet": 0, "runSets": [runs([leaf("run", "nowhere", "~", 1)], 1, [])]},
    ]
    blocks = {"version": 5, "blocks": [{"type": "paragraph"}, {"type": "panel-grid", "metadata": groups[0]}]}
    return {
        "rep1": {"name": "Old report", "spec": {"panelGroups": groups}, "user": "ada", "created_at": _text(START)},
        "rep2": {"name": "New report", "spec": blocks, "user": "ada", "created_at": _text(START + DAY)},
    }


def small_world(runs: int = 5) -> dict[str, Any]:
    """A project with ``runs`` finished runs ``r0``, ``r1`` ..., a sweep and a report, and an empty project."""
    made = {
        f"r{number}": {
            "name": f"run {number}",
            "state": "finished",
            "created_at": f"2021-03-01T10:00:{number:02}Z",
            "config": {"lr": number / 10, "model": {"depth": number}, "a.b": 1},
            "summary": {"loss": number, "best": math.inf},
            "tags": ["first"] if number % 2 else [],
            "group": "even" if number % 2 == 0 else "odd",
            "user": "ada",
        }
        for number in range(runs)
    }
    grid = {"method": "grid", "parameters": {"lr": {"values": [1, 2]}}, "metric": {"name": "loss", "goal": "minimize"}}
    vision = {
        "created_at": _text(START),
        "runs": made,
        "sweeps": {"sw": {"config": grid, "state": "RUNNING", "created_at": _text(START)}},
        "reports": {
            "rep1": {
                "name": "Old",
                "description": "d",
                "spec": {"blocks": [], "version": 5},
                "created_at": _text(START),
            }
        },
    }
    projects = {"vision": vision, "empty": {"description": "none", "created_at": _text(START)}}
    return {
        "wbmodel": 1,
        "viewer": "ada",
        "users": {"ada": {"created_at": _text(START)}},
        "entities": {"acme": {"members": ["ada"], "projects": projects}},
    }
