"""Walks a folder and looks at its files: nothing is opened, and nothing is followed twice."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import BinaryIO

import attrs

from wbmodel_files.report import Damage

__all__ = ["Folder", "Progress", "Stat", "walk"]

FINGERPRINT = 64
"""Bytes before an offset that must be the same for reading to go on there."""


@attrs.frozen(slots=True)
class Stat:
    """What the file system says of a file. Equal ones mean equal content."""

    size: int
    mtime_ns: int
    ctime_ns: int
    dev: int
    ino: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stat:
        """The parts of a status that are compared."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino)


@attrs.frozen(slots=True)
class Folder:
    """A folder below the root: ``path`` relative to it with ``/`` (``""`` for the root itself), ``real`` on disk, and
    its files by name. In paths and names, bytes that are not UTF-8 are written ``\\xNN``, so that they can be shown and
    kept; :meth:`place` has the real path."""

    path: str
    real: str
    files: dict[str, Stat]
    problems: dict[str, Damage] = attrs.field(factory=dict)
    _odd: dict[str, str] = attrs.field(factory=dict)
    """Files, or the folder itself (``""``), that cannot be looked at."""

    def place(self, name: str) -> str:
        """Where to open a file of this folder."""
        return os.path.join(self.real, self._odd.get(name, name))

    def add(self, name: str, found: Stat) -> None:
        """Add a file by its name on disk."""
        shown = _shown(name)
        if shown != name:
            self._odd[shown] = name
        self.files[shown] = found


def walk(root: str, wanted: Callable[[str], bool]) -> Iterator[Folder]:
    """The folders at and below ``root``, sorted by path, with those files whose names are ``wanted``. Links to folders
    are followed once: a folder that was seen already, by device and inode, is not walked again."""
    # Real folders first, so that a link never takes the name of what it leads to.
    seen: set[tuple[int, int]] = set()
    found: list[Folder] = []
    waiting, links = [("", root)], list[tuple[str, str]]()
    while waiting or links:
        path, real = waiting.pop() if waiting else links.pop(0)
        folder = Folder(path, real, {})
        try:
            status = os.stat(real)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(real) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    _look(entry, folder, wanted, waiting, links)
        except OSError as error:
            folder.problems[""] = Damage("unreadable", detail=error.strerror or str(error))
        found.append(folder)
    yield from sorted(found, key=lambda folder: folder.path.split("/"))


def _look(
    entry: os.DirEntry[str],
    folder: Folder,
    wanted: Callable[[str], bool],
    waiting: list[tuple[str, str]],
    links: list[tuple[str, str]],
) -> None:
    try:
        if entry.is_dir():
            shown = _shown(entry.name)
            below = (f"{folder.path}/{shown}" if folder.path else shown, entry.path)
            (links if entry.is_symlink() else waiting).append(below)
        elif wanted(entry.name):
            status = entry.stat()
            if stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                folder.add(entry.name, Stat.of(status))
            else:
                folder.problems[_shown(entry.name)] = Damage("unreadable", detail="not a regular file")
    except FileNotFoundError:
        if entry.is_symlink() and wanted(entry.name):
            folder.problems[_shown(entry.name)] = Damage("unreadable", detail="a link to nothing")
    except OSError as error:
        folder.problems[_shown(entry.name)] = Damage("unreadable", detail=error.strerror or str(error))


def _shown(name: str) -> str:
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


@attrs.frozen(slots=True)
class Progress:
    """How far a file was read: up to ``offset``, and the hash of the bytes before it."""

    offset: int = 0
    fingerprint: bytes = b""

    @classmethod
    def at(cls, file: BinaryIO, offset: int) -> Progress:
        """The progress at an offset of an open file."""
        return cls(offset, _hash(file, offset))

    def holds(self, file: BinaryIO, size: int) -> bool:
        """Whether reading can go on here: the file is as long, and was not replaced."""
        return size >= self.offset and _hash(file, self.offset) == self.fingerprint


def _hash(file: BinaryIO, offset: int) -> bytes:
    file.seek(max(0, offset - FINGERPRINT))
    return sha256(file.read(min(offset, FINGERPRINT))).digest()
