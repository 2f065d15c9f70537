"""A cache of file contents that processes share, found by digest. What is in it was verified on its way in, and is
verified again on its way out: an entry that was edited or cut is thrown away and fetched anew.

That costs the time of an MD5 per use, about 2 seconds per GiB. Taking 2,000 files of 20 KiB out of it took 1.85
times as long as copying the folder (the median of 7 pairs on a busy machine; single runs went up to 3.8).
The copy of a large file shares blocks where the
file system can. Entries are read-only files, ``ab/abcdef...``, that only ever appear whole, by a rename; so processes
need no lock. For content without a digest (an export of a history, say) the digest is noted under its URL without the
query, ETag and size.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from wbmodel.backend.asks import BlobRef
from wbmodel.digests import Digest, is_digest
from wbmodel.errors import ConfigurationError, IntegrityError
from wbmodel.safe_text import readable

__all__ = ["Cache", "CacheInfo", "Pruned", "cache_folder"]

_STEP = 2**20
_PRUNED = ".pruned"
_USED_AGAIN = 3600.0
"""Seconds after which another use of an entry is noted. At each use, it would be a write per file."""
_STALE = 24 * 3600.0
"""Seconds after which a part or a copy that nobody finished is thrown away by :meth:`Cache.prune`."""


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the cache is: ``WBMODEL_CACHE_DIR``, else ``wbmodel`` in the user's folder for caches."""
    environ = os.environ if environment is None else environment
    given = environ.get("WBMODEL_CACHE_DIR")
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("wbmodel", appauthor=False))


@attrs.frozen(slots=True)
class CacheInfo:
    """What a cache holds: ``files``, their ``bytes``, and the folder ``place``."""

    place: Path
    files: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.files:,} files, {readable(self.bytes)}, in {self.place}"


@attrs.frozen(slots=True)
class Pruned:
    """What :meth:`Cache.prune` removed (or would remove), and what is left."""

    files: int
    bytes: int
    left: CacheInfo


class Cache:
    """The cache in ``place``, by default :func:`cache_folder`. Makes no folder before something is kept."""

    def __init__(self, place: str | os.PathLike[str] | None = None) -> None:
        self.place = cache_folder() if place is None else Path(place).absolute()
        self._files = os.path.join(self.place, "files")

    def __repr__(self) -> str:
        return f"<Cache {str(self.place)!r}>"

    # -- one entry ---------------------------------------------------------------------------------

    def digest(self, ref: BlobRef) -> str | None:
        """The digest of the content of ``ref``: its own, or the one that was noted for its URL, ETag and size."""
        if ref.digest is not None:
            return ref.digest if is_digest(ref.digest) else None
        note = self._note(ref)
        try:
            found = None if note is None else note.read_text("ascii")
        except (OSError, ValueError):
            return None
        return found if is_digest(found) else None

    def entry(self, digest: str) -> Path:
        """Where the content with this digest is, or belongs. Digests of different kinds are different entries."""
        return Path(self._entry(digest))

    def _entry(self, digest: str) -> str:  # a text: many paths take longer to make than small files to copy
        name = hashlib.sha256(digest.encode("utf-8", "surrogatepass")).hexdigest()
        return os.path.join(self._files, name[:2], name)

    def get(self, ref: BlobRef, target: Path, *, link: bool = False, verify: bool = True) -> int | None:
        """Write the content of ``ref`` to ``target``; its size in bytes, or None if it is not in the cache.

        ``target`` is a copy that may be edited. With ``link=True`` it is a read-only hard link to the entry where that
        is possible. An entry that does not have its digest is removed; ``verify=False`` is for what was written just
        now.
        """
        digest = self.digest(ref)
        if digest is None:
            return None
        entry = self._entry(digest)
        try:
            source = os.open(entry, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            found = os.fstat(source)
            written = None
            if ref.size in (None, found.st_size):
                written = _copied(source, entry, Digest(digest if verify else None), os.fspath(target), link)
            if time.time() - max(found.st_atime, found.st_mtime) > _USED_AGAIN:
                with contextlib.suppress(OSError):
                    os.utime(source, ns=(time.time_ns(), found.st_mtime_ns))  # what prune() takes for its use
        finally:
            os.close(source)
        if written != found.st_size:
            _removed(Path(entry))
            return None
        return written

    def put(self, ref: BlobRef, source: Path) -> bool:
        """Keep a copy of ``source``; False if nothing says what its content is.

        Raises :class:`~wbmodel.errors.IntegrityError` if it is not the content of ``ref``.
        """
        digest, note = ref.digest, self._note(ref)
        if digest is None and note is None:
            return False
        with open(source, "rb") as file:
            if digest is None:
                made = Digest()
                while data := file.read(_STEP):
                    made.update(data)
                digest = made.text
            entry = self.entry(digest)
            size = os.fstat(file.fileno()).st_size
            fits = ref.size in (None, size) and size == _copied(
                file.fileno(), os.fspath(source), Digest(digest), os.fspath(entry), False
            )
        if not fits:
            raise IntegrityError(f"{source} does not have the content of {ref.name}; it was not kept in the cache")
        self.seal(entry)
        if note is not None and ref.digest is None:
            os.makedirs(note.parent, exist_ok=True)
            half = note.with_name(f".{secrets.token_hex(6)}.copy")
            half.write_text(digest, "ascii")
            os.replace(half, note)
        return True

    def seal(self, entry: Path) -> None:
        """Make an entry read-only, so that no program edits it by mistake."""
        os.chmod(entry, 0o444)

    def _note(self, ref: BlobRef) -> Path | None:
        """Where the digest of content without one is noted, by its URL, ETag and size."""
        if ref.digest is not None or ref.etag is None or not ref.url:
            return None
        parts = urlsplit(ref.url)
        key = f"{parts.netloc}{parts.path} {ref.etag} {ref.size}"
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self.place / "notes" / name[:2] / name

    def usable(self) -> OSError | None:
        """Why nothing can be kept in the cache, or None. Makes its folder."""
        try:
            os.makedirs(self.place / "files", exist_ok=True)
        except OSError as error:
            return error
        return None if os.access(self.place / "files", os.W_OK) else PermissionError(errno.EACCES, "it is read-only")

    # -- all of them -------------------------------------------------------------------------------

    def info(self) -> CacheInfo:
        """How much the cache holds."""
        sizes = [found.st_size for path, found in self._all() if _is_entry(path)]
        return CacheInfo(self.place, len(sizes), sum(sizes))

    def prune(self, *, older_than: float | None = None, max_bytes: int | None = None, dry_run: bool = False) -> Pruned:
        """Remove entries that were not used for ``older_than`` seconds, then the longest unused ones until
        ``max_bytes`` are left; without either, everything. With ``dry_run``, remove nothing. Downloads that go on at
        the same time are not harmed."""
        for name, value in (("older_than", older_than), ("max_bytes", max_bytes)):
            if value is not None and (isinstance(value, bool) or not value >= 0):
                raise ConfigurationError(f"{name} must be 0 or more, not {value!r}")
        if older_than is None and max_bytes is None:
            max_bytes = 0
        now, doomed = time.time(), list[tuple[int, Path]]()
        kept: list[tuple[float, int, Path]] = []
        for path, found in self._all():
            used = max(found.st_atime, found.st_mtime)
            if not _is_entry(path):
                if now - used > _STALE and not dry_run:
                    _removed(path)
            elif older_than is not None and now - used > older_than:
                doomed.append((found.st_size, path))
            else:
                kept.append((used, found.st_size, path))
        left = sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept) if max_bytes is not None else ():
            if max_bytes is None or left <= max_bytes:
                break
            doomed.append((size, path))
            left -= size
        gone = [size for size, path in doomed if dry_run or _removed(path)]
        there = self.info()
        if dry_run:
            there = CacheInfo(self.place, there.files - len(gone), there.bytes - sum(gone))
        return Pruned(len(gone), sum(gone), there)

    def _all(self) -> Iterator[tuple[Path, os.stat_result]]:
        for folder, _, names in os.walk(self.place / "files"):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(OSError):  # others prune, too
                    yield path, path.lstat()


def _copied(source: int, name: str, digest: Digest, target: str, link: bool) -> int | None:
    """Copy or link an open file to ``target``, verified; the bytes, or None if the digest is another one."""
    folder, last = os.path.split(target)
    half = os.path.join(folder, f".{last[:24]}.{secrets.token_hex(6)}.copy")
    named = False
    try:
        if link and _linked(name, half):
            size = _read(source, digest)
        else:
            made = _created(half)
            try:
                size = _copy(source, made, digest)
            finally:
                os.close(made)
        if not digest.matches:
            return None
        os.replace(half, target)
        named = True
        return size
    finally:
        if not named:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(half)


def _created(path: str) -> int:
    """A new file, opened. Its folder is made if it is not there."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, 0o666)


def _is_entry(path: Path) -> bool:
    return not path.name.startswith(".")


def _removed(path: Path) -> bool:
    """Remove a file, renamed first: who opens it by its name finds it whole or not at all, on Windows too."""
    away = path.with_name(f".{secrets.token_hex(6)}{_PRUNED}")
    try:
        os.replace(path, away)
        os.chmod(away, 0o600)
        os.unlink(away)
    except OSError:
        return False
    return True


def _linked(source: str, target: str) -> bool:
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.link(source, target)
    except OSError:
        return False
    return True


def _copy(source: int, target: int, digest: Digest) -> int:
    """Copy an open file and compute its digest; the number of bytes."""
    done = _shared(source, target, os.fstat(source).st_size)
    if done:  # then read what was written, not what was there before
        return _read(target, digest) if digest.expected is not None else done
    os.lseek(source, 0, os.SEEK_SET)
    while data := os.read(source, _STEP):
        digest.update(data)
        left = memoryview(data)
        while left:
            left = left[os.write(target, left) :]
        done += len(data)
    return done


def _read(file: int, digest: Digest) -> int:
    """Compute the digest of an open file; the number of bytes."""
    os.lseek(file, 0, os.SEEK_SET)
    size = 0
    while data := os.read(file, _STEP):
        digest.update(data)
        size += len(data)
    return size


def _shared(source: int, target: int, size: int) -> int:
    """Copy within the kernel, which shares blocks where the file system can; 0 if that is not possible. Only for large
    files: for small ones it saves nothing."""
    if size < _STEP or not hasattr(os, "copy_file_range"):
        return 0
    done = 0
    os.lseek(source, 0, os.SEEK_SET)
    try:
        while done < size and (copied := os.copy_file_range(source, target, size - done)):
            done += copied
    except OSError:
        done = 0
    if done != size:
        os.ftruncate(target, 0)
        os.lseek(target, 0, os.SEEK_SET)
        return 0
    return done
