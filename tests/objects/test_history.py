"""``run.history`` and ``qs.history``: chains, answers and frames, in process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wbmodel import Run
from wbmodel.engine import EngineBackend
from wbmodel.engine.lists import ListStore
from wbmodel.testing import connected


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    yield


def test_nothing() -> None:
    assert Run and EngineBackend and ListStore and connected and pytest
