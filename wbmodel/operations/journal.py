"""The journal of a bulk write: a file of JSON lines, from which the same call goes on where an earlier one ended.

The first line says which call it belongs to; each following one is the result of one row, on the disk before the next
result is taken. It holds no API keys and none of the values that are written: what was asked is there as a digest.
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
"""How the first line and the others begin."""

Entry = tuple[str, str]
"""What a journal knows of a row: its path and its last outcome."""


class Call:
    """Which call a journal belongs to: what is done, to what, where, and digests of the condition and the changes."""

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
        """Raise :class:`QueryError` when ``header`` is of another call."""
        mine = self.header
        if header.get("journal") != VERSION:
            raise QueryError(f"{file} is no journal that this version of wbmodel reads; give another file")
        told = {
            "verb": "{0} was written by {1}(), and this is {2}()",
            "entity": "{0} is about {1} objects, and this call about {2}",
            "origin": "{0} was written against {1}, and this session is {2}",
            "query": "{0} was written for another query: its filter or its project differs",
            "names": "{0} was written for changes of {1}, and this call changes {2}",
            "changes": "{0} was written for other values of the same fields",
        }
        for name, words in told.items():
            if header.get(name) != mine[name]:
                both = (header.get(name), mine[name])
                shown = [", ".join(item) if isinstance(item, list) else without_account(str(item)) for item in both]
                if name == "origin" and shown[0] == shown[1]:
                    words = "{0} was written with another account of {1}"
                raise QueryError(f"{words.format(file, *shown)}; repeat that very call, or give another file")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _line(entry: Mapping[str, Any]) -> bytes:
    return dumps(entry).encode("utf-8", "backslashreplace") + b"\n"


def _locked(handle: IO[bytes]) -> bool:
    """Lock a file until it is closed; False when it is locked. The lock is the system's and ends with the process, so
    that none is left behind by a crash; it holds between threads too. (``filelock`` would put a second file beside the
    journal, to do this very thing to.)"""
    try:
        if sys.platform == "win32":
            import msvcrt

            # What is locked cannot be read there, so it is a byte that no journal gets to.
            handle.seek(2**62)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system that has no locks is no reason not to write there.
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


class Journal:
    """One open journal. Making it does no I/O; :meth:`open` reads what is there and begins where it ends."""

    def __init__(self, path: str | os.PathLike[str], call: Call, *, write: bool = True) -> None:
        self.file = Path(path)
        self._call = call
        self._write = write
        self._handle: IO[bytes] | None = None
        self._noted = 0
        # A cancelled task goes on while the thread that it left still writes.
        self._lock = forks.rlock()

    def open(self) -> dict[str, Entry]:
        """What it knows by node id. Raises :class:`QueryError` for a journal of another call, one that another call
        writes at the moment, and a file that is something else; ``OSError`` where it cannot be written."""
        with self._lock:
            if not self._write:
                return self._read(self.file.read_bytes() if self.file.exists() else b"")[0]
            try:
                # Unbuffered, so that nothing of a line is left behind in this process.
                handle = open(self.file, "a+b", buffering=0)  # noqa: SIM115 - close() closes it
            except OSError as error:
                raise type(error)(
                    error.errno,
                    f"{error.strerror}; journal= takes the path of a file in a folder that is there",
                    str(self.file),
                ) from None
            try:
                if not _locked(handle):
                    raise QueryError(
                        f"{self.file} is the journal of a call that is under way, here or in another process; wait for "
                        "its end, or give another file"
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
        """What ``data`` says by node id, and how much of it is whole lines. A last line without its end was being
        written when the process was killed: its row is looked at again."""
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
        # Only what this class began to write is ever cut off.
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
            f"{self.file}, line {number}: this is no line of a journal; nothing was written. If the file is something "
            "else, give another one"
        )

    def catch_up(self, results: Sequence[RowResult]) -> None:
        """Write the results that are not written yet, one line each, each on the disk before the next. ``results`` is
        all of them so far."""
        with self._lock:
            while self._handle is not None and self._noted < len(results):
                row = results[self._noted]
                if not row.earlier and row.outcome in _OUTCOMES:
                    now = format_datetime(datetime.now(timezone.utc))
                    error = None if row.error is None else f"{type(row.error).__name__}: {row.error}"
                    self._put({"row": row.path, "id": row.node_id, "outcome": row.outcome, "error": error, "at": now})
                    os.fsync(self._handle.fileno())
                # Counted once it is written: what is interrupted here is written twice, never not at all.
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
