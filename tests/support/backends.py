"""Backends for tests: the engine behind a plain synchronous door, and behind a slow, paged, asynchronous one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from tests.support.http import KEY
from tests.support.odd_engine import OddEngine
from wbmodel.backend import AsyncBackend, Capabilities, SyncBackend
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.memory import MemoryStore
from wbmodel.errors import DoesNotExist
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.registry import PluginManager, make_plugin_manager
from wbmodel.request import (
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
from wbmodel.session.current import connect
from wbmodel.session.session import Session
from wbmodel.testing.serving import FaultyServer
from wbmodel.testing.serving import served as serving

__all__ = ["FULL", "KINDS", "SERVERS", "WEAK", "EngineBackend", "SlowBackend", "over_loopback", "served"]

FULL = Capabilities(
    strict_values=True,
    literal_keys=True,
    regex=True,
    exists=True,
    multi_order=True,
    nulls_last=True,
    stable_cursors=True,
    all_projects=True,
    filtered=frozenset({"Run", "Sweep", "Project", "View", "ArtifactCollection", "Artifact"}),
    writable=True,
)
"""All that the engine does in its own dialect."""

WEAK = Capabilities(page_size=4, max_page_size=7, max_aliases=3)
"""The promises that one may assume of a live server, with pages so small that every query has several."""

_numbers = itertools.count(1)


class EngineBackend(SyncBackend):
    """The engine over a store, answered in place."""

    api_version = 0
    name = "engine"

    def __init__(
        self,
        url: str,
        *,
        store: MemoryStore,
        dialect: Dialect | None = None,
        capabilities: Capabilities = FULL,
        engine: type[Engine] = Engine,
    ) -> None:
        self.engine = engine(store, dialect)
        self.capabilities = capabilities
        self.origin = f"{url}{next(_numbers)}"

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        return self.engine.execute(request)


class SlowBackend(AsyncBackend):
    """The same, asynchronous and late, with every door. ``delay`` is in seconds per request."""

    api_version = 0
    name = "slow"

    def __init__(
        self,
        url: str,
        *,
        store: MemoryStore,
        dialect: Dialect | None = None,
        capabilities: Capabilities = WEAK,
        delay: float = 0.0005,
    ) -> None:
        self.engine = Engine(store, dialect)
        self.capabilities = capabilities
        self.origin = f"{url}{next(_numbers)}"
        self.delay = delay
        self.running = 0
        self.most = 0

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.delay)
            return self.engine.execute(request)
        finally:
            self.running -= 1

    async def aread(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> AsyncIterator[ColumnBatch | Failure]:
        for run in runs:
            await asyncio.sleep(self.delay)
            try:
                batches = list(self.engine.read(run.node_id, spec))
            except DoesNotExist as error:
                yield Failure(run, error)
            else:
                for batch in batches:
                    yield batch

    async def aappend(self, run: RunRef, post: Post, /, *, timeout: float | None = None) -> Posted:
        await asyncio.sleep(self.delay)
        return self.engine.append(run.node_id, post)

    async def aopen(self, ref: BlobRef, /, *, start: int = 0) -> AsyncIterator[bytes]:
        data = self.engine.open(ref)[start:]
        for at in range(0, len(data), 5):
            await asyncio.sleep(self.delay)
            yield data[at : at + 5]

    async def aput(self, ref: BlobRef, source: Source, /, *, timeout: float | None = None) -> None:
        await asyncio.sleep(self.delay)
        self.engine.put(ref, b"".join(source.open()))


class _Plugin:
    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        register("engine", EngineBackend, schemes=("engine",))
        register("slow", SlowBackend, schemes=("slow",))


def _plugins() -> PluginManager:
    return make_plugin_manager(load_entry_points=False, plugins=[_Plugin()])


HOSTILE = attrs.evolve(WEAK, concurrent=True)

KINDS: dict[str, tuple[str, Dialect, Capabilities]] = {
    # The engine's own dialect, all of it promised.
    "full": ("engine", Dialect(), FULL),
    # The same dialect, but nothing is promised: the compiler may rely on nothing.
    "weak": ("slow", Dialect(max_page=7), WEAK),
    # What a server might do instead, one switch at a time and all together.
    "drops": ("engine", Dialect(ne_keeps_null=False, nulls="first", max_page=5, multi_order=False), WEAK),
    "mongo": ("engine", attrs.evolve(Dialect.mongo(), max_page=6, nan="text"), WEAK),
    "loose": ("engine", Dialect(case_blind=True, cross_types=True, literal_keys=False, max_page=3), WEAK),
    "hostile1": ("slow", Dialect.hostile(1), HOSTILE),
    "hostile2": ("engine", Dialect.hostile(2), WEAK),
}
"""Pairs of what a server does and what it promises, each true of the other."""

BEYOND_OLD = frozenset(
    {
        *(f"Run.{name}(keys)" for name in ("config", "summaryMetrics")),
        *("Run.historyKeys(format)", "Run.history(maxKeyLimit)", "Run.sampledHistory(packVersion)"),
        *(f"Run.{name}" for name in ("bucketedHistory", "computeSeconds", "host", "runInfo", "tagColors", "updatedAt")),
        *("RunConnection.totalCount", "RunConnection.historyKeys", "PageInfo.startCursor", "PageInfo.hasPreviousPage"),
        *("Project.fields", "Project.tagCounts", "Project.groupedRuns"),
    }
)
"""What W&B's servers may lack, of what ours serves."""

SERVERS: dict[str, tuple[Dialect, type[Engine]]] = {
    # Lacks all that may be lacking, and says so; the first without introspection too.
    "silent": (Dialect(lacking=BEYOND_OLD, introspection=False), Engine),
    "old": (Dialect(lacking=BEYOND_OLD), Engine),
    # Takes keys, and sends everything.
    "ignoring": (Dialect(ignoring={"Run.config(keys)", "Run.summaryMetrics(keys)"}), Engine),
    # Cursors that shift when runs come and go.
    "offsets": (Dialect(cursors="offsets", max_page=5), Engine),
    # Status 500 for a resolver that fails, as W&B's own.
    "live": (Dialect(live=True, cursors="offsets"), Engine),
    # The same, and the values of server 0.82: texts for NaN, null users, null edges.
    "odd": (Dialect(live=True, cursors="offsets"), OddEngine),
}
"""Servers that differ in what they have and send, by name: for :func:`served` (all promise little) and
:func:`over_loopback`."""


@contextmanager
def served(store: MemoryStore, kind: str = "full", **options: Any) -> Iterator[Session]:
    """A session over ``store``, current inside the block; ``kind``: of :data:`KINDS` or :data:`SERVERS`. ``options`` go
    to ``connect``."""
    if kind in SERVERS:
        dialect, engine = SERVERS[kind]
        scheme, capabilities, options = "engine", WEAK, {"engine": engine, **options}
    else:
        scheme, dialect, capabilities = KINDS[kind]
    settings = {"project": "acme/vision", "name": f"test-{next(_numbers)}", "default": False, **options}
    given = {"dialect": dialect, "capabilities": capabilities, "store": store}
    with connect(f"{scheme}:", plugins=_plugins(), **{**given, **settings}) as session:
        yield session


@contextmanager
def over_loopback(store: MemoryStore, kind: str, **options: Any) -> Iterator[tuple[FaultyServer, Session]]:
    """A server of :data:`SERVERS` on the loopback device, and a session to it, current inside the block."""
    dialect, engine = SERVERS[kind]
    settings = {"project": "acme/vision", "api_key": KEY, "name": f"test-{next(_numbers)}", "default": False, **options}
    with serving(engine(store, dialect), api_key=KEY) as server, connect(server.url, **settings) as session:
        yield server, session
