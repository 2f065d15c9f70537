"""What a server says about the keys of a history: types, counts, last values."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["KeyInfo", "info_of", "infos", "logged"]

_MOST = sys.float_info.max
"""A server writes the infinities as the largest floats here (Weave's tests)."""


@attrs.frozen(slots=True)
class KeyInfo:
    """What is known about a key of a history.

    ``types`` are the server's names of the types of its values (``"number"``, ``"string"``, ``"image-file"``), most
    frequent first. ``count`` is the number of rows that have it, ``last`` the value that was logged last, ``monotonic``
    whether it never falls; each None if the server does not say.
    """

    types: tuple[str, ...] = ()
    count: int | None = None
    last: Any = None
    monotonic: bool | None = None


def logged(value: Any) -> Mapping[str, Any] | None:
    """The entries of ``historyKeys`` by key; None for null and for a shape that is not known."""
    keys = value.get("keys") if isinstance(value, Mapping) else None
    return keys if isinstance(keys, Mapping) else None


def info_of(entry: Any) -> KeyInfo:
    """One entry of ``historyKeys``."""
    if not isinstance(entry, Mapping):
        return KeyInfo()
    counts = _counts(entry.get("typeCounts"))
    last, monotonic = entry.get("previousValue"), entry.get("monotonic")
    if isinstance(last, float) and abs(last) == _MOST:
        last = math.copysign(math.inf, last)
    return KeyInfo(
        tuple(sorted(counts or (), key=lambda kind: -(counts or {})[kind])),
        None if counts is None else sum(counts.values()),
        last,
        monotonic if isinstance(monotonic, bool) else None,
    )


def _counts(listed: Any) -> dict[str, int] | None:
    """The number of rows by type."""
    found: dict[str, int] = {}
    for item in listed if isinstance(listed, list) else (None,):
        if not isinstance(item, Mapping) or type(item.get("count")) is not int:
            return None
        kind = str(item.get("type"))
        found[kind] = found.get(kind, 0) + item["count"]
    return found


def infos(value: Any) -> dict[str, KeyInfo]:
    """All entries of ``historyKeys``."""
    return {key: info_of(entry) for key, entry in (logged(value) or {}).items()}
