"""Suggest keys for a misspelt one: from the server's list of keys, or from the keys that some rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wbmodel.objects.keyed import aperform, perform
from wbmodel.operations.keys import FieldInfo, near, quick_keys
from wbmodel.query.paths import resolve_path

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.query.f import PathExpr

__all__ = ["FieldInfo", "asuggest_keys", "known_keys", "suggest_keys", "unknown_key"]


def suggest_keys(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str]:
    """Dotted paths similar to ``path``, best first; empty if the key exists or nothing is similar.

    Asks the server's list of keys, where there is one; else looks at the first 200 rows of the same projects. Ignores
    the queryset's conditions. Raises :class:`~wbmodel.errors.FieldError` if the field itself is unknown.
    """
    return unknown_key(rows, path, limit) or []


async def asuggest_keys(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str]:
    """The async twin of :func:`suggest_keys`."""
    wanted = resolve_path(rows.plan.meta, path)
    return (await aperform(rows, near, wanted, limit) or []) if wanted.keys else []


def unknown_key(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str] | None:
    """As :func:`suggest_keys`, but None if the key exists."""
    wanted = resolve_path(rows.plan.meta, path)
    return cast("list[str] | None", perform(rows, near, wanted, limit)) if wanted.keys else None


def known_keys(rows: QuerySet[Any, Any], field: str) -> list[FieldInfo]:
    """The keys under ``field`` in the same projects, ignoring conditions: of the server's list, where there is one,
    else of the first 200 rows."""
    return cast("list[FieldInfo]", perform(rows, quick_keys, rows.plan.meta.need(field)))
