"""The backend contract: the asks and answers of the doors, capabilities, and the base classes."""

from __future__ import annotations

from wbmodel.backend.base import API_VERSION, AsyncBackend, Backend, SyncBackend
from wbmodel.backend.capabilities import Capabilities
from wbmodel.backend.doors import BlobSink, BlobSource, ColumnSink, ColumnSource

__all__ = [
    "API_VERSION",
    "AsyncBackend",
    "Backend",
    "BlobSink",
    "BlobSource",
    "Capabilities",
    "ColumnSink",
    "ColumnSource",
    "SyncBackend",
]
