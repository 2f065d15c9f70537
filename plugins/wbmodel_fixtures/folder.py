"""Which files make up a world, and the check of each against the format.

The rule: one file is a world by itself. A folder holds ``world.yaml`` (or ``.yml``, ``.json``); it may hold
``entities/<entity>/<project>.yaml`` with what else would stand under ``projects: <project>:``, and
``entities/<entity>/<project>/runs/*.yaml`` (or ``.jsonl``, one run a line) with more runs, taken in the order of file
names. Nothing else is read unless one of these files names it. File names are percent-encoded names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs

from wbmodel.errors import FixtureError
from wbmodel_fixtures.format import FORMAT_VERSION, PARTS
from wbmodel_fixtures.json_text import read_json
from wbmodel_fixtures.sources import SUFFIXES, Limits, Place, Source, read_text, show_path
from wbmodel_fixtures.yaml12 import TextProblem

__all__ = ["Part", "find_world", "part_files", "read_parts"]

_SHOWN = 10


@attrs.frozen(slots=True)
class Part:
    """A checked file of a world: the world itself, a project, or a list of runs."""

    kind: str
    place: Place
    entity: str | None = None
    project: str | None = None


def find_world(path: Path) -> tuple[Path, Path]:
    """``(world file, root folder)`` of a path that is a file or a folder. Raises :class:`FixtureError`."""
    shown = str(path)
    if not path.exists():
        raise FixtureError(f"there is no such file or folder (the working folder is {Path.cwd()})", file=shown)
    if not path.is_dir():
        if path.suffix.lower() not in SUFFIXES:
            raise FixtureError(f"a world is a folder or a file ending in {', '.join(SUFFIXES)}", file=shown)
        return path, path.parent
    found = [path / f"world{suffix}" for suffix in SUFFIXES if (path / f"world{suffix}").exists()]
    if not found:
        raise FixtureError("the folder holds no world.yaml, world.yml or world.json", file=shown)
    if len(found) > 1:
        raise FixtureError(f"the folder holds both {found[0].name} and {found[1].name}; one is needed", file=shown)
    return found[0], path


def read_parts(world: Source | Path, limits: Limits) -> list[Part]:
    """Read and check all files of a world. Everything that is wrong in them is in one :class:`FixtureError`."""
    problems = _Problems()
    if isinstance(world, Source):
        parts = [Part("world", Place(world))]
    else:
        file, root = find_world(world)
        parts = [Part("world", Place(Source.read(file, root, limits)))]
        if world.is_dir():
            parts += _below(root, limits)
    for part in parts:
        problems.check(part)
    problems.raise_any()
    return parts


def part_files(root: Path) -> Iterator[tuple[str, Path, str, str]]:
    """``(kind, file, entity, project)`` of the files in a folder that belong to a world by where they stand. For the
    world file itself the names are empty."""
    for suffix in SUFFIXES:
        if (root / f"world{suffix}").is_file():
            yield "world", root / f"world{suffix}", "", ""
    base = root / "entities"
    for entity in _sorted(base) if base.is_dir() else ():
        if not entity.is_dir():
            if entity.suffix.lower() in SUFFIXES:
                raise FixtureError(
                    "this file is in no entity's folder; projects are entities/<entity>/<project>.yaml",
                    file=str(entity),
                )
            continue
        for item in _sorted(entity):
            if item.is_dir():
                for file in _sorted(item / "runs") if (item / "runs").is_dir() else ():
                    if file.suffix.lower() in (*SUFFIXES, ".jsonl"):
                        yield "runs", file, unquote(entity.name), unquote(item.name)
            elif item.suffix.lower() in SUFFIXES:
                yield "project", item, unquote(entity.name), unquote(item.stem)


def _below(root: Path, limits: Limits) -> Iterator[Part]:
    for kind, file, entity, project in part_files(root):
        if kind != "world":
            lines = file.suffix.lower() == ".jsonl"
            source = _read_lines(file, root, limits) if lines else Source.read(file, root, limits)
            yield Part(kind, Place(source), entity, project)


def _sorted(folder: Path) -> list[Path]:
    return sorted((folder / name for name in os.listdir(folder) if not name.startswith(".")), key=lambda p: p.name)


class _Lines(Source):
    """Runs as JSON lines: the first part of a path is the line's index among lines that are not blank."""

    def __init__(self, label: str, value: list[Any], file: Path, root: Path, numbers: list[int]) -> None:
        super().__init__(label, value, file, root)
        self._numbers = numbers

    def line(self, path: tuple[Any, ...]) -> int | None:
        return self._numbers[path[0]] if path and isinstance(path[0], int) else 1


def _read_lines(file: Path, root: Path, limits: Limits) -> Source:
    label = Source.label_of(file, root)
    values, numbers = [], []
    for number, line in enumerate(read_text(file, label, limits).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values.append(read_json(line, limits.max_depth))
        except TextProblem as problem:
            raise FixtureError(problem.message, file=label, line=number) from None
        numbers.append(number)
    return _Lines(label, values, file, root, numbers)


class _Problems:
    """Everything that is wrong, in the order of files and lines."""

    def __init__(self) -> None:
        self._found: list[tuple[Place, str]] = []
        self._more = 0

    def check(self, part: Part) -> None:
        source = part.place.source
        value = source.value

        def report(path: tuple[Any, ...], message: str) -> None:
            if len(self._found) < _SHOWN:
                self._found.append((Place(source, path), message))
            else:
                self._more += 1

        if value is None:
            if part.kind == "world" and source.file is not None:
                report((), "the file is empty; the smallest world is: entities: {}")
            return
        PARTS[part.kind].check(value, (), report)
        if part.kind == "world" and isinstance(value, dict):
            version = value.get("wbmodel")
            if isinstance(version, int) and version > FORMAT_VERSION:
                report(
                    ("wbmodel",),
                    f"this world is in version {version} of the format, and this wbmodel reads {FORMAT_VERSION}",
                )

    def raise_any(self) -> None:
        if not self._found:
            return
        place, message = self._found[0]
        for other, text in self._found[1:]:
            line = other.source.line(other.path)
            message += f"\n  also {other.source.label}"
            message += (f", line {line}" if line else "") + f", {show_path(other.path)}: {text}"
        if self._more:
            message += f"\n  and {self._more} more"
        raise place.error(message)
