"""A sweep's definition is read by cattrs where something is looked up in it; ``config`` stays the dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wbmodel import Sweep
from wbmodel.errors import FieldError
from wbmodel.session import connect

SWEEPS = Path(__file__).parents[3] / "shared" / "data" / "sweeps"


def sweep_of(config: Any) -> Any:
    project = {"sweeps": {"s": {"config": config}}, "runs": [{"id": "a", "sweep": "s", "summary": {"loss": 1}}]}
    world = {"entities": {"acme": {"projects": {"vision": project}}}}
    return connect("fixtures:", world=world, project="acme/vision")


@pytest.mark.parametrize(
    ("config", "metric", "goal"),
    [
        ({}, None, "min"),
        ({"metric": None}, None, "min"),
        ({"metric": {}}, None, "min"),
        ({"metric": {"name": "", "goal": None, "target": 1}}, None, "min"),
        ({"metric": {"name": "loss"}, "method": 3, "parameters": "any"}, "loss", "min"),
        ({"metric": {"name": "acc", "goal": "maximize"}}, "acc", "max"),
        ({"metric": {"name": "acc", "goal": "hello"}}, "acc", "min"),
    ],
)
def test_metric_and_goal(config: dict[str, Any], metric: str | None, goal: str) -> None:
    with sweep_of(config):
        sweep = Sweep.objects.get(id="s")
        assert (sweep.metric, sweep.goal, sweep.config) == (metric, goal, config)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("loss", "config.metric: a mapping is needed, and this is text 'loss'"),
        ({"name": 3}, "config.metric.name: text is needed, and this is a number 3"),
        ({"name": ["a"], "goal": 1}, "config.metric.goal: text is needed, and this is a number 1"),
    ],
)
def test_a_damaged_metric_names_sweep_and_path(metric: Any, message: str) -> None:
    with sweep_of({"metric": metric}):
        sweep = Sweep.objects.get(id="s")
        for ask in (lambda: sweep.metric, lambda: sweep.goal, sweep.best_run):
            with pytest.raises(FieldError) as caught:
                ask()
            assert str(caught.value).startswith("acme/vision/sweeps/s: ")
            assert message in str(caught.value)


@pytest.mark.skipif(not SWEEPS.exists(), reason="the shared data folder is not here")
def test_real_definitions() -> None:
    from wbmodel_fixtures.yaml12 import read_yaml

    found = 0
    for file in sorted(SWEEPS.rglob("*.yaml")):
        config, _ = read_yaml(file.read_text(encoding="utf-8"), 100)
        if not isinstance(config, dict) or "parameters" not in config:
            continue
        with sweep_of(config):
            assert Sweep.objects.get(id="s").metric == (config.get("metric") or {}).get("name")
            found += 1
    assert found >= 5
