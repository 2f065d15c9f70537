"""Decode many JSON texts to columns without making a dict of each, as texts of one project share most keys.

A decoder is made for the keys seen so far. A text that does not fit it (a new key, a config item that is not wrapped, a
bare NaN) is decoded the general way, and its keys are known from then on. Both ways give the same values, as the tests
verify.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

import attrs

from wbmodel.codec import floats_from_tokens
from wbmodel.json_values import ABSENT
from wbmodel.table.build import Builder
from wbmodel.table.column import Column

__all__ = ["Layout", "columns_of_texts", "is_plain", "some_of_texts"]

CHUNK = 100
"""How many texts are decoded before their values go into columns: few enough to stay in the CPU cache."""

MOST_KEYS = 2000
MOST_DECODERS = 6
"""How often a decoder is made for new keys; texts that differ more are decoded one by one."""


@attrs.frozen(slots=True)
class Layout:
    """The layout of a field's texts. ``decode`` makes a dict from any of them, but more slowly.

    ``mode`` is ``"wrapped"`` if each value is in ``{"value": ...}``, and ``"numbers"`` if the strings "NaN", "Infinity"
    and "-Infinity" stand for floats. ``left_out`` are unwrapped keys that get no columns.
    """

    decode: Callable[[str | None], Any]
    mode: Literal["wrapped", "numbers"]
    left_out: tuple[str, ...] = ()


def columns_of_texts(layout: Layout, texts: Sequence[str | None]) -> dict[str, Column]:
    """A column per key of the texts, each with the classes of its values."""
    made = Builder()
    decode: Callable[[str], Any] | None = None
    keys: dict[str, None] = {}
    known: tuple[str, ...] = ()
    decoders = 0
    for at in range(0, len(texts), CHUNK):
        part = texts[at : at + CHUNK]
        found = _decoded(decode, part)
        if found is None:
            rows = list(map(layout.decode, part))
            before = len(keys)
            for row in rows:
                keys.update(dict.fromkeys(row))
            if len(keys) > before and decoders < MOST_DECODERS and len(keys) <= MOST_KEYS and all(map(is_plain, keys)):
                decoders, known = decoders + 1, tuple(keys)
                decode = _all_keys(layout, known)
                found = _decoded(decode, part)
            if found is None:
                made.add(rows)
                continue
        made.extend(known, _values(layout, found, len(known)), len(part))
    columns = made.finish()
    if layout.mode == "numbers":
        for key, column in columns.items():
            # Values decoded the general way already have floats; converting again changes nothing.
            if not column.classes.isdisjoint(_MAY_HOLD_TOKENS):
                columns[key] = Column(key, [_number(value) for value in column.values])
    return columns


def _decoded(decode: Callable[[str], Any] | None, texts: Sequence[str | None]) -> list[Any] | None:
    """The objects that a decoder makes from all texts; None if one of them does not fit."""
    if decode is None:
        return None
    try:
        return [decode(text or "{}") for text in texts]
    except (ValueError, RecursionError):
        return None


def some_of_texts(layout: Layout, keys: Sequence[str], texts: Sequence[str | None]) -> list[list[Any]]:
    """A column for each of these keys, with :data:`ABSENT` for missing ones. Other keys are skipped."""
    try:
        return _some_of_like(layout, keys, texts)
    except (ValueError, RecursionError):
        columns: list[list[Any]] = [[] for _ in keys]
    for text in texts:
        try:
            given = [value for (value,) in _some_of_like(layout, keys, (text,))]
        except (ValueError, RecursionError):
            full = layout.decode(text)
            given = [full.get(key, ABSENT) if isinstance(full, dict) else ABSENT for key in keys]
        for value, column in zip(given, columns, strict=True):
            column.append(value)
    return columns


def _some_of_like(layout: Layout, keys: Sequence[str], texts: Sequence[str | None]) -> list[list[Any]]:
    """The same for texts that are all written the usual way. Raises ``ValueError`` for any other."""
    decode = _few_keys(tuple(keys))
    found = [decode(text or "{}") for text in texts]
    columns: list[list[Any]] = []
    for at, key in enumerate(keys):
        column = [ABSENT] * len(found) if key in layout.left_out else list(map(attrgetter(f"f{at}"), found))
        if layout.mode == "wrapped":
            column = list(map(_item, column))
        elif not _MAY_HOLD_TOKENS.isdisjoint(map(type, column)):
            column = list(map(_number, column))
        columns.append(column)
    return columns


def is_plain(key: str) -> bool:
    """Whether msgspec accepts the key as a field name: no quote, backslash or control character, valid text."""
    return key.isprintable() and '"' not in key and "\\" not in key


_MAY_HOLD_TOKENS: frozenset[type] = frozenset((str, dict, list))


def _number(value: Any) -> Any:
    return floats_from_tokens(value) if value.__class__ in _MAY_HOLD_TOKENS else value


def _item(item: Any) -> Any:
    if item is ABSENT:
        return ABSENT
    if isinstance(item, dict) and "value" in item and len(item) <= 2:
        return item["value"]
    raise ValueError("not wrapped")


# -- decoders --------------------------------------------------------------------------------------

_value = attrgetter("value")


def _values(layout: Layout, found: list[Any], width: int) -> Iterable[Sequence[Any]]:
    """The columns of decoded objects, without the left-out keys, which come last."""
    from msgspec.structs import astuple

    if not width:
        return ()
    columns = list(zip(*map(astuple, found), strict=True))[:width]
    return [list(map(_value, column)) for column in columns] if layout.mode == "wrapped" else columns


def _all_keys(layout: Layout, keys: Sequence[str]) -> Callable[[str], Any]:
    """A decoder that makes objects with these keys and refuses any other key."""
    import msgspec

    names = [f"f{at}" for at in range(len(keys))]
    rename = dict(zip(names, keys, strict=True))
    if layout.mode == "numbers":
        fields: list[tuple[str, Any, Any]] = [(name, object, None) for name in names]
    else:
        # What W&B writes. Anything else is decoded the general way.
        item = msgspec.defstruct(
            "Item", [("value", object), ("desc", object, None)], frozen=True, gc=False, forbid_unknown_fields=True
        )
        nothing = item(None)
        fields = [(name, item, nothing) for name in names]
        for key in layout.left_out:
            fields.append((f"h{len(fields)}", object, None))
            rename[fields[-1][0]] = key
    made = msgspec.defstruct("All", fields, rename=rename, gc=False, forbid_unknown_fields=True)
    return msgspec.json.Decoder(made).decode


@lru_cache(maxsize=200)
def _few_keys(keys: tuple[str, ...]) -> Callable[[Any], Any]:
    """A decoder that makes objects with the attributes f0, f1 ... for these keys and skips all others."""
    import msgspec

    names = [f"f{at}" for at in range(len(keys))]
    fields = [(name, object, ABSENT) for name in names]
    made = msgspec.defstruct("Some", fields, rename=dict(zip(names, keys, strict=True)), gc=False)
    return msgspec.json.Decoder(made).decode
