"""List the keys under keyed fields, with types and examples, and suggest keys for misspelt ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, KeyWarning, UnreadableValue, WbmodelError, nearest, warn
from wbmodel.json_values import equality_key, operand_type
from wbmodel.meta import EntityMeta, FieldMeta
from wbmodel.operations.answer import Operation
from wbmodel.operations.cells import LAYOUTS, documents, is_part
from wbmodel.operations.key_index import Keys, Listed, Spellings, listed, may_be_listed
from wbmodel.query.evaluate import tolerant
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan

__all__ = [
    "EXAMPLES",
    "LOOKED_AT",
    "MOST_DISTINCT",
    "SAMPLE",
    "FieldInfo",
    "keyed_fields",
    "keys_in",
    "keys_of",
    "look_for",
    "near",
    "near_keys",
    "quick_keys",
    "say_unknown",
]

SAMPLE = 20
"""How many rows are read again with all keys, to find the names near to one that no row has."""

LOOKED_AT = 200
"""How many rows are read to find a similar key."""

EXAMPLES = 10
"""How many rows are read for examples. In a project with fewer rows, they also give the counts."""

MOST_DISTINCT = 10_000
"""How many different values of a key are told apart."""

_HINT_PAGES = 3
"""How many pages of a server's list are read for a hint: typing must not cost more than asking."""


@attrs.frozen(slots=True)
class FieldInfo:
    """One key of a keyed field.

    ``path`` is its dotted path as ``filter`` and ``values`` take it (``config.lr``). ``type`` is ``number``, ``text``,
    ``bool``, ``list``, ``object``, ``null`` (if all values are null) or ``mixed``. ``count`` is the number of rows that
    have the key, including null values, and ``example`` the first value that is not null. ``distinct`` is the number of
    different values in those rows, null being one, and equality that of ``group_by``: 1 and 1.0 are one value, and NaN
    is one.

    ``count`` and ``distinct`` are None where the server's own list of keys was asked instead of the rows; the
    ``example`` is then from one of the newest rows, and None if they have none. ``distinct`` is also None for more than
    10,000 values.
    """

    path: str
    type: str
    count: int | None
    example: Any
    distinct: int | None = None


class _Seen:
    """What the rows have under one key. ``values`` are their equality keys; None if there are too many."""

    __slots__ = ("count", "example", "types", "values")

    def __init__(self) -> None:
        self.count = 0
        self.types: set[str] = set()
        self.example: Any = None
        self.values: set[Any] | None = set()

    def add(self, value: Any) -> None:
        self.count += 1
        if self.values is not None:
            try:
                self.values.add(equality_key(value))
            except RecursionError:  # nested too deeply to be compared
                self.values = None
            else:
                if len(self.values) > MOST_DISTINCT:
                    self.values = None
        if value is not None:
            if self.example is None:
                self.example = value
            self.types.add(operand_type(value))

    def varies(self, rows: int) -> bool:
        """Whether the values of so many rows differ, or some rows lack the key."""
        return self.count < rows or self.values is None or len(self.values) > 1


def keys_of(
    plan: Plan, target: Target, fields: Sequence[FieldMeta], exact: bool, varying: bool
) -> Operation[list[FieldInfo]]:
    """The keys under these fields of a plan's rows, sorted by path within each field.

    With ``exact`` or ``varying``, the rows are read; else the server's own list is taken, if it has one.
    """
    from wbmodel.operations.run import collect

    if not exact and not varying and may_be_listed(plan, fields, target):
        found = yield from _listed_with_examples(plan, target, fields)
        if found is not None:
            return found
    rows = yield from collect(plan.bare(*(field.name for field in fields)), target)
    return keys_in(rows, fields, fresh=True, varying=varying)


def _listed_with_examples(plan: Plan, target: Target, fields: Sequence[FieldMeta]) -> Operation[list[FieldInfo] | None]:
    """The keys by the server's list and a few rows; None if it has no list that is usable."""
    from wbmodel.operations.run import collect

    names = [field.name for field in fields]
    rows = yield from collect(attrs.evolve(plan.bare(*names), order=(), stop=EXAMPLES), target)
    if len(rows) < EXAMPLES:
        return keys_in(rows, fields, fresh=True)
    entries = yield from listed(plan, fields, target, None)
    if entries is None:
        return None
    infos: list[FieldInfo] = []
    for field in fields:
        seen = _seen(_documents(rows, field, fresh=True))
        own = [entry for entry in entries if entry.field is field]
        if seen and not own:
            return None  # the list is not of this field
        infos += _merged(field, own, seen)
    return infos


def _merged(field: FieldMeta, entries: Sequence[Listed], seen: Mapping[Keys, _Seen]) -> list[FieldInfo]:
    """The keys of a server's list, and those of a few rows, which a list that lags behind may not have yet."""
    spellings = Spellings(seen)
    hidden = LAYOUTS[field.kind].left_out if field.kind in LAYOUTS else ()
    types: dict[Keys, set[str]] = {keys: set(entry.types) for keys, entry in seen.items()}
    for entry in entries:
        for keys in spellings.of(entry.text):
            if keys[0] not in hidden:
                types.setdefault(keys, set()).update({entry.type} - {"null"})
                # The list has no path of its own for an object that holds keys.
                for depth in range(1, len(keys)):
                    types.setdefault(keys[:depth], set()).add("object")
    return [
        FieldInfo(Path(field, keys).dotted, _type(kinds), None, seen[keys].example if keys in seen else None)
        for keys, kinds in sorted(types.items(), key=lambda pair: pair[0])
    ]


def keys_in(rows: Sequence[Any], fields: Sequence[FieldMeta], *, fresh: bool, varying: bool = False) -> list[FieldInfo]:
    """The keys under these fields in loaded rows; with ``varying``, those whose values differ between the rows.
    ``fresh``: no other code holds the rows."""
    return [
        FieldInfo(
            Path(field, keys).dotted,
            _type(entry.types),
            entry.count,
            entry.example,
            None if entry.values is None else len(entry.values),
        )
        for field in fields
        for keys, entry in sorted(_seen(_documents(rows, field, fresh=fresh)).items(), key=lambda pair: pair[0])
        if not varying or entry.varies(len(rows))
    ]


def _documents(rows: Sequence[Any], field: FieldMeta, *, fresh: bool) -> list[Any]:
    try:
        return documents(rows, field, fresh=fresh)
    except UnreadableValue:
        return list(map(tolerant(Path(field)), rows))


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


def _seen(values: Sequence[Any]) -> dict[Keys, _Seen]:
    """The keys of decoded documents, at every depth."""
    seen: dict[Keys, _Seen] = {}
    for value in values:
        pending: list[tuple[Keys, Any]] = [((), value)] if isinstance(value, dict) else []
        while pending:
            prefix, inner = pending.pop()
            for key, item in inner.items():
                path = (*prefix, key)
                entry = seen.get(path)
                if entry is None:
                    entry = seen[path] = _Seen()
                entry.add(item)
                if isinstance(item, dict):
                    pending.append((path, item))
    return seen


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


def quick_keys(plan: Plan, target: Target, field: FieldMeta) -> Operation[list[FieldInfo]]:
    """The keys under a field of a plan's place, whatever its conditions: by the server's list, else of some rows."""
    found = yield from _by_list(plan, target, field)
    return (yield from _of_some(_wider(plan), target, field, LOOKED_AT)) if found is None else found


def near(plan: Plan, target: Target, wanted: Path, limit: int) -> Operation[list[str] | None]:
    """Dotted paths of a plan's place similar to ``wanted``, best first; None if ``wanted`` exists."""
    infos = yield from _by_list(plan, target, wanted.field, wanted)
    if infos is None:
        infos = yield from _of_some(_wider(plan), target, wanted.field, LOOKED_AT)
    return None if any(info.path == wanted.dotted for info in infos) else near_keys(wanted, infos, limit)


def look_for(path: Path, rows: Sequence[Any], plan: Plan, target: Target, *, whole: bool) -> Operation[None]:
    """Like :func:`say_unknown`; where the rows hold the asked keys alone, the server's list is asked for the others, or
    a few rows are read again with all keys."""
    if not is_part(rows, path.field):
        say_unknown(path, rows, whole, fresh=True)
        return
    try:
        infos = yield from _by_list(plan, target, path.field, path)
        if infos is None:
            some = attrs.evolve(plan, order=(), unordered=True, start=0)
            infos = yield from _of_some(some, target, path.field, SAMPLE)
    except WbmodelError:
        infos = []  # the answer is right; only the near names stay unknown
    _say(path, infos, rows, whole)


def _wider(plan: Plan) -> Plan:
    """All rows of the same place, in the default order."""
    return attrs.evolve(plan, where=None, order=(), start=0, stop=None)


def _by_list(
    plan: Plan, target: Target, field: FieldMeta, wanted: Path | None = None
) -> Operation[list[FieldInfo] | None]:
    """The keys by the first pages of the server's list. None if it has no list, or if the list does not tell whether
    ``wanted`` is there, because of a dot inside a key: rows do."""
    entries = yield from listed(_wider(plan), [field], target, _HINT_PAGES)
    if not entries:
        return None
    if wanted is not None and "." in (text := ".".join(wanted.keys)) and any(item.text == text for item in entries):
        return None
    return _merged(field, entries, {})


def _of_some(plan: Plan, target: Target, field: FieldMeta, number: int) -> Operation[list[FieldInfo]]:
    from wbmodel.operations.run import collect

    rows = yield from collect(plan.bare(field.name, stop=number), target)
    return keys_in(rows, [field], fresh=True)


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
