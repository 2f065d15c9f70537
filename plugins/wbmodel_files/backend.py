"""``FilesBackend``: the base of backends that read files in place. It walks, keeps an index, and makes a new store when
something changed; a subclass says which files make a unit, how a unit is scanned, and which runs follow."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import attrs
import msgspec

from wbmodel.backend import Capabilities
from wbmodel.engine import Dialect, EngineBackend, ListStore, Store
from wbmodel.engine.execute import Engine
from wbmodel.errors import ConfigurationError, WbmodelWarning, warn
from wbmodel.urls import local_path
from wbmodel_files.index import Index, index_path
from wbmodel_files.report import MOST, Damage, Report
from wbmodel_files.scan import Folder, Stat, walk

__all__ = ["STALE_AFTER", "FilesBackend", "Found", "Unit"]

S = TypeVar("S")

STALE_AFTER = 600.0
"""Seconds without a change after which a file is taken to be finished."""


@attrs.frozen(slots=True)
class Unit:
    """Files that are scanned together, as a rule those of one run. ``key`` names them in the index; ``files`` are the
    states that a scan depends on, by name in ``folder`` or by any other name that the subclass gives them."""

    key: str
    folder: Folder
    files: Mapping[str, Stat]

    @property
    def changed_at(self) -> float:
        """The newest time of change, in seconds since 1970."""
        return max((stat.mtime_ns for stat in self.files.values()), default=0) / 1e9


@attrs.frozen(slots=True)
class Found(Generic[S]):
    """A scanned unit. ``fresh``: one of its files changed within ``stale_after`` seconds."""

    unit: Unit
    state: S
    fresh: bool


class FilesBackend(EngineBackend, Generic[S]):
    """A read-only backend over the files below a folder. Nothing is written there.

    ``url`` names the folder (relative to the working folder of now, ``~`` is expanded); ``entity`` and ``project`` name
    what its runs are in (default: ``local`` and the name of the folder); a run without an end is running while one of
    its files changed within ``stale_after`` seconds.

    The store is made at first use, and again when a walk (at most once a second) finds a change; requests meanwhile use
    the old one. Scans run outside of every view. A subclass sets ``state_type`` (a ``msgspec.Struct``), ``format`` (its
    name and number in the index) and ``looked_for``, and writes :meth:`wanted`, :meth:`units`, :meth:`scan` and
    :meth:`fill`.
    """

    api_version = 0
    blocking = True
    state_type: ClassVar[type[Any]]
    format: ClassVar[str]
    looked_for: ClassVar[str]

    def __init__(
        self,
        url: str,
        /,
        *,
        entity: str = "local",
        project: str | None = None,
        stale_after: float = STALE_AFTER,
        dialect: Dialect | None = None,
    ) -> None:
        scheme, _, rest = url.partition(":")
        rest = local_path(rest)
        if not rest:
            raise ConfigurationError(f"{scheme}: needs a folder, as in '{scheme}:logs'")
        self.root = os.path.abspath(Path(rest).expanduser())
        self.origin = f"{scheme}:{self.root}"
        self.entity = entity
        self.project = project or os.path.basename(self.root) or scheme
        self.stale_after = stale_after
        self.dialect = dialect or Dialect()
        self._index: Index | None = None
        self._states: dict[str, tuple[Mapping[str, Stat], S]] = {}
        self._seen: dict[str, tuple[Mapping[str, Stat], bool]] = {}
        self._report = Report(self.root, 0)
        self._told: set[str] = set()

    # -- to write ------------------------------------------------------------------------------------

    @abstractmethod
    def wanted(self, name: str) -> bool:
        """Whether a file with this name is looked at."""

    @abstractmethod
    def units(self, folders: Sequence[Folder]) -> Iterable[Unit]:
        """What is scanned together. Opens nothing."""

    @abstractmethod
    def scan(self, unit: Unit, before: S | None) -> S:
        """Read what is new in a unit. ``before`` is its state at an earlier time, if there is one. What cannot be read
        goes into the state; an error ends the whole request."""

    @abstractmethod
    def damage(self, unit: Unit, state: S) -> Mapping[str, Sequence[Damage]]:
        """What could not be read, by path below the root."""

    @abstractmethod
    def fill(self, store: ListStore, found: Sequence[Found[S]]) -> None:
        """Add projects and runs. Opens nothing: streams and files are read later."""

    def notes(self) -> tuple[str, ...]:
        """What else the report says."""
        return ()

    # -- the store -----------------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """What could not be read, per file. Reads the files first, if that was not done yet."""
        _ = self.engine
        return self._report

    @property
    def capabilities(self) -> Capabilities:
        """What the engine promises over a store that cannot be changed. Nothing is read for it."""
        return Engine(ListStore(), self.dialect).capabilities

    def open_store(self) -> Store:
        """Walk and scan, with the index."""
        return self._made(*self._look())

    def refresh(self, store: Store) -> Store | None:
        """A new store if a file changed, came or went, or if a run is no longer fresh."""
        folders, units, seen = self._look()
        return None if seen == self._seen else self._made(folders, units, seen)

    # -- inside --------------------------------------------------------------------------------------

    def _look(self) -> tuple[list[Folder], list[Unit], dict[str, tuple[Mapping[str, Stat], bool]]]:
        if not os.path.isdir(self.root):
            there = "is not a folder" if os.path.exists(self.root) else "does not exist"
            raise ConfigurationError(f"{self.root} {there}; looked for a folder with {self.looked_for}")
        folders = list(walk(self.root, self.wanted))
        units = list(self.units(folders))
        if not units:
            problems = [f"; {damage}" for folder in folders for damage in folder.problems.values()]
            raise ConfigurationError(
                f"{self.root} and the {len(folders) - 1} folders below it have no {self.looked_for}"
                + "".join(problems[:3])
            )
        now = time.time()
        seen = {unit.key: (unit.files, now - unit.changed_at < self.stale_after) for unit in units}
        return folders, units, seen

    def _made(self, folders: list[Folder], units: list[Unit], seen: dict[str, tuple[Any, bool]]) -> Store:
        self._load()
        changed: dict[str, tuple[bytes, bytes]] = {}
        found: list[Found[S]] = []
        states: dict[str, tuple[Mapping[str, Stat], S]] = {}
        for unit in units:
            before = self._states.get(unit.key)
            if before is not None and before[0] == unit.files:
                state = before[1]
            else:
                state = self.scan(unit, None if before is None else before[1])
                changed[unit.key] = (_token(unit.files), msgspec.msgpack.encode(state))
            states[unit.key] = (unit.files, state)
            found.append(Found(unit, state, seen[unit.key][1]))
        gone = self._states.keys() - states.keys()
        store = ListStore(viewer=self.entity)
        self.fill(store, found)
        assert self._index is not None
        self._index.save(changed, gone)
        self._states, self._seen = states, seen
        self._tell(folders, found)
        return store

    def _load(self) -> None:
        if self._index is not None:
            return
        self._index = Index(index_path(self.root, self.format))
        decoder = msgspec.msgpack.Decoder(self.state_type)
        for key, (token, state) in self._index.load().items():
            try:
                stats = _stats.decode(token)
                self._states[key] = ({path: Stat(*parts) for path, parts in stats.items()}, decoder.decode(state))
            except (msgspec.MsgspecError, ValueError) as error:
                self._index.problem = f"the state of {key!r} in the index could not be read: {error}"

    def _tell(self, folders: Sequence[Folder], found: Sequence[Found[S]]) -> None:
        damage: dict[str, tuple[Damage, ...]] = {
            "/".join(filter(None, (folder.path, name))) or ".": (item,)
            for folder in folders
            for name, item in folder.problems.items()
        }
        for item in found:
            damage |= {path: tuple(items[:MOST]) for path, items in self.damage(item.unit, item.state).items() if items}
        assert self._index is not None
        notes = (*self.notes(), *filter(None, [self._index.problem]))
        files = sum(len(item.unit.files) for item in found)
        self._report = Report(self.root, files, damage, notes)
        new = self._report.losses.keys() - self._told
        self._told |= new
        if new:
            path = min(new)
            warn(
                f"{len(new)} of {files} files in {self.root} could not be read in full, first {path}: "
                f"{self._report.losses[path][0]}; the rest was read, and the backend's report has them all",
                WbmodelWarning,
            )


_stats: msgspec.msgpack.Decoder[dict[str, tuple[int, ...]]] = msgspec.msgpack.Decoder(dict[str, tuple[int, ...]])


def _token(files: Mapping[str, Stat]) -> bytes:
    return msgspec.msgpack.encode({path: attrs.astuple(stat) for path, stat in files.items()})
