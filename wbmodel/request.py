"""The currency of the doors, under the name that plugin authors import: see :mod:`wbmodel.backend.asks`."""

from __future__ import annotations

from wbmodel.backend.asks import (
    Ahead,
    Batch,
    BlobRef,
    ColumnBatch,
    Document,
    Emit,
    ReadSpec,
    Request,
    Response,
    Send,
    Stream,
    Verb,
    Wait,
    raise_for_errors,
)

__all__ = [
    "Ahead",
    "Batch",
    "BlobRef",
    "ColumnBatch",
    "Document",
    "Emit",
    "ReadSpec",
    "Request",
    "Response",
    "Send",
    "Stream",
    "Verb",
    "Wait",
    "raise_for_errors",
]
