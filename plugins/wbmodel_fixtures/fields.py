"""From checked mappings to record fields: keys renamed, dates parsed, ids found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from wbmodel.codec import parse_datetime
from wbmodel_fixtures.shape import Date, Struct
from wbmodel_fixtures.sources import Place

__all__ = ["FIRST_DATE", "copied", "fields_of", "keyed"]

FIRST_DATE = datetime(2020, 1, 1, tzinfo=timezone.utc)
"""The date of what has no ``created_at``; runs count minutes from it, in the order of the file."""


def fields_of(struct: Struct, value: Mapping[str, Any], place: Place, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """Record fields of a mapping: keys renamed, dates parsed, nulls left out, values copied where YAML aliases may
    share them. ``but`` are keys handled elsewhere."""
    found: dict[str, Any] = {}
    shared = place.source.may_share
    for key, item in value.items():
        if item is None or key in but:
            continue
        field = struct.fields[key]
        if isinstance(field.shape, Date):
            item = parse_datetime(item)
        elif shared and isinstance(item, (dict, list)):
            item = copied(item)
        found[field.attr or key] = item
    return found


def copied(value: Any) -> Any:
    """A copy of a plain value, sharing no list or dict with it."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def keyed(value: Any, place: Place) -> Iterator[tuple[str, dict[str, Any], Place]]:
    """``(id, rest, place)`` of things given as a list or as a mapping."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name, item or {}, place / name
    else:
        for index, item in enumerate(value or ()):
            at = place / index
            if isinstance(item, str):
                yield item, {}, at
            else:
                yield item.get("id") or item["username"], item, at
