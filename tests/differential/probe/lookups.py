"""The part ``lookups``: every lookup with every kind of field and operand, negated too, and every bad line by itself.

Nothing is asked: what ``explain()`` tells of a condition, or the error, is the record.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .homes import home
from .querysets import evaluated, is_rows
from .questions import BAD_CONDITIONS, BAD_STEPS
from .recording import Writer, observed
from .world import big_world

__all__ = ["try_all"]

_LOOKUPS = (
    "exact", "ne", "gt", "gte", "lt", "lte", "in", "nin", "range", "contains", "icontains", "startswith", "endswith",
    "iexact", "regex", "iregex", "isnull", "exists", "isnan", "isfinite", "date", "within", "istartswith", "nonsense",
)  # fmt: skip
_FIELDS = (
    "Run.name", "Run.id", "Run.created_at", "Run.heartbeat_at", "Run.tags", "Run.config__lr", "Run.config__a__b",
    "Run.summary__loss", "Run.config", "Run.history_line_count", "Run.user__username", "Run.user", "Run.sweep__id",
    "Run.sweep", "Run.project", "Run.project__name", "Run.commit", "Run.notes", "Run.entity", "Run.path",
    "Run.read_only", "Sweep.state", "Sweep.best_loss", "Sweep.config", "Project.description", "Project.name",
    "Report.spec", "Artifact.size", "Artifact.aliases", "Artifact.metadata__rows", "Artifact.state",
    "ArtifactCollection.type", "File.size", "User.admin",
)  # fmt: skip
_OPERANDS = (
    "1", "1.5", "inf", "nan", "10**20", "True", "None", '"a"', '""', '"a(b"', "[]", '["a", None]', "[1, 2]", '{"a": 1}',
    "(1, 2)", '("a", "b")', "(START, START + DAY)", "START", "date(2021, 4, 1)", "timedelta(days=1)", "object()",
    '"2021-04-01"', '"2021-04-01T00:00:00Z"', "[START]",
)  # fmt: skip


def try_all(writer: Writer, homes: Iterable[str], chosen: str | None = None) -> None:
    """Try all at ``homes``; ``chosen`` is one field with its lookup, or one bad line."""
    for name in homes:
        with home(name, big_world()) as session, session.as_current():
            for field in _FIELDS:
                for lookup in _LOOKUPS:
                    if chosen in (None, f"{field} {lookup}"):
                        writer.write("lookups", f"{field} {lookup}", name, _tried(field, lookup))
            lines = [f"Run.objects.{verb}({item})" for verb in ("filter", "exclude") for item in BAD_CONDITIONS]
            lines += [f"Run.objects.all(){item}" for item in BAD_STEPS]
            for line in lines:
                if chosen in (None, line):
                    writer.write("lookups", line, name, observed(lambda line=line: _explained(line))[0])


def _tried(field: str, lookup: str) -> dict[str, Any]:
    entity, _, keyword = field.partition(".")
    record: dict[str, Any] = {}
    for operand in _OPERANDS:
        for verb in ("filter", "exclude"):
            line = f"{entity}.objects.{verb}({keyword}__{lookup}={operand})"
            record[line], _ = observed(lambda line=line: _explained(line))
    return record


def _explained(line: str) -> Any:
    value = evaluated(line)
    return str(value.explain()) if is_rows(value) else value
