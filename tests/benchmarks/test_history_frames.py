"""From the replies of a server to a polars frame, against decoding the same replies to row dicts with msgspec."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from wbmodel.codec import loads
from wbmodel.operations.histories.rows import columns_of, decode
from wbmodel.table.growing import Growing

msgspec = pytest.importorskip("msgspec")
pytest.importorskip("polars")

ROWS, RUNS = 20_000, 4
KEYS = ("_runtime", "_timestamp", "loss", "acc", "lr", "grad", "val/loss", "val/acc")


def cell(draw: random.Random) -> float:
    """A number as wandb 0.31 writes it: 1.0 is 1."""
    return draw.choice((0, 1, 2)) if draw.random() < 0.02 else draw.random()


def same_keys(step: int, draw: random.Random) -> dict[str, Any]:
    return {"_step": step, **{key: cell(draw) for key in KEYS}}


def keys_that_differ(step: int, draw: random.Random) -> dict[str, Any]:
    asked = KEYS if step % 10 == 0 else KEYS[:-2]
    return {"_step": step, **{key: cell(draw) for key in asked}}


def with_nan(step: int, draw: random.Random) -> dict[str, Any]:
    row = same_keys(step, draw)
    return {**row, "grad": "NaN"} if step % 50 == 0 else row


def replies(row: Callable[[int, random.Random], dict[str, Any]]) -> list[bytes]:
    """A reply with the rows of each run as texts."""
    draw = random.Random(7)
    steps = range(ROWS // RUNS)
    return [
        json.dumps({"data": {"r0": {"run": {"history": [json.dumps(row(step, draw)) for step in steps]}}}}).encode()
        for _ in range(RUNS)
    ]


def texts(reply: Any) -> Sequence[str]:
    found: Sequence[str] = reply["data"]["r0"]["run"]["history"]
    return found


def decoded(bodies: Sequence[bytes]) -> list[Any]:
    decode = msgspec.json.Decoder().decode
    return [[decode(text) for text in texts(decode(body))] for body in bodies]


def framed(bodies: Sequence[bytes]) -> Any:
    made = Growing("polars")
    for body in bodies:
        made.add_batch(columns_of("r", decode(texts(loads(body))).rows))
    return made.finish()


@pytest.mark.parametrize("row", [same_keys, keys_that_differ, with_nan])
def test_from_the_wire_to_a_polars_frame(row: Any, ratios: Any) -> None:
    bodies = replies(row)
    frame = framed(bodies)
    assert frame.height == ROWS
    assert [str(dtype) for dtype in frame.dtypes] == ["Int64"] + ["Float64"] * len(KEYS)
    ratios.paired(
        f"{ROWS:,} rows x {len(KEYS) + 1} values to polars ({row.__name__})",
        lambda: framed(bodies),
        lambda: decoded(bodies),
        2.5,
    )
