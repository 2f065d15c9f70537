"""Encodes stored values as JSON text, for the text fields of the W&B protocol. The records cache the results."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["encode"]

_fast: Callable[[Any], bytes] | None = None
_slow = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=True).encode


def encode(value: Any) -> str:
    """Compact JSON text of ``value``; NaN and Infinity become bare tokens (both clients read them that way, seen).

    Raises ``ValueError`` if it is not a JSON value: an arbitrary object, a cycle, nesting beyond the recursion limit.
    """
    global _fast
    if _fast is None:
        import msgspec

        _fast = msgspec.json.Encoder().encode
    try:
        data = _fast(value)
        # msgspec writes null for NaN and Infinity, so text without a null is exact. Otherwise the standard library
        # encodes the value again, which keeps the tokens.
        if b"null" not in data:
            return data.decode()
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return _slow(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"this value cannot be written as JSON: {error}") from None
