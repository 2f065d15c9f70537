"""Build the demo world (``plugins/wbmodel_fixtures/demo``) from real run directories in ``../shared/data``.

    python tools/build_demo_world.py [--data ../shared/data]

It uses only sources whose licence permits redistribution and whose copyright notice is known. Configs and summaries are
real values; invented data (sweep assignments, some artifacts) is marked ``synthetic`` in the data and in
``SOURCES.md``. The output is committed; the package does not need this script.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs
import yaml

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO), str(REPO / "plugins"), str(REPO / "tools")]

from demo_notice import write_notices  # noqa: E402 - the path is set above
from wandb_log import Log, read_log  # noqa: E402

from wbmodel.codec import format_datetime, loads, parse_datetime  # noqa: E402
from wbmodel_fixtures.rows import read_csv  # noqa: E402
from wbmodel_fixtures.save import segment, to_yaml  # noqa: E402

DEMO = REPO / "plugins" / "wbmodel_fixtures" / "demo"
MAX_ROWS = 420
"""Longer histories are left out."""
SYNTHETIC_TAG = "synthetic-sweep"


@attrs.frozen
class Project:
    """Where the runs of one demo project come from: folders below ``wandb-dirs``."""

    name: str
    folders: tuple[str, ...]
    description: str


PROJECTS = (
    Project(
        "gpt3-chem",
        ("gpt3forchem",),
        "Fine-tuning GPT-3 for chemistry: real runs of kjappelbaum/gpt3forchem (Apache-2.0), 2022.",
    ),
    Project(
        "vit-prisma",
        ("vit-prisma",),
        "Small vision transformers on MNIST and on circles: real runs of soniajoseph/ViT-Prisma (MIT), 2023.",
    ),
    Project(
        "morl",
        ("morl-baselines",),
        "Multi-objective reinforcement learning: real runs of LucasAlegre/morl-baselines (MIT), 2022.",
    ),
    Project(
        "torch-harmonics",
        ("torch-harmonics",),
        "Neural operators on the sphere: real runs of NVIDIA/torch-harmonics (BSD-3-Clause), 2024.",
    ),
    Project("apeiron", ("apeiron",), "Continual learning: real runs of AI-ModCon/BaseSIM_APEIRON (Apache-2.0), 2025."),
    Project(
        "wandb-sdk-tests",
        ("wandb-sdk", "wandb-sdk-fixtures/leet"),
        "Runs of the W&B client's own tests and reader fixtures: wandb/wandb (MIT), 2020 to 2026. Odd on purpose.",
    ),
)


@attrs.define
class Found:
    """One run directory, read."""

    truth: dict[str, Any]
    folder: Path
    log: Log | None
    run: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def weight(self) -> tuple[bool, int, int]:
        """Of two directories with the same run id, the one with the greater weight is used."""
        return self.log is not None, len(self.rows), len(self.run.get("summary", {}))


def _without_housekeeping(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in ("_wandb", "wandb_version")}


def _config(folder: Path, log: Log | None) -> dict[str, Any]:
    file = folder / "files" / "config.yaml"
    if file.exists():
        # PyYAML wrote the file, so it is read by PyYAML's rules: text such as 1e-3 is not quoted in it.
        wire = _without_housekeeping(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
        return {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in wire.items()}
    return _without_housekeeping(log.config) if log else {}


def _summary(folder: Path, log: Log | None) -> tuple[dict[str, Any], bool]:
    """The summary without ``_wandb``, and whether the client wrote its file at the end of the run."""
    file = folder / "files" / "wandb-summary.json"
    if file.exists():
        found = loads(file.read_text(encoding="utf-8"))
        return _without_housekeeping(found), "runtime" in (found.get("_wandb") or {})
    if log is None:
        return {}, False
    if log.summary:
        return _without_housekeeping(log.summary), False
    last: dict[str, Any] = {}
    for row in log.history:
        last |= row
    return last, False


def _state(log: Log | None, closed: bool) -> str:
    if log is not None:
        return "crashed" if log.exit_code is None else "failed" if log.exit_code else "finished"
    return "finished" if closed else "crashed"


def _created(folder: Path, meta: dict[str, Any], log: Log | None) -> datetime:
    if meta.get("startedAt"):
        return parse_datetime(meta["startedAt"])
    if log is not None and log.run.get("start"):
        return datetime.fromtimestamp(round(log.run["start"], 3), timezone.utc)
    stamp = re.search(r"run-(\d{8}_\d{6})", folder.name)
    if stamp is None:
        raise SystemExit(f"{folder}: no date")
    return datetime.strptime(stamp[1], "%Y%m%d_%H%M%S").replace(tzinfo=timezone.utc)


def read_run(base: Path, truth: dict[str, Any]) -> Found | None:
    """Turn a run directory into a run of the fixtures format; None if it holds nothing usable."""
    folder = base / truth["path"]
    if truth["run_id"] is None:
        return None  # a folder of logs, not a run directory
    logs = sorted(folder.glob("*.wandb"))
    log = read_log(logs[0]) if logs else None
    if log is not None and not log.run:
        log = None  # an empty or broken log does not even show that the run crashed
    config = _config(folder, log)
    summary, closed = _summary(folder, log)
    if log is None and not config and not summary:
        return None
    meta_file = folder / "files" / "wandb-metadata.json"
    meta = json.loads(meta_file.read_text(encoding="utf-8")) if meta_file.exists() else {}
    about = log.run if log is not None else {}
    run: dict[str, Any] = {"id": truth["run_id"]}
    run |= {key: about[key] for key in ("name", "group", "job_type", "notes", "tags") if about.get(key)}
    run["state"] = _state(log, closed)
    run["created_at"] = format_datetime(_created(folder, meta, log))
    stamp = summary.get("_timestamp")
    if isinstance(stamp, (int, float)):
        run["heartbeat_at"] = format_datetime(datetime.fromtimestamp(round(stamp), timezone.utc))
    if (meta.get("git") or {}).get("commit"):
        run["commit"] = meta["git"]["commit"]
    if meta.get("codePath"):
        run["program"] = meta["codePath"]
    if log is not None and log.exit_code is not None:
        run["exit_code"] = log.exit_code
    run["config"], run["summary"] = config, summary
    return Found(truth, folder, log, run, log.history if log else [])


def _compare(found: Found) -> None:
    """Compare the run with the ground truth, so that a mistake in the reader cannot get into the demo."""
    truth = found.truth
    for key in ("config", "summary"):
        expected = truth.get(key, {}).get("value")
        if expected is not None:
            text = json.dumps(_without_housekeeping(expected), sort_keys=True)
            text = re.sub(r'"(NaN|-?Infinity)"', r"\1", text)
            if json.dumps(found.run[key], sort_keys=True) != text:
                raise SystemExit(f"{truth['path']}: {key} differs from the ground truth")
    logs = truth.get("logs") or [{}]
    if found.log is not None and logs[0].get("history_rows") not in (None, len(found.rows)):
        raise SystemExit(f"{truth['path']}: {len(found.rows)} history rows, not {logs[0]['history_rows']}")
    if found.log is not None and logs[0].get("exit_code") != found.log.exit_code:
        raise SystemExit(f"{truth['path']}: exit code {found.log.exit_code}, not {logs[0].get('exit_code')}")


def write_rows(folder: Path, name: str, rows: list[dict[str, Any]]) -> str:
    """Write a history as CSV if that is exact, else as JSON lines. Returns ``csv`` or ``jsonl``."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([repr(row[key]) if isinstance(row.get(key), float) else row.get(key, "") for key in columns])
    text, kind = out.getvalue(), "csv"
    try:
        exact = json.dumps(read_csv(text, name), sort_keys=True) == json.dumps(rows, sort_keys=True)
    except ValueError:
        exact = False
    if not exact:
        text, kind = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{segment(name)}.{kind}").write_text(text, encoding="utf-8", newline="\n")
    return kind


def _definition(data: Path, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((data / "sweeps" / name).read_text(encoding="utf-8"))
    return loaded


def _assign(runs: list[dict[str, Any]], sweep: str, wanted: Any) -> None:
    for run in runs:
        if wanted(run):
            run["sweep"] = sweep
            run["tags"] = [*run.get("tags", []), SYNTHETIC_TAG]


def dress(data: Path, project: str, found: list[Found]) -> dict[str, Any]:
    """The sweeps, artifacts and reports of a project. Changes the runs in place."""
    runs = [f.run for f in found]
    content: dict[str, Any] = {}
    if project == "gpt3-chem":
        content["sweeps"] = {
            "synchem1": {
                "name": "epochs and base model",
                "state": "FINISHED",
                "description": "synthetic: definition and assignment of runs were made for this demo",
                "config": {
                    "method": "grid",
                    "metric": {"name": "validation_loss", "goal": "minimize"},
                    "parameters": {
                        "model": {"values": ["ada", "davinci"]},
                        "hyperparams": {"parameters": {"n_epochs": {"values": [2, 4, 6]}}},
                    },
                },
            }
        }
        _assign(runs, "synchem1", lambda r: r["config"].get("hyperparams", {}).get("batch_size") == 1)
        content["artifacts"] = {
            "polymer-prompts": {
                "type": "dataset",
                "description": "synthetic: stands for the prompt files that the runs' configs name",
                "tags": ["synthetic"],
                "versions": [
                    {"metadata": {"synthetic": True, "rows": 10}, "files": {"README.md": "A stand-in of ten rows.\n"}},
                    {
                        "metadata": {"synthetic": True, "rows": 200},
                        "files": {"README.md": "A stand-in of two hundred rows.\n"},
                        "aliases": ["latest", "reviewed"],
                    },
                ],
            }
        }
        for run in runs:
            if "polymers" in str(run["config"].get("training_files")):
                version = "v1" if run["config"].get("n_train", 0) > 100 else "v0"
                run["used_artifacts"] = [f"polymer-prompts:{version}"]
    elif project == "vit-prisma":
        content["sweeps"] = {
            "synvit01": {
                "name": "depth and dropout",
                "state": "FINISHED",
                "description": "synthetic: definition and assignment of runs were made for this demo",
                "config": {
                    "method": "random",
                    "metric": {"name": "test_loss", "goal": "minimize"},
                    "parameters": {"transformer": {"parameters": {"num_layers": {"values": [1, 2, 4]}}}},
                },
            }
        }
        scored = [r for r in runs if isinstance(r["summary"].get("test_loss"), float)]
        _assign(scored, "synvit01", lambda r: True)
        best = min(scored, key=lambda r: r["summary"]["test_loss"])
        content["artifacts"] = {
            "vit-weights": {
                "type": "model",
                "description": "synthetic: no weights, only the place where they would be",
                "tags": ["synthetic"],
                "versions": [
                    {"logged_by": scored[0]["id"], "metadata": {"synthetic": True}, "files": {"model.txt": "none\n"}},
                    {
                        "logged_by": best["id"],
                        "metadata": {"synthetic": True, "test_loss": best["summary"]["test_loss"]},
                        "files": {"model.txt": "none here either\n"},
                        "aliases": ["latest", "best"],
                    },
                ],
            },
            "released": {
                "type": "model",
                "kind": "portfolio",
                "description": "synthetic: a portfolio with a link to the best version",
                "versions": [{"link": "vit-weights:best", "aliases": ["production"]}],
            },
        }
    elif project == "morl":
        content["sweeps"] = {
            "synmorl1": {
                "name": "hypervolume",
                "state": "CANCELED",
                "description": "synthetic: which runs are in it; the definition is morl-baselines' example",
                "config": _definition(data, "morl-baselines/examples__hyperparameter_search__sweep_config.yaml"),
            }
        }
        _assign(runs, "synmorl1", lambda r: r["state"] == "finished")
    elif project == "torch-harmonics":
        seen: dict[str, dict[str, dict[str, Any]]] = {}
        for item in found:
            for artifact in item.log.artifacts if item.log else ():
                versions = seen.setdefault(artifact["name"], {})
                versions.setdefault(artifact["digest"], {"digest": artifact["digest"], "logged_by": item.run["id"]})
        content["artifacts"] = {
            name: {"type": "job", "description": "as logged, without the files", "versions": list(versions.values())}
            for name, versions in seen.items()
        }
    elif project == "wandb-sdk-tests":
        content["sweeps"] = {
            "syngrid1": {
                "name": "grid example",
                "state": "FINISHED",
                "description": "synthetic: which runs are in it; the definition is wandb/sweeps' example",
                "config": _definition(data, "wandb-sweeps/examples__sweep-grid.yaml"),
            },
            "synbayes": {
                "name": "bayes example",
                "state": "RUNNING",
                "description": "synthetic: that it is here, without runs; the definition is wandb/sweeps' example",
                "config": _definition(data, "wandb-sweeps/examples__sweep-bayes.yaml"),
            },
        }
        _assign(runs, "syngrid1", lambda r: "epochs" in r["config"] and "best_val_loss" in r["summary"])
        content["reports"] = []
        for key, title, file in (
            ("report-v5", "Report specification, version 5", "report_spec_v5.json"),
            ("report-old", "Workspace specification, old style", "report.json"),
        ):
            spec = json.loads((data / "exports" / "report-spec" / file).read_text(encoding="utf-8"))
            about = "The specification is a test fixture of wandb/wandb (MIT); title and dates are synthetic."
            content["reports"].append(
                {"id": key, "name": title, "description": about, "created_at": "2022-06-01T00:00:00Z", "spec": spec}
            )
    return content


def build(data: Path) -> dict[str, int]:
    """Write the demo world. Returns the number of runs by project."""
    base = data / "wandb-dirs"
    truths = json.loads((base / "ground-truth.json").read_text(encoding="utf-8"))["runs"]
    shutil.rmtree(DEMO, ignore_errors=True)
    below = DEMO / "entities" / "demo"
    below.mkdir(parents=True)
    counts: dict[str, int] = {}
    taken: dict[str, list[dict[str, Any]]] = {}
    for project in PROJECTS:
        best: dict[str, Found] = {}
        for truth in truths:
            if not truth["path"].startswith(tuple(f"{folder}/" for folder in project.folders)):
                continue
            found = read_run(base, truth)
            if found is None:
                continue
            _compare(found)
            other = best.get(found.run["id"])
            if other is None or other.weight < found.weight:
                best[found.run["id"]] = found
        items = sorted(best.values(), key=lambda f: (f.run["created_at"], f.run["id"]))
        content = {"description": project.description, "created_at": items[0].run["created_at"]}
        content |= dress(data, project.name, items)
        folder = below / project.name
        (folder / "runs").mkdir(parents=True)
        for item in items:
            if 0 < len(item.rows) <= MAX_ROWS:
                kind = write_rows(folder / "history", item.run["id"], item.rows)
                item.run["history"] = {kind: f"../history/{segment(item.run['id'])}.{kind}"}
        lines = "".join(json.dumps(item.run, ensure_ascii=False) + "\n" for item in items)
        (folder / "runs" / "runs.jsonl").write_text(lines, encoding="utf-8", newline="\n")
        if "reports" in content:
            text, suffix = json.dumps(content, ensure_ascii=False, indent=1) + "\n", "json"
        else:
            text, suffix = to_yaml(content), "yaml"
        (below / f"{project.name}.{suffix}").write_text(text, encoding="utf-8", newline="\n")
        counts[project.name] = len(items)
        taken[project.name] = [item.truth for item in items]
    world = {
        "wbmodel": 1,
        "viewer": "viewer",
        "users": {"viewer": {"name": "Demo viewer", "entity": "demo", "created_at": "2020-01-01T00:00:00Z"}},
        "entities": {"demo": {"type": "team", "members": ["viewer"], "created_at": "2020-01-01T00:00:00Z"}},
    }
    (DEMO / "world.yaml").write_text(to_yaml(world), encoding="utf-8", newline="\n")
    write_notices(DEMO, taken, MAX_ROWS)
    return counts


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data")
    data: Path = parser.parse_args().data
    if not (data / "wandb-dirs" / "ground-truth.json").exists():
        raise SystemExit(f"{data} has no wandb-dirs/ground-truth.json: the real data is missing, so nothing was built")
    counts = build(data)
    size = sum(file.stat().st_size for file in DEMO.rglob("*") if file.is_file())
    print(f"{sum(counts.values())} runs in {len(counts)} projects, {size:,} bytes: {counts}")


if __name__ == "__main__":
    main()
