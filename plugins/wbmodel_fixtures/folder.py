"""Which files make up a world, and the check of each against the format.

The rule: one file is a world by itself. A folder holds ``world.yaml`` (or ``.yml``, ``.json``); it may hold
``entities/<entity>/<project>.yaml`` with what would otherwise be under ``projects: <project>:``, and
``entities/<entity>/<project>/runs/*.yaml`` (or ``.jsonl``, one run a line) with more runs, taken in the order of file
names. Other files are read only if one of these names them. File names are percent-encoded names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs

from wbmodel.errors import FixtureError
from wbmodel.structuring import show_path
from wbmodel_fixtures.format import FORMAT_VERSION, PARTS
from wbmodel_fixtures.json_text import read_json
from wbmodel_fixtures.replace import Stamp, stamp
from wbmodel_fixtures.sources import SUFFIXES, Limits, Place, Source, read_text
from wbmodel_fixtures.structure import structure
from wbmodel_fixtures.yaml12 import TextProblem

__all__ = ["Part", "find_world", "part_files", "read_parts"]

_SHOWN = 10


@attrs.frozen(slots=True)
class Part:
    """A file of a world: the world itself, a project, or a list of runs. ``content`` is its content as classes
    of the format, or None where the file is empty."""

    kind: str
    place: Place
    entity: str | None = None
    project: str | None = None
    content: Any = None


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
        raise FixtureError("the folder has no world.yaml, world.yml or world.json", file=shown)
    if len(found) > 1:
        raise FixtureError(f"the folder has both {found[0].name} and {found[1].name}; one is needed", file=shown)
    return found[0], path


def read_parts(world: Source | Path, limits: Limits) -> list[Part]:
    """Read and check all files of a world. One :class:`FixtureError` tells everything that is wrong in them."""
    if isinstance(world, Source):
        parts = [Part("world", Place(world))]
    else:
        file, root = find_world(world)
        parts = [Part("world", Place(Source.read(file, root, limits)))]
        if world.is_dir():
            parts += _below(root, limits)
    checked = [_checked(part) for part in parts]
    found = [problem for _, problems in checked for problem in problems]
    if found:
        raise _together(found)
    return [attrs.evolve(part, content=content) for part, (content, _) in zip(parts, checked, strict=True)]


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

    def __init__(
        self, label: str, value: list[Any], file: Path, root: Path, numbers: list[int], written: Stamp | None
    ) -> None:
        super().__init__(label, value, file, root, stamp=written)
        self._numbers = numbers

    def line(self, path: tuple[Any, ...]) -> int | None:
        return self._numbers[path[0]] if path and isinstance(path[0], int) else 1


def _read_lines(file: Path, root: Path, limits: Limits) -> Source:
    label, written = Source.label_of(file, root), stamp(file)
    values, numbers = [], []
    for number, line in enumerate(read_text(file, label, limits).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values.append(read_json(line, limits.max_depth))
        except TextProblem as problem:
            raise FixtureError(problem.message, file=label, line=number) from None
        numbers.append(number)
    return _Lines(label, values, file, root, numbers, written)


def _checked(part: Part) -> tuple[Any, list[tuple[Place, str]]]:
    """The content of a part, and everything that is wrong with it in the order of lines."""
    source = part.place.source
    value = source.value
    content, found = (None, []) if value is None else structure(value, PARTS[part.kind])
    if part.kind == "world":
        version = value.get("wbmodel") if isinstance(value, dict) else None
        if value is None:
            found.append(((), "the file is empty; the smallest world is: entities: {}"))
        elif isinstance(version, int) and version > FORMAT_VERSION:
            message = f"this world is in version {version} of the format, and this wbmodel reads {FORMAT_VERSION}"
            found.append((("wbmodel",), message))
    source.find_lines(path for path, _ in found)
    found.sort(key=lambda problem: source.line(problem[0]) or 0)
    return content, [(Place(source, path), message) for path, message in found]


def _together(found: list[tuple[Place, str]]) -> FixtureError:
    place, message = found[0]
    for other, text in found[1:_SHOWN]:
        line = other.source.line(other.path)
        message += f"\n  also {other.source.label}"
        message += (f", line {line}" if line else "") + f", {show_path(other.path)}: {text}"
    if len(found) > _SHOWN:
        message += f"\n  and {len(found) - _SHOWN} more"
    return place.error(message)
