"""``wbmodel run`` and ``wbmodel sweep``: one object in full."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from wbmodel.cli.columns import Column, every_field, expand, fields_to_load, missing_keys, parse_columns, plain
from wbmodel.cli.output import complain, emit, to_json, write_csv, write_table
from wbmodel.cli.session import open_session
from wbmodel.errors import DamagedRow, FieldError, UnreadableValue, warn
from wbmodel.json_values import ABSENT
from wbmodel.operations.histories.key_info import infos
from wbmodel.query.spelling import quote_key

__all__ = ["run_single"]

_MARKS = {"run": "runs", "sweep": "sweeps"}


def run_single(arguments: argparse.Namespace) -> int:
    """Print one run or sweep. Raises the class's ``DoesNotExist`` if it does not exist."""
    import wbmodel

    command: str = arguments.command
    project, key = split_path(arguments.path, command)
    entity: Any = wbmodel.Run if command == "run" else wbmodel.Sweep
    with open_session(arguments, project) as session:
        rows = entity.objects.using(session)
        columns = parse_columns(rows.plan.meta, arguments.columns) if arguments.columns else every_field(rows.plan.meta)
        row = rows.only(*fields_to_load(columns), *_beside(arguments)).get(id=key)
        columns = expand(columns, [row])
        for sentence in missing_keys(columns, [row], rows):
            complain(sentence)
        best = _best(row) if command == "sweep" and not arguments.columns else None
        _print(row, best, columns, arguments)
    return 0


def _beside(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What is loaded besides the columns."""
    if arguments.command == "sweep":
        return ("config",)
    return () if arguments.columns else ("history_keys", "history_line_count")


def _best(sweep: Any) -> Any:
    """The best run of a sweep, or None; a damaged definition costs that line only."""
    try:
        return sweep.best_run() if sweep.metric else None
    except (FieldError, UnreadableValue) as error:
        warn(f"best_run of {sweep.path} is left out: {error}", DamagedRow)
        return None


def split_path(path: str, command: str) -> tuple[str | None, str]:
    """Split ``entity/project/id``, ``project/id`` or ``id`` into the project (or None) and the id. The word ``runs`` or
    ``sweeps`` may precede the id, as in a URL."""
    parts = path.strip("/").split("/")
    if len(parts) >= 3 and parts[-2] == _MARKS[command]:
        del parts[-2]
    if len(parts) > 3 or not all(parts):
        raise FieldError(f"{path!r} is not the path of a {command}; use entity/project/id, or the id with --project")
    return "/".join(parts[:-1]) or None, parts[-1]


def _print(row: Any, best: Any, columns: Sequence[Column], arguments: argparse.Namespace) -> None:
    cells = {column.name: plain(column.get(row)) for column in columns}
    if arguments.format == "csv":
        write_csv(list(cells), [list(cells.values())])
        return
    if arguments.command == "run" and not arguments.columns:
        cells["history"] = _logged(row)
    if best is not None:
        cells["best_run"] = {"path": best.path, row.metric: _value(best, row.metric)}
    if arguments.format in ("json", "jsonl"):
        emit(to_json(cells, indent=2 if arguments.format == "json" else None))
        return
    if arguments.columns:
        lines = [[column.name, column.get(row)] for column in columns]
    else:
        if "history" in cells:
            keys = cells["history"]["keys"].items()
            cells["history"]["keys"] = {name: f"{info['count']} {', '.join(info['types'])}" for name, info in keys}
        lines = [[name, value] for name, value in _flat(cells) if value is not None and value != []]
    write_table(["", ""], lines, no_color=arguments.no_color, head=False)


def _logged(run: Any) -> dict[str, Any]:
    """How many rows a run logged, and in how many of them each key is."""
    keys = {name: {"types": info.types, "count": info.count} for name, info in infos([run.history_keys]).items()}
    return {"rows": run.history_line_count, "keys": keys}


def _value(run: Any, metric: str) -> Any:
    from wbmodel.query.evaluate import dig

    found = dig(run.summary, (metric,))
    return dig(run.summary, tuple(metric.split("."))) if found is ABSENT else found


def _flat(value: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Dotted names and values, with nested objects flattened."""
    for key, item in value.items():
        name = prefix + (quote_key(key) if prefix else key)
        if isinstance(item, dict) and item and depth < 6:
            yield from _flat(item, f"{name}.", depth + 1)
        else:
            yield name, item
