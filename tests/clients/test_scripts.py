"""wandb 0.31.0 prints what ``wbmodel.Api`` prints, for the scripts of tests/api/scripts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.api import run_scripts
from tests.clients.conftest import run_client
from tests.clients.installing import CannotInstall
from tests.support.script_world import SCRIPTS, script_server

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_official_client_prints_the_same(script: Path, tmp_path: Path) -> None:
    try:
        with script_server() as server:
            told = run_client("0.31.0", server, tmp_path, run_scripts.__file__, "wandb", server.url, str(script))
    except CannotInstall as error:
        if os.environ.get("WBMODEL_REQUIRE_CLIENTS") == "1":
            pytest.fail(f"wandb 0.31.0 is required here: {error}")
        pytest.skip(str(error))
    assert json.loads(told.splitlines()[-1])[script.name] == script.with_suffix(".txt").read_text(encoding="utf-8")
