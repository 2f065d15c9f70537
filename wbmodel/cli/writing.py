"""``update``, ``tag`` and ``delete``: change runs, with a plan first.

Runs that are named must all exist, or nothing is changed. What a filter finds, and what is to be deleted, is changed
only after a yes: on a terminal, or with ``--yes``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wbmodel.cli.listing import counted
from wbmodel.cli.named_runs import named_runs, refuse_missing
from wbmodel.cli.output import complain, emit, to_json, write_csv, write_table
from wbmodel.cli.session import open_session
from wbmodel.errors import ConfigurationError, FieldError
from wbmodel.safe_text import escape

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.operations.bulk_result import BulkResult, RowResult

    Work = Callable[[QuerySet[Any, Any], bool], list[BulkResult]]

__all__ = ["run_delete", "run_tag", "run_update"]

_SHOWN = 10
_TROUBLE = ("failed", "unknown", "untried", "left", "planned", "done", "unchanged")
"""Outcomes, the one to tell of several first."""


def run_update(arguments: argparse.Namespace) -> int:
    """Set fields and keys of runs."""
    changes = _changes(arguments)
    return _write(arguments, "update", lambda rows, dry: [rows.update(changes, dry_run=dry, errors="return")])


def run_tag(arguments: argparse.Namespace) -> int:
    """Add and remove tags."""
    from wbmodel import Add, Remove

    both = set(arguments.add) & set(arguments.remove)
    if both:
        raise FieldError(f"the tag {min(both)!r} is both added and removed")
    steps = [make(*tags) for make, tags in ((Add, arguments.add), (Remove, arguments.remove)) if tags]
    if not steps:
        raise FieldError("which tags? write +good to add one, -bad to remove one")
    return _write(
        arguments, "tag", lambda rows, dry: [rows.update(tags=step, dry_run=dry, errors="return") for step in steps]
    )


def run_delete(arguments: argparse.Namespace) -> int:
    """Delete runs."""
    artifacts: bool = arguments.with_artifacts
    return _write(
        arguments, "delete", lambda rows, dry: [rows.delete(dry_run=dry, delete_artifacts=artifacts, errors="return")]
    )


# -- what to change --------------------------------------------------------------------------------


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    from wbmodel import Run, Unset
    from wbmodel.query.paths import resolve_path

    meta = Run.__wbmodel_meta__
    made: dict[str, Any] = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise FieldError(f"--set {text!r} must be FIELD=VALUE, as in --set config.lr=0.1")
        made[name] = _value(value, keyed=bool(resolve_path(meta, name).keys) or name == "tags")
    for name in ("name", "notes", "group"):
        value = getattr(arguments, name)
        if value is not None:
            made[name] = value
    made.update((name, Unset()) for name in arguments.unset)
    if not made:
        raise FieldError("what is to change? pass --set FIELD=VALUE, --unset KEY, --name, --notes or --group")
    return made


def _value(text: str, *, keyed: bool) -> Any:
    """A value as typed: inside config and summary JSON if it can be read as JSON, else text; ``null`` clears a
    field."""
    if not keyed:
        return None if text == "null" else text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


# -- plan, ask, write ------------------------------------------------------------------------------


def _write(arguments: argparse.Namespace, verb: str, work: Work) -> int:
    with open_session(arguments) as session:
        targets = named_runs(arguments, session)
        planned = []
        for rows, ids in targets:
            found = _merged(work(rows.filter(id__in=ids) if ids else rows, True))
            there = {path.rpartition("/")[2] for path in found}
            refuse_missing(rows, ids, there)
            planned.append(found)
        doomed = [path for found in planned for path, row in found.items() if row.outcome == "planned"]
        if arguments.dry_run or not doomed:
            return _show(arguments, planned)
        if (arguments.filter or verb == "delete") and not arguments.yes and not _agreed(verb, doomed):
            complain("nothing was changed")
            return 1
        done = []
        for (rows, _), found in zip(targets, planned, strict=True):
            ids = [path.rpartition("/")[2] for path, row in found.items() if row.outcome == "planned"]
            # Only what was planned: by now, other rows may match the filter.
            results = _merged(work(rows.filter(id__in=ids), False)) if ids else {}
            done.append({path: results.get(path, row) for path, row in found.items()})
        lost = session.capabilities.in_process
    if lost:
        complain("this world is changed in memory only, and the change ends with this command", "warning")
    return _show(arguments, done)


def _merged(results: Sequence[BulkResult]) -> dict[str, RowResult]:
    """The result of each row by its path; of several steps, the one that matters most."""
    made: dict[str, RowResult] = {}
    for result in results:
        for row in result:
            other = made.get(row.path)
            if other is None or _TROUBLE.index(row.outcome) < _TROUBLE.index(other.outcome):
                made[row.path] = row
    return made


def _agreed(verb: str, paths: Sequence[str]) -> bool:
    what = f"{verb} {counted(len(paths), 'run')}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(f"nothing was changed: this would {what}; pass --yes to do it, --dry-run to see them")
    more = [f"... and {len(paths) - _SHOWN} more"] if len(paths) > _SHOWN else []
    complain("\n".join([*paths[:_SHOWN], *more]))
    sys.stderr.write(f"{what}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _show(arguments: argparse.Namespace, results: Sequence[Mapping[str, RowResult]]) -> int:
    rows = [row for found in results for row in found.values()]
    items = [{"path": r.path, "outcome": r.outcome, "error": None if r.error is None else str(r.error)} for r in rows]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.outcome] = counts.get(row.outcome, 0) + 1
    footer = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no run matches"
    if arguments.format == "json":
        emit(to_json({"items": items, "returned": len(items), "total": len(items), "truncated": False}))
    elif arguments.format == "jsonl":
        for item in items:
            emit(to_json(item, indent=None))
    else:
        names = ["path", "outcome", *(["error"] if any(item["error"] for item in items) else [])]
        cells = [[item[name] for name in names] for item in items]
        if arguments.format == "csv":
            write_csv(names, cells)
        else:
            write_table(names, cells, footer=escape(footer), no_color=arguments.no_color)
    return 1 if any(row.outcome in ("failed", "unknown", "untried") for row in rows) else 0
