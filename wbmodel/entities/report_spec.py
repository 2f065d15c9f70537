"""The parts of a report's spec that say which runs it shows, as attrs classes that cattrs structures.

The shape is that of stored specs in the W&B client's repository; the many other keys of a spec are ignored. Each
function reads one level, so that a damaged section leaves the others readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from wbmodel.errors import FieldError
from wbmodel.structuring import FieldPath, lenient, nested_deeper, show_path

__all__ = ["Filter", "Key", "Place", "RunSet", "Selections", "Sort", "run_set", "run_sets_of", "sections_of"]

_MAX_DEPTH = 100
"""How deep lists and mappings may be nested in a run set; no editor writes deeper ones."""


@attrs.frozen
class Key:
    """The subject of a condition or an order: a ``name`` in ``run``, ``config``, ``summary`` or ``tags``."""

    section: str | None = None
    name: str | None = None


@attrs.frozen
class Filter:
    """A group, which has ``filters``, or a condition, which has a ``key``. Both have an ``op``."""

    op: str | None = None
    filters: list[Filter] | None = None
    key: Key | None = None
    value: Any = None
    disabled: bool = False


@attrs.frozen
class Sort:
    """One key of an order, or a list of them in ``keys``."""

    keys: list[Sort] | None = None
    key: Key | None = None
    ascending: bool = False


@attrs.frozen
class Selections:
    """``root`` 1: all runs but those in ``tree``; 0: those in ``tree`` only."""

    root: int | bool = 0
    tree: list[Any] = attrs.field(factory=list)


@attrs.frozen
class Place:
    """The project that a run set is about; without a name, it is the report's own."""

    name: str | None = None
    entity: str | None = attrs.field(default=None, alias="entityName")


@attrs.frozen
class RunSet:
    """Runs that a section shows, as the editor stores them."""

    project: Place | None = None
    filters: Filter = attrs.field(factory=Filter)
    sort: Sort = attrs.field(factory=Sort)
    selections: Selections | None = None


@attrs.frozen
class _Section:
    open: int = attrs.field(default=0, alias="openRunSet")
    run_sets: list[Any] = attrs.field(factory=list, alias="runSets")


@attrs.frozen
class _Block:
    type: str | None = None
    metadata: Any = None


@attrs.frozen
class _Spec:
    groups: list[dict[str, Any]] | None = attrs.field(default=None, alias="panelGroups")
    blocks: list[_Block] = attrs.field(factory=list)


@attrs.frozen
class _Grid:
    metadata: dict[str, Any] = attrs.field(factory=dict)


def sections_of(spec: Any, report: str) -> list[tuple[FieldPath, dict[str, Any]]]:
    """The parts of a spec that show runs, each with its path. ``report`` names the report in messages. Raises
    :class:`FieldError` if the spec is damaged around these parts."""
    return list(_sections(spec, report))


def _sections(spec: Any, report: str) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    if spec is None:
        return
    read = lenient(spec, _Spec, report, ("spec",))
    if read.groups is not None:
        for index, group in enumerate(read.groups):
            yield ("spec", "panelGroups", index), group
        return
    for index, block in enumerate(read.blocks):
        if block.type == "panel-grid":
            place = ("spec", "blocks", index)
            grid = lenient({"metadata": block.metadata}, _Grid, report, place)
            yield (*place, "metadata"), dict(grid.metadata)


def run_set(
    sections: Sequence[tuple[FieldPath, dict[str, Any]]], section: int | Mapping[str, Any], report: str
) -> RunSet:
    """The open run set of a section, given by number or as the section itself. Raises :class:`FieldError` if there is
    no such section, if it has no run set, or if it is damaged."""
    if isinstance(section, int):
        if not 0 <= section < len(sections):
            raise FieldError(f"{report} has {len(sections)} sections that show runs; there is no section {section}")
        place, given = sections[section]
    else:
        whole: Any = section
        if isinstance(whole, Mapping):
            whole = dict(whole)
        place, given = next((found for found in sections if found[1] == whole), (("section",), whole))
    read = lenient(given, _Section, report, place)
    if not read.run_sets:
        raise FieldError(f"{report}: the section at {show_path(place)} has no run set")
    return _run_set(read, min(read.open, len(read.run_sets) - 1), report, place)


def run_sets_of(spec: Any, report: str) -> list[RunSet]:
    """Every run set of every section, in order. Raises :class:`FieldError` where the spec is damaged."""
    found = []
    for place, section in _sections(spec, report):
        read = lenient(section, _Section, report, place)
        found += [_run_set(read, index, report, place) for index in range(len(read.run_sets))]
    return found


def _run_set(read: _Section, index: int, report: str, place: FieldPath) -> RunSet:
    place = (*place, "runSets", index)
    if nested_deeper(read.run_sets[index], _MAX_DEPTH):
        raise FieldError(f"{report}: {show_path(place)} is nested more than {_MAX_DEPTH} deep")
    return lenient(read.run_sets[index], RunSet, report, place)
