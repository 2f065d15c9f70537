"""Part files: where a file is written until it is complete. Its target never holds half a file.

A part stands next to its target, under a name made from the target's. Who writes it holds a lock on it, which the
system releases when the process ends, in whatever way. So an interrupted download goes on where it stopped, and two
that run at once do not mix: the second writes a part of its own. A small file beside the part says what it is
a part of.

A file that is known to be small is gathered in memory instead, and written in one go.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from wbmodel import forks
from wbmodel.backend.asks import FetchItem
from wbmodel.digests import Digest
from wbmodel.errors import IntegrityError, WbmodelError

if TYPE_CHECKING:
    from typing_extensions import Self

try:
    import fcntl
except ImportError:  # Windows: each download writes a part of its own, from the beginning
    fcntl = None  # type: ignore[assignment]

__all__ = ["SMALL", "Part", "part_path", "unwritable"]

SMALL = 2**20
"""Parts of fewer bytes are not worth going on with."""
_STEP = 2**20
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def part_path(target: Path) -> Path:
    """Where the part of ``target`` is."""
    mark = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
    return target.parent / f".{target.name[:24]}.{mark}.part"


class Part:
    """A file being fetched. At the end of the block it is verified and gets its name, or is kept to go on with.

    :attr:`size` is how many bytes there are. If there are any at the beginning, call :meth:`catch_up` before
    :meth:`write`. Set :attr:`etag` once it is known.
    """

    def __init__(self, item: FetchItem) -> None:
        self.item = item
        self.size = 0
        self.etag = item.ref.etag
        self._digest = Digest(item.ref.digest)
        self._recorded = self._private = self._sided = False
        self._busy = forks.lock()
        self._handle = -1
        self._path: Path | None = None
        self._gathered: list[bytes] | None = [] if item.ref.size is not None and item.ref.size < SMALL else None

    # -- the block ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._gathered is not None:
            return self
        self._path = part_path(self.item.target)
        try:
            handle = _locked(self._path)
        except FileNotFoundError:
            os.makedirs(self.item.target.parent, exist_ok=True)
            handle = _locked(self._path)
        self._handle = self._open_private() if handle is None else handle
        handle = self._handle
        there = os.fstat(handle).st_size
        if there:
            self._sided = True
            self.size = there if self._continues(there) else 0
            if not self.size:
                os.ftruncate(handle, 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._busy:  # a thread may still write a chunk of a download that was cancelled
            renamed, keep = False, self._recorded
            try:
                if error is None:
                    self._verify()
                    path = self._written()
                    if self._private:
                        self._close()  # Windows renames no open file
                    os.replace(path, self.item.target)
                    renamed = True
                else:
                    keep = keep and self.size >= SMALL and not isinstance(error, IntegrityError)
            except IntegrityError:
                keep = False
                raise
            finally:
                if renamed or not keep:
                    self._remove(renamed)
                self._close()

    # -- its bytes ---------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Compute the digest of the bytes that are there."""
        with self._busy:
            at = os.lseek(self._handle, 0, os.SEEK_SET)
            while data := os.read(self._handle, min(_STEP, self.size - at)):
                self._digest.update(data)
                at += len(data)
            self.size = at

    def restart(self) -> None:
        """Begin from nothing."""
        with self._busy:
            if self._gathered is not None:
                self._gathered.clear()
            else:
                os.ftruncate(self._handle, 0)
                os.lseek(self._handle, 0, os.SEEK_SET)
            self.size, self._recorded = 0, False
            self._digest = Digest(self.item.ref.digest)

    def write(self, chunk: bytes) -> None:
        """Add a chunk."""
        with self._busy:
            self._digest.update(chunk)
            if self._gathered is not None:
                self._gathered.append(chunk)
                self.size += len(chunk)
                if self.size > (self.item.ref.size or 0):
                    self._verify()  # memory is for what was promised
            elif self._handle >= 0:  # else the download was cancelled meanwhile
                if not self._recorded:
                    self._record()
                self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        while left:
            written = os.write(self._handle, left)
            self.size += written
            left = left[written:]

    def _written(self) -> Path:
        """The part, with all its bytes."""
        if self._gathered is not None:
            try:
                self._handle = self._open_private()
            except FileNotFoundError:
                os.makedirs(self.item.target.parent, exist_ok=True)
                self._handle = self._open_private()
            self.size = 0
            for chunk in self._gathered:
                self._write(chunk)
        assert self._path is not None
        return self._path

    def _open_private(self) -> int:
        """A part that no other download has."""
        self._private = True
        target = self.item.target
        self._path = target.with_name(f".{target.name[:24]}.{secrets.token_hex(6)}.part")
        return os.open(self._path, _FLAGS | os.O_EXCL, 0o666)

    # -- inside ------------------------------------------------------------------------------------

    @property
    def _side(self) -> Path:
        assert self._path is not None
        return self._path.with_suffix(".part.json")

    def _facts(self) -> dict[str, object]:
        return {"digest": self.item.ref.digest, "size": self.item.ref.size, "etag": self.etag}

    def _continues(self, there: int) -> bool:
        """Whether the bytes that are there begin the wanted content."""
        ref = self.item.ref
        if self._private or (ref.size is not None and there > ref.size):
            return False
        try:
            found = json.loads(self._side.read_bytes())
            same = (found["digest"], found["size"]) == (ref.digest, ref.size)
            etag = found["etag"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not same or not (self._digest.known or etag) or (ref.etag is not None and etag not in (None, ref.etag)):
            return False
        self.etag, self._recorded = etag, True
        return True

    def _record(self) -> None:
        self._recorded = True
        if self._private:
            return
        self._sided = True
        self._side.write_text(json.dumps(self._facts()))

    def _verify(self) -> None:
        ref, digest = self.item.ref, self._digest
        if ref.size is not None and ref.size != self.size:
            raise IntegrityError(f"{ref.name} has {ref.size:,} bytes, but {self.size:,} were received")
        if not digest.matches:
            raise IntegrityError(f"{ref.name} has the digest {ref.digest}, but the received bytes have {digest.text}")

    def _remove(self, renamed: bool) -> None:
        if self._sided:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._side)
        if not renamed and self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def _locked(path: Path) -> int | None:
    """The file at ``path``, opened and locked; None if another download has it."""
    if fcntl is None:
        return None
    while True:
        handle = os.open(path, _FLAGS, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False)):
                return handle
        except FileNotFoundError:
            pass  # its writer renamed it after we opened it
        except OSError:  # it is locked, or the file system has no locks
            os.close(handle)
            return None
        os.close(handle)


def unwritable(item: FetchItem, error: OSError) -> WbmodelError:
    """The error for an item whose target cannot be written."""
    name, size = item.ref.name, item.ref.size
    message = f"{name} cannot be written to {item.target}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needs = "" if size is None else f"it needs {size:,} bytes"
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(item.target.parent).free
            needs += f"{' and ' if needs else ''}{free:,} are free"
        message += f" ({needs}); free some space and repeat, what is there is kept" if needs else ""
    made = WbmodelError(message)
    made.__cause__ = error
    return made
