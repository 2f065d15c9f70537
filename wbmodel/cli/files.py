"""``wbmodel files`` and ``wbmodel artifact``: files of runs and versions of artifacts, listed, fetched and deleted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from wbmodel.cli.output import complain, emit, to_json, write_csv, write_table
from wbmodel.cli.session import open_session
from wbmodel.cli.single import split_path
from wbmodel.errors import ConfigurationError, FieldError
from wbmodel.safe_text import counted, escape

if TYPE_CHECKING:
    from wbmodel import Artifact
    from wbmodel.session.session import Session

__all__ = ["run_artifact", "run_files"]


def run_files(arguments: argparse.Namespace) -> int:
    """List, fetch or delete files of a run."""
    from wbmodel import Run

    project, key = split_path(arguments.run, "run")
    with open_session(arguments, project) as session:
        run = Run.objects.using(session).only("id", "project").get(id=key)
        rows = list(run.files.order_by("name"))
        found = [row for row in rows if _wanted(row.name, arguments.names)]
        if arguments.names and not found:
            raise FieldError(f"{run.path} has no file {' or '.join(map(repr, arguments.names))}; it has {len(rows):,}")
        if arguments.action == "ls" or arguments.dry_run:
            return _show(arguments, ("name", "size", "updated_at"), found, counted(len(found), "file"))
        names = [row.name for row in found]
        if arguments.action == "get":
            done = run.files.filter(name__in=names).download(arguments.to, replace=arguments.replace)
            complain(str(done))
            return 0
        if not arguments.names:
            raise FieldError("which files? name them, or write '*' for all")
        _agree(arguments, f"delete {counted(len(names), 'file')} of {run.path}")
        result = run.files.filter(name__in=names).delete()
        complain(f"{len(result)} deleted")
        _say_lost(session)
    return 0


def _wanted(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


# -- artifacts -------------------------------------------------------------------------------------


def run_artifact(arguments: argparse.Namespace) -> int:
    """Do something with one version."""
    from wbmodel import Artifact

    with open_session(arguments) as session:
        item = Artifact.objects.using(session).get(path=arguments.name)
        return _ACTIONS[arguments.action](arguments, item)


def _get(arguments: argparse.Namespace, item: Artifact) -> int:
    if arguments.dry_run:
        manifest = item.manifest() if arguments.path is None else item.manifest().under(arguments.path)
        entries = list(manifest.values())
        return _show(arguments, ("path", "size", "ref"), entries, counted(len(entries), "file"))
    emit(str(item.download(arguments.to, path_prefix=arguments.path, skip_cache=arguments.no_cache)))
    return 0


def _verify(arguments: argparse.Namespace, item: Artifact) -> int:
    found = item.verify(arguments.folder)
    unchecked = f"; {counted(len(found.unchecked), 'reference')} cannot be checked" if found.unchecked else ""
    complain(f"{found.root} is the content of {item.path}{unchecked}")
    return 0


def _alias(arguments: argparse.Namespace, item: Artifact) -> int:
    before = list(item.aliases)
    if not (arguments.add or arguments.remove):
        raise FieldError("which aliases? write --add NAME to add one, --remove NAME to remove one")
    missing = [alias for alias in arguments.remove if alias not in before]
    if missing:
        raise FieldError(f"{item.path} has no alias {missing[0]!r}; it has {', '.join(before) or 'none'}")
    item.aliases = list(dict.fromkeys([*(a for a in before if a not in arguments.remove), *arguments.add]))
    if not arguments.dry_run:
        item.save()
        _say_lost(item.session)
    complain(f"{item.path}: {', '.join(before) or 'no alias'} -> {', '.join(item.aliases) or 'no alias'}")
    return 0


def _rm(arguments: argparse.Namespace, item: Artifact) -> int:
    if not arguments.dry_run:
        if item.aliases and not arguments.with_aliases:
            raise FieldError(
                f"{item.path} has the aliases {', '.join(item.aliases)}, so it was not deleted; give them to another "
                "version, or pass --with-aliases"
            )
        _agree(arguments, f"delete {item.path} and its files")
        item.delete(delete_aliases=arguments.with_aliases)
        _say_lost(item.session)
    complain(f"{item.path} {'would be' if arguments.dry_run else 'was'} deleted")
    return 0


def _lineage(arguments: argparse.Namespace, item: Artifact) -> int:
    graph = item.lineage(arguments.direction, arguments.depth)
    rows = [(edge.run.path, edge.how, edge.artifact.path) for edge in graph.edges]
    footer = f"{counted(len(graph.artifacts), 'artifact')}, {counted(len(graph.runs), 'run')}"
    _print(arguments, ("run", "how", "artifact"), rows, footer + ("" if graph.is_whole else ", and more beyond"))
    return 0


_ACTIONS: dict[str, Callable[[argparse.Namespace, Artifact], int]] = {
    "get": _get,
    "verify": _verify,
    "alias": _alias,
    "rm": _rm,
    "lineage": _lineage,
}


# -- output ----------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace, names: Sequence[str], rows: Sequence[Any], footer: str) -> int:
    _print(arguments, names, [[getattr(row, name) for name in names] for row in rows], footer)
    return 0


def _print(arguments: argparse.Namespace, names: Sequence[str], rows: Sequence[Sequence[Any]], footer: str) -> None:
    items = [dict(zip(names, row, strict=True)) for row in rows]
    if arguments.format == "json":
        emit(to_json({"items": items, "returned": len(items), "total": len(items), "truncated": False}))
    elif arguments.format == "jsonl":
        for item in items:
            emit(to_json(item, indent=None))
    elif arguments.format == "csv":
        write_csv(names, rows)
    else:
        write_table(names, rows, footer=escape(footer), no_color=arguments.no_color)


def _agree(arguments: argparse.Namespace, what: str) -> None:
    """Ask on a terminal. Raises :class:`~wbmodel.errors.ConfigurationError` without one, or if the answer is no."""
    if arguments.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(f"nothing was changed: this would {what}; pass --yes to do it, --dry-run to see it")
    sys.stderr.write(f"{what}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigurationError("nothing was changed")


def _say_lost(session: Session) -> None:
    if session.capabilities.in_process:
        complain("this world is changed in memory only, and the change ends with this command", "warning")
