"""List the keys under keyed fields, with types and examples, and suggest keys for misspelt ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, KeyWarning, UnreadableValue, nearest, warn
from wbmodel.json_values import operand_type
from wbmodel.meta import EntityMeta, FieldMeta
from wbmodel.operations.answer import Operation
from wbmodel.operations.cells import documents, is_part
from wbmodel.query.evaluate import tolerant
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan

__all__ = [
    "LOOKED_AT",
    "SAMPLE",
    "FieldInfo",
    "keyed_fields",
    "keys_in",
    "keys_of",
    "look_for",
    "near_keys",
    "say_unknown",
]

SAMPLE = 20
"""How many rows are read again with all keys, to find the names near to one that no row has."""

LOOKED_AT = 200
"""How many rows are read to find a similar key."""


@attrs.frozen(slots=True)
class FieldInfo:
    """One key of a keyed field.

    ``path`` is its dotted path as ``filter`` and ``values`` take it (``config.lr``). ``type`` is ``number``, ``text``,
    ``bool``, ``list``, ``object``, ``null`` (if all values are null) or ``mixed``. ``count`` is the number of rows that
    have the key, including null values, and ``example`` the first value that is not null.
    """

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


def keys_of(plan: Plan, target: Target, fields: Sequence[FieldMeta]) -> Operation[list[FieldInfo]]:
    """The keys under these fields of a plan's rows, sorted by path within each field."""
    from wbmodel.operations.run import collect

    found = yield from collect(plan.bare(*(field.name for field in fields)), target)
    return keys_in(found, fields, fresh=True)


def keys_in(rows: Sequence[Any], fields: Sequence[FieldMeta], *, fresh: bool) -> list[FieldInfo]:
    """The keys under these fields in loaded rows. ``fresh``: no other code holds the rows."""
    infos: list[FieldInfo] = []
    for field in fields:
        try:
            values = documents(rows, field, fresh=fresh)
        except UnreadableValue:
            values = list(map(tolerant(Path(field)), rows))
        infos += _walk(field, values)
    return infos


def keyed_fields(meta: EntityMeta, names: Sequence[str]) -> list[FieldMeta]:
    """The keyed fields of these names, or all that are selected. Raises :class:`FieldError` for any other field."""
    if not names:
        return [field for field in meta.fields.values() if field.kind.is_keyed and field.selected]
    fields = [meta.need(name) for name in dict.fromkeys(names)]
    plain = next((field for field in fields if not field.kind.is_keyed), None)
    if plain is not None:
        choices = ", ".join(field.name for field in meta.fields.values() if field.kind.is_keyed)
        raise FieldError(
            f"fields({plain.name!r}): {meta.name}.{plain.name} has no keys inside it; fields with keys: {choices}"
        )
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


def near_keys(wanted: Path, infos: Sequence[FieldInfo], limit: int) -> list[str]:
    """Dotted paths among ``infos`` similar to ``wanted``, best first; empty if ``wanted`` exists."""
    known = [info.path for info in infos]
    if wanted.dotted in known:
        return []
    # The right key at another depth (config.lr for config.optimizer.lr) comes first, as it is not a near spelling.
    last = "." + Path(wanted.field, wanted.keys[-1:]).dotted.partition(".")[2].lower()
    moved = [path for path in known if path.lower().endswith(last)]
    head = len(wanted.field.name) + 1
    inside = {path[head:]: path for path in known}
    spelt = [inside[name] for name in nearest(wanted.dotted[head:], inside, limit)]
    return list(dict.fromkeys((*moved, *spelt)))[:limit]


def look_for(path: Path, rows: Sequence[Any], plan: Plan, target: Target, *, whole: bool) -> Operation[None]:
    """Like :func:`say_unknown`; where the rows hold the asked keys alone, a few are read again with all keys."""
    from wbmodel.operations.run import collect

    if not is_part(rows, path.field):
        say_unknown(path, rows, whole, fresh=True)
        return
    sample = yield from collect(plan.bare(path.field.name, order=(), unordered=True, start=0, stop=SAMPLE), target)
    _say(path, keys_in(sample, [path.field], fresh=True), rows, whole)


def say_unknown(path: Path, rows: Sequence[Any], whole: bool, *, fresh: bool = False) -> None:
    """Warn that no row has a key, with the nearest keys of the rows.

    ``whole``: the rows are all rows of their place. Of a part, where other rows may have the key, only a near spelling
    is told.
    """
    if not path.keys or not rows:
        return
    _say(path, keys_in(rows, [path.field], fresh=fresh), rows, whole)


def _say(path: Path, infos: Sequence[FieldInfo], rows: Sequence[Any], whole: bool) -> None:
    if any(info.path == path.dotted for info in infos):
        return
    hits = near_keys(path, infos, 3)
    if not hits and not whole:
        return
    told = f"; did you mean {' or '.join(hits)}?" if hits else ""
    meta: EntityMeta = type(rows[0]).__wbmodel_meta__
    which = f"none of the {len(rows)} {meta.plural} that were read has" if len(rows) > 1 else f"{rows[0]!r} has no"
    warn(f"{which} {path.dotted}{told}", KeyWarning)
