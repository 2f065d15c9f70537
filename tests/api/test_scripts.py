"""What people write for ``wandb.Api``, run unchanged but for the import. What each prints is in its ``.txt``, and
tests/clients holds that wandb 0.31.0 prints the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.run_scripts import output
from tests.support.http import KEY
from tests.support.script_world import SCRIPTS, script_server

WRITE = {"copy_summaries", "delete_crashed"}


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """The server of all scripts that only read."""
    with script_server() as server:
        yield server.url


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_what_it_printed(
    script: Path, shared: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with ExitStack() as stack:
        url = stack.enter_context(script_server()).url if script.stem in WRITE else shared
        monkeypatch.setenv("WANDB_BASE_URL", url)
        assert output(str(script), "wbmodel") == script.with_suffix(".txt").read_text(encoding="utf-8")
