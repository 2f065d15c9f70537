"""Encodes answers as strict JSON and gzip."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from wbmodel.codec import strict
from wbmodel.server.errors import JSON_TYPE

__all__ = ["Answer", "encode_strict"]

_LEVEL = 4  # of gzip: a third of level 6's time for a few per cent more bytes
_fast: Callable[[Any], bytes] | None = None


@attrs.define(slots=True, eq=False)
class Answer:
    """The answer to one request. ``packed`` is the gzipped body, created on first use."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = attrs.field(factory=dict)
    packed: bytes | None = None

    def pack(self) -> bytes:
        """The gzipped body."""
        if self.packed is None:
            # Without a timestamp, equal bodies compress to equal bytes.
            self.packed = gzip.compress(self.body, _LEVEL, mtime=0)
        return self.packed

    @property
    def weight(self) -> int:
        """The bytes it takes to cache this answer."""
        return len(self.body) + len(self.packed or b"") + 512


def encode_strict(value: Any) -> bytes:
    """Encode an answer as strict JSON. The engine returns non-finite numbers only inside texts (its ``JSON`` scalar
    writes them as text). Any other non-finite number becomes null, because one bare NaN makes the whole answer
    unreadable for 0.31.0 (seen)."""
    global _fast
    if _fast is None:
        import msgspec

        _fast = msgspec.json.Encoder().encode
    try:
        return _fast(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # Integers beyond 64 bits and lone surrogates: json.dumps writes them in a form that every client reads.
        return json.dumps(strict(value), separators=(",", ":"), allow_nan=False).encode()
