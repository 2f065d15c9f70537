"""``FixturesBackend``: a world in memory behind the three doors of a backend, loaded at the first use."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wbmodel import forks
from wbmodel.backend import Capabilities
from wbmodel.engine import Dialect, EngineBackend, MemoryStore
from wbmodel.engine.execute import Engine
from wbmodel.errors import ConfigurationError, FixtureError
from wbmodel.urls import local_path
from wbmodel_fixtures.replace import Stamp, stamp

if TYPE_CHECKING:
    from wbmodel_fixtures.fill import FilledWorld

__all__ = ["DEMO", "FixturesBackend", "world_from"]

DEMO = Path(__file__).parent / "demo"
"""The folder of the world behind ``demo:``."""

_numbers = itertools.count(1)


class FixturesBackend(EngineBackend):
    """The backend of ``fixtures:PATH``, of ``fixtures:`` with a dict, and of ``demo:``.

    ``url`` names a file or folder (relative to the working folder of now, ``~`` is expanded); ``world`` is a dict in
    the format instead, whose file names, if any, are relative to ``root``; ``dialect`` changes how filters and orders
    behave, for tests. ``max_bytes`` limits each file (default 256 MiB), ``max_depth`` nesting (default 100).

    Nothing is read before the first request, :attr:`world` or :meth:`load`. What is changed through a session is
    changed in memory; only :meth:`save` writes. A bad world raises :class:`~wbmodel.errors.FixtureError`.
    """

    api_version = 0
    name = "fixtures"

    def __init__(
        self,
        url: str = "fixtures:",
        /,
        *,
        world: Mapping[str, Any] | None = None,
        root: str | Path | None = None,
        dialect: Dialect | None = None,
        max_bytes: int | None = None,
        max_depth: int | None = None,
    ) -> None:
        scheme, _, rest = url.partition(":")
        rest = local_path(rest)
        self._path: Path | None = None
        self._given = world
        self._root = None if root is None else Path(os.path.abspath(Path(root).expanduser()))
        if scheme == "demo":
            if rest or world is not None:
                raise ConfigurationError("demo: takes no path and no world=; connect('fixtures:PATH') does")
            self._path, self.origin = DEMO, "demo:"
        elif world is not None:
            if rest:
                raise ConfigurationError(f"{url!r} names a path, and world= is given too; one of them is needed")
            self.origin = f"fixtures:world-{next(_numbers)}"
        elif rest:
            self._path = Path(os.path.abspath(Path(rest).expanduser()))
            self.origin = f"fixtures:{self._path}"
        else:
            raise ConfigurationError("fixtures: needs a path, as in 'fixtures:worlds/small.yaml', or world={...}")
        if root is not None and world is None:
            raise ConfigurationError("root= goes with world=; the folder of a path is known")
        self.dialect = dialect or Dialect()
        self._limits = (max_bytes, max_depth)
        self._lock = forks.rlock()
        self._world: FilledWorld | None = None
        self._stamps: dict[Path, Stamp | None] = {}

    # -- the world ---------------------------------------------------------------------------------

    @property
    def world(self) -> MemoryStore:
        """The store that holds the world; loads it when it is not loaded yet."""
        return self._ready().store

    def load(self) -> None:
        """Read the world again from where it came; changes in memory are lost. On an error, the old world stays."""
        with self._lock:
            self.use_store(self.open_store())

    def open_store(self) -> MemoryStore:
        """The world, read from where it came."""
        from wbmodel_fixtures.fill import fill
        from wbmodel_fixtures.folder import find_world, read_parts
        from wbmodel_fixtures.replace import reading
        from wbmodel_fixtures.sources import Limits, Source

        max_bytes, max_depth = self._limits
        limits = Limits(
            **({} if max_bytes is None else {"max_bytes": max_bytes}),
            **({} if max_depth is None else {"max_depth": max_depth}),
        )
        if self._path is not None:
            with reading(find_world(self._path)[1]):
                parts = read_parts(self._path, limits)
                world = fill(parts, limits)
        else:
            world = fill(read_parts(Source.of(self._given, limits, self._root), limits), limits)
            parts = []
        sources = [part.place.source for part in parts]
        self._world, self._stamps = world, {source.file: source.stamp for source in sources if source.file is not None}
        return world.store

    def save(self, path: str | Path | None = None, *, overwrite: bool = False) -> None:
        """Write the world: back to where it came from, or to a file (``.yaml``, ``.yml``, ``.json``) or a folder.

        All files change together: a reader finds the world as it was or as it is now, even after a crash, a full disk
        or a power failure. Comments and anchors of hand-written YAML are not kept. Histories and files
        that came from files beside the world and did not change stay there; saved elsewhere they are copied.

        Where the files of the world have changed since they were read, nothing is written, unless ``overwrite`` says
        so. A save that was decided and could not be put in place is completed by the next one. Raises
        :class:`~wbmodel.errors.FixtureError`, and :class:`~wbmodel.errors.ConfigurationError` where there is nowhere to
        write to.
        """
        from wbmodel_fixtures.folder import part_files
        from wbmodel_fixtures.replace import finish, writing
        from wbmodel_fixtures.save import save_file, save_folder
        from wbmodel_fixtures.sources import SUFFIXES

        with self._lock:
            world = self._ready()
            if path is not None:
                target = Path(os.path.abspath(Path(path).expanduser()))
                home = self._path is not None and os.path.realpath(target) == os.path.realpath(self._path)
                target = self._path if home and self._path is not None else target
            elif self._path is None:
                raise ConfigurationError("this world came as a dict and has no file: save(path) says where to")
            elif self._path == DEMO:
                raise ConfigurationError("the demo world belongs to the package: save(path) writes a copy elsewhere")
            else:
                target, home = self._path, True
            folder = target.is_dir() or target.suffix.lower() not in SUFFIXES
            root = target if folder else target.parent
            with writing(root):
                there = [file for _, file, _, _ in part_files(target)] if folder else [target]
                if home and not overwrite:
                    self._check_unchanged(there)
                if home and len(self._stamps) == 1:
                    # A folder whose world file contains everything stays that way.
                    files = save_file(world, next(iter(self._stamps)))
                elif folder:
                    suffix = next(iter(self._stamps)).suffix.lower() if home else ".yaml"
                    files = save_folder(world, target, suffix, there)
                else:
                    files = save_file(world, target)
                if home:
                    # Kept before the files are in place: if that fails, the save is decided, and this backend's own.
                    self._stamps = files
                finish(root)
                if home:
                    self._stamps = {file: stamp(file) for file in files}

    def _check_unchanged(self, there: list[Path]) -> None:
        changed = [file for file, written in self._stamps.items() if stamp(file) != written]
        changed += [file for file in there if file not in self._stamps]
        if changed:
            raise FixtureError(
                "the world was changed by another program or process after it was read here, so nothing was written; "
                "load() reads it again and drops the changes made here, save(PATH) writes them elsewhere, "
                "save(overwrite=True) writes over what is there",
                file=str(changed[0]),
            )

    def _ready(self) -> FilledWorld:
        if self._world is None:
            _ = self.engine  # opens it
        assert self._world is not None
        return self._world

    @property
    def capabilities(self) -> Capabilities:
        """What the engine promises under the dialect in use. The world is not read for it."""
        return Engine(MemoryStore(), self.dialect).capabilities


def world_from(world: Mapping[str, Any], /, **options: Any) -> FixturesBackend:
    """A backend over a dict in the format, for tests: ``world_from({"entities": {...}})``. Options as for the class."""
    return FixturesBackend("fixtures:", world=world, **options)
