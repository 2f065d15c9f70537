"""``schema/wandb.graphql`` against a capture of W&B's live introspection: each field, type and argument of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wbmodel.engine.schema import executable_schema

CAPTURE = Path(__file__).parents[3] / "shared" / "data" / "schema-capture" / "schema.json"

DIFFERENCES: dict[str, str] = {}
"""What is not as captured, and why."""


@pytest.fixture(scope="module")
def captured() -> dict[str, dict[str, Any]]:
    if not CAPTURE.is_file():
        pytest.skip("the capture is not in this checkout")
    found: dict[str, dict[str, Any]] = json.loads(CAPTURE.read_text(encoding="utf-8"))["fields"]
    return found


def test_the_schema_is_as_captured(captured: dict[str, dict[str, Any]]) -> None:
    schema = executable_schema()
    found: dict[str, str] = {}
    checked = 0
    for kind, fields in captured.items():
        ours: Any = schema.type_map.get(kind)
        for name, live in fields.items():
            checked += 1
            field = None if ours is None else ours.fields.get(name)
            if field is None:
                found[f"{kind}.{name}"] = "missing"
                continue
            if str(field.type) != live["type"]:
                found[f"{kind}.{name}"] = f"{field.type}, not {live['type']}"
            for argument, expected in live["args"].items():
                given = field.args.get(argument)
                if given is None or str(given.type) != expected["type"]:
                    found[f"{kind}.{name}({argument})"] = f"{given and given.type}, not {expected['type']}"
    assert found.keys() == DIFFERENCES.keys(), found
    assert checked == 100
