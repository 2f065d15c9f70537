"""Event files, written as the writers of TensorBoard's formats do it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wbmodel.backend.asks import ReadSpec
from wbmodel.engine.records import RunRecord
from wbmodel_tensorboard import TensorBoardBackend
from wbmodel_tensorboard.framing import frame
from wbmodel_tensorboard.messages import message

__all__ = [
    "NAME",
    "event",
    "hparams",
    "official_python",
    "points",
    "runs_of",
    "scalar",
    "start",
    "tensor",
    "touch",
    "value",
    "write",
]

NAME = "events.out.tfevents.1700000000.host.1.0"


def event(step: int | None = None, wall: float = 1.7e9, *values: Mapping[str, Any], **more: Any) -> bytes:
    """The payload of an event. A step of 0 is left out, as proto3 does it."""
    given: dict[str, Any] = {"wall_time": wall, **more}
    if step:
        given["step"] = step
    if values:
        given["summary"] = {"value": values}
    data: bytes = message("Whole")(**given).SerializeToString()
    return data


def start(wall: float = 1.7e9) -> bytes:
    """The first record of most files."""
    return event(None, wall, file_version=b"brain.Event:2")


def value(tag: str | bytes, **content: Any) -> dict[str, Any]:
    """A value of a summary."""
    return {"tag": tag if isinstance(tag, bytes) else tag.encode(), **content}


def scalar(tag: str | bytes, step: int, number: float, wall: float = 1.7e9) -> bytes:
    """The event of a scalar as TF1, PyTorch, tensorboardX and CatBoost write it."""
    return event(step, wall, value(tag, simple_value=number))


def tensor(plugin: str | None = None, **content: Any) -> dict[str, Any]:
    """A tensor, with ``shape`` as a list, as TF2 writes it: the plugin stands in the metadata."""
    shape = {"dim": [{"size": size} for size in content.pop("shape", ())]}
    found: dict[str, Any] = {"tensor": message("Tensor")(shape=shape, **content).SerializeToString()}
    if plugin is not None:
        data = {"plugin_name": plugin.encode()}
        found["metadata"] = message("Metadata")(plugin_data=data).SerializeToString()
    return found


def hparams(tag: str = "_hparams_/session_start_info", status: int | None = None, **config: Any) -> bytes:
    """The event of hyperparameters, or of a session's end."""
    if status is not None:
        content = message("HParams")(session_end={"status": status})
    else:
        kinds = {bool: "bool", str: "text", float: "number", int: "number"}
        items = [
            {"key": key.encode(), "value": {kinds[type(item)]: item.encode() if isinstance(item, str) else item}}
            for key, item in config.items()
        ]
        content = message("HParams")(session_start={"hparams": items})
    plugin = {"plugin_name": b"hparams", "content": content.SerializeToString()}
    metadata = message("Metadata")(plugin_data=plugin).SerializeToString()
    return event(None, 1.7e9, value(tag, metadata=metadata))


def write(folder: Path, *payloads: bytes, name: str = NAME, tail: bytes = b"", mode: str = "wb") -> Path:
    """An event file in ``folder``, which is made. ``tail`` is written behind the records as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with open(path, mode) as file:
        file.write(b"".join(map(frame, payloads)) + tail)
    return path


def touch(paths: Iterable[Path], seconds: float) -> None:
    """Set the time of change."""
    for path in paths:
        os.utime(path, (seconds, seconds))


def runs_of(given: TensorBoardBackend | Path) -> dict[str, RunRecord]:
    """The runs of a backend, or of a folder, by name."""
    backend = given if isinstance(given, TensorBoardBackend) else TensorBoardBackend(f"tensorboard:{given}")
    store: Any = backend.engine.store
    return {str(run.display_name): run for run in store.runs(store.project("local", backend.project))}


def points(run: RunRecord, key: str) -> list[tuple[int, float, Any]]:
    """The points of a key, as columns have them: step, wall time, value."""
    found: list[tuple[int, float, Any]] = []
    for batch in run.history.read(ReadSpec(keys=(key, "_timestamp"))):
        columns = batch.columns
        found += zip(columns["_step"], columns["_timestamp"], columns[key], strict=True)
    return found


def official_python() -> str | None:
    """A Python with ``tensorboard`` (and ``tbparse``): that of ``TENSORBOARD_PYTHON``, or this one; None if there is
    none."""
    return os.environ.get("TENSORBOARD_PYTHON") or (sys.executable if find_spec("tensorboard") else None)
