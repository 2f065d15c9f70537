"""Damaged, hostile and changing files: what is sound is read, and the rest is said with its place."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.support.event_files import NAME, event, points, runs_of, scalar, start, tensor, value, write
from wbmodel import Run, connect
from wbmodel.errors import ConfigurationError, DoesNotExist
from wbmodel_tensorboard import TensorBoardBackend
from wbmodel_tensorboard.framing import frame, masked
from wbmodel_tensorboard.messages import message

LOSSY = pytest.mark.filterwarnings("ignore:.*could not be read in full")


def backend(root: Path) -> TensorBoardBackend:
    return TensorBoardBackend(f"tensorboard:{root}")


def kinds(made: TensorBoardBackend) -> list[str]:
    return [item.kind for items in made.report.values() for item in items]


def steps(root: Path, key: str = "loss") -> list[int]:
    return [step for step, _, _ in points(runs_of(root)["."], key)]


TEN = [scalar("loss", step, step / 2, 1.7e9 + step) for step in range(10)]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ["empty"]),
        (b"\x07\0\0\0\0\0\0", ["torn tail"]),
        (b"junk with the right name " * 9, ["bad length"]),
        (b"\0" * 5000, ["torn tail"]),
        (b"\xff" * 5000, ["bad length"]),
    ],
    ids=["nothing", "seven-bytes", "junk", "zeros", "ones"],
)
@LOSSY
def test_a_file_without_records_is_a_run_without_rows(tmp_path: Path, data: bytes, kind: list[str]) -> None:
    write(tmp_path, tail=data)
    made = backend(tmp_path)
    (run,) = runs_of(made).values()
    assert (run.history.length(), dict(run.history.keys()), list(run.history.rows())) == (0, {}, [])
    assert kinds(made) == kind


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 13, 20, 30])
def test_a_torn_tail_is_no_loss_and_what_follows_later_is_read(tmp_path: Path, cut: int) -> None:
    whole = frame(scalar("loss", 10, 5.0))
    path = write(tmp_path, start(), *TEN, tail=whole[:cut])
    made = backend(tmp_path)
    assert kinds(made) == ["torn tail"]
    assert not made.report.losses
    assert steps(tmp_path) == list(range(10))
    with path.open("ab") as file:
        file.write(whole[cut:])
    assert steps(tmp_path) == list(range(11))
    assert not backend(tmp_path).report


@pytest.mark.parametrize("place", ["payload", "checksum", "length", "length checksum"])
def test_one_damaged_record_costs_one_record(tmp_path: Path, place: str) -> None:
    records = [frame(payload) for payload in TEN]
    at = {"payload": 14, "checksum": -1, "length": 0, "length checksum": 9}[place]
    broken = bytearray(records[4])
    broken[at] ^= 0x40
    records[4] = bytes(broken)
    write(tmp_path, tail=b"".join(records))
    made = backend(tmp_path)
    with pytest.warns(match=f"1 of 1 files .* {NAME}: bad "):
        assert kinds(made) == ["bad length" if "length" in place else "bad checksum"]
    assert [item.offset for item in made.report[NAME]] == [len(b"".join(records[:4]))]
    assert [step for step, _, _ in points(runs_of(made)["."], "loss")] == [0, 1, 2, 3, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("length", [2**30, 2**40, 2**63, 2**64 - 1, 300 * 2**20])
@LOSSY
def test_a_length_of_gigabytes_allocates_nothing(tmp_path: Path, length: int) -> None:
    head = struct.pack("<Q", length)
    write(tmp_path, *TEN[:5], tail=head + masked()(head) + b"".join(map(frame, TEN[5:])))
    assert steps(tmp_path) == list(range(10))
    assert kinds(backend(tmp_path)) == ["bad length"]


@LOSSY
def test_a_record_that_is_no_message_costs_one_record(tmp_path: Path) -> None:
    write(tmp_path, *TEN[:5], b"\xff\xff\xff", b"", b"\x0a" * 40, b"\x09" + b"\xff" * 30, *TEN[5:])
    assert steps(tmp_path) == list(range(10))
    assert set(kinds(backend(tmp_path))) == {"bad record"}


@LOSSY
def test_a_broken_value_costs_one_value(tmp_path: Path) -> None:
    broken = [
        value("h", histo=b"\xff"),
        value("t", tensor=b"\xff"),
        value("i", image=b"\x0f"),
        value("m", metadata=b"\1"),
    ]
    write(tmp_path, event(3, 1.7e9, *broken, value("loss", simple_value=0.5)))
    assert points(runs_of(tmp_path)["."], "loss") == [(3, 1.7e9, 0.5)]
    details = [item.detail for item in backend(tmp_path).report[NAME]]
    assert len(details) == 4
    assert details[0].startswith("value 0 of tag 'h': ")


@LOSSY
def test_a_message_of_a_million_empty_values_stays_small(tmp_path: Path) -> None:
    summary = b"\x0a\x00" * 1_000_000
    key = b"\x2a" + bytes([len(summary) & 127 | 128, len(summary) >> 7 & 127 | 128, len(summary) >> 14])
    write(tmp_path, *TEN[:5], b"\x09" + bytes(8) + key + summary, *TEN[5:])
    made = backend(tmp_path)
    assert kinds(made) == ["bad record"]
    assert "more than 100,000 values" in made.report[NAME][0].detail
    assert steps(tmp_path) == list(range(10))


def test_a_scalar_in_an_unusual_form_is_read_all_the_same(tmp_path: Path) -> None:
    """A step that is overwritten, fields out of order, a float before the end."""
    plain = scalar("loss", 3, 0.5)
    odd = [plain + b"\x10\x07", plain[9:] + plain[:9], plain[:9] + plain[11:] + b"\x10\x04", plain + plain]
    write(tmp_path, *odd, *(plain + b"\x15\0\0\0\0" for _ in range(2)), plain)
    found = points(runs_of(tmp_path)["."], "loss")
    whole = [message("Whole").FromString(payload) for payload in [*odd, plain, plain, plain]]
    expected = [(item.step, 1.7e9, item_value.simple_value) for item in whole for item_value in item.summary.value]
    assert found == sorted(expected, key=lambda point: point[0])


def test_deep_nesting_is_one_line_of_the_report(tmp_path: Path) -> None:
    inner = b""
    for _ in range(300):
        inner = b"\x32" + _size(inner) + inner if len(inner) < 10_000 else inner
    content = message("HParams")().SerializeToString() + b"\x1a" + _size(inner) + inner
    metadata = message("Metadata")(plugin_data={"plugin_name": b"hparams", "content": content}).SerializeToString()
    write(tmp_path, event(0, 1.7e9, value("x", metadata=metadata)), *TEN)
    made = backend(tmp_path)
    _ = made.report
    assert len(runs_of(made)["."].history.keys()) == 3


def _size(data: bytes) -> bytes:
    number, found = len(data), b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


@pytest.mark.parametrize(
    "numbers",
    [[3, 3, 3, 1, 2, 2, 3], [5, 4, 3, 2, 1], [0] * 6, [-1, 0, 1, -1], [2**53, 2**53 + 1, 2**62, 2**63 - 1], [-(2**63)]],
    ids=["mixed", "falling", "one-step", "negative", "above-2**53", "lowest"],
)
def test_every_point_comes_with_its_step_wall_time_and_value(tmp_path: Path, numbers: list[int]) -> None:
    given = [(step, 1.6e9 + at / 7, at / 4) for at, step in enumerate(numbers)]
    write(tmp_path, start(), *(scalar("loss", step, number, wall) for step, wall, number in given))
    run = runs_of(tmp_path)["."]
    assert points(run, "loss") == sorted(given, key=lambda point: point[0])
    assert sorted(row["loss"] for row in run.history.rows()) == sorted(number for _, _, number in given)
    assert run.summary["loss"] == given[-1][2]


def test_a_row_is_one_occurrence_of_a_step(tmp_path: Path) -> None:
    write(
        tmp_path,
        *(scalar(tag, step, number, wall) for tag, step, number, wall in [
            ("a", 1, 1.0, 10.0), ("b", 1, 2.0, 11.0), ("a", 1, 3.0, 12.0), ("b", 2, 4.0, 13.0), ("b", 1, 5.0, 14.0),
            ("a", 2, 6.0, 15.0),
        ]),
    )  # fmt: skip
    run = runs_of(tmp_path)["."]
    assert list(run.history.rows()) == [
        {"_step": 1, "_timestamp": 10.0, "a": 1.0, "b": 2.0},
        {"_step": 1, "_timestamp": 12.0, "a": 3.0, "b": 5.0},
        {"_step": 2, "_timestamp": 13.0, "a": 6.0, "b": 4.0},
    ]
    assert points(run, "b") == [(1, 11.0, 2.0), (1, 14.0, 5.0), (2, 13.0, 4.0)]


def test_several_files_are_read_in_order(tmp_path: Path) -> None:
    write(tmp_path, scalar("loss", 5, 3.0), name="events.out.tfevents.200.host")
    write(tmp_path, scalar("loss", 7, 1.0), scalar("loss", 5, 2.0), name="events.out.tfevents.99.host")
    run = runs_of(tmp_path)["."]
    assert [row["loss"] for row in run.history.rows()] == [1.0, 2.0, 3.0]
    assert [number for _, _, number in points(run, "loss")] == [2.0, 3.0, 1.0]
    assert run.summary["loss"] == 3.0


def test_a_plugin_is_known_across_the_files_of_a_folder(tmp_path: Path) -> None:
    """Most writers name it with the first event of a tag only."""
    number = {"dtype": 1, "shape": [1], "float_val": [0.5]}
    write(tmp_path, event(1, 1.7e9, value("loss", **tensor("scalars", **number))), name="events.out.tfevents.1.a")
    write(tmp_path, event(2, 1.7e9, value("loss", **tensor(**number))), name="events.out.tfevents.2.a")
    assert [number for _, _, number in points(runs_of(tmp_path)["."], "loss")] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("dtype", "content", "expected"),
    [
        (1, {"tensor_content": struct.pack("<f", 0.1)}, struct.unpack("<f", struct.pack("<f", 0.1))[0]),
        (2, {"tensor_content": struct.pack("<d", 0.1)}, 0.1),
        (2, {"double_val": [1e300]}, 1e300),
        (3, {"int_val": [-7]}, -7),
        (4, {"tensor_content": b"\xff"}, 255),
        (5, {"tensor_content": struct.pack("<h", -2)}, -2),
        (6, {"int_val": [-3]}, -3),
        (9, {"int64_val": [2**62 + 1]}, 2**62 + 1),
        (10, {"bool_val": [True]}, True),
        (14, {"tensor_content": b"\xc0\x3f"}, 1.5),
        (14, {"half_val": [0x3FC0]}, 1.5),
        (19, {"tensor_content": struct.pack("<e", 1.5)}, 1.5),
        (19, {"half_val": [0x3E00]}, 1.5),
        (23, {"uint64_val": [2**64 - 1]}, 2**64 - 1),
    ],
)
def test_scalars_of_every_type(tmp_path: Path, dtype: int, content: dict[str, Any], expected: Any) -> None:
    write(tmp_path, event(1, 1.7e9, value("x", **tensor("scalars", dtype=dtype, **content))), scalar("loss", 1, 0.5))
    run = runs_of(tmp_path)["."]
    ((_, _, found),) = points(run, "x")
    assert (found, type(found)) == (expected, type(expected))
    assert run.summary["x"] == expected


def test_metadata_alone_is_not_a_number(tmp_path: Path) -> None:
    data = message("Metadata")(plugin_data={"plugin_name": b"scalars"}).SerializeToString()
    write(tmp_path, event(1, 1.7e9, value("x", metadata=data)))
    assert not runs_of(tmp_path)["."].history.keys()


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        (b"\xff\xfe/x", "\\xff\\xfe/x"),
        (b"", ""),
        (b"_step", "tag._step"),
        (b"_timestamp", "tag._timestamp"),
        ("größe".encode(), "größe"),
        (b"a.b", "a.b"),
    ],
)
def test_odd_tags_are_keys(tmp_path: Path, tag: bytes, key: str) -> None:
    write(tmp_path, scalar(tag, 3, 0.5), scalar("loss", 3, 1.0))
    run = runs_of(tmp_path)["."]
    assert points(run, key) == [(3, 1.7e9, 0.5)]
    assert list(run.history.rows()) == [{"_step": 3, "_timestamp": 1.7e9, key: 0.5, "loss": 1.0}]


def test_clocks_at_zero(tmp_path: Path) -> None:
    write(tmp_path / "number", scalar("loss", 1, 0.5, 0.0))
    path = write(tmp_path / "none", scalar("loss", 1, 0.5, 0.0), name="tfevents")
    write(tmp_path / "wild", scalar("loss", 1, 0.5, 1e300), name="tfevents.x")
    os.utime(path, (1.5e9, 1.5e9))
    runs = runs_of(tmp_path)
    assert runs["number"].created_at.timestamp() == 1.7e9
    assert runs["none"].created_at.timestamp() == 1.5e9
    assert runs["none"].heartbeat_at is None
    assert runs["wild"].history.length() == 1


def test_a_folder_without_event_files_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "run.log").touch()
    with pytest.raises(ConfigurationError, match=r"the 2 folders below it have no event files \(\*tfevents\*"):
        _ = backend(tmp_path).engine
    with pytest.raises(ConfigurationError, match=r"absent does not exist; looked for a folder with event files"):
        _ = backend(tmp_path / "absent").engine
    with pytest.raises(ConfigurationError, match="needs a folder, as in 'tensorboard:logs'"):
        TensorBoardBackend("tensorboard:")


@LOSSY
def test_links_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "root" / "a", *TEN)
    write(tmp_path / "outside" / "b", *TEN)
    (tmp_path / "root" / "a" / "loop").symlink_to(tmp_path / "root", target_is_directory=True)
    (tmp_path / "root" / "0").symlink_to(tmp_path / "root" / "a", target_is_directory=True)
    (tmp_path / "root" / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "root" / "a" / "tfevents.gone").symlink_to(tmp_path / "nowhere")
    assert set(runs_of(tmp_path / "root")) == {"a", "out/b"}


@LOSSY
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    write(tmp_path, *TEN)
    os.mkfifo(tmp_path / "tfevents.pipe")
    made = backend(tmp_path)
    assert [str(item) for item in made.report["tfevents.pipe"]] == ["unreadable at offset 0: not a regular file"]
    assert steps(tmp_path) == list(range(10))


def test_a_file_that_is_deleted_truncated_or_grows_while_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, *TEN)
    run = runs_of(tmp_path)["."]
    size = path.stat().st_size
    write(tmp_path, scalar("loss", 99, 1.0), mode="ab")
    assert [step for step, _, _ in points(run, "loss")] == list(range(10))
    os.truncate(path, size // 2)
    assert [step for step, _, _ in points(run, "loss")] == list(range(5))
    path.unlink()
    with pytest.raises(DoesNotExist, match="was deleted after it was found"):
        points(run, "loss")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff"))
    write(folder, *TEN, name=os.fsdecode(b"tfevents.\xfe"))
    for _ in range(2):
        ((name, run),) = runs_of(tmp_path).items()
        assert (name, run.history.length()) == ("r\\xff", 10)


def test_queries_over_a_folder(tmp_path: Path) -> None:
    for name, last in (("a/train", 0.5), ("a/val", 0.25), ("b/train", 2.0)):
        write(tmp_path / "logs" / name, start(), scalar("loss", 1, last))
    before = sorted(tmp_path.rglob("*"))
    with connect(f"tensorboard:{tmp_path / 'logs'}", default=False):
        runs = Run.objects.filter(summary__loss__lt=1).order_by("summary.loss")
        assert [(run.name, run.group, run.state) for run in runs] == [
            ("a/val", "a", "running"),
            ("a/train", "a", "running"),
        ]
        run = Run.objects.get(name="b/train")
        assert run.path.startswith("local/logs/")
        (file,) = run.files
        assert (file.name, file.size) == (NAME, (tmp_path / "logs" / "b" / "train" / NAME).stat().st_size)
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written beside the logs"
