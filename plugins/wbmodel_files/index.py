"""The index: what was found in files, kept in the user's cache folder, so that unchanged files are not read again.

One SQLite file per root and format. It is a cache: one that is broken, locked or cannot be written is dropped and said.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path

__all__ = ["Index", "index_path"]

_TABLE = "CREATE TABLE IF NOT EXISTS units (key TEXT PRIMARY KEY, token BLOB NOT NULL, state BLOB NOT NULL)"
_WAIT = 1.0
"""Seconds to wait for another process that writes the index."""


def index_path(root: str, format: str) -> Path | None:
    """Where the index of ``root`` is: in the user's cache folder, or in the folder ``WBMODEL_INDEX``; None if that is
    ``off``. ``format`` names the kind of state in it, with a number that changes when the state does."""
    folder = os.environ.get("WBMODEL_INDEX", "")
    if folder.lower() == "off":
        return None
    if folder:
        base = Path(folder)
    else:
        from platformdirs import user_cache_path

        base = user_cache_path("wbmodel") / "index"
    name = sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:24]
    return base / f"{format}-{name}.sqlite"


class Index:
    """The states of units, by key: ``(token, state)``, both bytes. ``problem`` says why it could not be used."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.problem: str | None = None

    def load(self) -> dict[str, tuple[bytes, bytes]]:
        """Everything; empty if there is no index, or none that can be read."""
        if self._path is None or not self._path.exists():
            return {}
        try:
            with closing(self._connect()) as db:
                return {key: (token, state) for key, token, state in db.execute("SELECT key, token, state FROM units")}
        except (sqlite3.Error, OSError) as error:
            self._drop(error)
            return {}

    def save(self, changed: Mapping[str, tuple[bytes, bytes]], gone: Collection[str] = ()) -> None:
        """Write what changed, in one transaction."""
        if self._path is None or not (changed or gone):
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(self._connect()) as db, db:
                db.execute(_TABLE)
                db.executemany("DELETE FROM units WHERE key = ?", [(key,) for key in gone])
                rows = [(key, token, state) for key, (token, state) in changed.items()]
                db.executemany("INSERT OR REPLACE INTO units VALUES (?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            self._drop(error)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(str(self._path), timeout=_WAIT)

    def _drop(self, error: Exception) -> None:
        self.problem = f"the index {self._path} was not used: {error}"
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            try:
                os.unlink(str(self._path))
            except OSError:
                pass
            self.problem = f"the index {self._path} was damaged, and is made anew: {error}"
