"""Event files beside TensorBoard's own reader (and tbparse), where these are installed: CPU seconds, ratios in one run.

They are heavy and no part of the development tools: a Python that has them is named by ``TENSORBOARD_PYTHON``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.conftest import Ratios
from tests.support.event_files import event, official_python, scalar, start, value, write
from wbmodel.backend.asks import ReadSpec
from wbmodel.request import Request
from wbmodel_tensorboard import TensorBoardBackend
from wbmodel_tensorboard.messages import message

pytestmark = pytest.mark.slow

TAGS = [f"group{number % 7}/" + "metric" * (number % 6) + str(number) for number in range(100)]
OFFICIAL = """
import time, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
kinds = ("scalars", "tensors", "images", "histograms", "audio", "compressedHistograms")
begin = time.process_time()
found = EventAccumulator(sys.argv[1], size_guidance=dict.fromkeys(kinds, 0))
found.Reload()
for tag in found.Tags()["scalars"]:
    found.Scalars(tag)
print(time.process_time() - begin)
"""
TBPARSE = """
import time, sys
from tbparse import SummaryReader
begin = time.process_time()
SummaryReader(sys.argv[1], event_types={"scalars"}).scalars
print(time.process_time() - begin)
"""


OURS = """
import resource, sys
from wbmodel.backend.asks import ReadSpec
from wbmodel_tensorboard import TensorBoardBackend
backend = TensorBoardBackend("tensorboard:" + sys.argv[1])
store = backend.engine.store
(run,) = store.runs(store.project("local", backend.project))
assert sum(batch.length for batch in run.history.read(ReadSpec())) == 10_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def theirs(code: str, folder: Path, python: str | None = None) -> float:
    command = [python or official_python() or "", "-c", code, str(folder)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def timed(run: Callable[[], Any]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def backend(folder: Path) -> TensorBoardBackend:
    return TensorBoardBackend(f"tensorboard:{folder}")


def read(made: TensorBoardBackend, *keys: str) -> int:
    store: Any = made.engine.store
    (run,) = store.runs(store.project("local", made.project))
    return sum(batch.length for batch in run.history.read(ReadSpec(keys=keys or None)))


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WBMODEL_INDEX", str(tmp_path / "index"))
    message("Whole")  # imports are not what is measured


def million(count: int) -> Iterator[bytes]:
    yield start()
    for number in range(count):
        yield scalar(TAGS[number % 100], number // 100, number / 7, 1.7e9 + number / 100)


def test_a_million_scalars(tmp_path: Path, ratios: Ratios) -> None:
    write(tmp_path / "logs", *million(1_000_000))
    made = backend(tmp_path / "logs")
    scan = timed(lambda: made.engine)
    whole, one = timed(lambda: read(made)), timed(lambda: read(made, TAGS[42]))
    memory = theirs(OURS, tmp_path / "logs", sys.executable)
    ratios.say(f"1,000,000 scalars: scanned in {scan:.2f} s, read in {whole:.2f} s, one tag in {one:.2f} s of CPU")
    ratios.say(f"  a process that does so takes {memory:.0f} MB in all (wanted: under 80)")
    for name, code in (("EventAccumulator", OFFICIAL), ("tbparse", TBPARSE)) if official_python() else ():
        other = theirs(code, tmp_path / "logs")
        ratios.say(f"  {name}: {other:.1f} s, {other / whole:.1f}x (wanted: 7x); one tag {other / one:.0f}x (30x)")


def test_the_scalars_of_a_file_full_of_images(tmp_path: Path, ratios: Ratios) -> None:
    image = message("Image")(height=64, width=64, encoded=b"\x89PNG" + os.urandom(400_000)).SerializeToString()
    records = []
    for step in range(20_000):
        records.append(scalar("loss", step, step / 2))
        if step % 25 == 0:
            records.append(event(step, 1.7e9, value("image", image=image)))
    write(tmp_path / "logs", *records)
    made = backend(tmp_path / "logs")
    _ = made.engine
    ours = timed(lambda: read(made, "loss"))
    ratios.say(f"20,000 scalars beside 800 images (320 MB): {ours:.3f} s of CPU")
    if official_python():
        other = theirs(OFFICIAL, tmp_path / "logs")
        ratios.say(f"  EventAccumulator: {other:.1f} s, {other / ours:.0f}x (wanted: 300x)")


def test_a_thousand_folders(tmp_path: Path, ratios: Ratios) -> None:
    for number in range(1000):
        records = [scalar(TAGS[at % 20], at // 20, at / 3, 1.7e9 + at) for at in range(1000)]
        write(tmp_path / "logs" / f"run{number:04}", start(), *records)
    query = Request('{ project(name: "logs", entityName: "local") { runs(first: 50) { edges { node { name } } } } }')
    write(tmp_path / "small", start())
    _ = backend(tmp_path / "small").execute(query)  # the schema is parsed once in a process
    cold = timed(lambda: backend(tmp_path / "logs").execute(query))
    warm = timed(lambda: backend(tmp_path / "logs").execute(query))
    ratios.say(f"1,000 folders of 1,000 events: first query {cold:.2f} s of CPU, with the index {warm:.2f} s")
    ratios.say("  (wanted: 5 s and 0.3 s)")
