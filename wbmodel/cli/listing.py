"""The listing commands: projects, runs, sweeps, artifacts, reports."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wbmodel import safe_text
from wbmodel.cli.columns import (
    Column,
    default_columns,
    every_field,
    expand,
    fields_to_load,
    missing_keys,
    parse_columns,
    plain,
    unknown_keys,
)
from wbmodel.cli.listed import LISTED
from wbmodel.cli.output import MAX_TABLE_COLUMNS, complain, emit, to_json, write_csv, write_table
from wbmodel.cli.session import conditioned, open_session
from wbmodel.errors import QueryError
from wbmodel.query.conditions import leaves

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.session.session import Session

__all__ = ["TABLE_ROWS", "counted", "listed", "loaded_columns", "run_listing", "thousands"]

TABLE_ROWS = 50
"""Default number of rows in a table."""
_LOOKED_AT = 200


def listed(name: str, session: Session, arguments: argparse.Namespace) -> QuerySet[Any, Any]:
    """The queryset for the listing ``name``, with the filters and order of the arguments, unsliced."""
    import wbmodel

    rows: QuerySet[Any, Any] = getattr(wbmodel, LISTED[name]).objects.using(session)
    for option in ("type", "collection"):
        value = getattr(arguments, option, None)
        if value is not None and option in rows.plan.meta.options.scopes:
            rows = rows.filter(**{option: value})
    return conditioned(rows, arguments)


def run_listing(arguments: argparse.Namespace) -> int:
    """Print a listing in the requested format."""
    name: str = arguments.command
    with open_session(arguments, arguments.place, entity=name == "projects") as session:
        rows = listed(name, session, arguments)
        _refuse_nowhere(rows, session, name)
        rows, columns = loaded_columns(rows, session, arguments)
        limit = arguments.limit
        if limit is ...:
            limit = TABLE_ROWS if arguments.format == "table" else None
        shown = rows if limit is None else rows[:limit]
        if arguments.format in ("csv", "jsonl") and not any(column.every for column in columns):
            _hint(columns, _stream(shown, columns, arguments.format), rows)
            return 0
        found = list(shown)
        columns = expand(columns, found)
        if arguments.format == "table" and len(columns) > MAX_TABLE_COLUMNS:
            raise QueryError(
                f"a table of {thousands(len(columns))} columns is too wide; choose columns with -c, "
                "or print all of them with --json or --csv"
            )
        _hint(columns, found, rows)
        if arguments.format == "table":
            footer = _footer(rows, session, found, limit, name)
            cells = [[column.get(row) for column in columns] for row in found]
            write_table([column.name for column in columns], cells, footer=footer, no_color=arguments.no_color)
        elif arguments.format == "json":
            total = len(found) if limit is None or len(found) < limit else rows.count()
            items = list(_dicts(found, columns))
            emit(to_json({"items": items, "returned": len(found), "total": total, "truncated": total > len(found)}))
        else:
            _write(found, columns, arguments.format)
    return 0


def _refuse_nowhere(rows: QuerySet[Any, Any], session: Session, name: str) -> None:
    """Report a missing project in terms of the command line; the query's own error would speak of Python."""
    scopes = rows.plan.scopes
    named = session.project or session.entity or scopes.keys() & {"project", "entity"}
    if "project" in rows.plan.meta.options.scopes and not (named or session.capabilities.all_projects):
        raise QueryError(f"which project? use wbmodel {name} ENTITY/PROJECT, or set WANDB_PROJECT")


def loaded_columns(
    rows: QuerySet[Any, Any], session: Session, arguments: argparse.Namespace
) -> tuple[QuerySet[Any, Any], list[Column]]:
    """The rows, restricted to the fields that the columns need, and the columns that the arguments name."""
    columns = _columns(rows, session, arguments)
    return rows.only(*fields_to_load(columns)), columns


def _columns(rows: QuerySet[Any, Any], session: Session, arguments: argparse.Namespace) -> list[Column]:
    meta = rows.plan.meta
    if arguments.columns:
        return parse_columns(meta, arguments.columns)
    if arguments.format in ("json", "jsonl"):
        return every_field(meta)
    asked = rows.plan.scopes.get("project", () if session.project is None else (session.project,))
    return default_columns(meta, one_project=len(asked) == 1)


def _dicts(rows: Iterable[Any], columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {column.name: plain(column.get(row)) for column in columns}


def _write(rows: Iterable[Any], columns: Sequence[Column], how: str) -> None:
    if how == "csv":
        write_csv([column.name for column in columns], ([plain(column.get(row)) for column in columns] for row in rows))
        return
    for item in _dicts(rows, columns):
        emit(to_json(item, indent=None))


def _stream(rows: QuerySet[Any, Any], columns: Sequence[Column], how: str) -> list[Any]:
    """Write rows as they arrive, without waiting for the last page. Returns the first rows."""
    first: list[Any] = []

    def passing() -> Iterator[Any]:
        for row in rows.iterator():
            if len(first) < _LOOKED_AT:
                first.append(row)
            yield row

    _write(passing(), columns, how)
    return first


def _hint(columns: Sequence[Column], found: Sequence[Any], rows: QuerySet[Any, Any]) -> None:
    """Report keys that no row has: those of the columns or, if nothing was found, those of the filter."""
    if found:
        told = missing_keys(columns, found, rows)
    else:
        from wbmodel.objects.discovery import known_keys

        asked = [leaf.path for leaf in leaves(rows.plan.where) if leaf.path.keys]
        known = {
            info.path for field in dict.fromkeys(path.field.name for path in asked) for info in known_keys(rows, field)
        }
        # A list of keys does not tell a dot inside a key from one between two keys.
        unsure = [path.dotted for path in asked if path.dotted not in known or len(path.keys) > 1]
        told = unknown_keys(dict.fromkeys(unsure), rows)
    for sentence in told:
        complain(sentence)


def _footer(rows: QuerySet[Any, Any], session: Session, found: Sequence[Any], limit: int | None, name: str) -> str:
    """The footer of a table, which always says whether rows were left out."""
    if limit is None or len(found) < limit:
        return counted(len(found), name[:-1])
    if not session.capabilities.in_process:
        told = rows.explain()
        if told.superset or told.local:
            # Counting would have to read every row.
            some = name[:-1] if len(found) == 1 else f"{thousands(len(found))} {name}"
            return f"the first {some}; there may be more (-n all shows all)"
    total = rows.count()
    if total <= len(found):
        return counted(len(found), name[:-1])
    return f"{thousands(len(found))} of {thousands(total)} {name} (-n all shows all)"


def counted(number: int, noun: str) -> str:
    """``1 run``, ``1 234 runs``."""
    return safe_text.counted(number, noun, " ")


def thousands(number: int) -> str:
    """``1 234``: a number with its digits in groups of three."""
    return f"{number:,}".replace(",", " ")
