"""``EngineBackend``: the base class of local backends. A subclass opens a store; every door follows from that."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wbmodel import forks
from wbmodel.backend.asks import (
    BlobRef,
    ColumnBatch,
    Failure,
    Post,
    Posted,
    ReadSpec,
    Request,
    Response,
    RunRef,
    Source,
)
from wbmodel.backend.base import SyncBackend
from wbmodel.backend.capabilities import Capabilities
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.store import Store
from wbmodel.errors import WbmodelError, WbmodelWarning, warn

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EngineBackend"]

CHUNK = 2**20
"""Size of a chunk of a file, in bytes."""

REFRESH_SECONDS = 1.0
"""Minimum interval between calls of :meth:`EngineBackend.refresh`, in seconds."""


class _Opened:
    """The store in use, and the locks for opening and refreshing it."""

    def __init__(self) -> None:
        self.opening = forks.lock()
        self.refreshing = forks.lock()
        self.engine: Engine | None = None
        self.asked = 0.0
        self.failed = False


class EngineBackend(SyncBackend):
    """A backend over a :class:`~wbmodel.engine.store.Store`. An author writes :meth:`open_store`, and also
    :meth:`refresh` if the underlying data can change.

    The engine answers documents. Streams and files of the store are read as columns and bytes; if the store can be
    changed, the backend accepts mutations, appends and run files. A subclass may set ``dialect``, for tests, and
    ``capabilities``; by default these are the engine's capabilities over the store, so reading them opens it.
    """

    dialect: Dialect = Dialect()
    _opened: _Opened

    def __new__(cls, *args: Any, **options: Any) -> Self:
        # Not in __init__: an author may override it without calling super().__init__().
        self = super().__new__(cls)
        self._opened = _Opened()
        return self

    @abstractmethod
    def open_store(self) -> Store:
        """Open the store. Called once, on first use, while concurrent users wait. An error goes to the caller, and the
        next use tries again."""
        raise NotImplementedError(f"{type(self).__name__} must define open_store()")

    def refresh(self, store: Store) -> Store | None:
        """Return a new store to replace this one, or None if it is up to date. Called before a request, at most once a
        second; concurrent requests use the old store. If this raises, the old store stays in use, with one warning
        until it succeeds again."""
        return None

    # -- the store ---------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine over the store. Opens or refreshes the store if that is due."""
        opened = self._opened
        engine = opened.engine
        if engine is None:
            with opened.opening:
                if opened.engine is None:
                    self.use_store(self.open_store())
                assert opened.engine is not None
                return opened.engine
        if time.monotonic() - opened.asked >= REFRESH_SECONDS and opened.refreshing.acquire(blocking=False):
            try:
                self._refresh(engine.store)
            finally:
                opened.refreshing.release()
        return opened.engine or engine

    def use_store(self, store: Store) -> None:
        """Replace the store in use by ``store``, atomically. Requests in flight finish with the old one."""
        self._opened.asked = time.monotonic()
        self._opened.engine = Engine(store, self.dialect)

    def _refresh(self, store: Store) -> None:
        opened = self._opened
        try:
            found = self.refresh(store)
        except Exception as error:
            if not opened.failed:
                warn(
                    f"{self.name} could not be refreshed and continues with the data it read before: "
                    f"{type(error).__name__}: {error}",
                    WbmodelWarning,
                )
            opened.failed = True
        else:
            opened.failed = False
            if found is not None and found is not store:
                opened.engine = Engine(found, self.dialect)
        opened.asked = time.monotonic()

    # -- the doors ---------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the engine over the store."""
        return self.engine.capabilities

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Execute a document. ``timeout`` is ignored, because nothing waits."""
        return self.engine.execute(request)

    def read(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> Iterator[ColumnBatch | Failure]:
        """Batches of the runs' streams. Each run is read when its turn comes."""
        for run in runs:
            try:
                batches = self.engine.read(run.node_id, spec)
            except WbmodelError as error:
                yield Failure(run, error)
            else:
                yield from batches

    def append(self, run: RunRef, post: Post, /, *, timeout: float | None = None) -> Posted:
        """Write to a run. Rows overwrite the rows at their lines; later rows are kept."""
        return self.engine.append(run.node_id, post)

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of a run file or artifact file in the store."""
        data = self.engine.open(ref)
        for at in range(start, len(data), CHUNK):
            yield data[at : at + CHUNK]

    def put(self, ref: BlobRef, source: Source, /, *, timeout: float | None = None) -> None:
        """Store a run file. Artifact files are added with their version."""
        self.engine.put(ref, b"".join(source.open()))
