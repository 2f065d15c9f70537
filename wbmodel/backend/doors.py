"""The doors other than documents: four protocols, and the method of a backend that answers each ask.

A door is open if the backend's class has its methods **and** its capability is on. Authors write one colour;
:class:`~wbmodel.backend.SyncBackend` and :class:`~wbmodel.backend.AsyncBackend` make the other.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from wbmodel.backend.asks import (
    Append,
    Ask,
    BlobRef,
    ColumnBatch,
    Failure,
    Fetch,
    Fetched,
    FetchItem,
    Open,
    Post,
    Posted,
    Put,
    Read,
    ReadSpec,
    RunRef,
    Source,
)
from wbmodel.errors import NotSupported

__all__ = ["DOORS", "BlobSink", "BlobSource", "ColumnSink", "ColumnSource", "door_method"]


@runtime_checkable
class ColumnSource(Protocol):
    """Reads the streams of runs. Capability ``columns``."""

    def read(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> Iterator[ColumnBatch | Failure]:
        """Answer a :class:`~wbmodel.backend.asks.Read` with batches ordered by step, grouped by run in the given order.
        A :class:`~wbmodel.backend.asks.Failure` takes the place of a run that cannot be read."""
        ...

    def aread(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> AsyncIterator[ColumnBatch | Failure]:
        """The twin of :meth:`read`."""
        ...


@runtime_checkable
class ColumnSink(Protocol):
    """Writes rows, the summary and the names of uploaded files to runs. Capability ``append``."""

    def append(self, run: RunRef, post: Post, /, *, timeout: float | None = None) -> Posted:
        """Write ``post``. Its rows overwrite the rows at their lines; the rows after them are kept."""
        ...

    async def aappend(self, run: RunRef, post: Post, /, *, timeout: float | None = None) -> Posted:
        """The twin of :meth:`append`."""
        ...


@runtime_checkable
class BlobSource(Protocol):
    """Reads the bytes of run files and artifact files. Capability ``blobs``."""

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start`` on, in chunks of 256 KiB to 1 MiB. Raises
        :class:`~wbmodel.errors.DoesNotExist`, and :class:`~wbmodel.errors.IntegrityError` if there are fewer bytes
        than ``ref.size``."""
        ...

    def aopen(self, ref: BlobRef, /, *, start: int = 0) -> AsyncIterator[bytes]:
        """The twin of :meth:`open`."""
        ...

    def fetch(self, items: Sequence[FetchItem], /) -> Iterator[Sequence[Fetched]]:
        """Write many files to disk and yield groups of finished ones. The base classes derive it from :meth:`open`."""
        ...

    def afetch(self, items: Sequence[FetchItem], /) -> AsyncIterator[Sequence[Fetched]]:
        """The twin of :meth:`fetch`."""
        ...


@runtime_checkable
class BlobSink(Protocol):
    """Stores bytes. Capabilities ``blobs`` and ``writable``."""

    def put(self, ref: BlobRef, source: Source, /, *, timeout: float | None = None) -> None:
        """Store the content of ``source`` under ``ref``, replacing any existing content."""
        ...

    async def aput(self, ref: BlobRef, source: Source, /, *, timeout: float | None = None) -> None:
        """The twin of :meth:`put`."""
        ...


DOORS: dict[str, tuple[type, tuple[str, ...]]] = {
    "read": (ColumnSource, ("columns",)),
    "append": (ColumnSink, ("append",)),
    "open": (BlobSource, ("blobs",)),
    "fetch": (BlobSource, ("blobs",)),
    "put": (BlobSink, ("blobs", "writable")),
}
"""Method -> the protocol it belongs to, and the capabilities it requires."""


def door_method(backend: Any, ask: Ask, colour: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The method of ``backend`` that answers ``ask``, and its arguments; ``colour`` is ``"a"`` for the async twin.
    Raises :class:`~wbmodel.errors.NotSupported` if the door is not open."""
    if isinstance(ask, Read):
        return _checked(backend, "read", colour), (ask.runs, ask.spec)
    if isinstance(ask, Append):
        return _checked(backend, "append", colour), (ask.run, ask.post)
    if isinstance(ask, Open):
        return functools.partial(_checked(backend, "open", colour), start=ask.start), (ask.ref,)
    if isinstance(ask, Fetch):
        return _checked(backend, "fetch", colour), (ask.items,)
    if isinstance(ask, Put):
        return _checked(backend, "put", colour), (ask.ref, ask.source)
    raise TypeError(f"{type(ask).__name__} does not go through a door of a backend")


def _checked(backend: Any, name: str, colour: str) -> Callable[..., Any]:
    protocol, capabilities = DOORS[name]
    label = backend.name or type(backend).__name__
    off = [capability for capability in capabilities if not getattr(backend.capabilities, capability)]
    if off:
        why = f"its capability {off[0]!r} is off"
    elif not isinstance(backend, protocol):
        why = f"its class does not have the methods of {protocol.__name__}"
    else:
        return getattr(backend, colour + name)  # type: ignore[no-any-return]
    raise NotSupported(
        f"the backend {label!r} has no {name}() ({why}); "
        "use documents instead (session.execute, querysets) or connect to a backend that has it"
    )
