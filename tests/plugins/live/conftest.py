"""A store with five runs, for tests of transports; other tests here make worlds of their own."""

from __future__ import annotations

import pytest

from wbmodel.engine import MemoryStore


@pytest.fixture
def store():
    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    project = store.add_project("ada", "vision")
    for number in range(5):
        store.add_run(project, f"r{number}", config={"lr": number / 10}, summary={"loss": number})
    return store
