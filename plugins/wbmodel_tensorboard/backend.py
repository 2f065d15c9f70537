"""``TensorBoardBackend``: folders of event files as runs."""

from __future__ import annotations

import base64
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from wbmodel.engine import ListStore
from wbmodel_files import Damage, FilesBackend, Folder, Found, Unit
from wbmodel_tensorboard.state import FileState, FolderState, scan_file
from wbmodel_tensorboard.stream import EventStream, Part

__all__ = ["TensorBoardBackend", "run_id"]

_NUMBER = re.compile(r"tfevents\.(\d+)")
_STAMP = re.compile(r"\d{9,}(\.\d+)?")
"""The name of a folder that PyTorch's ``add_hparams`` makes: ``time.time()``."""


class TensorBoardBackend(FilesBackend[FolderState]):
    """The backend of ``tensorboard:FOLDER``: each folder with event files is a run.

    Options are those of :class:`~wbmodel_files.backend.FilesBackend`. The id of a run is a hash of its path below the
    root, its name the path (``.`` for the root), its group the path of the parent. Hyperparameters are its config, the
    last value of each tag its summary, and the event files its files.
    """

    name = "tensorboard"
    format = "tensorboard-2"
    state_type = FolderState
    looked_for = "event files (*tfevents*, as in events.out.tfevents.1700000000.host)"

    def wanted(self, name: str) -> bool:
        """Event files are known by their names, as TensorBoard does it."""
        return "tfevents" in name

    def units(self, folders: Sequence[Folder]) -> Iterable[Unit]:
        """One per folder with event files."""
        for folder in folders:
            if folder.files:
                names = sorted(folder.files, key=_file_order)
                yield Unit(folder.path, folder, {name: folder.files[name] for name in names})

    def scan(self, unit: Unit, before: FolderState | None) -> FolderState:
        """Read the files that are new or changed."""
        plugins: dict[str, str] = {}
        files: dict[str, FileState] = {}
        for name, stat in unit.files.items():
            known = None if before is None else before.files.get(name)
            files[name] = scan_file(unit.folder.place(name), name, stat, plugins, known)
        return FolderState(files)

    def damage(self, unit: Unit, state: FolderState) -> Mapping[str, Sequence[Damage]]:
        """What could not be read."""
        return {f"{unit.key}/{name}".lstrip("/"): file.problems for name, file in state.files.items()}

    def notes(self) -> tuple[str, ...]:
        """Says so if checksums are slow."""
        library = sys.modules.get("google_crc32c")  # not imported where the index had everything
        if getattr(library, "implementation", "c") == "c":
            return ()
        return ("google-crc32c has no C code here, so reading takes many times as long",)

    def fill(self, store: ListStore, found: Sequence[Found[FolderState]]) -> None:
        """One project, and a run per folder."""
        project = store.add_project(self.entity, self.project)
        configs = {item.unit.key: _config(item.state) for item in found}
        shown = dict(configs)
        for key, config in configs.items():
            parent, _, name = key.rpartition("/")
            if config and _STAMP.fullmatch(name) and parent != key and not shown.get(parent, True):
                shown[parent] = config
        for item in found:
            path, files = item.unit.key, item.state.files
            parts = [Part(name, item.unit.folder.place(name), file) for name, file in files.items()]
            token = tuple((name, file.offset, file.fingerprint) for name, file in files.items())
            stream = EventStream(parts, token)
            ended = [file.status for file in files.values() if file.status is not None]
            state = ended[-1] if ended else "running" if item.fresh else "finished"
            if state == "running" and not item.fresh:
                state = "finished"
            last = max((file.last_wall for file in files.values()), default=0.0)
            run = store.add_run(
                project,
                run_id(path),
                node_id=_node_id(path),
                display_name=path or ".",
                group=path.rpartition("/")[0] or None,
                state=state,
                config=shown[path],
                summary=_summary(list(files.values())),
                created_at=_created(item),
                heartbeat_at=_time(last),
                history=stream,
            )
            for part in parts:
                changed = _time(item.unit.files[part.name].mtime_ns / 1e9)
                size = item.unit.files[part.name].size
                content = Path(part.path).read_bytes
                store.add_file(run, part.name, content, size=size, created_at=changed, updated_at=changed)


def run_id(path: str) -> str:
    """The id of the run in the folder ``path`` below the root: the same on every machine."""
    return _node_id(path)[:10]


def _node_id(path: str) -> str:
    return base64.b32encode(sha256(unicodedata.normalize("NFC", path).encode()).digest())[:26].decode().lower()


def _file_order(name: str) -> tuple[int, str]:
    found = _NUMBER.search(name)
    return (int(found[1]) if found else 0, name)


def _config(state: FolderState) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for file in state.files.values():
        config = file.config | config  # of several sessions, the first, as TensorBoard shows it
    return config


def _summary(files: Sequence[FileState]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for file in files:
        summary |= {name: key.final for name, key in file.keys.items()}
        if file.final_step is not None:
            summary |= {"_step": file.final_step, "_timestamp": file.last_wall}
    return summary


def _created(item: Found[FolderState]) -> datetime:
    """The first wall time; if clocks were at zero, the number in a file's name, else the time of change."""
    walls = [file.first_wall for file in item.state.files.values() if file.first_wall > 0]
    names = [float(found[1]) for name in item.unit.files if (found := _NUMBER.search(name))]
    for seconds in (*sorted(walls)[:1], *sorted(names)[:1]):
        time = _time(seconds)
        if time is not None:
            return time
    return _time(item.unit.changed_at) or datetime.fromtimestamp(0, timezone.utc)


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None
