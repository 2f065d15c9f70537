"""Many JSON texts to columns, without making a dict of each: the texts of one project mostly have the same keys.

A decoder is made for the keys that were seen. A text that does not fit it (a new key, a config item that is not
wrapped, a bare NaN) is read as any other text is, and the keys found in it are known from then on. Both ways give the
same values; the tests hold them together.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from wbmodel.codec import floats_from_tokens
from wbmodel.compiler.hydrate import HOUSEKEEPING, decoder
from wbmodel.json_values import ABSENT
from wbmodel.meta import Kind

__all__ = ["Columns", "Typed", "columns_of_texts", "some_of_texts"]

CHUNK = 100
"""Texts that are decoded before their values go into columns: few enough to stay in the processor's cache."""

MOST_KEYS = 2000
MOST_DECODERS = 6
"""Decoders are made anew for new keys so often; texts that differ more than that are read one by one."""


Typed = dict[str, tuple[Sequence[Any], set[type]]]
"""Columns by key, each with the classes of its values. A column of floats alone is an ``array("d")``."""


class Columns:
    """One column per key, as long as there are rows; a row that lacks a key has None there. The classes of the values
    are noted on the way, while the values are at hand."""

    __slots__ = ("by_key", "height")

    def __init__(self) -> None:
        self.by_key: dict[str, tuple[Any, set[type]]] = {}
        self.height = 0

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Rows of any keys."""
        by_key, at = self.by_key, self.height
        for row in rows:
            for key, value in row.items():
                found = by_key.get(key)
                if found is None or len(found[0]) < at or found[0].__class__ is array:
                    found = self._as_list(key, at)
                found[0].append(value)
                found[1].add(value.__class__)
            at += 1
        self.height = at

    def extend(self, keys: Sequence[str], parts: Iterable[Sequence[Any]], count: int) -> None:
        """``count`` rows, given as columns of these keys."""
        at = self.height
        for key, part in zip(keys, parts, strict=True):
            types = set(map(type, part))
            found = self.by_key.get(key)
            if types == _FLOATS and not at:
                self.by_key[key] = (array("d", part), types)
            elif types == _FLOATS and found is not None and found[0].__class__ is array and len(found[0]) == at:
                column_so_far: array[float] = found[0]
                column_so_far += array("d", part)
            else:
                column, known = self._as_list(key, at)
                column += part
                known |= types
        self.height = at + count

    def _as_list(self, key: str, height: int) -> tuple[list[Any], set[type]]:
        """The column of a key as a list of this length, filled up with None."""
        column, types = self.by_key.get(key, ([], set()))
        if column.__class__ is array:
            column = column.tolist()
        if len(column) < height:
            column += [None] * (height - len(column))
            types.add(type(None))
        self.by_key[key] = (column, types)
        return column, types

    def finish(self) -> Typed:
        """The columns, all of the same length."""
        for key, (column, _) in list(self.by_key.items()):
            if len(column) < self.height:
                self._as_list(key, self.height)
        made: Typed = {**self.by_key}
        return made


_FLOATS = {float}


def columns_of_texts(kind: Kind, texts: Sequence[str | None]) -> Typed:
    """A column per key of the texts of a config or a summary."""
    made, whole = Columns(), decoder(kind)
    decode: Callable[[str], Any] | None = None
    keys: dict[str, None] = {}
    known: tuple[str, ...] = ()
    decoders = 0
    for at in range(0, len(texts), CHUNK):
        part = texts[at : at + CHUNK]
        found = _decoded(decode, part)
        if found is None:
            rows = list(map(whole, part))
            before = len(keys)
            for row in rows:
                keys.update(dict.fromkeys(row))
            if len(keys) > before and decoders < MOST_DECODERS and len(keys) <= MOST_KEYS and all(map(is_plain, keys)):
                decoders, known = decoders + 1, tuple(keys)
                decode = _all_keys(kind, known)
                found = _decoded(decode, part)
            if found is None:
                made.add(rows)
                continue
        made.extend(known, _values(kind, found, len(known)), len(part))
    columns = made.finish()
    if kind is Kind.SUMMARY:
        for key, (column, types) in columns.items():
            # What was read as a whole has its floats already; doing it again changes nothing.
            if not types.isdisjoint((str, list, dict)):
                values = [_number(value) for value in column]
                columns[key] = (values, set(map(type, values)))
    return columns


def _decoded(decode: Callable[[str], Any] | None, texts: Sequence[str | None]) -> list[Any] | None:
    """The objects that a decoder makes of all texts; None when one of them does not fit it."""
    if decode is None:
        return None
    try:
        return [decode(text or "{}") for text in texts]
    except (ValueError, RecursionError):
        return None


def some_of_texts(kind: Kind, keys: Sequence[str], texts: Sequence[str | None]) -> list[list[Any]]:
    """A column for each of these keys; :data:`ABSENT` for a key that is not there. The others are passed over."""
    decode, whole = _few_keys(tuple(keys)), decoder(kind)
    convert = _item if kind is Kind.CONFIG else _number
    dropped = HOUSEKEEPING if kind is Kind.CONFIG else ()
    columns: list[list[Any]] = [[] for _ in keys]
    pairs = [(key, attrgetter(f"f{at}"), column) for at, (key, column) in enumerate(zip(keys, columns, strict=True))]
    for text in texts:
        try:
            found = decode(text or "{}")
            given = [ABSENT if key in dropped else convert(read(found)) for key, read, _ in pairs]
        except (ValueError, RecursionError):
            full = whole(text)
            given = [full.get(key, ABSENT) if isinstance(full, dict) else ABSENT for key in keys]
        for value, (_, _, column) in zip(given, pairs, strict=True):
            column.append(value)
    return columns


def is_plain(key: str) -> bool:
    """Whether msgspec takes the key for a field: no quote, backslash or control character, valid text."""
    return key.isprintable() and '"' not in key and "\\" not in key


def _number(value: Any) -> Any:
    return floats_from_tokens(value) if value.__class__ in (str, dict, list) else value


def _item(item: Any) -> Any:
    if item is ABSENT:
        return ABSENT
    if isinstance(item, dict) and "value" in item and len(item) <= 2:
        return item["value"]
    raise ValueError("not wrapped")


# -- decoders --------------------------------------------------------------------------------------

_value = attrgetter("value")


def _values(kind: Kind, found: list[Any], width: int) -> Iterable[Sequence[Any]]:
    """The columns of decoded objects, the housekeeping fields at their end left out."""
    from msgspec.structs import astuple

    if not width:
        return ()
    columns = list(zip(*map(astuple, found), strict=True))[:width]
    return [list(map(_value, column)) for column in columns] if kind is Kind.CONFIG else columns


def _all_keys(kind: Kind, keys: Sequence[str]) -> Callable[[str], Any]:
    """A decoder that makes an object with these keys and refuses any other key."""
    import msgspec

    names = [f"f{at}" for at in range(len(keys))]
    rename = dict(zip(names, keys, strict=True))
    if kind is not Kind.CONFIG:
        fields: list[tuple[str, Any, Any]] = [(name, object, None) for name in names]
    else:
        # What W&B writes. Anything else is left to what unwraps any config.
        item = msgspec.defstruct(
            "Item", [("value", object), ("desc", object, None)], frozen=True, gc=False, forbid_unknown_fields=True
        )
        nothing = item(None)
        fields = [(name, item, nothing) for name in names]
        for key in HOUSEKEEPING:
            fields.append((f"h{len(fields)}", object, None))
            rename[fields[-1][0]] = key
    made = msgspec.defstruct("All", fields, rename=rename, gc=False, forbid_unknown_fields=True)
    return msgspec.json.Decoder(made).decode


_decoders: dict[tuple[str, ...], Callable[[Any], Any]] = {}


def _few_keys(keys: tuple[str, ...]) -> Callable[[Any], Any]:
    """A decoder that makes an object with the attributes f0, f1 ... of these keys and passes over all others."""
    found = _decoders.get(keys)
    if found is None:
        import msgspec

        names = [f"f{at}" for at in range(len(keys))]
        fields = [(name, object, ABSENT) for name in names]
        made = msgspec.defstruct("Some", fields, rename=dict(zip(names, keys, strict=True)), gc=False)
        if len(_decoders) > 200:
            _decoders.clear()
        found = _decoders[keys] = msgspec.json.Decoder(made).decode
    return found
