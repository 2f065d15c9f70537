"""The journal of a bulk write: a file of JSON lines, from which the same call goes on where an earlier one ended.

The first line says which call it belongs to; each following one is the result of one row, on the disk before the next
result is taken. It holds no API keys and none of the values that are written: what was asked is there as a digest.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from wbmodel.codec import dumps, format_datetime, loads
from wbmodel.errors import QueryError
from wbmodel.objects.outcomes import RowResult

__all__ = ["Call", "Entry", "Journal"]

VERSION = 1
_OUTCOMES = frozenset({"done", "unchanged", "failed", "unknown"})

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
                shown = [", ".join(item) if isinstance(item, list) else item for item in (header.get(name), mine[name])]
                raise QueryError(f"{words.format(file, *shown)}; repeat that very call, or give another file")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Journal:
    """One open journal. Making it does no I/O; :meth:`open` reads what is there and begins where it ends."""

    def __init__(self, path: str | os.PathLike[str], call: Call, *, write: bool = True) -> None:
        self.file = Path(path)
        self._call = call
        self._write = write
        self._handle: IO[bytes] | None = None
        self._noted = 0
        # A cancelled task goes on while the thread that it left still writes.
        self._lock = threading.RLock()

    def open(self) -> dict[str, Entry]:
        """What it knows by node id. Raises :class:`QueryError` for a journal of another call or a damaged one, and
        ``OSError`` where the file cannot be written."""
        with self._lock:
            return self._open()

    def _open(self) -> dict[str, Entry]:
        known: dict[str, Entry] = {}
        data = self.file.read_bytes() if self.file.exists() else b""
        # A last line without its end was being written when the process was killed; its row is looked at again.
        whole, _, _ = data.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        for number, line in enumerate(lines, 1):
            entry = self._parsed(line, number)
            if number == 1:
                self._call.check(entry, self.file)
                continue
            path, node_id, outcome = (entry.get(name) for name in ("row", "id", "outcome"))
            if not isinstance(path, str) or not isinstance(node_id, str) or outcome not in _OUTCOMES:
                raise self._damaged(number)
            known[node_id] = (path, str(outcome))
        if data and not lines and b"\n" not in data and not dumps(self._call.header).encode()[: len(data)] == data:
            raise self._damaged(1)
        if self._write:
            # Unbuffered, so that nothing of a line is left behind in this process.
            self._handle = open(self.file, "ab", buffering=0)  # noqa: SIM115 - close() closes it
            if data[len(whole) + 1 :] or (data and not lines):
                self._handle.truncate(len(whole) + 1 if lines else 0)
            if not lines:
                self._put(self._call.header)
                os.fsync(self._handle.fileno())
        return known

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
            f"{self.file}, line {number}: this is no line of a journal; if the file is something else, give another one"
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
        self._handle.write(dumps(entry).encode("utf-8", "backslashreplace") + b"\n")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None
