"""The limits on what one request may cost the server, with their defaults."""

from __future__ import annotations

import attrs

__all__ = ["Limits"]

MIB = 1024 * 1024


@attrs.frozen(slots=True, kw_only=True)
class Limits:
    """Limits of a :class:`~wbmodel.server.Server`. A request that exceeds one gets a GraphQL-shaped error that names
    the limit, and no part of it is executed."""

    body: int = 32 * MIB
    """Bytes of a decompressed request body. Above it: 413."""

    bodies: int = 128 * MIB
    """Bytes of the decompressed bodies of all requests in flight. Above it: 503 with ``Retry-After: 1``. A body is read
    only once the key has been checked."""

    connections: int = 1000
    """Number of open connections, or half of the descriptors that the process may have, if that is less. Above it, the
    connection that has kept the server waiting longest is closed; if requests are in flight on all of them, 503."""

    stall: float = 10.0
    """Seconds for the headers of a request to arrive, and the longest silence within a body. Above it: 408."""

    idle: float = 90.0
    """Seconds that a connection may be idle between requests. Above it, it is closed."""

    header: int = 16 * 1024
    """Bytes of the request line, and of each header. Above it: 431."""

    headers: int = 100
    """Number of headers. Above it: 431."""

    document: int = MIB
    """Characters of a GraphQL document. Above it: 413."""

    tokens: int = 30_000
    """Tokens of a GraphQL document: names, numbers, texts, braces, comments. Above it: 400."""

    selections: int = 20_000
    """Fields and fragments written in a document. Above it: 400."""

    definitions: int = 200
    """Operations and fragments of a document. Above it: 400."""

    variables: int = 1000
    """Variables that an operation declares. Above it: 400."""

    values: int = 100_000
    """Values inside the variables of a request: numbers, texts, lists, objects. Above it: 400."""

    depth: int = 32
    """Nesting depth of fields, including fragments. Above it: 400. wandb 0.31.0 needs 12."""

    cost: int = 5_000_000
    """Fields times rows: each field counts 1, and the selection below a field with ``first`` or ``last`` counts that
    many times (50 times for a paged list if the document does not say). Above it: 400."""

    seconds: float = 60.0
    """Time from reading a request to its finished answer. Above it: 504, or 503 if the request was still waiting for
    its turn. A running query then stops at its next field with arguments; a mutation may or may not be carried out."""

    workers: int = 4
    """Threads that parse, execute and encode. The engine answers one request at a time; the others prepare."""

    waiting: int = 256
    """Requests that are running or waiting. Above it: 503 with ``Retry-After: 1``."""

    cache: int = 256 * MIB
    """Bytes of encoded answers to cache; 0 turns the cache off. An answer is valid while the store is unchanged."""

    compress: int = 1024
    """Bodies larger than this number of bytes are gzipped for clients that accept it."""

    grace: float = 5.0
    """Seconds that a stopping server gives to requests in flight, and again to threads that do not stop at once."""
