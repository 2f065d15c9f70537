"""Facts about all runs of a project, for discovery and counts: its fields, groups, tags and history keys.

They come from ``keys`` and ``groups`` of the store, so a store that keeps them answers without loading a run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from wbmodel.engine.context import Context
from wbmodel.engine.fields import LanguageError, Path, path_of
from wbmodel.engine.history import history_keys
from wbmodel.engine.pages import Connection
from wbmodel.engine.paths import split_path
from wbmodel.engine.records import ProjectRecord
from wbmodel.engine.select import Group, KeyFacts, Place, Select

__all__ = ["Field", "connection_keys", "fields", "grouped_runs", "tag_counts"]

FIELDS = 1
"""The order stamp in cursors of fields."""


@attrs.frozen(slots=True, order=True)
class Field:
    """A key of config or summary in some run, as filters write it, and one type of its values."""

    path: str
    type: str


@attrs.frozen(slots=True, eq=False)
class FieldPage:
    """A page of fields, sorted by path."""

    rows: Sequence[Field]
    has_next: bool
    total: int

    @property
    def places(self) -> Sequence[Place]:
        """The position of each field: itself."""
        return [((0, field.path, field.type),) for field in self.rows]


def fields(project: ProjectRecord, context: Context, args: dict[str, Any]) -> Connection:
    """The fields of a project's runs. A key with values of several types is listed once for each; null is a type only
    where a key has no other. ``pattern`` is part of a path, in any case."""
    ask = Select("project.runs", project.id)
    pattern = (args.get("pattern") or "").casefold()
    literal = context.dialect.literal_keys
    paths = [
        (f"{column}.{key if literal else '.'.join(split_path(key, True))}", facts)
        for column in ("config", "summary_metrics")
        for key, facts in context.store.keys(ask, Path("json", column)).items()
    ]
    # A set, because without literal keys a dot inside a key and one between keys give the same path.
    found = sorted({Field(path, kind) for path, facts in paths if pattern in path.casefold() for kind in _types(facts)})
    first, after = context.reader.first(args), context.reader.after(args, FIELDS)
    start = 0 if after is None else bisect_right(found, Field(*after[1:]))
    rows = found[start : start + first]
    return Connection(FieldPage(rows, start + first < len(found), len(found)), FIELDS, start > 0)


def _types(facts: KeyFacts) -> Sequence[str]:
    return [kind for kind in facts.types if kind != "nil"] or ["nil"]


def tag_counts(project: ProjectRecord, context: Context) -> Sequence[Group]:
    """The tags of a project's runs, the most used first."""
    return context.store.groups(Select("project.runs", project.id), (Path("list", "tags"),))


def grouped_runs(project: ProjectRecord, context: Context, args: dict[str, Any]) -> Sequence[Group]:
    """Runs by the value at one path. Those without a value are left out."""
    keys: list[str | None] = args.get("groupKeys") or []
    if len(keys) != 1 or not keys[0]:
        raise LanguageError(f"groupedRuns takes one group key here, not {len(keys)}")
    path = path_of("Run", keys[0], context.dialect, "groupKeys")
    found = context.store.groups(Select("project.runs", project.id), (path,))
    return [group for group in found if group.values[0] is not None][: context.reader.first(args)]


def connection_keys(connection: Connection, context: Context) -> Mapping[str, Any] | None:
    """The history keys of all runs of a connection, of which its page shows some. ``previousValue`` is that of the
    first of them that has the key, ``lastStep`` its last step."""
    if connection.ask is None:
        return None
    ask = attrs.evolve(connection.ask, after=None, first=None)
    keys = context.store.keys(ask, Path("json", "keys_info"))
    step = keys["_step"].last if "_step" in keys else None
    return history_keys(keys, step if isinstance(step, int) else -1) if keys else None
