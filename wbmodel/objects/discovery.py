"""Suggest keys for a misspelt one, from the keys that the rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.objects.chain import related
from wbmodel.operations.keys import LOOKED_AT, FieldInfo, near_keys
from wbmodel.query.paths import resolve_path

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.query.f import PathExpr

__all__ = ["FieldInfo", "asuggest_keys", "known_keys", "suggest_keys"]


def suggest_keys(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str]:
    """Dotted paths similar to ``path``, best first; empty if the key exists or nothing is similar.

    Looks at the first 200 rows of the same projects, ignoring the queryset's conditions. Raises
    :class:`~wbmodel.errors.FieldError` if the field itself is unknown.
    """
    wanted = resolve_path(rows.plan.meta, path)
    return near_keys(wanted, _wider(rows).fields(wanted.field.name), limit) if wanted.keys else []


async def asuggest_keys(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str]:
    """The async twin of :func:`suggest_keys`."""
    wanted = resolve_path(rows.plan.meta, path)
    return near_keys(wanted, await _wider(rows).afields(wanted.field.name), limit) if wanted.keys else []


def known_keys(rows: QuerySet[Any, Any], field: str) -> list[FieldInfo]:
    """The keys under ``field`` in the first rows of the same projects, ignoring conditions."""
    return _wider(rows).fields(field)


def _wider(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """The first rows of the same projects, in the default order and without conditions."""
    return related(rows, attrs.evolve(rows.plan, where=None, order=(), start=0, stop=LOOKED_AT), None)
