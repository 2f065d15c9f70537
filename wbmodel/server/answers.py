"""Answers as bytes: strict JSON and gzip."""

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
    """What goes back for one request. ``packed`` is the gzipped body, made when it is first needed."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = attrs.field(factory=dict)
    packed: bytes | None = None

    def pack(self) -> bytes:
        """The gzipped body."""
        if self.packed is None:
            # Without the time of day in it, equal bodies are equal bytes.
            self.packed = gzip.compress(self.body, _LEVEL, mtime=0)
        return self.packed

    @property
    def weight(self) -> int:
        """Bytes that keeping it takes."""
        return len(self.body) + len(self.packed or b"") + 512


def encode_strict(value: Any) -> bytes:
    """Strict JSON of an answer. Non-finite numbers do not occur in what the engine gives but inside texts (its ``JSON``
    scalar writes them as texts); should one occur, it is null, because one bare NaN makes the whole answer unreadable
    for 0.31.0 (seen)."""
    global _fast
    if _fast is None:
        import msgspec

        _fast = msgspec.json.Encoder().encode
    try:
        return _fast(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # Integers beyond 64 bits, lone surrogates: as escapes they are JSON that every client reads.
        return json.dumps(strict(value), separators=(",", ":"), allow_nan=False).encode()
