"""Helpers shared by all displays of tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wbmodel.errors import UnreadableValue
from wbmodel.json_values import ABSENT
from wbmodel.meta import state

__all__ = ["is_numeric", "readable"]


def readable(row: Any, name: str, damaged: dict[str, None], missing: Any = None) -> Any:
    """A field of a row for a display, which shows the other fields and rows where one cannot be read: ``missing`` then,
    and ``damaged`` gets a sentence for below the table."""
    try:
        return getattr(row, name, missing)
    except UnreadableValue:
        damaged[f"{name} of {state.label(row)} cannot be read"] = None
        return missing


def is_numeric(values: Iterable[Any]) -> bool:
    """Whether the values contain only numbers besides null and absent, so that they are aligned right."""
    known = [value for value in values if value is not None and value is not ABSENT]
    return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)
