"""Beside TensorBoard's own reader, where it is installed (see ``official_python``): it is heavy, and no part of the
development tools."""

from __future__ import annotations

import json
import math
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.event_files import event, official_python, points, runs_of, scalar, start, tensor, value, write

pytestmark = pytest.mark.skipif(not official_python(), reason="tensorboard is not installed")

CODE = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
kinds = ("scalars", "tensors", "images", "histograms", "audio", "compressedHistograms")
answers = []
for folder in sys.argv[1:]:
    found = EventAccumulator(folder, size_guidance=dict.fromkeys(kinds, 0), purge_orphaned_data=False)
    found.Reload()
    scalars = {tag: [(e.step, e.wall_time, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
    for tag in found.Tags()["tensors"]:
        arrays = [(e.step, e.wall_time, make_ndarray(e.tensor_proto)) for e in found.Tensors(tag)]
        scalars[tag] = [(step, wall, array.item()) for step, wall, array in arrays if array.size == 1]
    answers.append(scalars)
print(json.dumps(answers))
"""


def official(*folders: Path) -> list[dict[str, Any]]:
    command = [official_python() or "", "-c", CODE, *map(str, folders)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    found: list[dict[str, Any]] = json.loads(answer)
    return found


def records(pick: random.Random) -> list[bytes]:
    made = [start()]
    for _ in range(pick.randrange(200)):
        tag, step, wall = pick.choice("abc"), pick.randrange(-2, 40), 1.7e9 + pick.random() * 1e6
        number = pick.choice((pick.random(), math.inf, -0.0, 1e30, 1e-40))
        kind = pick.randrange(4)
        if kind == 0:
            made.append(event(step, wall, value(tag, simple_value=number), value("d", simple_value=1.0)))
        elif kind == 1:
            data = {"dtype": 2, "tensor_content": struct.pack("<d", number)}
            made.append(event(step, wall, value("t" + tag, **tensor("scalars", **data))))
        else:
            made.append(scalar(tag, step, number, wall))
    return made


def test_random_files_are_read_equal(tmp_path: Path) -> None:
    folders = [tmp_path / f"r{number}" for number in range(20)]
    for number, folder in enumerate(folders):
        pick = random.Random(number)
        for part in range(pick.randrange(1, 3)):
            write(folder, *records(pick), name=f"events.out.tfevents.{part + 1}.host")
    ours = runs_of(tmp_path)
    for folder, expected in zip(folders, official(*folders), strict=True):
        run = ours[folder.name]
        assert run.history.keys().keys() - {"_step", "_timestamp"} == expected.keys()
        for tag, series in expected.items():
            found = points(run, tag)
            assert found == sorted(map(tuple, series), key=lambda point: point[0]), (folder, tag)
