"""What is remembered of event files: the facts of each, kept in the index."""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from operator import le
from typing import Any, BinaryIO

import msgspec

from wbmodel.engine import KeyFacts
from wbmodel_files import Damage, Progress
from wbmodel_files.descriptors import DecodeError
from wbmodel_tensorboard.columns import Column, Stored
from wbmodel_tensorboard.events import EventFile
from wbmodel_tensorboard.framing import masked
from wbmodel_tensorboard.messages import message
from wbmodel_tensorboard.values import value_of

__all__ = ["FileState", "FolderState", "KeyState", "ValueReader", "combined", "scan_file"]

_UNSAFE = re.compile(r"[^\w./-]")
_FIELDS = {"image": "image", "histo": "histo", "audio": "audio", "bytes": "obsolete_histogram"}


class KeyState(msgspec.Struct, array_like=True):
    """Facts of a tag in one file. ``first`` and ``last`` are values in the order of rows, ``final`` is the value that
    was written last. ``monotonic``: numbers that never decrease."""

    count: int
    types: dict[str, int]
    first: Any
    last: Any
    final: Any
    monotonic: bool


class FileState(msgspec.Struct, array_like=True):
    """Facts of one file, as far as it was read."""

    offset: int = 0
    fingerprint: bytes = b""
    keys: dict[str, KeyState] = {}
    plugins: dict[str, str] = {}
    damage: list[tuple[str, int, int, str]] = []
    config: dict[str, Any] = {}
    group: str = ""
    status: str | None = None
    first_wall: float = 0.0
    last_wall: float = 0.0
    last_step: int = -1
    """The highest step."""
    final_step: int | None = None
    """The step that was written last."""

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.keys["_step"].count if self.keys else 0

    @property
    def problems(self) -> list[Damage]:
        """What could not be read."""
        return [Damage(kind, *rest) for kind, *rest in self.damage]  # type: ignore[arg-type]


class FolderState(msgspec.Struct):
    """The files of a folder, by name, in the order in which they are read."""

    files: dict[str, FileState]


class ValueReader:
    """Reads values that stayed in an open file."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name

    def __call__(self, tag: str, stored: Stored) -> Any:
        """The value as it stands in a row; None if it cannot be read."""
        try:
            data = self.data(stored)
            return value_of(stored.kind, data, media_path(tag, self._name, stored))
        except (ValueError, OSError, DecodeError):
            return None

    def data(self, stored: Stored) -> bytes:
        """The bytes of the value's message. Raises ``ValueError`` if they are damaged."""
        self._file.seek(stored.offset)
        length = int.from_bytes(self._file.read(8), "little")
        if not stored.size <= length <= stored.size + 2**28:
            raise ValueError("the file was changed")
        self._file.seek(stored.offset + 12)
        record = self._file.read(length + 4)
        if masked()(record[:-4]) != record[-4:]:
            raise ValueError("the checksum is wrong")
        event = message("Whole").FromString(record[:-4])
        value = event.summary.value[stored.index]
        data: bytes = getattr(value, _FIELDS.get(stored.kind, "tensor"))
        return data


def media_path(tag: str, file: str, stored: Stored) -> str:
    """A name for a value's bytes among the files of its run."""
    safe = _UNSAFE.sub("_", tag).strip("./")
    return f"{safe or 'tag'}_{file.rpartition('tfevents.')[2] or file}_{stored.offset}_{stored.index}"


def scan_file(path: str, name: str, size: int, plugins: dict[str, str]) -> FileState:
    """Read a file of ``size`` bytes. ``plugins`` are those of the files before it, and are added to."""
    try:
        with open(path, "rb", buffering=0) as raw:
            # A buffer of Python's would only be in the way: chunks are large, and places far apart.
            file: Any = raw
            end = min(size, os.fstat(raw.fileno()).st_size)
            events = EventFile(None, plugins)
            offset = events.read(file, 0, end)
            return _state(events, Progress.at(file, offset), ValueReader(file, name), plugins, end)
    except OSError as error:
        return FileState(damage=[("unreadable", 0, size, error.strerror or str(error))])


def _state(events: EventFile, progress: Progress, read: ValueReader, plugins: dict[str, str], end: int) -> FileState:
    steps, walls = events.rows.steps, events.rows.walls
    columns = [column for column in events.columns.values() if column.rows]
    damage = events.damage if end else [Damage("empty")]
    newest = max(columns, key=lambda column: column.walls[-1], default=None)
    return FileState(
        progress.offset,
        progress.fingerprint,
        _row_facts(steps, walls) | {column.name: _facts(column, read) for column in columns},
        plugins=dict(plugins),
        damage=[(item.kind, item.offset, item.size, item.detail) for item in damage],
        config=events.hparams.config,
        group=events.hparams.group,
        status=events.hparams.status,
        first_wall=events.first_wall or (walls[0] if walls else 0.0),
        last_wall=0.0 if newest is None else newest.walls[-1],
        last_step=max(steps, default=-1),
        final_step=None if newest is None else steps[newest.rows[-1]],
    )


def _row_facts(steps: array[int], walls: array[float]) -> dict[str, KeyState]:
    if not steps:
        return {}
    return {
        name: KeyState(len(cells), {"number": len(cells)}, cells[0], cells[-1], cells[-1], _rising(cells))
        for name, cells in (("_step", steps), ("_timestamp", walls))
    }


def _rising(values: Sequence[Any]) -> bool:
    return all(map(le, values, islice(values, 1, None))) and values[0] == values[0]


def _facts(column: Column, read: ValueReader) -> KeyState:
    values = column.values
    final = _shown(column, values[-1], read)
    rows: Any = column.rows
    if not _rising(rows):  # facts are in the order of rows
        order = sorted(range(len(rows)), key=rows.__getitem__)
        values = [values[at] for at in order]
    if isinstance(values, list):
        types = dict(Counter(map(_type, values)))
    else:
        types = {"number": len(values)}
    monotonic = types.keys() == {"number"} and _rising(values)
    first, last = (_shown(column, value, read) for value in (values[0], values[-1]))
    return KeyState(len(values), types, first if monotonic else None, last, final, monotonic)


def _shown(column: Column, value: Any, read: ValueReader) -> Any:
    return read(column.name, value) if isinstance(value, Stored) else value


_TYPES = {
    "image": "image-file",
    "images": "images/separated",
    "histo": "histogram",
    "histograms": "histogram",
    "audio": "audio-file",
    "audios": "audio",
    "pr_curve": "pr-curve",
}


def _type(value: Any) -> str:
    if isinstance(value, Stored):
        return _TYPES.get(value.kind, value.kind)
    return "bool" if isinstance(value, bool) else "number"


def combined(files: Sequence[FileState]) -> dict[str, KeyFacts]:
    """The facts of all keys over the files of a folder."""
    found: dict[str, KeyFacts] = {}
    for file in files:
        for name, key in file.keys.items():
            before = found.get(name)
            if before is None:
                found[name] = KeyFacts(key.count, key.types, key.last, key.monotonic)
                continue
            types = dict(Counter(before.types) + Counter(key.types))
            monotonic = before.monotonic and key.monotonic and before.last <= key.first
            found[name] = KeyFacts(before.count + key.count, types, key.last, monotonic)
    return found
