"""Where a world comes from: files and dict literals, read within limits, which know the line of any path in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from wbmodel.codec import format_datetime
from wbmodel.errors import FixtureError
from wbmodel.structuring import FieldPath, show_path
from wbmodel_fixtures.json_text import find_lines, read_json
from wbmodel_fixtures.replace import Stamp, stamp
from wbmodel_fixtures.yaml12 import TextProblem, find_marks, read_yaml

__all__ = ["SUFFIXES", "Limits", "Place", "Source", "inside", "read_bytes", "read_text"]

SUFFIXES = (".yaml", ".yml", ".json")
"""Endings of files that are read as worlds or parts of them."""


@attrs.frozen(slots=True)
class Limits:
    """``max_bytes`` of any one file, ``max_depth`` of nested lists and mappings."""

    max_bytes: int = 256 * 1024 * 1024
    max_depth: int = 100


@attrs.define(slots=True, eq=False)
class Source:
    """One parsed file or dict. ``label`` is what messages call it; ``root`` is the folder that no path may leave.

    ``may_share`` says whether one list or dict may stand in several places, by YAML aliases; ``stamp`` is the file's
    when it was read.
    """

    label: str
    value: Any
    file: Path | None = None
    root: Path | None = None
    may_share: bool = False
    stamp: Stamp | None = None
    _find_lines: Callable[[Collection[FieldPath]], dict[FieldPath, int | None]] = attrs.field(
        default=dict.fromkeys, alias="find_lines"
    )
    _lines: dict[FieldPath, int | None] = attrs.field(factory=dict, init=False)
    _real_root: Path | None = None

    def real_root(self) -> Path | None:
        """The root without symbolic links, looked up once for all the files that this one names."""
        if self._real_root is None and self.root is not None:
            self._real_root = Path(os.path.realpath(self.root))
        return self._real_root

    def find_lines(self, paths: Iterable[FieldPath]) -> None:
        """Look the lines of several paths up at once: for JSON that takes one pass over the text."""
        new = {path for path in paths if path not in self._lines}
        if new:
            self._lines |= self._find_lines(new)

    def line(self, path: FieldPath) -> int | None:
        """The line (from 1) of ``path``, or of as much of it as there is. None where no lines are known."""
        self.find_lines([path])
        return self._lines[path]

    @classmethod
    def read(cls, file: Path, root: Path, limits: Limits) -> Source:
        """Read a ``.yaml``, ``.yml`` or ``.json`` file. Raises :class:`FixtureError` with its line."""
        label, written = cls.label_of(file, root), stamp(file)
        text = read_text(file, label, limits)
        try:
            if file.suffix.lower() == ".json":
                value = read_json(text, limits.max_depth)
                return cls(label, value, file, root, stamp=written, find_lines=partial(find_lines, text))
            value, marks = read_yaml(text, limits.max_depth)
            lines = partial(find_marks, value, marks)
            return cls(label, value, file, root, may_share=True, stamp=written, find_lines=lines)
        except TextProblem as problem:
            raise FixtureError(problem.message, file=label, line=problem.line) from None

    @staticmethod
    def label_of(file: Path, root: Path) -> str:
        """What messages call a file: its path from the working folder when it is below it, else from the root's."""
        for base in (Path.cwd(), root.parent):
            try:
                return str(file.relative_to(base))
            except ValueError:
                continue
        return str(file)

    @classmethod
    def of(cls, world: Any, limits: Limits, root: Path | None = None) -> Source:
        """A dict literal as a source. The dict is copied; values that a file cannot hold are refused."""
        return cls("world", _plain(world, limits.max_depth), None, root)


@attrs.frozen(slots=True)
class Place:
    """A value inside a source."""

    source: Source
    path: FieldPath = ()

    def __truediv__(self, part: Any) -> Place:
        return Place(self.source, (*self.path, part))

    def error(self, message: str) -> FixtureError:
        """The error that says ``message`` here."""
        return FixtureError(
            message, file=self.source.label, line=self.source.line(self.path), field=show_path(self.path) or None
        )

    def __str__(self) -> str:
        line = self.source.line(self.path)
        where = f"{self.source.label}, line {line}" if line is not None else self.source.label
        return f"{where}, {show_path(self.path)}" if line is None else where


def read_bytes(file: Path, label: str, limits: Limits) -> bytes:
    """The bytes of a regular file within the limit. The size is looked at before anything is read."""
    try:
        status = os.stat(file)
    except FileNotFoundError:
        raise FixtureError("there is no such file", file=label) from None
    except (OSError, ValueError) as error:
        raise FixtureError(f"the file cannot be looked at: {error}", file=label) from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise FixtureError(f"a file is needed, and this is {kind}", file=label)
    if status.st_size > limits.max_bytes:
        raise FixtureError(
            f"the file has {status.st_size:,} bytes, and at most {limits.max_bytes:,} are read; split it, put "
            "histories into CSV or JSONL files beside it, or raise the limit with connect(..., max_bytes=...)",
            file=label,
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise FixtureError(f"the file cannot be read: {error.strerror or error}", file=label) from None


def read_text(file: Path, label: str, limits: Limits) -> str:
    """The text of a UTF-8 file, without a byte order mark. Raises with line and byte offset for other bytes."""
    data = read_bytes(file, label, limits)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec does not count a byte order mark.
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line = data.count(b"\n", 0, offset) + 1
        raise FixtureError(
            f"the text is not UTF-8: byte 0x{data[offset]:02x} at offset {offset} ({error.reason})",
            file=label,
            line=line,
        ) from None


def inside(place: Place, name: str) -> Path:
    """The file that ``name`` at ``place`` means: relative to the file that says so, and inside the world's folder."""
    source = place.source
    top = source.real_root()
    if source.root is None or top is None:
        raise place.error("a file is named, but this world came as a dict and has no folder; give root=...")
    base = source.file.parent if source.file is not None else source.root
    if "\0" in name or not name:
        raise place.error(f"{name!r} is not a file name")
    file = base / name
    real = Path(os.path.realpath(file))
    if os.path.isabs(name) or not real.is_relative_to(top):
        raise place.error(f"{name!r} leads out of the world's folder; files must be inside it")
    if not real.exists():
        raise place.error(f"there is no file {name!r} (looked for {source.label_of(file, source.root)})")
    return file


_LEAF = (str, int, float, bool, type(None))


def _plain(world: Any, max_depth: int) -> Any:
    """A copy of ``world`` in dicts, lists and JSON scalars. Cycles, odd types and depth are refused with the path."""

    def fail(path: FieldPath, message: str) -> FixtureError:
        return FixtureError(message, file="world", field=show_path(path) or None)

    def copy(value: Any, path: FieldPath, above: tuple[int, ...]) -> Any:
        if isinstance(value, _LEAF):
            return value
        if isinstance(value, datetime):
            return format_datetime(value if value.tzinfo else value.replace(tzinfo=timezone.utc))
        if not isinstance(value, (Mapping, list, tuple)):
            raise fail(path, f"{value!r} is a {type(value).__name__}; plain values are needed (text, numbers, ...)")
        if id(value) in above:
            raise fail(path, "this value contains itself: a cycle")
        if len(above) >= max_depth:
            raise fail(path, f"values are nested more than {max_depth} deep")
        above = (*above, id(value))
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    raise fail(path, f"key {key!r} is a {type(key).__name__}; keys are text")
            return {key: copy(item, (*path, key), above) for key, item in value.items()}
        return [copy(item, (*path, index), above) for index, item in enumerate(value)]

    return copy(world, (), ())
