"""Every value of every real event file, against what TensorBoard's own reader says of it."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import pytest

from tests.support.event_files import points, runs_of
from tests.support.shared_data import SHARED, needs
from wbmodel.backend.asks import ReadSpec
from wbmodel.engine import RowStream
from wbmodel_tensorboard import TensorBoardBackend

ROOT = SHARED / "tfevents"
pytestmark = [needs("tfevents"), pytest.mark.filterwarnings("ignore:.*could not be read in full")]


@cache
def truth() -> dict[str, Any]:
    runs: dict[str, Any] = json.loads((ROOT / "ground-truth.json").read_text())["runs"]
    return runs


@pytest.fixture(scope="module")
def backend() -> TensorBoardBackend:
    made = TensorBoardBackend(f"tensorboard:{ROOT}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WBMODEL_INDEX", "off")
        _ = made.engine
    return made


def close(found: float, expected: float, part: float = 1e-6) -> bool:
    return math.isclose(found, expected, rel_tol=part, abs_tol=1e-30) or (found != found and expected != expected)


def test_every_folder_is_a_run_and_every_tag_a_key(backend: TensorBoardBackend) -> None:
    runs = runs_of(backend)
    assert runs.keys() == truth().keys()
    for name, expected in truth().items():
        tags = {tag for kind in ("scalars", "tensors", "histograms", "images", "audio") for tag in expected[kind]}
        assert runs[name].history.keys().keys() - {"_step", "_timestamp"} == tags
        files = {file["file"] for file in expected["files"]}
        assert len(files) == len(expected["files"])


def test_every_scalar_is_equal(backend: TensorBoardBackend) -> None:
    checked = 0
    for name, run in runs_of(backend).items():
        rows = list(run.history.rows())
        for tag, x in truth()[name]["scalars"].items():
            read = points(run, tag)
            found = [value for _, _, value in read]
            damaged = name in ("derived-damaged/flipped-payload-bit", "derived-damaged/flipped-length-crc")
            if damaged:  # the official reader stops at the damage; what it has read is the beginning of ours
                assert len(found) > x["count"], (name, tag)
                read, found = read[: x["count"]], found[: x["count"]]
            else:
                assert run.history.keys()[tag].count == x["count"], (name, tag)
                assert close(run.summary[tag], x["last_value"]), (name, tag)
            assert len(found) == x["count"], (name, tag)
            assert close(math.fsum(found), x["sum"], 1e-5), (name, tag)
            assert close(min(found), x["min"]), (name, tag)
            assert close(max(found), x["max"]), (name, tag)
            walls = {wall for _, wall, _ in read}
            assert {x["first_wall_time"], x["last_wall_time"]} <= walls, (name, tag)
            if not damaged:
                steps = [step for step, _, _ in read]
                assert len(steps) - len(set(steps)) == x["duplicate_steps"], (name, tag)
                assert (steps[0], steps[-1]) == (x["first_step"], x["last_step"]) or not x["monotonic_steps"]
                assert steps == sorted(row["_step"] for row in rows if tag in row)
            checked += 1
    assert checked == 295


def test_every_other_value_is_equal(backend: TensorBoardBackend) -> None:
    runs, checked = runs_of(backend), 0
    for name, expected in truth().items():
        run = runs[name]
        for kind in ("tensors", "histograms", "images"):
            for tag, x in expected[kind].items():
                assert len(points(run, tag)) == x["count"], (name, tag)
                last = run.summary[tag]
                if kind == "histograms" and "num" in last:
                    assert all(close(last[fact], x["last"][fact]) for fact in x["last"]), (name, tag)
                elif kind == "histograms":
                    assert close(sum(last["values"]), x["last"]["num"]), (name, tag)
                elif kind == "images":
                    assert (last["width"], last["height"]) == (x["width"], x["height"]), (name, tag)
                elif x.get("plugin") == "scalars":
                    assert close(last, x["last_value"]), (name, tag)
                checked += 1
    assert checked == 119


def test_hyperparameters_are_config(backend: TensorBoardBackend) -> None:
    checked = 0
    for name, run in runs_of(backend).items():
        expected = {}
        for item in truth()[name]["hparams_metadata_only"].values():
            expected |= item.get("hparams", {})
        if expected:
            assert run.config == expected, name
            assert all(type(run.config[key]) is type(expected[key]) for key in expected)
            checked += 1
    assert checked == 49


def test_damage_is_said_and_the_rest_is_read(backend: TensorBoardBackend) -> None:
    damage = {path.split("/")[1]: items for path, items in backend.report.items()}
    assert {name: [item.kind for item in items] for name, items in damage.items()} == {
        "empty": ["empty"],
        "flipped-length-crc": ["bad length"],
        "flipped-payload-bit": ["bad checksum"],
        "torn-in-footer": ["torn tail"],
        "torn-in-header": ["torn tail"],
        "torn-in-payload": ["torn tail"],
        "zero-tail": ["torn tail"],
    }
    assert set(backend.report.losses) == {path for path in backend.report if "flipped" in path}


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 8))])
def test_streams_are_equal_to_their_own_rows(backend: TensorBoardBackend, part: int) -> None:
    """All that the index says of a history is what a stream over its rows would say."""
    for name, run in list(runs_of(backend).items())[part::8]:
        history = run.history
        rows = list(history.rows())
        plain = RowStream(rows)
        assert (history.length(), history.count(), history.last_step) == (
            plain.length(),
            plain.count(),
            plain.last_step,
        ), name
        assert history.keys() == plain.keys(), name
        assert list(history.rows(3, 7)) == rows[3:7], name
        assert history.tail(2) == rows[-2:], name
        assert history.between(2, 30) == plain.between(2, 30), name
        for spec in (ReadSpec(), ReadSpec(min_step=1, max_step=9)):
            found = [row for batch in history.read(spec) for row in batch.rows()]
            assert found == [row for batch in plain.read(spec) for row in batch.rows()], name
