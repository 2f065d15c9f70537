"""Compare a folder with a manifest, and make it equal. Reads and writes the disk, so it runs as local work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs

from wbmodel.digests import Digest, is_digest
from wbmodel.entities.contents.manifest import Manifest, ManifestEntry
from wbmodel.errors import IntegrityError, WbmodelError

__all__ = ["Difference", "compare", "refuse_suspicious", "remove_extra"]

_STEP = 2**20
_SHOWN = 10


@attrs.frozen(slots=True)
class Difference:
    """How a folder differs from a manifest: paths that are ``missing`` in it, that are ``extra``, and that have other
    content (``changed``). ``unchecked`` are references of which the manifest has no digest that can be computed."""

    root: Path
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether there is no difference."""
        return not (self.missing or self.extra or self.changed)

    def raise_for_difference(self, name: str) -> None:
        """Raise :class:`~wbmodel.errors.IntegrityError`, which names the files, unless the folder is the same."""
        if self.is_same:
            return
        parts = []
        for word, paths in (("missing", self.missing), ("not in it", self.extra), ("of other content", self.changed)):
            if paths:
                more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
                parts.append(f"{len(paths):,} {word}: {', '.join(paths[:_SHOWN])}{more}")
        raise IntegrityError(f"{self.root} is not the content of {name}: {'; '.join(parts)}")


def compare(manifest: Manifest, root: str | os.PathLike[str], *, contents: bool = True) -> Difference:
    """Compare the folder ``root`` with a manifest, by size and digest; without ``contents``, by name only."""
    folder = Path(os.path.abspath(os.fspath(root)))
    if not folder.is_dir():
        raise WbmodelError(f"{folder} is not a folder")
    there = dict(_files(folder))
    missing, changed, unchecked = [], [], []
    for path, entry in manifest.items():
        found = there.pop(path, None)
        if found is None:
            missing.append(path)
        elif contents:
            same = _is_same(found, entry)
            if same is None:
                unchecked.append(path)
            elif not same:
                changed.append(path)
    return Difference(folder, tuple(missing), tuple(sorted(there)), tuple(changed), tuple(unchecked))


def remove_extra(difference: Difference) -> None:
    """Delete the files that are not in the manifest, and the folders that this leaves empty."""
    for path in difference.extra:
        target = difference.root.joinpath(*path.split("/"))
        target.unlink(missing_ok=True)
        for folder in target.parents:
            if folder == difference.root:
                break
            try:
                folder.rmdir()
            except OSError:
                break


def refuse_suspicious(root: str | os.PathLike[str]) -> None:
    """Raise :class:`~wbmodel.errors.WbmodelError` if files in ``root`` must not be deleted because they are not in a
    manifest: the root of a file system, a home folder, one above it or above the working folder, a Git repository."""
    folder = Path(os.path.realpath(os.fspath(root)))
    home, here = Path(os.path.realpath(Path.home())), Path.cwd().resolve()
    why = ""
    if folder == folder.parent:
        why = "it is the root of a file system"
    elif folder == home or folder in home.parents:
        why = "it is, or holds, the home folder"
    elif folder == here or folder in here.parents:
        why = "it is, or holds, the working folder"
    elif (folder / ".git").exists():
        why = "it is a Git repository"
    if why:
        raise WbmodelError(
            f"{folder} was left alone: {why}, and checkout() deletes what is not in the artifact; give it a folder of "
            "its own, or use download(), which deletes nothing"
        )


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a folder by its path with slashes. Links are files: nothing behind them is looked at."""
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in (*names, *links):
            path = Path(place, name)
            yield path.relative_to(folder).as_posix(), path


def _is_same(path: Path, entry: ManifestEntry) -> bool | None:
    """Whether a file has the content of an entry; None if nothing tells."""
    try:
        if not path.is_file() or (entry.size is not None and path.stat().st_size != entry.size):
            return False
        if not is_digest(entry.digest):
            return None if entry.is_reference else False
        digest = Digest(entry.digest)
        with open(path, "rb", buffering=0) as file:
            while data := file.read(_STEP):
                digest.update(data)
    except OSError as error:
        raise WbmodelError(f"{path} cannot be read: {error.strerror or error}") from error
    return digest.matches
