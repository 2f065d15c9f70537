"""What is remembered of event files: the facts of each, kept in the index."""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from operator import le, lt
from typing import Any, BinaryIO

import attrs
import msgspec

from wbmodel.engine import KeyFacts
from wbmodel_files import Damage, Progress, Stat
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
    damage: list[Any] = []
    config: dict[str, Any] = {}
    group: str = ""
    status: str | None = None
    first_wall: float = 0.0
    last_wall: float = 0.0
    last_step: int = -1
    """The highest step."""
    final_step: int | None = None
    """The step that was written last."""
    strict: bool = True
    """Whether the steps of rows always rise: then what is written later can be added without reading the file anew."""
    final_keys: list[str] = []
    """The tags in the last row."""
    stat: tuple[int, ...] = ()
    """The state of the file when it was read."""

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.keys["_step"].count if self.keys else 0

    @property
    def problems(self) -> list[Damage]:
        """What could not be read."""
        return [Damage(kind, *rest) for kind, *rest in self.damage]


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


def scan_file(path: str, name: str, stat: Stat, plugins: dict[str, str], before: FileState | None) -> FileState:
    """Read a file, or what was added to it since ``before``. ``plugins`` are those of the files before it, and are
    added to."""
    known = attrs.astuple(stat)
    if before is not None and before.stat == known:
        plugins |= before.plugins
        return before
    try:
        # A buffer of Python's would only be in the way: chunks are large, and places far apart.
        with open(path, "rb", buffering=0) as file:
            end = min(stat.size, os.fstat(file.fileno()).st_size)
            found = None if before is None else _go_on(before, file, name, end, plugins)
            if found is None:
                events = EventFile(None, plugins)
                found = _state(events, file, events.read(file, 0, end), name, plugins)
                if not end:
                    found.damage = [attrs.astuple(Damage("empty"))]
    except OSError as error:
        found = FileState(damage=[("unreadable", 0, stat.size, error.strerror or str(error))])
    found.stat = known
    return found


def _go_on(before: FileState, file: Any, name: str, end: int, plugins: dict[str, str]) -> FileState | None:
    """The state with what was added behind ``before.offset``; None if the file must be read anew: it was replaced, or
    the rows that were there are not complete."""
    known = Progress(before.offset, before.fingerprint)
    if not (before.offset and before.keys and before.strict and known.holds(file, end)):
        return None
    learned = plugins | before.plugins
    events = EventFile(None, learned)
    offset = events.read(file, before.offset, end)
    steps = events.rows.steps
    shared = bool(steps) and steps[0] == before.last_step
    if steps and steps[0] < before.last_step:
        return None
    if shared and any(column.rows and column.rows[0] == 0 for column in _named(events, before.final_keys)):
        return None
    new = _state(events, file, offset, name, learned, shared)
    if not new.strict:
        return None
    plugins |= new.plugins
    keys = dict(before.keys)
    for tag, key in new.keys.items():
        keys[tag] = key if tag not in keys else _joined(keys[tag], key)
    return FileState(
        new.offset,
        new.fingerprint,
        keys,
        new.plugins,
        [item for item in before.damage if item[0] not in ("torn tail", "empty")] + new.damage,
        new.config | before.config,
        before.group or new.group,
        new.status or before.status,
        before.first_wall or new.first_wall,
        max(before.last_wall, new.last_wall),
        before.last_step if not steps else new.last_step,
        before.final_step if new.final_step is None else new.final_step,
        True,
        sorted({*before.final_keys, *new.final_keys})
        if shared and len(steps) == 1
        else new.final_keys or before.final_keys,
    )


def _named(events: EventFile, names: Sequence[str]) -> list[Column]:
    return [events.columns[name] for name in names if name in events.columns]


def _joined(before: KeyState, new: KeyState) -> KeyState:
    types = dict(Counter(before.types) + Counter(new.types))
    monotonic = before.monotonic and new.monotonic and before.last <= new.first
    first = before.first if monotonic else None
    return KeyState(before.count + new.count, types, first, new.last, new.final, monotonic)


def _state(
    events: EventFile, file: Any, offset: int, name: str, plugins: Mapping[str, str], shared: bool = False
) -> FileState:
    """The facts of what was read. ``shared``: its first row was begun before."""
    steps, walls, read = events.rows.steps, events.rows.walls, ValueReader(file, name)
    columns = [column for column in events.columns.values() if column.rows]
    newest = max(columns, key=lambda column: column.walls[-1], default=None)
    return FileState(
        offset,
        Progress.at(file, offset).fingerprint,
        _row_facts(steps[shared:], walls[shared:]) | {column.name: _facts(column, read) for column in columns},
        dict(plugins),
        [attrs.astuple(item) for item in events.damage],
        events.hparams.config,
        events.hparams.group,
        events.hparams.status,
        events.first_wall or (walls[0] if walls else 0.0),
        0.0 if newest is None else newest.walls[-1],
        max(steps, default=-1),
        None if newest is None else steps[newest.rows[-1]],
        all(map(lt, steps, islice(steps, 1, None))),
        sorted(column.name for column in columns if column.rows[-1] == len(steps) - 1),
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
    found: dict[str, KeyState] = {}
    for file in files:
        for name, key in file.keys.items():
            found[name] = key if name not in found else _joined(found[name], key)
    return {name: KeyFacts(key.count, key.types, key.last, key.monotonic) for name, key in found.items()}
