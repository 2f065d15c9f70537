"""Helpers shared by all displays of tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wbmodel.json_values import ABSENT

__all__ = ["is_numeric"]


def is_numeric(values: Iterable[Any]) -> bool:
    """Whether the values contain only numbers besides null and absent, so that they are aligned right."""
    known = [value for value in values if value is not None and value is not ABSENT]
    return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)
