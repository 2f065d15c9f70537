"""Histories of the facade, where the originals lost rows, gave some twice, or failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.histories import history_world
from tests.support.http import KEY
from wbmodel import Api
from wbmodel.engine import Dialect, Engine, Exports
from wbmodel.engine.server import serving
from wbmodel.operations.histories import exports

ROWS = [{"_step": step, "loss": step / 7, "acc": step} for step in range(200)]


@contextmanager
def api_of(histories: dict[str, list[dict[str, Any]]], **dialect: Any) -> Iterator[Api]:
    with serving(Engine(history_world(histories), Dialect(missing_user="nobody", **dialect)), api_key=KEY) as server:
        made = Api({"base_url": server.url, "entity": "acme", "project": "vision"}, api_key=KEY)
        yield made
        made.client.session.close()


@pytest.mark.parametrize("keys", [None, ["_step", "loss", "acc"]])
@pytest.mark.parametrize("page_size", [50, 119, 1000])
def test_rows_of_a_run_that_is_part_exported_come_once(
    keys: list[str] | None, page_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(exports, "LONG", 50)
    with api_of({"r": ROWS}, exports=Exports(until=120, files=2, overlap=3)) as api:
        rows = list(api.run("r").scan_history(keys, page_size=page_size))
    assert [row["_step"] for row in rows] == list(range(200))
    assert [row["loss"] for row in rows] == [row["loss"] for row in ROWS]


def test_rows_that_lack_a_key_are_lost_with_a_warning() -> None:
    sparse = [{"_step": step, **({"loss": 1.0} if step % 2 else {"acc": 2.0})} for step in range(10)]
    with api_of({"r": [*sparse, {"_step": 10, "loss": 1.0, "acc": 2.0}]}) as api:
        with pytest.warns(UserWarning, match="at least 6"):
            rows = list(api.run("r").scan_history(["loss", "acc"]))
        assert rows == [{"loss": 1.0, "acc": 2.0}]


def test_a_polars_frame_of_runs_with_different_keys() -> None:
    polars = pytest.importorskip("polars")
    with api_of({"a": [{"_step": 0, "loss": 1}], "b": [{"_step": 0, "loss": 0.5, "acc": "good"}]}) as api:
        frame = api.runs().histories(format="polars")
    assert frame.columns == ["_step", "acc", "loss", "run_id"]
    assert frame.sort("run_id")["acc"].to_list() == [None, "good"]
    assert frame.schema["loss"] == polars.Float64
