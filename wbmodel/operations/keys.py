"""Which keys there are: the paths under keyed fields, their types and examples, and what a misspelt one may mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, nearest
from wbmodel.json_values import operand_type
from wbmodel.meta import EntityMeta, FieldMeta
from wbmodel.operations import rows as operations
from wbmodel.operations.cells import documents
from wbmodel.operations.pages import Operation
from wbmodel.operations.table import held
from wbmodel.query.f import PathExpr
from wbmodel.query.paths import Path, resolve_path

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["FieldInfo", "asuggest_keys", "find", "suggest_keys"]

LOOKED_AT = 200
"""Rows that are read to find the key that may have been meant."""


@attrs.frozen(slots=True)
class FieldInfo:
    """One key. ``path`` is its dotted path as ``filter`` and ``values`` take it (``config.lr``), ``type`` is
    ``number``, ``text``, ``bool``, ``list``, ``object``, ``null`` (never anything else) or ``mixed``, ``count`` the
    number of rows that have it (a null counts), ``example`` the first value that is not null."""

    path: str
    type: str
    count: int
    example: Any


class _Seen:
    __slots__ = ("count", "example", "types")

    def __init__(self) -> None:
        self.count = 0
        self.types: set[str] = set()
        self.example: Any = None


def find(rows: QuerySet[Any, Any], target: Target, names: Sequence[str]) -> Operation[list[FieldInfo]]:
    """The keys under these fields of a queryset's rows, sorted by path within each field."""
    rows._refuse_shaped("fields")
    fields = _keyed(rows._meta, names)
    wanted = tuple(field.name for field in fields)
    if held(rows, wanted):
        found, fresh = rows._cache, False
    else:
        plan = attrs.evolve(rows._evaluable(), only=wanted, defer=frozenset(), related=(), prefetch=(), extra=())
        found, fresh = (yield from operations.collect(plan, target)), True
    infos: list[FieldInfo] = []
    for field in fields:
        infos += _walk(field, documents(found, field, fresh=fresh))
    return infos


def _keyed(meta: EntityMeta, names: Sequence[str]) -> list[FieldMeta]:
    if not names:
        return [field for field in meta.fields.values() if field.kind.is_keyed and field.selected]
    fields = [meta.need(name) for name in dict.fromkeys(names)]
    plain = next((field for field in fields if not field.kind.is_keyed), None)
    if plain is not None:
        choices = ", ".join(field.name for field in meta.fields.values() if field.kind.is_keyed)
        raise FieldError(f"fields({plain.name!r}): {meta.name}.{plain.name} has no keys inside it; {choices} have")
    return fields


def _walk(field: FieldMeta, values: Sequence[Any]) -> list[FieldInfo]:
    seen: dict[tuple[str, ...], _Seen] = {}
    for value in values:
        pending: list[tuple[tuple[str, ...], Any]] = [((), value)] if isinstance(value, dict) else []
        while pending:
            prefix, inner = pending.pop()
            for key, item in inner.items():
                path = (*prefix, key)
                entry = seen.get(path)
                if entry is None:
                    entry = seen[path] = _Seen()
                entry.count += 1
                if item is None:
                    continue
                if entry.example is None:
                    entry.example = item
                entry.types.add(operand_type(item))
                if isinstance(item, dict):
                    pending.append((path, item))
    return [
        FieldInfo(Path(field, path).dotted, _type(entry.types), entry.count, entry.example)
        for path, entry in sorted(seen.items(), key=lambda pair: pair[0])
    ]


def _type(types: set[str]) -> str:
    return "null" if not types else next(iter(types)) if len(types) == 1 else "mixed"


# -- did you mean ----------------------------------------------------------------------------------


def suggest_keys(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str]:
    """Dotted paths that ``path`` may have been meant for, best first; none when the key exists or nothing is near.

    Looks at the first 200 rows of the same projects, whatever the queryset's conditions are. Raises
    :class:`~wbmodel.errors.FieldError` when the field itself is unknown.
    """
    wanted, wider = _asked(rows, path)
    return [] if wider is None else _near(wanted, wider.fields(wanted.field.name), limit)


async def asuggest_keys(rows: QuerySet[Any, Any], path: str | PathExpr, limit: int = 3) -> list[str]:
    """The twin of :func:`suggest_keys`."""
    wanted, wider = _asked(rows, path)
    return [] if wider is None else _near(wanted, await wider.afields(wanted.field.name), limit)


def _asked(rows: QuerySet[Any, Any], path: str | PathExpr) -> tuple[Path, QuerySet[Any, Any] | None]:
    wanted = resolve_path(rows._meta, path)
    if not wanted.keys:
        return wanted, None
    return wanted, rows._clone(where=None, order=(), start=0, stop=LOOKED_AT)


def _near(wanted: Path, infos: Sequence[FieldInfo], limit: int) -> list[str]:
    known = [info.path for info in infos]
    if wanted.dotted in known:
        return []
    # The right key at the wrong depth (config.lr for config.optimizer.lr) comes first: spelling would not find it.
    last = "." + Path(wanted.field, wanted.keys[-1:]).dotted.partition(".")[2].lower()
    moved = [path for path in known if path.lower().endswith(last)]
    head = len(wanted.field.name) + 1
    inside = {path[head:]: path for path in known}
    spelt = [inside[name] for name in nearest(wanted.dotted[head:], inside, limit)]
    return list(dict.fromkeys((*moved, *spelt)))[:limit]
