"""JSON text of stored values, as the W&B protocol carries it in text fields. Fast, exact, cached by the records."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["encode"]

_fast: Callable[[Any], bytes] | None = None
_slow = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=True).encode


def encode(value: Any) -> str:
    """Compact JSON text of ``value``; NaN and Infinity become bare tokens (both clients read them so, seen).

    Raises ``ValueError`` for what is no JSON value: an object, a cycle, nesting beyond Python's recursion limit.
    """
    global _fast
    if _fast is None:
        import msgspec

        _fast = msgspec.json.Encoder().encode
    try:
        data = _fast(value)
        # msgspec writes null for NaN and Infinity, so text without a null has lost nothing. Text with one is
        # written again by the standard library, which keeps the tokens.
        if b"null" not in data:
            return data.decode()
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return _slow(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"this value cannot be written as JSON: {error}") from None
