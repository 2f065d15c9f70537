"""Downloads of versions in bad weather, through the public methods."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.artifact_worlds import at
from tests.support.http import KEY
from tests.support.pace import patience
from wbmodel import Artifact, Session
from wbmodel.engine import MemoryStore
from wbmodel.errors import FieldError, TransferError, UnsafeName

ROOT = Path(__file__).resolve().parents[3]
BIG = random.Random(5).randbytes(12_000_000)
FILES: dict[str, Any] = {"big": BIG, **{f"s/{at}": f"{at}".encode() * 99 for at in range(40)}}
SCRIPT = """
import sys
from wbmodel import Artifact, connect
connect(sys.argv[1], project="acme/v")
Artifact.objects.get(path="m:v0").download(sys.argv[2])
"""


def served(files: dict[str, Any]) -> MemoryStore:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    made.add_version(made.add_collection(made.add_project("acme", "v"), "m", type="t"), files=files, aliases=["best"])
    return made


@pytest.fixture
def session() -> Iterator[Session]:
    with at("loopback", served(FILES)) as session:
        yield session


def started(session: Session, root: Path) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "plugins")))
    env = {**os.environ, "WANDB_API_KEY": KEY, "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, session.url, str(root)], env=env)


def below(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def is_whole(root: Path) -> bool:
    return below(root) == FILES


def test_killed_in_the_middle_nothing_half_has_a_name_and_the_next_call_ends_it(
    session: Session, tmp_path: Path
) -> None:
    cache = Path(os.environ["WBMODEL_CACHE_DIR"])
    process = started(session, tmp_path / "out")
    try:
        patience(lambda: any(cache.rglob("*.part")) or process.poll() is not None)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    for name, data in below(tmp_path / "out").items():
        assert Path(name).name.startswith(".") or FILES[name] == data, name
    root = Artifact.objects.get(path="m:best").download(tmp_path / "out")
    assert {name: data for name, data in below(root).items() if not Path(name).name.startswith(".")} == FILES


def test_two_processes_on_one_version_and_one_folder(session: Session, tmp_path: Path) -> None:
    both = [started(session, tmp_path / "out") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert is_whole(tmp_path / "out")
    assert Artifact.objects.get(path="m:v0").verify(tmp_path / "out").is_same


def test_a_version_that_an_alias_holds_is_not_deleted(session: Session) -> None:
    version = Artifact.objects.get(path="m:v0")
    with pytest.raises(FieldError, match=r"has the aliases? .*best.*delete_aliases=True"):
        version.delete()
    assert Artifact.objects.get(path="m:best") == version
    version.delete(delete_aliases=True)
    with pytest.raises(Artifact.DoesNotExist):
        Artifact.objects.get(path="m:best")


@pytest.mark.parametrize("place", ["local", "loopback"])
def test_names_that_cannot_be_files_are_named_and_the_others_are_there(place: str, tmp_path: Path) -> None:
    bad = ["x" * 300, "nul\0nul", "a/../../up", "C:/x", "back\\slash", "f.txt/below", "two//parts"]
    files = {"f.txt": b"fine", "F.txt": b"case", "caf\u00e9": b"one form", **dict.fromkeys(bad, b"bad")}
    with at(place, served(files)):
        with pytest.raises(TransferError, match=f"{len(bad)} of {len(files)} files were not") as raised:
            Artifact.objects.get(path="m:v0").download(tmp_path / "out")
    failed = raised.value.result.failures
    assert sorted(each.name for each in failed) == sorted(bad)
    assert {type(each.error) for each in failed} == {UnsafeName}
    assert below(tmp_path / "out") == {"f.txt": b"fine", "F.txt": b"case", "caf\u00e9": b"one form"}
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("cache", "work")) == ["out"]


@pytest.mark.parametrize("place", ["local", "loopback"])
def test_links_in_the_folder_lead_nowhere(place: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dir").symlink_to(tmp_path / "outside")
    (tmp_path / "out" / "file").symlink_to(tmp_path / "outside" / "precious")
    with at(place, served({"dir/x": b"x", "file": b"y", "z": b"z"})):
        with pytest.raises(TransferError, match="2 of 3"):
            Artifact.objects.get(path="m:v0").download(tmp_path / "out")
    assert below(tmp_path / "outside") == {"precious": b"mine"}
    assert (tmp_path / "out" / "z").read_bytes() == b"z"
