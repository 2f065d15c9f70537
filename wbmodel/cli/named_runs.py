"""The runs that arguments name, or that their filters find."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from wbmodel.cli.session import conditioned
from wbmodel.cli.single import split_path
from wbmodel.errors import ConfigurationError

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.session.session import Session

    Runs = QuerySet[Any, Any]

__all__ = ["named_runs", "refuse_missing"]


def named_runs(arguments: argparse.Namespace, session: Session) -> list[tuple[Runs, Sequence[str]]]:
    """Querysets, each with the ids that it must find (none for a filter)."""
    from wbmodel import Run

    if bool(arguments.runs) == bool(arguments.filter):
        raise ConfigurationError("which runs? name them, or pass --filter; one of the two")
    if arguments.filter:
        return [(conditioned(Run.objects.using(session), arguments), ())]
    wanted: dict[str | None, dict[str, None]] = {}
    for path in arguments.runs:
        project, key = split_path(path, "run")
        if project is not None and "/" not in project and session.entity:
            project = f"{session.entity}/{project}"
        wanted.setdefault(project, {})[key] = None
    made: list[tuple[Runs, Sequence[str]]] = []
    for project, keys in wanted.items():
        rows = Run.objects.using(session)
        made.append((rows if project is None else rows.filter(project=project), list(keys)))
    return made


def refuse_missing(rows: Runs, ids: Sequence[str], there: Collection[str]) -> None:
    """Raise ``Run.DoesNotExist``, which says where it was looked for, if one of the ids is not ``there``."""
    missing = next((key for key in ids if key not in there), None)
    if missing is not None:
        rows.get(id=missing)
