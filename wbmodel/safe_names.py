"""Where a file goes whose name comes from a server: below a folder, never outside, and never onto another file."""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path

from wbmodel.errors import UnsafeName
from wbmodel.safe_text import brief

__all__ = ["Targets", "inside", "safe_target"]

_LONGEST_PART = 255
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[. ]$|^(?:con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])\s*(?:\.|$)', re.IGNORECASE)


def safe_target(root: Path, name: str, *, windows: bool = os.name == "nt") -> Path:
    """The path of the file ``name`` (with slashes) below ``root``. Reads nothing from disk.

    Raises :class:`~wbmodel.errors.UnsafeName` for an empty or absolute name, for ``.``, ``..`` and empty parts, for
    backslashes, drive letters and control characters, for parts of more than 255 bytes, and on Windows for what it
    reserves or drops: ``CON``, ``a:b``, a dot or blank at the end.
    """
    why = _refused(name, windows)
    if why:
        raise UnsafeName(f"{brief(repr(name))} is not the name of a file below {root}: {why}; the file was not written")
    return root.joinpath(*name.split("/"))


def _refused(name: str, windows: bool) -> str:
    if not name:
        return "it is empty"
    if "\\" in name:
        return "it has a backslash, which separates folders on Windows"
    if name.startswith("/"):
        return "it is absolute"
    if _DRIVE.match(name):
        return "it begins with the letter of a drive"
    if _CONTROL.search(name):
        return "it has a control character"
    try:
        lengths = [len(os.fsencode(part)) for part in name.split("/")]
    except UnicodeEncodeError:
        return "it has a character that file names cannot have"
    for part, length in zip(name.split("/"), lengths, strict=True):
        if part in (".", ".."):
            return f"{part!r} leads elsewhere"
        if not part:
            return "one of its parts is empty"
        if length > _LONGEST_PART:
            return f"a part of it has {length} bytes, and file systems take {_LONGEST_PART}"
        if windows and _NOT_ON_WINDOWS.search(part):
            return f"Windows does not take {part!r}"
    return ""


class Targets:
    """Gives each of many names a target below ``root``. Two names never get the same file, on any file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._as_written, self._folded = _Taken(str), _Taken(_fold)
        self._folds: bool | None = None

    def target(self, name: str) -> Path:
        """The target of ``name``. Raises :class:`~wbmodel.errors.UnsafeName` for a name that is not safe
        (:func:`safe_target`), or whose path is that of an earlier file, or of a folder of one."""
        target = safe_target(self.root, name)
        met = self._as_written.met(name)
        if met is None and (alike := self._folded.met(name)) is not None and self._file_system_folds():
            met = alike
        if met is not None:
            raise UnsafeName(
                f"{brief(repr(name))} and {brief(repr(met))} cannot both be below {self.root}: they would be the same "
                "path; the second was not written"
            )
        self._as_written.add(name)
        self._folded.add(name)
        return target

    def _file_system_folds(self) -> bool:
        """Whether the file system takes names for the same that differ in case or in their Unicode form."""
        if self._folds is None:
            place = self.root
            while not place.is_dir():
                place = place.parent
            mark = secrets.token_hex(6)
            probe = place / f".wbmodel-\u00e9-{mark}"
            try:
                probe.touch()
            except OSError:
                return True
            try:
                self._folds = (place / f".WBMODEL-\u00c9-{mark.upper()}").exists() or (
                    place / f".wbmodel-e\u0301-{mark}"
                ).exists()
            finally:
                probe.unlink()
        return self._folds


class _Taken:
    """Names that are taken, by their files and by the folders of these. ``key`` is what makes two names the same."""

    def __init__(self, key: Callable[[str], str]) -> None:
        self._key = key
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def add(self, name: str) -> None:
        """Take a name."""
        self._files.setdefault(self._key(name), name)
        for folder in _folders(name):
            self._folders.setdefault(self._key(folder), name)

    def met(self, name: str) -> str | None:
        """The file that ``name`` would meet: at its own path, below it, or at one of its folders."""
        key = self._key(name)
        found = self._files.get(key) or self._folders.get(key)
        return found or next((met for folder in _folders(name) if (met := self._files.get(self._key(folder)))), None)


def _folders(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def inside(root: Path, target: Path) -> None:
    """Check that no link leads from ``target`` to outside of ``root``. Raises :class:`~wbmodel.errors.UnsafeName`."""
    real = Path(os.path.realpath(root))
    where = Path(os.path.realpath(target))
    if where != real and real not in where.parents:
        raise UnsafeName(
            f"{target} leads to {where}, outside of {root}, by a link in that folder; remove the link or download to "
            "another folder"
        )
