"""Each test has its own cache of files, and works in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WBMODEL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("WANDB_ARTIFACT_DIR", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
