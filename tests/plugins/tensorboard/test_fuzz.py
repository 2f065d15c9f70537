"""Mutated files: payloads are taken apart, changed and framed anew with right checksums, so that they reach the parser.
No crash, no hang, bounded memory, and sound records around the changed one are always read."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.support.event_files import event, hparams, points, runs_of, scalar, start, tensor, value, write
from tests.support.shared_data import SHARED
from wbmodel.engine import RowStream
from wbmodel_tensorboard import TensorBoardBackend
from wbmodel_tensorboard.framing import Frames, frame
from wbmodel_tensorboard.messages import message

pytestmark = pytest.mark.filterwarnings("ignore:.*could not be read in full")

NUMBERS = [0, 1, 127, 128, 2**31, 2**63, 2**64 - 1]


def seeds() -> list[bytes]:
    """Payloads of every kind."""
    image = message("Image")(height=2, width=2, colorspace=3, encoded=b"\x89PNG" + bytes(40)).SerializeToString()
    histo = message("Histo")(min=0, max=1, num=2, sum=1, bucket_limit=[0.5, 1], bucket=[1, 1]).SerializeToString()
    audio = message("Audio")(sample_rate=8000, num_channels=1, encoded=b"RIFF").SerializeToString()
    made = [
        start(),
        scalar("a/loss", 3, 0.5),
        scalar("a/loss", 300, 1.5),
        event(4, 1.7e9, value("x", simple_value=1.0), value("y", simple_value=2.0)),
        event(5, 1.7e9, value("h", histo=histo)),
        event(5, 1.7e9, value("i", image=image)),
        event(5, 1.7e9, value("s", audio=audio)),
        event(5, 1.7e9, value("t", **tensor("text", dtype=7, shape=[1], string_val=[b"hello"]))),
        event(5, 1.7e9, value("n", **tensor("scalars", dtype=1, float_val=[0.5]))),
        event(5, 1.7e9, value("hh", **tensor("histograms", dtype=2, shape=[1, 3], double_val=[0, 1, 2]))),
        event(5, 1.7e9, value("ii", **tensor("images", dtype=7, shape=[3], string_val=[b"2", b"2", b"\x89PNG"]))),
        event(5, 1.7e9, value("pr", **tensor("pr_curves", dtype=1, shape=[6, 1], float_val=[1, 2, 3, 4, 5, 6]))),
        event(5, 1.7e9, value("big", image=image + b"\x22\x80\x40" + bytes(8192))),
        hparams(lr=0.1, name="adam", nesterov=True),
        hparams("_hparams_/session_end_info", status=1),
    ]
    for path in sorted((SHARED / "tfevents").rglob("*tfevents*"))[::30]:
        with path.open("rb") as file:
            made += [payload for _, payload, _ in Frames(file, 0, path.stat().st_size, [])][:20]
    return made


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def mutated(pick: random.Random, payload: bytes, others: list[bytes]) -> bytes:
    data = bytearray(payload)
    for _ in range(pick.choice((1, 1, 2, 4))):
        at = pick.randrange(len(data) + 1)
        what = pick.randrange(8)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << pick.randrange(8)
        elif what == 1 and data:
            data[at % len(data)] = pick.randrange(256)
        elif what == 2:
            del data[at : at + pick.choice((1, 2, 8, 100))]
        elif what == 3:
            data[at:at] = bytes(data[at : at + pick.choice((1, 8, 60))]) * pick.choice((1, 2, 50))
        elif what == 4:
            data[at:at] = varint(pick.choice(NUMBERS))
        elif what == 5:  # a field of any number and type
            inner = pick.choice(others)[: pick.randrange(60)]
            data[at:at] = varint(pick.randrange(20) << 3 | 2) + varint(len(inner)) + inner
        elif what == 6:
            other = pick.choice(others)
            data[at:] = other[pick.randrange(len(other) + 1) :]
        else:
            data = data[:at]
    return bytes(data)


SOUND = [scalar("a/loss", step, step / 4) for step in range(3)]


def fuzz(folder: Path, seconds: float, seed: int) -> int:
    """Run for so many seconds. Returns the number of files."""
    pick, given, done = random.Random(seed), seeds(), 0
    end = time.monotonic() + seconds
    tracemalloc.start(1)
    try:
        while time.monotonic() < end:
            changed = [mutated(pick, pick.choice(given), given) for _ in range(pick.randrange(1, 30))]
            frames = [frame(payload) for payload in changed]
            framed = pick.random() < 0.8
            if not framed:  # then a record beside it may be hit too
                frames[0] = mutated(pick, frames[0], given)
            path = write(folder, *SOUND, tail=b"".join(frames) + b"".join(map(frame, SOUND)))
            tracemalloc.reset_peak()
            begin = time.process_time()
            check(folder, framed)
            size = path.stat().st_size
            assert time.process_time() - begin < 2 + size / 1e5, (seed, done)
            assert tracemalloc.get_traced_memory()[1] < 40e6 + 60 * size, (seed, done)
            done += 1
    finally:
        tracemalloc.stop()
    return done


def check(folder: Path, framed: bool) -> None:
    made = TensorBoardBackend(f"tensorboard:{folder}")
    run = runs_of(made)["."]
    rows = list(run.history.rows())
    assert len(rows) == run.history.length()
    assert str(made.report)
    assert run.summary_text
    assert run.config_text
    found = [number for _, _, number in points(run, "a/loss") if isinstance(number, float)]
    for step in range(3):
        assert found.count(step / 4) >= 1 + framed, "a sound record before or behind the changed ones was lost"
    keys = run.history.keys()
    assert keys["a/loss"].count >= len(SOUND)
    assert keys.keys() >= {key for row in rows for key in row}
    assert RowStream(rows).last_step == run.history.last_step


@pytest.mark.parametrize("seed", range(2))
def test_mutated_files(tmp_path: Path, seed: int) -> None:
    assert fuzz(tmp_path, 1.0, seed) > 3


@pytest.mark.slow
def test_mutated_files_for_ten_minutes(tmp_path: Path) -> None:
    done = fuzz(tmp_path, 600, random.randrange(10**9))
    print(f"{done:,} files")
    assert done > 1000
