"""What wandb 0.31.0 reads of histories from the served engine is what was logged, with exports and without."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import KEY, answers_of
from tests.clients.installing import CannotInstall
from wbmodel.engine import Dialect, Engine, Exports, MemoryStore
from wbmodel.engine.server import serving

pytestmark = pytest.mark.clients

ROWS: list[dict[str, Any]] = [
    {"_step": step, "loss": math.inf if step == 7 else 1 / (step + 1), "acc": step, "text": f"row {step}"}
    | ({"rare": step / 2} if step % 3 == 0 else {})
    for step in range(200)
]


@pytest.fixture(scope="module", params=["documents", "exports"])
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    project = store.add_project(store.add_entity("acme"), "v")
    store.add_run(project, "r", history=ROWS)
    # A page ends at the border of the exports: elsewhere, this client reads the exported rows of that page twice.
    exports = Exports(until=100, files=2, rows="sorted") if request.param == "exports" else None
    asked = {"runs": ["acme/v/r"], "page_size": 50, "keys": ["_step", "loss"]}
    script = Path(__file__).with_name("ask_histories.py")
    with serving(Engine(store, Dialect(missing_user="nobody", exports=exports)), api_key=KEY) as server:
        try:
            found = answers_of("0.31.0", server, tmp_path_factory.mktemp("asked"), script, asked)["acme/v/r"]
        except CannotInstall as error:
            if os.environ.get("WBMODEL_REQUIRE_CLIENTS") == "1":
                pytest.fail(f"wandb 0.31.0 is required here: {error}")
            pytest.skip(str(error))
        assert any(seen.path.startswith("/exports/") for seen in server.seen) == (exports is not None)
        return dict(found)


def rows(found: Any) -> list[dict[str, Any]]:
    """Rows without empty cells, which this client adds where it reads a file; Infinity as it writes it."""
    return [
        {key: math.inf if cell in ("Infinity", math.inf) else cell for key, cell in row.items() if cell is not None}
        for row in found
    ]


@pytest.mark.parametrize("way", ["scan", "samples", "beta"])
def test_whole_rows(answers: dict[str, Any], way: str) -> None:
    assert rows(answers[way]) == ROWS


@pytest.mark.parametrize("way", ["keys", "sampled"])
def test_asked_keys(answers: dict[str, Any], way: str) -> None:
    assert rows(answers[way]) == [{key: row[key] for key in ("_step", "loss")} for row in ROWS]
