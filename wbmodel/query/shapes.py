"""Result shapes: how a queryset converts each entity. A shape is a strategy, not a kind of queryset."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import attrs

from wbmodel.errors import QueryError
from wbmodel.meta import EntityMeta, Kind, all_entities, entity_meta
from wbmodel.meta.parts import Wanted
from wbmodel.meta.scopes import PROJECT
from wbmodel.query.f import PathExpr
from wbmodel.query.paths import Path, resolve_path

__all__ = ["ENTITIES", "Column", "Dicts", "Entities", "Flat", "Shape", "Tuples", "columns", "row_type"]


class Shape(Protocol):
    """Makes results of entities."""

    @property
    def fields(self) -> tuple[Wanted, ...] | None:
        """What it needs of each entity; None for the fields that the plan selects."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """The requested columns; empty if the results are entities."""
        ...

    def build(self, cells: Sequence[Sequence[Any]]) -> list[Any]:
        """One result per entity, from the cells of each column."""
        ...

    def spread(self, results: Sequence[Any]) -> list[Sequence[Any]]:
        """The cells of results, column by column."""
        ...


@attrs.frozen(slots=True)
class Column:
    """One column of ``values()``: its name as typed, and its path."""

    name: str
    path: Path


def columns(meta: EntityMeta, spellings: Sequence[str | PathExpr]) -> tuple[Column, ...]:
    """The columns for these paths, or every default field. Raises ``FieldError`` for an unknown path."""
    if not spellings:
        # As in frames, without the node id, which says nothing to people.
        plain = (name for name in meta.default_fields() if name != "node_id")
        spellings = [name for name in plain if meta.fields[name].kind is not Kind.REF]
    made = []
    for spelling in spellings:
        name = spelling.dotted if isinstance(spelling, PathExpr) else spelling
        made.append(Column(name, _value(meta, name, spelling)))
    names = [item.name for item in made]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QueryError(f"the column {twice!r} is requested twice")
    return tuple(made)


def _value(meta: EntityMeta, name: str, spelling: str | PathExpr) -> Path:
    """The path of a value: a field, a key inside one, or a property such as ``path``.

    A relation stands for the path of its target, as names are unique only in an entity or a project; for the key of a
    target that lives in neither, such as a user.
    """
    computed = meta.computed.get(name) if meta.find(name) is None else None
    if computed is not None:
        target = next(item for item in all_entities().values() if PROJECT in item.options.scope_value)
        return Path(computed, (), target.computed["path"] if name == PROJECT else None)
    path = resolve_path(meta, spelling)
    if path.field.kind is Kind.REF and path.related is None:
        assert path.field.target is not None
        target = entity_meta(path.field.target)
        whole = target.computed.get("path") if target.home is not None else None
        return Path(path.field, (), whole or target.fields[target.key])
    return path


@attrs.frozen(slots=True)
class Entities:
    """The entities themselves."""

    fields: tuple[Wanted, ...] | None = None
    columns: tuple[Column, ...] = ()

    def build(self, cells: Sequence[Sequence[Any]]) -> list[Any]:
        """An empty list: entities have no columns, and are the results themselves."""
        return []

    def spread(self, results: Sequence[Any]) -> list[Sequence[Any]]:
        """An empty list: a table decides which columns entities have."""
        return []

    def __reduce__(self) -> str:
        return "ENTITIES"


ENTITIES = Entities()


def _needed(made: tuple[Column, ...]) -> tuple[Wanted, ...]:
    return tuple(dict.fromkeys(wanted for item in made for wanted in item.path.reads))


@attrs.frozen(slots=True)
class Dicts:
    """``values()``: a dict per entity, keyed by the paths as typed."""

    columns: tuple[Column, ...]

    @property
    def fields(self) -> tuple[Wanted, ...]:
        """What the columns read."""
        return _needed(self.columns)

    def build(self, cells: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """One dict per entity."""
        names = [item.name for item in self.columns]
        return [dict(zip(names, row)) for row in zip(*cells)]  # noqa: B905 - equally long, and this is the inner loop

    def spread(self, results: Sequence[Any]) -> list[Sequence[Any]]:
        """The cells by column name."""
        return [[result[item.name] for result in results] for item in self.columns]


@attrs.frozen(slots=True)
class Tuples:
    """``values_list()``: a tuple per entity, or a named tuple with ``named=True``."""

    columns: tuple[Column, ...]
    named: bool = False

    @property
    def fields(self) -> tuple[Wanted, ...]:
        """What the columns read."""
        return _needed(self.columns)

    def build(self, cells: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """One tuple per entity."""
        if not self.named:
            return list(zip(*cells, strict=True))
        return list(map(row_type(tuple(item.name for item in self.columns)), *cells))

    def spread(self, results: Sequence[Any]) -> list[Sequence[Any]]:
        """The cells by position."""
        return [[result[at] for result in results] for at in range(len(self.columns))]


@attrs.frozen(slots=True)
class Flat:
    """``values_list(path, flat=True)``: one value per entity."""

    columns: tuple[Column, ...]

    @property
    def fields(self) -> tuple[Wanted, ...]:
        """What the column reads."""
        return _needed(self.columns)

    def build(self, cells: Sequence[Sequence[Any]]) -> list[Any]:
        """One value per entity."""
        return list(cells[0])

    def spread(self, results: Sequence[Any]) -> list[Sequence[Any]]:
        """The single column."""
        return [list(results)]


@lru_cache(maxsize=256)
def row_type(names: tuple[str, ...]) -> Any:
    """The named tuple for these columns; characters that are not allowed in identifiers become ``_``."""
    import keyword

    cleaned: list[str] = []
    for name in names:
        word = "".join(char if char.isalnum() or char == "_" else "_" for char in name).lstrip("_") or "column"
        word = "column_" + word if word[0].isdigit() or not word.isidentifier() else word
        word += "_" if keyword.iskeyword(word) else ""
        base, number = word, 2
        while word in cleaned:
            word, number = f"{base}_{number}", number + 1
        cleaned.append(word)
    # The fields are known only at run time, which typing.NamedTuple does not support.
    make: Any = namedtuple  # noqa: PYI024
    made = make("Row", cleaned)
    # The class is dynamic and cannot be imported, so a pickle stores the column names.
    made.__reduce__ = lambda row: (_row_of, (names, tuple(row)))
    return made


def _row_of(names: tuple[str, ...], cells: tuple[Any, ...]) -> Any:
    return row_type(names)(*cells)
