"""A folder of Parquet files with a manifest: written part by part, resumed after any end, read as one lazy frame.

``manifest.json`` names each part that is whole, so that a process may be killed at any point: a part is written to a
temporary name and renamed, then the manifest is, each safe on disk before the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

import attrs

from wbmodel.codec import loads
from wbmodel.errors import ConfigurationError
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.column import Dtype
from wbmodel.table.infer import Seen
from wbmodel.table.schema import dtype_named
from wbmodel.table.writers import ParquetWriter, replaced

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ColumnFacts", "Failed", "Folder", "Manifest", "PartFacts", "PartWriter", "read_manifest"]

MANIFEST = "manifest.json"
VERSION = 1


@attrs.frozen
class ColumnFacts:
    """A column of a part: its type as text (``"list[int]"``), and its least and greatest integer."""

    type: str
    low: int | None = None
    high: int | None = None

    @property
    def dtype(self) -> Dtype:
        """Its type."""
        return dtype_named(self.type)

    @property
    def seen(self) -> Seen:
        """What decides the type of this column and the same of other parts."""
        return Seen.like(self.dtype, self.low, self.high)


@attrs.frozen
class PartFacts:
    """A part: its file, the runs whose rows it has, how many rows and bytes, whether it has all rows and how many are
    missing otherwise, and its columns."""

    file: str
    runs: list[str]
    rows: int
    bytes: int
    complete: bool
    missing: int
    columns: dict[str, ColumnFacts]


@attrs.frozen
class Failed:
    """A run that could not be read, and why."""

    run: str
    error: str


@attrs.frozen
class Manifest:
    """What a folder holds. ``query`` says what was asked; ``finished`` that there is no more to come."""

    version: int = VERSION
    query: str = ""
    finished: bool = False
    parts: list[PartFacts] = attrs.Factory(list)
    failures: list[Failed] = attrs.Factory(list)

    @property
    def columns(self) -> dict[str, Dtype]:
        """The columns of all parts together, with the type that holds the values of all."""
        seen: dict[str, Seen] = {}
        for part in self.parts:
            for name, facts in part.columns.items():
                seen[name] = seen.get(name, Seen()) | facts.seen
        return {name: each.dtype()[0] for name, each in seen.items()}

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.finished and not self.failures and all(part.complete for part in self.parts)


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """The manifest of a folder.

    Raises :class:`~wbmodel.errors.ConfigurationError` if there is none, or it is damaged or of a later version.
    """
    file = Path(path) / MANIFEST
    try:
        value = loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{Path(path)} has no {MANIFEST}; to_parquet() of a history writes such a folder"
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"{file} is damaged: {error}") from None
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ConfigurationError(f"{file} is of version {version}, and this wbmodel reads {VERSION}; update wbmodel")
    from wbmodel.structuring import lenient

    made = lenient(value, Manifest, str(file), error=ConfigurationError)
    for part in made.parts:
        _plain_name(part.file)
    return made


def _plain_name(name: str) -> None:
    if name != Path(name).name or "\\" in name or name.startswith(".") or not name.endswith(".parquet"):
        raise ConfigurationError(
            f"{name!r} cannot be the file of a part; use a name without folders, such as a.parquet"
        )


class PartWriter(ParquetWriter):
    """Writes a part. :attr:`complete` and :attr:`missing` may be set until the end."""

    complete: bool = True
    missing: int = 0


class Folder:
    """Opens a folder to write parts into it, as ``with Folder(path, query) as folder``; makes it if it is not there.

    :attr:`manifest` is what is there, :attr:`done` the runs that need not be read again. A part whose file is not as
    the manifest says is taken out, so that its runs are read again. Entering raises
    :class:`~wbmodel.errors.ConfigurationError` if another process writes there, or the folder is of another query.
    """

    def __init__(self, path: str | os.PathLike[str], query: str = "") -> None:
        self.path = Path(path)
        self._query = query
        self._lock: IO[str] | None = None
        self.manifest = Manifest(query=query)

    @property
    def done(self) -> frozenset[str]:
        """The ids of the runs in parts."""
        return frozenset(run for part in self.manifest.parts for run in part.runs)

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.path)
        try:
            if (self.path / MANIFEST).exists():
                self._resume(read_manifest(self.path))
            for left in self.path.glob(".*.partial"):  # of a process that was killed; nobody else writes here
                left.unlink(missing_ok=True)
            self._save()
        except BaseException:
            self.close()
            raise
        return self

    def _resume(self, found: Manifest) -> None:
        if found.query != self._query:
            raise ConfigurationError(
                f"{self.path} holds the rows of another query ({found.query or 'unnamed'}, and this is "
                f"{self._query or 'unnamed'}); choose another folder, or remove this one"
            )
        self.manifest = attrs.evolve(
            found, parts=[part for part in found.parts if self._is_whole(part)], finished=False
        )

    def _is_whole(self, part: PartFacts) -> bool:
        import pyarrow.parquet as pq

        file = self.path / part.file
        try:
            return file.stat().st_size == part.bytes and int(pq.read_metadata(file).num_rows) == part.rows
        except (OSError, ValueError):  # pyarrow's errors are ValueErrors
            return False

    @contextmanager
    def part(self, name: str, runs: Sequence[str], names: Iterable[str] | None = None) -> Iterator[PartWriter]:
        """Write a part of these runs, to the file of this name (``x.parquet``).

        It is in the manifest once ``with`` ends without an error. ``names`` are columns that come first.
        """
        _plain_name(name)
        with PartWriter(self.path / name, names) as writer:
            yield writer
        facts = PartFacts(
            file=name,
            runs=list(runs),
            rows=writer.length,
            bytes=(self.path / name).stat().st_size,
            complete=writer.complete,
            missing=writer.missing,
            columns={
                shown: ColumnFacts(str(dtype), seen.innermost.low, seen.innermost.high)
                for shown, (dtype, seen) in writer.seen.items()
            },
        )
        others = [part for part in self.manifest.parts if part.file != name]
        there = set(runs)
        failures = [failed for failed in self.manifest.failures if failed.run not in there]
        self.manifest = attrs.evolve(self.manifest, parts=[*others, facts], failures=failures)
        self._save()

    def write_part(
        self, name: str, chunks: Iterable[ColumnBatch], runs: Sequence[str], *, complete: bool = True, missing: int = 0
    ) -> None:
        """Write a part of chunks; see :meth:`part`."""
        with self.part(name, runs) as writer:
            writer.complete, writer.missing = complete, missing
            for chunk in chunks:
                writer.add_batch(chunk)

    def failed(self, run: str, error: object) -> None:
        """Note that a run could not be read."""
        others = [failed for failed in self.manifest.failures if failed.run != run]
        self.manifest = attrs.evolve(self.manifest, failures=[*others, Failed(run, str(error))])
        self._save()

    def finish(self) -> None:
        """Note that there is no more to come."""
        self.manifest = attrs.evolve(self.manifest, finished=True)
        self._save()

    def _save(self) -> None:
        import json

        if self._lock is None:
            raise ConfigurationError(f"{self.path} is not open; use it as: with Folder(path) as folder")
        with replaced(self.path / MANIFEST) as temporary:
            temporary.write_text(json.dumps(attrs.asdict(self.manifest), indent=1), "utf-8")

    def close(self) -> None:
        """Let other processes write here."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _locked(folder: Path) -> IO[str]:
    """The folder's lock. The system lets it go when the process ends, however that ends, so it is never stale."""
    file = (folder / ".lock").open("a+", encoding="utf-8")
    try:
        _lock(file)
    except OSError:
        holder = ""
        file.seek(0)
        with suppress(OSError, ValueError), file:
            holder = file.read().strip()
        raise ConfigurationError(
            f"{folder} is being written by another process ({holder or 'unknown'}); wait for it, or choose another "
            "folder"
        ) from None
    file.seek(0)
    file.truncate()
    file.write(f"pid {os.getpid()}")
    file.flush()
    return file


def _lock(file: IO[str]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        # A byte far behind the text, which others may read.
        file.seek(1000)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
