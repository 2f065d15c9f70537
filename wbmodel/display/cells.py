"""Cells of tables: values as text for people, and what else all displays of tables share."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from wbmodel.codec import format_datetime, strict
from wbmodel.errors import UnreadableValue
from wbmodel.json_values import ABSENT
from wbmodel.meta import state
from wbmodel.safe_text import escape

__all__ = ["cell", "flat", "is_numeric", "readable", "strict_value"]


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


def strict_value(value: Any) -> Any:
    """``value`` as strict JSON data: non-finite numbers and absent values are null, times are RFC 3339 text."""
    return strict(value, lambda _: None, _other)


def _other(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, (set, frozenset)):
        return strict_value(list(value))
    return None if value is ABSENT else str(value)


def flat(value: Any) -> str:
    """A value as text: JSON, unless it is text."""
    found = strict_value(value)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def cell(value: Any) -> str:
    """A value for people: one escaped line. Numbers have six digits, times are in UTC to the second."""
    if value is None or value is ABSENT:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isfinite(value):
            return f"{value:.6g}"
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return format_datetime(value.replace(microsecond=0))
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return escape(", ".join(value))
    if isinstance(value, str):
        # Escaping a whole megabyte of notes is not needed to show its first line.
        return escape(value if len(value) <= 2000 else value[:2000] + "…")
    return escape(flat(value)[:2000])
