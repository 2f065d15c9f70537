"""Cells of many entities at once: a column per path, and keyed fields spread into one column per key.

JSON texts of rows that no other code holds are decoded without storing the values in the entities, and only as far as
the paths need (see :mod:`wbmodel.table.json_columns`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from wbmodel.json_values import ABSENT
from wbmodel.meta import EntityMeta, FieldMeta, Kind, state
from wbmodel.meta.json_fields import HOUSEKEEPING
from wbmodel.meta.parts import Part
from wbmodel.query.evaluate import dig, getter
from wbmodel.query.paths import Path
from wbmodel.table.build import Builder
from wbmodel.table.column import BOOL, FLOAT, INT, NULL, TEXT, TIME, Column, Dtype
from wbmodel.table.json_columns import Layout, columns_of_texts, is_plain, some_of_texts

__all__ = ["LAYOUTS", "Keys", "Spread", "cells", "declared", "documents", "is_part", "spread"]

_DAMAGE = (ValueError, TypeError, RecursionError)
"""What a codec raises for a damaged text. The row itself is then read, whose error names it."""

Keys = tuple[str, ...]
Spread = dict[Keys, Column]
"""Columns by their keys, each with the classes of its values."""

LAYOUTS = {
    Kind.CONFIG: Layout(Kind.CONFIG.codec.decode, "wrapped", HOUSEKEEPING),
    Kind.SUMMARY: Layout(Kind.SUMMARY.codec.decode, "numbers"),
}
"""The layout of texts, for kinds whose texts become columns without making a dict of each."""

_DTYPES = {
    Kind.ID: TEXT,
    Kind.TEXT: TEXT,
    Kind.INT: INT,
    Kind.FLOAT: FLOAT,
    Kind.BOOL: BOOL,
    Kind.TIME: TIME,
    Kind.TEXTS: Dtype("list", TEXT),
}


def declared(path: Path) -> Dtype:
    """The declared type of a path's values; ``null`` if it depends on the values."""
    return NULL if path.keys else _DTYPES.get(path.kind, NULL)


def cells(rows: Sequence[Any], paths: Sequence[Path], *, fresh: bool) -> list[list[Any]]:
    """One list per path with a cell per row; an absent value is None.

    ``fresh``: no other code holds the rows, so decoded values need not be stored in them.
    """
    made: dict[int, list[Any]] = {}
    inside: dict[str, list[tuple[int, Path]]] = {}
    for at, path in enumerate(paths):
        if fresh and path.keys and path.field.kind in LAYOUTS and is_plain(path.keys[0]):
            inside.setdefault(path.field.name, []).append((at, path))
        else:
            made[at] = _look(rows, path)
    for wanted in inside.values():
        field = wanted[0][1].field
        texts = _texts(rows, field)
        if texts is None:
            made.update((at, _look(rows, path)) for at, path in wanted)
            continue
        heads = list(dict.fromkeys(path.keys[0] for _, path in wanted))
        try:
            found = some_of_texts(LAYOUTS[field.kind], heads, texts)
        except _DAMAGE:
            made.update((at, _look(rows, path)) for at, path in wanted)
            continue
        for at, path in wanted:
            column = found[heads.index(path.keys[0])]
            if len(path.keys) > 1:
                column = [dig(value, path.keys[1:]) for value in column]
            made[at] = [None if value is ABSENT else value for value in column]
    return [made[at] for at in range(len(paths))]


def _look(rows: Sequence[Any], path: Path) -> list[Any]:
    values = map(getter(path), rows)
    return [None if value is ABSENT else value for value in values] if path.keys else list(values)


def documents(rows: Sequence[Any], field: FieldMeta, *, fresh: bool) -> list[Any]:
    """The decoded value of a keyed field per row, or what is there of it."""
    texts = _texts(rows, field) if fresh and not is_part(rows, field) else None
    if texts is not None:
        with contextlib.suppress(*_DAMAGE):
            return list(map(field.kind.codec.decode, texts))
    values = [getattr(row, field.name) for row in rows]
    return [value.loaded() if isinstance(value, Part) else value for value in values]


def is_part(rows: Sequence[Any], field: FieldMeta) -> bool:
    """Whether the rows hold only some keys of a field."""
    return bool(rows) and field.name in state.parts(rows[0])


def _texts(rows: Sequence[Any], field: FieldMeta) -> list[str | None] | None:
    """The raw texts; None if they are not stored or already decoded (by a local check, say), or one of them is no
    text."""
    if not rows:
        return None
    meta: EntityMeta = type(rows[0]).__wbmodel_meta__
    if field.name not in meta.lazy:
        return None
    try:
        getattr(meta.cls, field.name).__get__(rows[0])
    except AttributeError:
        texts: list[str | None] = list(map(meta.lazy[field.name][0], rows))
        return texts if {str, type(None)}.issuperset(map(type, texts)) else None
    return None


def spread(rows: Sequence[Any], field: FieldMeta, *, fresh: bool) -> Spread:
    """Spread a keyed field of all rows into columns, sorted by keys: ``("lr",)``, ``("model", "depth")``.

    Columns are named by their dotted paths. A cell is None if the row lacks the key. A nested empty dict is a value; a
    field that is not a dict at all is under ``()``.
    """
    whole = fresh and field.kind in LAYOUTS and not is_part(rows, field)
    texts = _texts(rows, field) if whole else None
    found: Spread = {}
    top: dict[str, Column] | None = None
    if texts is not None:
        with contextlib.suppress(*_DAMAGE):
            top = columns_of_texts(LAYOUTS[field.kind], texts)
    if top is None:
        read = documents(rows, field, fresh=fresh)
        top = _by_key(read)
        rest = [None if isinstance(value, dict) else value for value in read]
        if any(value is not None for value in rest):
            found[()] = Column(field.name, rest)
    # A stack, because JSON may be nested more deeply than Python's recursion limit.
    pending: list[tuple[Keys, dict[str, Column]]] = [((), top)]
    while pending:
        prefix, columns = pending.pop()
        for key, column in columns.items():
            keys, values, types = (*prefix, key), column.values, column.classes
            if dict in types:
                pending.append((keys, _by_key(values)))
                values = [None if value.__class__ is dict and value else value for value in values]
                types = frozenset(map(type, values))
                if types == {type(None)}:
                    continue
            found[keys] = Column(Path(field, keys).dotted, values, types=types)
    return dict(sorted(found.items()))


_EMPTY: dict[str, Any] = {}


def _by_key(values: Sequence[Any]) -> dict[str, Column]:
    made = Builder()
    made.add([value if isinstance(value, dict) else _EMPTY for value in values])
    return made.finish()
