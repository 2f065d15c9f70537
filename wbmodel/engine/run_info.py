"""``Run.runInfo``: what is known of the program and the machine of a run."""

from __future__ import annotations

from typing import Any

from wbmodel.codec import loads
from wbmodel.engine.conditions import Compare
from wbmodel.engine.context import Context
from wbmodel.engine.fields import Path
from wbmodel.engine.records import RunRecord
from wbmodel.engine.select import Select

__all__ = ["TEXTS", "run_info"]

FILE = "wandb-metadata.json"
"""The run file in which W&B's clients note it."""

TEXTS = ("program", "os", "python", "executable", "gpu")
"""Fields that are texts, by their names in the file and in the schema."""


def run_info(run: RunRecord, context: Context) -> dict[str, Any] | None:
    """The content of the run's :data:`FILE`, completed by the record; None if both say nothing. Parts of other types
    than the schema's are left out."""
    found = _read(run, context)
    git, args = found.get("git"), found.get("args")
    git = git if isinstance(git, dict) else {}
    info: dict[str, Any] = {name: _of(str, found.get(name)) for name in TEXTS}
    info["program"] = info["program"] or run.program
    info["args"] = args if isinstance(args, list) and all(isinstance(arg, str) for arg in args) else None
    for name, noted in (("cpuCount", "cpu_count"), ("cpuCountLogical", "cpu_count_logical"), ("gpuCount", "gpu_count")):
        info[name] = _of(int, found.get(noted))
    source = {
        "remote": _of(str, git.get("remote")) or run.repo,
        "commit": _of(str, git.get("commit")) or run.commit,
    }
    info["git"] = source if any(source.values()) else None
    return info if any(value is not None for value in info.values()) else None


def _read(run: RunRecord, context: Context) -> dict[str, Any]:
    where = Compare(Path("plain", "name"), "eq", FILE)
    for file in context.store.select(Select("run.files", run.id, where, first=1)).rows:
        data = file.read()
        try:
            found = None if data is None else loads(data)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


def _of(kind: type, value: Any) -> Any:
    return value if type(value) is kind else None
