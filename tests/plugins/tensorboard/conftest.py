"""The index of these tests is not the user's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def index(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of indexes, one for each test."""
    folder = tmp_path_factory.mktemp("index")
    monkeypatch.setenv("WBMODEL_INDEX", str(folder))
    return folder
