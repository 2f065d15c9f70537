"""What one request may cost the server: every bound in one place, with its default."""

from __future__ import annotations

import attrs

__all__ = ["Limits"]

MIB = 1024 * 1024


@attrs.frozen(slots=True, kw_only=True)
class Limits:
    """Bounds of a :class:`~wbmodel.server.Server`. A request beyond one gets a GraphQL-shaped error that names
    the limit; nothing of it is executed."""

    body: int = 32 * MIB
    """Bytes of a request body, after it has been unpacked. Beyond: 413."""

    header: int = 16 * 1024
    """Bytes of the request line, and of each header. Beyond: 431."""

    headers: int = 100
    """How many headers. Beyond: 431."""

    document: int = MIB
    """Characters of a GraphQL document. Beyond: 413."""

    selections: int = 20_000
    """Fields and fragments in a document as it is written. Beyond: 400."""

    depth: int = 32
    """How deep fields nest, fragments followed. Beyond: 400. wandb 0.31.0 needs 12."""

    cost: int = 5_000_000
    """Fields times rows: each field counts 1, and what is selected below a field with ``first`` or ``last`` counts
    that many times (50 times where a list has pages and the document does not say). Beyond: 400."""

    seconds: float = 60.0
    """From when a request has been read until its answer is made. Beyond: 504, or 503 if it was still waiting for its
    turn. A query that is under way then stops at its next field with arguments; a mutation may be done or not."""

    workers: int = 4
    """Threads that parse, execute and encode. The engine answers one request at a time; the others prepare."""

    waiting: int = 256
    """Requests that are executed or wait for it. Beyond: 503 with ``Retry-After: 1``."""

    cache: int = 256 * MIB
    """Bytes of encoded answers that are kept; 0 keeps none. An answer is good for as long as the store is unchanged."""

    compress: int = 1024
    """Bodies of more bytes than this are gzipped for clients that take it."""

    grace: float = 5.0
    """Seconds that a stopping server gives to requests under way."""
