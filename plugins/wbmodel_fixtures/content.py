"""Content that a world gives inline or as a file beside it: rows, terminal lines, bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from wbmodel.engine.records import ConsoleLine
from wbmodel_fixtures.fields import fields_of
from wbmodel_fixtures.format import Console, File, Rows, TextFile
from wbmodel_fixtures.rows import LazyRows
from wbmodel_fixtures.sources import Limits, Place, inside, read_bytes, read_text

__all__ = ["FileBytes", "FileLines", "Given", "console_of", "file_of", "rows_of"]

Given = dict[str, Any]
"""For one run or artifact: ``history``, ``events``, ``console`` or ``files/<path>`` -> how it was given. Callables of
this module and :class:`LazyRows` have ``given``, the mapping that named the file."""


@attrs.define(slots=True, eq=False)
class FileBytes:
    """A callable that reads a file's bytes."""

    file: Path
    label: str
    limits: Limits
    given: dict[str, str]

    def __call__(self) -> bytes:
        return read_bytes(self.file, self.label, self.limits)


@attrs.define(slots=True, eq=False)
class FileLines:
    """A callable that reads a file's lines as terminal output."""

    file: Path
    label: str
    limits: Limits
    given: dict[str, str]

    def __call__(self) -> list[ConsoleLine]:
        return lines_of(read_text(self.file, self.label, self.limits))


def _checked(place: Place, name: str, limits: Limits) -> tuple[Path, str]:
    """A named file that exists and is within the limit, and what messages call it."""
    file = inside(place, name)
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise place.error(f"{name!r} is not a file")
    size = status.st_size
    if size > limits.max_bytes:
        raise place.error(f"{name!r} has {size:,} bytes, and at most {limits.max_bytes:,} are read (max_bytes)")
    source = place.source
    assert source.root is not None
    return file, source.label_of(file, source.root)


def rows_of(value: Rows, place: Place, limits: Limits) -> Any:
    """Rows given inline, as a list of their own, or a :class:`LazyRows` for a file that exists."""
    if isinstance(value, list):
        return [dict(row) for row in value]
    kind, name = next((k, n) for k, n in (("csv", value.csv), ("jsonl", value.jsonl)) if n is not None)
    file, label = _checked(place / kind, name, limits)
    return LazyRows(file, label, kind, limits, {kind: name})


def lines_of(text: str) -> list[ConsoleLine]:
    """Lines of text; a final line end does not start another line."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [ConsoleLine(line=line.rstrip("\r")) for line in lines]


def console_of(value: Console, place: Place, limits: Limits) -> Any:
    """Terminal lines given as text, as a list, or a :class:`FileLines` for a file that exists."""
    if isinstance(value, str):
        return lines_of(value)
    if isinstance(value, TextFile):
        file, label = _checked(place / "path", value.path, limits)
        return FileLines(file, label, limits, {"path": value.path})
    return [ConsoleLine(line=v) if isinstance(v, str) else ConsoleLine(**attrs.asdict(v)) for v in value]


def file_of(value: str | File, place: Place, limits: Limits, *, digest: bool = False) -> dict[str, Any]:
    """``FileRecord`` fields of a file given as text, base64, path or reference. ``digest`` asks for the MD5 of a file
    beside the world too, which means reading it now."""
    if isinstance(value, str):
        return {"content": value.encode("utf-8", "surrogatepass")}
    fields = fields_of(value, place, but=("text", "base64", "path"))
    content: bytes | Callable[[], bytes] | None = None
    if value.text is not None:
        content = value.text.encode("utf-8", "surrogatepass")
    elif value.base64 is not None:
        try:
            content = base64.b64decode("".join(value.base64.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise (place / "base64").error(f"this is not base64: {error}") from None
    elif value.path is not None:
        file, label = _checked(place / "path", value.path, limits)
        content = FileBytes(file, label, limits, {"path": value.path})
        fields.setdefault("size", file.stat().st_size)
        if digest and "digest" not in fields:
            md5 = hashlib.md5(content(), usedforsecurity=False).digest()
            fields["digest"] = base64.b64encode(md5).decode()
    if content is not None:
        fields["content"] = content
    return fields
