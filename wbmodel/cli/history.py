"""``wbmodel history``: the rows that runs logged, as a table, data, a Parquet file or a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wbmodel.cli.columns import split_list
from wbmodel.cli.listing import TABLE_ROWS, thousands
from wbmodel.cli.named_runs import named_runs, refuse_missing
from wbmodel.cli.output import MAX_TABLE_COLUMNS, complain, emit, to_json, write_csv, write_table
from wbmodel.cli.session import open_session
from wbmodel.errors import ConfigurationError, FieldError, QueryError

if TYPE_CHECKING:
    from wbmodel.objects.history import HistorySet
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.session.session import Session

__all__ = ["FORMATS", "STREAMS", "run_history"]

FORMATS = ("table", "csv", "json", "jsonl", "parquet", "png")
STREAMS = {"history": "history", "system": "system_history", "console": "console"}
"""The values of ``--stream``, and the attributes of a run."""

_BINARY = ("parquet", "png")


def run_history(arguments: argparse.Namespace) -> int:
    """Print or save the histories of runs. Returns 1 if a run could not be read, or rows are missing."""
    how, file = _output(arguments)
    keys = split_list(arguments.keys)
    if how == "png" and not keys:
        raise FieldError("a picture of what? name keys with -k, as in -k loss,acc")
    with open_session(arguments) as session:
        runs = _runs(arguments, session)
        rows = _rows(runs, arguments, keys, how)
        if arguments.follow:
            return _follow(rows, how)
        _write(rows, arguments, keys, how, file)
        for failure in rows.failures:
            complain(f"{failure.run.path}: {failure.error}", "error")
        return 0 if rows.complete else 1


def _output(arguments: argparse.Namespace) -> tuple[str, Path | None]:
    """The format, and the file to write (None: standard output)."""
    asked: str | None = arguments.output
    if asked is None:
        return arguments.format, None
    if arguments.format != "table":
        raise ConfigurationError(f"-o {asked} and --{arguments.format} name two formats; pass only one of them")
    if asked in FORMATS:
        if asked in _BINARY and sys.stdout.isatty():
            raise ConfigurationError(f"a {asked} file is not for a terminal; name a file: -o history.{asked}")
        return asked, None
    file = Path(asked)
    how = file.suffix[1:].lower()
    if how not in FORMATS:
        raise ConfigurationError(f"-o {asked} is neither a format nor a file of one: {', '.join(FORMATS)}")
    return how, file


# -- which rows ------------------------------------------------------------------------------------


def _runs(arguments: argparse.Namespace, session: Session) -> QuerySet[Any, Any]:
    """The runs. Those that are named must all exist."""
    from wbmodel import Run

    targets = named_runs(arguments, session)
    rows, ids = targets[0]
    if len(targets) == 1 and len(ids) < 2:
        return rows.filter(id=ids[0]) if ids else rows
    paths = []
    for rows, ids in targets:
        found = {run.id: run.path for run in rows.filter(id__in=ids).only("id", "project")}
        refuse_missing(rows, ids, found)
        paths += list(found.values())
    return Run.objects.using(session).filter(path__in=paths)


def _rows(runs: QuerySet[Any, Any], arguments: argparse.Namespace, keys: list[str], how: str) -> HistorySet:
    if arguments.stream != "history":
        if len(arguments.runs) != 1:
            raise ConfigurationError(f"--stream {arguments.stream} is of one run; name one")
        found: HistorySet = getattr(runs.get(), STREAMS[arguments.stream])
    elif len(arguments.runs) == 1:
        found = runs.also("history_line_count").get().history
    else:
        found = runs.history
    if how == "png":
        return found
    if keys:
        found = found.values(*keys, how="inner" if arguments.inner else "outer")
    if arguments.sample is not None:
        found = found.sample(arguments.sample)
    if arguments.tail is not None:
        found = found.tail(arguments.tail)
    return found


# -- output ----------------------------------------------------------------------------------------


def _write(rows: HistorySet, arguments: argparse.Namespace, keys: list[str], how: str, file: Path | None) -> None:
    if how == "png":
        picture = rows.plot(*keys, by=arguments.by, log=arguments.log)
        with _binary(file) as target:
            picture.savefig(target, format="png")
    elif how == "parquet":
        if file is not None:
            rows.to_parquet(file)
        else:
            _parquet_to_stdout(rows)
    elif how == "csv" and file is not None:
        rows.to_csv(file)
    elif file is not None:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in _json_lines(rows, how))
    elif how == "csv":
        table = rows.to_records()
        names = list(table[0]) if table else list(dict.fromkeys(("_step", *keys)))
        write_csv(names, ([row.get(name) for name in names] for row in table))
    elif how == "table":
        _table(rows, arguments)
    else:
        for line in _json_lines(rows, how):
            emit(line)


def _json_lines(rows: HistorySet, how: str) -> Iterator[str]:
    if how == "jsonl":
        yield from (to_json(row, indent=None) for row in rows.iterator())
        return
    found = list(rows)
    yield to_json({"items": found, "returned": len(found), "complete": rows.complete})


def _binary(file: Path | None) -> Any:
    import contextlib

    stdout: BinaryIO = sys.stdout.buffer
    return contextlib.nullcontext(stdout) if file is None else file.open("wb")


def _parquet_to_stdout(rows: HistorySet) -> None:
    import tempfile

    # Parquet is written from its end, so it needs a file.
    with tempfile.TemporaryDirectory(prefix="wbmodel-") as folder:
        made = Path(folder, "history.parquet")
        rows.to_parquet(made)
        sys.stdout.buffer.write(made.read_bytes())


def _table(rows: HistorySet, arguments: argparse.Namespace) -> None:
    limit: int | None = TABLE_ROWS if arguments.limit is ... else arguments.limit
    found = rows.to_records()
    shown = found if limit is None else found[:limit]
    names = list(found[0]) if found else []
    if len(names) > MAX_TABLE_COLUMNS:
        raise QueryError(
            f"a table of {thousands(len(names))} columns is too wide; choose keys with -k, or save all: -o history.csv"
        )
    more = len(found) - len(shown)
    footer = f"{thousands(len(found))} rows" if not more else f"{thousands(len(shown))} of {thousands(len(found))} rows"
    cells = [[row[name] for name in names] for row in shown]
    write_table(names, cells, footer=footer + (" (-n all shows all)" if more else ""), no_color=arguments.no_color)


def _follow(rows: HistorySet, how: str) -> int:
    if how not in ("table", "jsonl", "csv"):
        raise ConfigurationError(f"--follow prints rows as they come, as lines of JSON; it cannot write {how}")
    for row in rows.follow():
        emit(to_json(row, indent=None))
        sys.stdout.flush()
    return 0
