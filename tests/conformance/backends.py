"""What the kit's own tests put on the bench: conforming backends over the engine, each with a promise that is true."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

import attrs
import pytest

from tests.support.backends import FULL, KINDS, WEAK, EngineBackend, SlowBackend
from wbmodel.backend import Capabilities
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.memory import MemoryStore
from wbmodel.testing.conformance import Case, Conformance, World, never
from wbmodel.testing.conformance.cases import COLOURS
from wbmodel_fixtures import world_from

__all__ = ["ALL", "DOORS", "MODEST", "PAGED", "Alternating", "empty_store", "engine", "kind_of", "slow", "store_of"]

ALL = FULL
"""What the engine does in its own dialect, and says so."""

PAGED = attrs.evolve(WEAK, page_size=10, max_page_size=14, max_aliases=3, writable=True)
"""Promises as weak as those of a live server, in pages that are smaller than the world's main project."""

LITTLE = never("this backend promises little on purpose, so that the compiler relies on nothing")
UNSAID = ["strict_values", "literal_keys", "regex", "exists", "multi_order", "nulls_last", "stable_cursors"]
MODEST = {f"flag/{name}/unclaimed": LITTLE for name in (*UNSAID, "all_projects", "filtered")}
"""The abilities of the engine's own dialect that weak promises leave unsaid."""

DOORS = {f"flag/{name}/unclaimed": LITTLE for name in ("columns", "append", "blobs")}
"""The doors that the slow backend has, and that weak promises leave unsaid."""


class Alternating(Conformance):
    """Each case in one colour in quick runs, and in both where slow tests run. A class of another ``phase`` asks a case
    in the other colour."""

    phase: ClassVar[int] = 0
    share: ClassVar[int] = 1
    """Of the lookups, which are most of the cases, quick runs take every n-th."""
    asks_for_more: ClassVar[bool] = True
    """Whether quick runs ask if more could be promised, which takes many requests."""

    @classmethod
    def marks(cls, case: Case, colour: str) -> list[pytest.MarkDecorator]:
        # Not by hash(), which differs from one process to the next.
        number = zlib.crc32(case.id.encode())
        taken = not case.id.startswith("lookup/") or number // 2 % cls.share == 0
        if case.id.startswith("flag/") and case.id.endswith("/unclaimed"):
            taken = cls.asks_for_more
        quick = taken and colour == COLOURS[(number + cls.phase) % 2]
        return super().marks(case, colour) + ([] if quick else [pytest.mark.slow])


def store_of(world: World) -> MemoryStore:
    """A store with the world in it."""
    return world_from(world.fixtures()).world


def empty_store() -> MemoryStore:
    """A store with the people of the world, and nothing else."""
    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    store.add_user("bob", name="Bob")
    store.add_entity("acme", members=["ada", "bob"])
    return store


def engine(
    world: World, capabilities: Capabilities = ALL, dialect: Dialect | None = None, cls: Any = EngineBackend
) -> Any:
    """The engine, answered in place."""
    return cls("conformance:", store=store_of(world), dialect=dialect, capabilities=capabilities)


def slow(world: World, capabilities: Capabilities = PAGED, delay: float = 0.0005) -> SlowBackend:
    """The slow one: asynchronous, late, in small pages."""
    dialect = Dialect(max_page=capabilities.max_page_size)
    return SlowBackend("conformance:", store=store_of(world), dialect=dialect, capabilities=capabilities, delay=delay)


def kind_of(kind: str) -> Any:
    """A function that makes one of the backends of ``tests/backends.py``, with pages as large as it says."""
    scheme, dialect, capabilities = KINDS[kind]
    size = min(dialect.max_page, capabilities.max_page_size)
    promised = attrs.evolve(
        capabilities, writable=True, max_page_size=size, page_size=min(size, capabilities.page_size)
    )
    cls = SlowBackend if scheme == "slow" else EngineBackend
    return lambda world: engine(world, promised, dialect, cls)
