"""Tables and other JSON objects of artifacts, without W&B's SDK. Pure: where their parts come from is asked by path.

A table is ``{"_type": "table", "columns": [...], "data": [[...]], "column_types": {...}}``. A partitioned table names a
folder of tables, a joined one two tables and the key on which they are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from wbmodel.codec import loads
from wbmodel.entities.contents.manifest import Manifest
from wbmodel.errors import IntegrityError, QueryError
from wbmodel.operations.answer import Operation
from wbmodel.structuring import lenient
from wbmodel.table.column import Column
from wbmodel.table.table import Table

__all__ = ["JoinedTable", "read_object"]

Read = Callable[[str], Operation[bytes]]
"""The bytes of the entry at a path."""

_SUFFIX = ".table.json"


@attrs.frozen(slots=True, eq=False)
class JoinedTable:
    """Two tables and the columns on which they are joined: one name for both, or one for each. How W&B joins rows that
    match several times is not documented, so the tables stay apart: a frame library joins them."""

    left: Table
    right: Table
    join_key: str | list[str]


@attrs.frozen
class _Table:
    columns: list[Any]
    data: list[Any]


@attrs.frozen
class _Partitioned:
    parts_path: str


@attrs.frozen
class _Joined:
    table1: Any
    table2: Any
    join_key: Any


def read_object(path: str, manifest: Manifest, read: Read) -> Operation[Any]:
    """The object in the JSON file at ``path``: a table, a joined table, or the JSON value itself. Raises
    :class:`~wbmodel.errors.IntegrityError` for a file that is not what it says."""
    value = _json((yield from read(path)), path, manifest)
    kind = value.get("_type") if isinstance(value, dict) else None
    if kind == "table":
        return _table(value, path, manifest)
    if kind == "partitioned-table":
        folder = lenient(value, _Partitioned, f"{manifest.name}: {path}", error=IntegrityError).parts_path
        parts = [name for name in sorted(manifest.under(folder.rstrip("/"))) if name.endswith(_SUFFIX)]
        tables = []
        for part in parts:
            tables.append(_table(_json((yield from read(part)), part, manifest), part, manifest))
        return Table.concat(tables)
    if kind == "joined-table":
        joined = lenient(value, _Joined, f"{manifest.name}: {path}", error=IntegrityError)
        sides = []
        for side in (joined.table1, joined.table2):
            if not isinstance(side, str) or side == path:
                raise IntegrityError(f"{manifest.name}: {path} joins {side!r}, which is not the path of a table in it")
            sides.append((yield from read_object(side, manifest, read)))
        return JoinedTable(*_tables(sides, path, manifest), joined.join_key)
    return value


def _tables(sides: Sequence[Any], path: str, manifest: Manifest) -> tuple[Table, Table]:
    left, right = sides
    if not (isinstance(left, Table) and isinstance(right, Table)):
        raise IntegrityError(f"{manifest.name}: {path} joins objects that are not tables")
    return left, right


def _json(data: bytes, path: str, manifest: Manifest) -> Any:
    try:
        return loads(data)
    except ValueError as error:
        raise IntegrityError(
            f"{manifest.name}: {path} is not JSON ({error}); get_path({path!r}).read_bytes() reads it as it is"
        ) from error


def _table(value: Mapping[str, Any], path: str, manifest: Manifest) -> Table:
    thing = f"{manifest.name}: {path}"
    found = lenient(dict(value), _Table, thing, error=IntegrityError)
    names = [str(name) for name in found.columns]
    width = len(names)
    for number, row in enumerate(found.data):
        if not isinstance(row, list) or len(row) != width:
            cells = len(row) if isinstance(row, list) else "no"
            raise IntegrityError(f"{thing}: row {number} of its data has {cells} cells, and there are {width} columns")
    columns = list(zip(*found.data, strict=True)) if found.data else [()] * width
    try:
        return Table([Column(name, list(cells)) for name, cells in zip(names, columns, strict=True)], len(found.data))
    except QueryError as error:
        raise IntegrityError(f"{thing}: {error}") from error
