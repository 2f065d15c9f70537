"""Columns of a listing: those that ``-c`` names, the default ones, and the value of each in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.codec import read_quoted
from wbmodel.errors import DamagedRow, FieldError, UnreadableValue, nearest, warn
from wbmodel.json_values import ABSENT
from wbmodel.meta import EntityMeta, Kind
from wbmodel.query.evaluate import dig, getter
from wbmodel.query.paths import resolve_path
from wbmodel.query.shapes import columns as resolved
from wbmodel.query.spelling import quote_key

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = [
    "Column",
    "default_columns",
    "every_field",
    "expand",
    "fields_to_load",
    "label",
    "missing_keys",
    "parse_columns",
    "plain",
    "split_list",
    "unknown_keys",
]

_ASKED = 3
"""How many misspelt keys get suggestions; each may cost a request."""
_NEEDS = {"metric": ("config",), "goal": ("config",), "type": ("type_name",)}
"""The fields that a property reads, besides the identity, which every row has."""
_PROPERTIES = ("path", "url", "entity", "metric", "goal", "name", "type", "version", "project")


@attrs.frozen(slots=True)
class Column:
    """One column. ``keys`` is set for a key inside a field (empty otherwise), so that a missing key can be named."""

    name: str
    get: Callable[[Any], Any]
    field: str | None = None
    keys: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    every: bool = False


def split_list(texts: Iterable[str]) -> list[str]:
    """The parts of comma-separated texts; commas inside quoted keys do not separate. Raises ``FieldError``."""
    parts: list[str] = []
    for text in texts:
        at = begin = 0
        while at <= len(text):
            char = text[at : at + 1]
            if char == '"':
                try:
                    _, at = read_quoted(text, at)
                    continue
                except ValueError:
                    raise FieldError(f"the quote in {text!r} is not closed") from None
            if char in (",", ""):
                part = text[begin:at].strip()
                if not part:
                    raise FieldError(f"{text!r} contains an empty name")
                parts.append(part)
                begin = at + 1
            at += 1
    return parts


def parse_columns(meta: EntityMeta, texts: Sequence[str]) -> list[Column]:
    """The columns that ``-c`` names, each once. ``config.*`` means every key; :func:`expand` resolves it.

    Raises ``FieldError``, which names the unknown column and the nearest matches.
    """
    return [_column(meta, name) for name in dict.fromkeys(split_list(texts))]


def _column(meta: EntityMeta, name: str) -> Column:
    column = _found(meta, name)
    return attrs.evolve(column, get=_tolerant(column.get, name))


def _tolerant(get: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """``get``, where a value that cannot be read leaves its cell empty, with one warning, and the other rows as they
    are."""
    told: set[str] = set()

    def cell(row: Any) -> Any:
        try:
            return get(row)
        except (UnreadableValue, FieldError) as error:
            if str(error) not in told:
                told.add(str(error))
                warn(f"{name} of {label(row)} is left empty: {error}", DamagedRow)
            return None

    return cell


def _found(meta: EntityMeta, name: str) -> Column:
    found = meta.find(name)
    if name in _PROPERTIES and (found is None or found.kind is Kind.REF) and hasattr(meta.cls, name):
        # A to-one relation is shown as its path, which says more than its name; other properties as they are.
        return Column(name, _attribute(name), needs=_NEEDS.get(name, () if found is None else (found.name,)))
    if name.endswith(".*"):
        path = resolve_path(meta, name[:-2])
        if not path.kind.is_keyed:
            raise FieldError(f"{name!r}: {meta.name}.{path.dotted} has no keys; use .* with config or summary")
        return Column(name, _keyed(path.field.name, path.keys), path.field.name, path.keys, (path.field.name,), True)
    if found is None and "." not in name and "__" not in name:
        choices = [*meta.fields, *(word for word in _PROPERTIES if hasattr(meta.cls, word))]
        hits = nearest(name, [*meta.names, *choices])
        tail = (
            f"did you mean {' or '.join(map(repr, hits))}?" if hits else f"columns: {', '.join(sorted(set(choices)))}"
        )
        raise FieldError(f"{meta.name} does not have a column {name!r}; {tail} Write keys like config.lr")
    (column,) = resolved(meta, [name])
    path = column.path
    if path.kind.is_keyed and path.keys:
        return Column(name, _keyed(path.field.name, path.keys), path.field.name, path.keys, (path.field.name,))
    return Column(name, getter(path), path.field.name, (), (path.field.name,))


def _attribute(name: str) -> Callable[[Any], Any]:
    def get(row: Any) -> Any:
        value = getattr(row, name)
        return label(value) if hasattr(type(value), "__wbmodel_meta__") else value

    return get


def label(entity: Any) -> str:
    """The text for an entity in a cell: its path, or the name of a user."""
    try:
        return str(entity.path)
    except AttributeError:
        return str(getattr(entity, type(entity).__wbmodel_meta__.key))


def _keyed(field: str, keys: tuple[str, ...]) -> Callable[[Any], Any]:
    return lambda row: dig(getattr(row, field), keys)


_DEFAULTS: dict[str, tuple[str, ...]] = {
    "Project": ("path", "run_count", "created_at", "description"),
    "Run": ("id", "name", "state", "created_at", "user", "tags"),
    "Sweep": ("id", "name", "state", "method", "run_count", "best_loss", "created_at"),
    "Artifact": ("name", "type", "size", "state", "aliases", "created_at"),
    "Report": ("id", "name", "user", "created_at", "updated_at"),
}


def default_columns(meta: EntityMeta, one_project: bool) -> list[Column]:
    """The default columns of a listing. Over several projects, rows are identified by their paths."""
    names = _DEFAULTS[meta.name]
    if not one_project and meta.name != "Project":
        names = ("path", *names[1:])
    return [_column(meta, name) for name in names]


def every_field(meta: EntityMeta) -> list[Column]:
    """The columns of whole objects in JSON: the path, if there is one, and every field that a plain query loads."""
    names = [name for name in meta.default_fields() if name != "node_id"]
    return [_column(meta, name) for name in (["path"] if hasattr(meta.cls, "path") else []) + names]


def fields_to_load(columns: Sequence[Column]) -> tuple[str, ...]:
    """The fields that the columns read, for ``only()``."""
    return tuple(dict.fromkeys(name for column in columns for name in column.needs))


def expand(columns: Sequence[Column], rows: Sequence[Any]) -> list[Column]:
    """``columns`` with each ``config.*`` replaced by the keys of the rows, in alphabetical order."""
    made: list[Column] = []
    for column in columns:
        if not column.every:
            made.append(column)
            continue
        assert column.field is not None
        values = [column.get(row) for row in rows]
        found = {key for value in values if isinstance(value, dict) for key in value}
        stem = column.name[:-1]
        for key in sorted(found):
            keys = (*column.keys, key)
            get = _tolerant(_keyed(column.field, keys), column.name)
            made.append(Column(stem + quote_key(key), get, column.field, keys, column.needs))
    return made


def missing_keys(columns: Sequence[Column], found: Sequence[Any], rows: QuerySet[Any, Any]) -> list[str]:
    """A sentence for each column whose key no row in ``found`` has, with the nearest keys of the project."""
    lacking = [
        column.name
        for column in columns
        if column.keys and not column.every and all(column.get(row) is ABSENT for row in found)
    ]
    from wbmodel.objects.discovery import suggest_keys

    told = [_unknown(name, suggest_keys(rows, name)) for name in lacking[:_ASKED]]
    if len(lacking) > _ASKED:
        told.append(f"{len(lacking) - _ASKED} more of the columns are missing from every row")
    return told


def unknown_keys(names: Iterable[str], rows: QuerySet[Any, Any]) -> list[str]:
    """A sentence for each path that does not exist, of the first few, with the nearest existing keys."""
    from wbmodel.objects.discovery import unknown_key

    found = ((name, unknown_key(rows, name)) for name in names)
    told = (_unknown(name, hits) for name, hits in found if hits is not None)
    return list(islice(told, _ASKED))


def _unknown(name: str, hits: Sequence[str]) -> str:
    return f"no row here has {name}" + (f"; did you mean {' or '.join(hits)}?" if hits else "")


def plain(value: Any) -> Any:
    """A cell as data for JSON: None for an absent value, the path for an entity."""
    if value is ABSENT:
        return None
    return label(value) if hasattr(type(value), "__wbmodel_meta__") else value
