"""What a misspelt key may mean, from the keys that the rows have."""

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
    """Dotted paths that ``path`` may have been meant for, best first; none when the key exists or nothing is near.

    Looks at the first 200 rows of the same projects, whatever the queryset's conditions are. Raises
    :class:`~wbmodel.errors.FieldError` when the field itself is unknown.
    """
    wanted = resolve_path(rows.plan.meta, path)
    return near_keys(wanted, _wider(rows).fields(wanted.field.name), limit) if wanted.keys else []


async def asuggest_keys(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str]:
    """The twin of :func:`suggest_keys`."""
    wanted = resolve_path(rows.plan.meta, path)
    return near_keys(wanted, await _wider(rows).afields(wanted.field.name), limit) if wanted.keys else []


def known_keys(rows: QuerySet[Any, Any], field: str) -> list[str]:
    """Dotted paths of the keys under ``field`` of the first rows of the same projects, whatever the conditions are."""
    return [info.path for info in _wider(rows).fields(field)]


def _wider(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """The first rows of the same places, in no particular order."""
    return related(rows, attrs.evolve(rows.plan, where=None, order=(), start=0, stop=LOOKED_AT), None)
