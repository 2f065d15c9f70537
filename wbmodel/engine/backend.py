"""``EngineBackend``: what a local backend derives from. It opens a store; every door follows from that."""

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
"""Bytes of a chunk of a file."""

REFRESH_SECONDS = 1.0
"""How long an answer to :meth:`EngineBackend.refresh` holds."""


class _Opened:
    """The store in use, and who may open or refresh it."""

    def __init__(self) -> None:
        self.opening = forks.lock()
        self.refreshing = forks.lock()
        self.engine: Engine | None = None
        self.asked = 0.0
        self.failed = False


class EngineBackend(SyncBackend):
    """A backend over a :class:`~wbmodel.engine.store.Store`. An author writes :meth:`open_store`, and :meth:`refresh`
    where the place it reads from can change.

    Documents are answered by the engine. Streams and files of the store are read as columns and bytes; where the store
    can be changed, mutations, appends and run files are taken. A subclass may set ``dialect``, for tests, and
    ``capabilities``, which else are those of the engine over the store and so open it.
    """

    dialect: Dialect = Dialect()
    _opened: _Opened

    def __new__(cls, *args: Any, **options: Any) -> Self:
        # Not in __init__, which an author writes and need not pass on.
        self = super().__new__(cls)
        self._opened = _Opened()
        return self

    @abstractmethod
    def open_store(self) -> Store:
        """Make the store. Called once, at the first use; another use meanwhile waits for it, and an error goes to the
        caller and is tried again at the next use."""
        raise NotImplementedError(f"{type(self).__name__} must define open_store()")

    def refresh(self, store: Store) -> Store | None:
        """A new store in place of this one, or None while it is good. Asked at most once a second, before a request;
        requests meanwhile use the old one. If it fails the old one stays, and that is said once, until it works."""
        return None

    # -- the store ---------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine over the store, which is opened or refreshed when that is due."""
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
        """Put ``store`` in place of the one in use, in one step: requests under way end with the old one."""
        self._opened.asked = time.monotonic()
        self._opened.engine = Engine(store, self.dialect)

    def _refresh(self, store: Store) -> None:
        opened = self._opened
        try:
            found = self.refresh(store)
        except Exception as error:
            if not opened.failed:
                warn(
                    f"{self.name} cannot read again what it shows, and goes on with what it read before: "
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
        """What the engine promises over the store."""
        return self.engine.capabilities

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        """Execute a document. ``timeout`` is not needed: nothing is waited for."""
        return self.engine.execute(request)

    def read(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> Iterator[ColumnBatch | Failure]:
        """Batches of the runs' streams, each run as it is when its turn comes."""
        for run in runs:
            try:
                batches = self.engine.read(run.node_id, spec)
            except WbmodelError as error:
                yield Failure(run, error)
            else:
                yield from batches

    def append(self, run: RunRef, post: Post, /, *, timeout: float | None = None) -> Posted:
        """Write to a run: rows take the place of what stands at their lines, and cut nothing off."""
        return self.engine.append(run.node_id, post)

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of a run file or artifact file that the store holds."""
        data = self.engine.open(ref)
        for at in range(start, len(data), CHUNK):
            yield data[at : at + CHUNK]

    def put(self, ref: BlobRef, source: Source, /, *, timeout: float | None = None) -> None:
        """Store a run file. Artifact files come with their version."""
        self.engine.put(ref, b"".join(source.open()))
