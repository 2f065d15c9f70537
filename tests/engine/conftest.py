"""``store`` and ``ask``: a small world, and an engine that is asked about it."""

from __future__ import annotations

import pytest

from tests.support.engine_world import Asker, make_world
from wbmodel.engine import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return make_world()


@pytest.fixture
def ask(store: MemoryStore) -> Asker:
    return Asker(store)
