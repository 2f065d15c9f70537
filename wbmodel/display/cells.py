"""What tables have in common, wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wbmodel.json_values import ABSENT

__all__ = ["is_numeric"]


def is_numeric(values: Iterable[Any]) -> bool:
    """Whether there are numbers among the values, and nothing else beside null and absent: then they stand right."""
    known = [value for value in values if value is not None and value is not ABSENT]
    return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)
