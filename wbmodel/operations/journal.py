"""The journal of a bulk write: a file of JSON lines that lets the same call resume where it ended.

The first line identifies the call; each of the others is the result of one row, flushed to disk before the next. It
contains no API keys and no written values: the condition and the changes are stored as digests.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from wbmodel import forks
from wbmodel.codec import dumps, format_datetime, loads
from wbmodel.errors import QueryError
from wbmodel.operations.bulk_result import RowResult
from wbmodel.urls import without_account

__all__ = ["Call", "Entry", "Journal"]

VERSION = 1
_OUTCOMES = frozenset({"done", "unchanged", "failed", "unknown"})
_HEAD, _ROW = b'{"journal":', b'{"row":'
"""The start of the first line and of the others."""

Entry = tuple[str, str]
"""A row in a journal: its path and its last outcome."""


class Call:
    """The call that a journal belongs to: verb, entity, origin, and digests of the condition and the changes."""

    def __init__(self, verb: str, entity: str, origin: str, query: str, changes: Sequence[str], names: Sequence[str]):
        self.header: dict[str, Any] = {
            "journal": VERSION,
            "verb": verb,
            "entity": entity,
            "origin": origin,
            "query": _digest(query),
            "changes": _digest("\n".join(changes)),
            "names": list(names),
        }

    def check(self, header: Mapping[str, Any], file: Path) -> None:
        """Raise :class:`QueryError` if ``header`` belongs to another call."""
        mine = self.header
        if header.get("journal") != VERSION:
            raise QueryError(f"{file} is not a journal that this version of wbmodel can read; use another file")
        told = {
            "verb": "{0} was written by {1}(), but this is {2}()",
            "entity": "{0} is about {1} objects, but this call is about {2}",
            "origin": "{0} was written for {1}, but this session is on {2}",
            "query": "{0} was written for another query: its filter or its project differs",
            "names": "{0} was written for changes of {1}, but this call changes {2}",
            "changes": "{0} was written for other values of the same fields",
        }
        for name, words in told.items():
            if header.get(name) != mine[name]:
                both = (header.get(name), mine[name])
                shown = [", ".join(item) if isinstance(item, list) else without_account(str(item)) for item in both]
                if name == "origin" and shown[0] == shown[1]:
                    words = "{0} was written with another account of {1}"
                raise QueryError(f"{words.format(file, *shown)}; repeat the original call, or use another file")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _line(entry: Mapping[str, Any]) -> bytes:
    return dumps(entry).encode("utf-8", "backslashreplace") + b"\n"


def _locked(handle: IO[bytes]) -> bool:
    """Lock a file until it is closed; False if it is already locked.

    The operating system releases the lock with the process, so a crash leaves none behind; it also works between
    threads. (``filelock`` would do the same with a second file beside the journal.)
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            # Windows cannot read a locked byte, so lock one beyond the end of any journal.
            handle.seek(2**62)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Writing is still allowed on a file system without locks.
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def _private(path: str, flags: int) -> int:
    """Open a file that nobody else may read from the moment it is created, whatever the umask: it names runs."""
    return os.open(path, flags, 0o600)


class Journal:
    """A journal. Creating it does no I/O; :meth:`open` reads the file and continues at its end."""

    def __init__(self, path: str | os.PathLike[str], call: Call, *, write: bool = True) -> None:
        self.file = Path(path)
        self._call = call
        self._write = write
        self._handle: IO[bytes] | None = None
        self._noted = 0
        # A cancelled task may continue while its thread is still writing.
        self._lock = forks.rlock()

    def open(self) -> dict[str, Entry]:
        """Open the file and return its rows by node id.

        Raises :class:`QueryError` for a journal of another call, for one in use by another call, and for a file that is
        not a journal; ``OSError`` if it cannot be written.
        """
        with self._lock:
            if not self._write:
                return self._read(self.file.read_bytes() if self.file.exists() else b"")[0]
            try:
                # Unbuffered, so that no part of a line stays in this process.
                handle = open(self.file, "a+b", buffering=0, opener=_private)  # noqa: SIM115 - close() closes it
            except OSError as error:
                raise type(error)(
                    error.errno,
                    f"{error.strerror}; journal= takes the path of a file in an existing folder",
                    str(self.file),
                ) from None
            try:
                if not _locked(handle):
                    raise QueryError(
                        f"{self.file} is in use by another call, in this process or in another one; wait for it to "
                        "finish, or use another file"
                    )
                handle.seek(0)
                data = handle.read()
                known, whole = self._read(data)
                if whole < len(data):
                    handle.truncate(whole)
                self._handle = handle
                if not whole:
                    self._put(self._call.header)
                    os.fsync(handle.fileno())
            except BaseException:
                self._handle = None
                handle.close()
                raise
            return known

    def _read(self, data: bytes) -> tuple[dict[str, Entry], int]:
        """The rows in ``data`` by node id, and the number of bytes in complete lines.

        A last line without its end was cut off when the process was killed, so its row is tried again.
        """
        *lines, torn = data.split(b"\n")
        known: dict[str, Entry] = {}
        for number, line in enumerate(lines, 1):
            entry = self._parsed(line, number)
            if number == 1:
                self._call.check(entry, self.file)
                continue
            path, node_id, outcome = (entry.get(name) for name in ("row", "id", "outcome"))
            if not isinstance(path, str) or not isinstance(node_id, str) or outcome not in _OUTCOMES:
                raise self._damaged(number)
            known[node_id] = (path, str(outcome))
        # Truncate only a line that this class started to write.
        begun = _ROW[: len(torn)] == torn[: len(_ROW)] if lines else self._begun(torn)
        if torn and not begun:
            raise self._damaged(len(lines) + 1)
        return known, len(data) - len(torn)

    def _begun(self, head: bytes) -> bool:
        return len(head) >= len(_HEAD) and _line(self._call.header).startswith(head)

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry = loads(line.decode())
        except ValueError:
            raise self._damaged(number) from None
        if not isinstance(entry, dict):
            raise self._damaged(number)
        return entry

    def _damaged(self, number: int) -> QueryError:
        return QueryError(
            f"{self.file}, line {number}: not a valid line of a journal; nothing was written. "
            "If this file is not a journal, use another file"
        )

    def catch_up(self, results: Sequence[RowResult]) -> None:
        """Write the new results, one line each, each flushed to disk before the next.

        ``results`` are all results so far.
        """
        with self._lock:
            while self._handle is not None and self._noted < len(results):
                row = results[self._noted]
                if not row.earlier and row.outcome in _OUTCOMES:
                    now = format_datetime(datetime.now(timezone.utc))
                    error = None if row.error is None else f"{type(row.error).__name__}: {row.error}"
                    self._put({"row": row.path, "id": row.node_id, "outcome": row.outcome, "error": error, "at": now})
                    os.fsync(self._handle.fileno())
                # Counted after the write: an interrupted line may be written twice, but is never lost.
                self._noted += 1

    def _put(self, entry: Mapping[str, Any]) -> None:
        assert self._handle is not None
        self._handle.write(_line(entry))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None
