"""A store with five runs, for tests of transports; other tests here make worlds of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import Ground
from wbmodel.engine import MemoryStore


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    ground = Ground(Path(tmp_path_factory.mktemp("ground")))
    yield ground
    ground.close()


@pytest.fixture
def store():
    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    project = store.add_project("ada", "vision")
    for number in range(5):
        store.add_run(project, f"r{number}", config={"lr": number / 10}, summary={"loss": number})
    return store
