"""Replace several files of a folder as one: a reader sees all of them as they were, or all of them new.

New content is first written into a staging folder with a random name, beside a list of what goes where. Renaming that
folder to :data:`COMMITTED` is the one step that decides: before it, nothing has changed; after it, :func:`finish` puts
the files in place, now or when the folder is next opened, however often it is interrupted.

:func:`reading` and :func:`writing` keep readers and writers of one folder apart, in this process and in others. The
lock is on the folder itself, so no lock file is left behind, and it ends with the process that holds it. Where the
system has no such locks (Windows, some network file systems) a save is still whole, but two at the same time are not
kept apart.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wbmodel.errors import FixtureError

__all__ = ["COMMITTED", "Stamp", "finish", "reading", "replace_files", "stamp", "writing"]

Stamp = tuple[int, int, int]
"""What changes whenever a file is written or replaced: time in ns, bytes, inode."""

COMMITTED = ".wbmodel-commit"
"""The staging folder of a save that is decided; :func:`finish` removes it when its files are in place."""

_STAGING = ".wbmodel-save-"
_LIST = "list.json"
_PATIENCE = 30.0
"""Seconds to wait for another process that reads or saves the same folder."""


def stamp(file: Path) -> Stamp | None:
    """The stamp of ``file`` now, or None if it does not exist."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


@contextmanager
def reading(root: Path) -> Iterator[None]:
    """While the block runs, no save changes the files of ``root``. A save that was interrupted is finished first.

    Raises :class:`FixtureError` after 30 s of waiting for another process.
    """
    while True:
        with _locked(root, shared=True):
            if not _decided(root):
                yield
                return
        with _locked(root):
            finish(root)


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """While the block runs, nothing else reads or saves in ``root``, which is made where it is not there.

    Raises :class:`FixtureError` after 30 s of waiting for another process.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _failed(error, root) from None
    with _locked(root):
        finish(root)
        yield


@contextmanager
def _locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, or a folder that may not be listed: what is done in it says what is wrong
        yield
        return
    try:
        _wait_for(handle, shared, folder)
        yield
    finally:
        os.close(handle)  # ends the lock too


def _wait_for(handle: int, shared: bool, folder: Path) -> None:
    import fcntl

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise FixtureError(
                    f"another process has been reading or saving this folder for {_PATIENCE:.0f} s; try again when it "
                    "has finished",
                    file=str(folder),
                ) from None
            time.sleep(0.01)
        except OSError:  # a file system without locks
            return
        else:
            return


def replace_files(
    root: Path, files: Sequence[tuple[Path, bytes]], removed: Iterable[Path] = ()
) -> dict[Path, Stamp | None]:
    """Decide that every one of ``files``, which are below ``root``, has its new content, and that ``removed`` go: all
    or nothing. :func:`finish` puts them in place.

    To be called while :func:`writing`. Returns the stamps that the files will have, as renaming keeps them. Raises
    :class:`FixtureError` where a file cannot be written; then all files are as they were.
    """
    _clear(root)
    made: list[Path] = []
    staging: Path | None = None
    stamps: dict[Path, Stamp | None] = {}
    try:
        for folder in {file.parent: None for file, _ in files}:
            _make(folder, made)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=root))
        moves = {}
        for number, (file, data) in enumerate(files):
            _write(staging / str(number), data, like=file)
            moves[str(number)] = _below(root, file)
            stamps[file] = stamp(staging / str(number))
        gone = [_below(root, file) for file in removed]
        if len(moves) == 1 and not gone:
            os.replace(staging / "0", files[0][0])  # one file needs no list
            _sync(files[0][0].parent)
        else:
            _write(staging / _LIST, json.dumps({"moves": moves, "removed": gone}).encode())
            _sync(staging)
            os.rename(staging, root / COMMITTED)
            _sync(root)
    except BaseException as error:
        for folder in reversed(made):
            if not any(folder.iterdir()):
                folder.rmdir()
        if isinstance(error, OSError):
            place = Path(error.filename or root)
            raise _failed(error, root if staging is not None and place.is_relative_to(staging) else place) from None
        raise
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return stamps


def finish(root: Path) -> None:
    """Put the files of a decided save in place, if there is one. To be called while :func:`writing`.

    Raises :class:`FixtureError` where that cannot be done, such as in a folder that is read-only, or where the list
    names a place outside of ``root``.
    """
    if not _decided(root):
        return
    committed = root / COMMITTED
    listed = committed / _LIST
    if listed.is_file():  # else everything is in place, and only the folder is left
        moves, removed = _read_list(root, listed)
        try:
            for name, target in moves:
                staged = committed / name
                if staged.is_file() and not staged.is_symlink():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(staged, target)
            for file in removed:
                file.unlink(missing_ok=True)
            for folder in {file.parent for file in (*(target for _, target in moves), *removed)}:
                _sync(folder)
        except OSError as error:
            raise FixtureError(
                f"this world was saved, but its files cannot be put in place ({error.strerror or error}); open it once "
                "where the folder can be written",
                file=str(root),
            ) from None
    shutil.rmtree(committed, ignore_errors=True)


def _decided(root: Path) -> bool:
    committed = root / COMMITTED
    return committed.is_dir() and not committed.is_symlink()


def _read_list(root: Path, listed: Path) -> tuple[list[tuple[str, Path]], list[Path]]:
    try:
        found = json.loads(listed.read_bytes())
        moves = [(str(int(name)), _inside(root, place)) for name, place in found["moves"].items()]
        return moves, [_inside(root, place) for place in found["removed"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FixtureError(
            f"the list of an interrupted save cannot be read ({error}); remove the folder {COMMITTED} if it is not "
            "yours",
            file=str(listed),
        ) from None


def _inside(root: Path, place: str) -> Path:
    target = root / place
    if not Path(os.path.realpath(target.parent)).is_relative_to(os.path.realpath(root)):
        raise ValueError(f"{place!r} leads out of the folder")
    return target


def _below(root: Path, file: Path) -> str:
    return Path(os.path.abspath(file)).relative_to(os.path.abspath(root)).as_posix()


def _make(folder: Path, made: list[Path]) -> None:
    """Make ``folder`` and what is above it; ``made`` takes what was not there."""
    if not folder.is_dir():
        _make(folder.parent, made)
        folder.mkdir(exist_ok=True)
        made.append(folder)


def _write(file: Path, data: bytes, like: Path | None = None) -> None:
    """A new file that is on the disk when this returns, with the mode of ``like`` where that is there."""
    with open(file, "xb") as out:
        if like is not None and like.exists():
            os.chmod(file, stat.S_IMODE(like.stat().st_mode))
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _sync(folder: Path) -> None:
    """Make renames in ``folder`` last through a power failure, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _clear(root: Path) -> None:
    """Remove what interrupted saves left behind. With the lock held, none of it belongs to a save that still runs."""
    for left in root.glob(f"{_STAGING}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


def _failed(error: OSError, file: Path) -> FixtureError:
    return FixtureError(f"the file cannot be written: {error.strerror or error}", file=str(file))
