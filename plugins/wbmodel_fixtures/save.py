"""Writing a world back: as one file, or as a folder in the layout that ``folder`` reads; whole, or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs

from wbmodel.engine.records import FileRecord, Record
from wbmodel.engine.text import encode
from wbmodel.errors import FixtureError
from wbmodel_fixtures.content import FileBytes, FileLines
from wbmodel_fixtures.dump import dump_file, dump_project, dump_run, dump_world
from wbmodel_fixtures.fill import FilledWorld
from wbmodel_fixtures.replace import Stamp, replace_files
from wbmodel_fixtures.rows import LazyRows
from wbmodel_fixtures.sources import SUFFIXES

__all__ = ["save_file", "save_folder", "to_json", "to_yaml"]

_INLINE = 4096
"""Files of up to this many bytes are written into the world file itself, in a folder too."""


def to_yaml(value: Any) -> str:
    """YAML text that both YAML 1.2 and 1.1 readers take for ``value``."""
    import yaml

    from wbmodel_fixtures.yaml12 import core_type

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            # Text that either version of YAML would take for something else must be quoted.
            if kind is yaml.ScalarNode and implicit[0]:
                core = core_type(value)
                if core != "str":
                    return f"tag:yaml.org,2002:{core}"
            return super().resolve(kind, value, implicit)

    # Without libyaml, PyYAML writes U+0085 as it is and reads it as a line end; escapes are safe there.
    unicode = base is not yaml.SafeDumper
    style: dict[str, Any] = {"sort_keys": False, "width": 120, "default_flow_style": None, "allow_unicode": unicode}
    try:
        return str(yaml.dump(value, Dumper=Dumper, **style))
    except UnicodeEncodeError as error:
        raise FixtureError(
            f"text with {error.object[error.start : error.end]!r} cannot be written as YAML; save to a .json file"
        ) from None


def to_json(value: Any) -> str:
    """JSON text, one line for each of the upper levels' values."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=1)
    return text + "\n"


def _text(value: Any, suffix: str) -> bytes:
    return (to_json(value) if suffix == ".json" else to_yaml(value)).encode()


_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""What Windows takes for a device, with any ending."""


def segment(name: str) -> str:
    """``name`` as a file name on every system: percent-encoded, not hidden, without the ends that Windows drops."""
    text = quote(name, safe=" !#$&'()+,-.;=@[]^_`{}~", errors="surrogatepass")
    if text.startswith(".") or _RESERVED.fullmatch(text):
        text = _encoded(text[0]) + text[1:]
    return text[:-1] + _encoded(text[-1]) if text.endswith((".", " ")) else text


def _encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


@attrs.define(slots=True, eq=False)
class _Names:
    """Gives every name in a folder a file name of its own, also where the system does not tell case apart."""

    _taken: dict[tuple[str, str], str] = attrs.field(factory=dict)

    def __call__(self, folder: Path, name: str) -> str:
        text = segment(name)
        if self._taken.setdefault((str(folder).casefold(), text.casefold()), name) != name:
            return _encoded(name)
        return text


@attrs.define(slots=True, eq=False)
class _Keeper:
    """Decides where content goes. Content that came from a file below ``root`` and is unchanged stays there; other
    content goes into the world file, or, with ``data``, into files of its own below that folder."""

    world: FilledWorld
    root: Path
    base: Path
    data: Path | None = None
    names: _Names = attrs.field(factory=_Names)
    written: list[tuple[Path, bytes]] = attrs.field(factory=list)

    def __call__(self, record: Record, name: str, content: Any) -> Any:
        given = self.world.given.get(record.id, {}).get(name)
        if isinstance(content, FileRecord):
            return self._file(record, content, given)
        if isinstance(given, (LazyRows, FileLines)) and self._is_ours(given.file):
            try:
                same = encode(_comparable(given())) == encode(_comparable(content))
            except FixtureError:
                same = False
            if same:
                key = next(iter(given.given))
                return {key: self._relative(given.file)}
        if self.data is None or name == "console":
            return content
        folder = self.data / name
        file = folder / f"{self.names(folder, str(getattr(record, 'name', '')))}.jsonl"
        self.written.append((file, "".join(encode(row) + "\n" for row in content).encode("utf-8", "surrogatepass")))
        return {"jsonl": self._relative(file)}

    def _file(self, record: Record, file: FileRecord, given: Any) -> Any:
        if isinstance(given, FileBytes) and file.content is given and self._is_ours(given.file):
            return {"path": self._relative(given.file), **({"mimetype": file.mimetype} if file.mimetype else {})}
        inline = dump_file(file)
        if self.data is None or file.content is None or file.size <= _INLINE:
            return inline
        data = file.read() or b""
        owner = str(getattr(record, "name", None) or getattr(record, "path", "").rsplit("/", 1)[-1])
        folder = self.data / "files" / self.names(self.data / "files", owner)
        target = folder / self.names(folder, file.name)
        self.written.append((target, data))
        rest = {k: v for k, v in inline.items() if k not in ("text", "base64")} if isinstance(inline, dict) else {}
        return {"path": self._relative(target), **rest}

    def _is_ours(self, file: Path) -> bool:
        return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(self.root))

    def _relative(self, file: Path) -> str:
        return Path(os.path.relpath(os.path.realpath(file), os.path.realpath(self.base))).as_posix()


def _comparable(rows: Any) -> Any:
    """Rows with the step numbers that records give them; terminal lines as plain text."""
    if rows and not isinstance(rows[0], dict):
        return [row if isinstance(row, str) else row.line for row in rows]
    return [row if "_step" in row else {**row, "_step": number} for number, row in enumerate(rows)]


def save_file(world: FilledWorld, file: Path) -> dict[Path, Stamp | None]:
    """Write the whole world into one file. Returns the files of the world, as ``replace_files`` does."""
    if file.suffix.lower() not in SUFFIXES:
        raise FixtureError(f"a world file ends in {', '.join(SUFFIXES)}", file=str(file))
    store = world.store
    keeper = _Keeper(world, file.parent, file.parent)
    value = dump_world(store)
    for entity in store.entities():
        for project in store.projects(entity):
            value["entities"][entity.name].setdefault("projects", {})[project.name] = dump_project(
                store, project, keeper
            )
    return replace_files(file.parent, [(file, _text(value, file.suffix.lower()))])


def save_folder(
    world: FilledWorld, root: Path, suffix: str = ".yaml", old: Collection[Path] = ()
) -> dict[Path, Stamp | None]:
    """Write the world into a folder: ``world``, one file for each project, its runs, and what is large beside them.
    Files of ``old`` that no longer belong to the world are removed. Returns the files of the world, as
    ``replace_files`` does."""
    store = world.store
    value = dump_world(store)
    files: list[tuple[Path, bytes]] = []
    parts: list[Path] = []
    names = _Names()
    for entity in store.entities():
        for project in store.projects(entity):
            # The name alone keeps the order; the project's content is in its own file.
            value["entities"][entity.name].setdefault("projects", {})[project.name] = None
            below = root / "entities" / names(root / "entities", entity.name)
            own = names(below, project.name)
            data = below / own
            keeper = _Keeper(world, root, below, data, names)
            content = dump_project(store, project, keeper, runs=False)
            run_keeper = _Keeper(world, root, data / "runs", data, names)
            runs = [dump_run(store, run, run_keeper) for run in store.runs(project)]
            files += [*keeper.written, *run_keeper.written]
            if runs:
                parts.append(data / "runs" / f"runs{suffix}")
                files.append((parts[-1], _text(runs, suffix)))
            parts.append(below / f"{own}{suffix}")
            files.append((parts[-1], _text(content, suffix)))
    parts.append(root / f"world{suffix}")
    files.append((parts[-1], _text(value, suffix)))
    now = {os.path.realpath(part) for part in parts}
    stamps = replace_files(root, files, [file for file in old if os.path.realpath(file) not in now])
    return {part: stamps[part] for part in parts}
