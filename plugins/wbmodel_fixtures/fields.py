"""Turns things of the format into record fields: renames keys, and copies what may be shared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, TypeVar

from wbmodel_fixtures.format import Declared, Keyed
from wbmodel_fixtures.sources import Place

__all__ = ["FIRST_DATE", "copied", "fields_of", "placed"]

FIRST_DATE = datetime(2020, 1, 1, tzinfo=timezone.utc)
"""The date of things without ``created_at``; runs count minutes from it, in the order of the file."""

T = TypeVar("T", bound=Declared)


def fields_of(thing: Declared, place: Place, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """Record fields of a thing, under the record's names. Absent keys are left out, and values that YAML aliases may
    share are copied. ``but`` names keys that are handled elsewhere."""
    found: dict[str, Any] = {}
    shared = place.source.may_share
    for key, attr in thing.names():
        item = getattr(thing, key)
        if item is not None and key not in but:
            found[attr] = copied(item) if shared and isinstance(item, (dict, list)) else item
    return found


def copied(value: Any) -> Any:
    """A copy of a plain value, sharing no list or dict with it."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def placed(things: Keyed[T] | None, place: Place) -> Iterator[tuple[str, T, Place]]:
    """``(id, thing, its place)`` of things with an id."""
    for name, part, thing in things or ():
        yield name, thing, place / part
