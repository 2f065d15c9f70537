"""The starting revision as a package of its own: built from the history of this clone, once, and unpacked."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

__all__ = ["REVISION", "ROOT", "CannotBuild", "baseline"]

ROOT = Path(__file__).resolve().parents[2]
REVISION = "9eff98c4cbf8ac71c339eb5820067f8d7a10dde9"
HOME = ROOT / ".baseline"


class CannotBuild(Exception):
    """The revision is not in the history here, or it cannot be built. The message says which and why."""


def baseline() -> Path:
    """The folder that holds the wheel of the starting revision, unpacked. Raises :class:`CannotBuild`."""
    target = HOME / REVISION[:12]
    if target.exists():
        return target
    HOME.mkdir(exist_ok=True)
    # Made beside its place and moved there, so that a broken one is never taken for a whole one.
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=HOME))
    try:
        source = made / "source"
        archive = _run(["git", "archive", "--format=tar", REVISION], ROOT, "fetch the whole history of the clone")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            if sys.version_info >= (3, 12):
                tar.extractall(source, filter="data")
            else:
                tar.extractall(source)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made)]
        _run(build, source, "it cannot be built")
        (wheel,) = made.glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(made / "library")
        try:
            (made / "library").rename(target)
        except OSError:
            if not target.exists():  # else another run was faster
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def _run(command: list[str], folder: Path, advice: str) -> bytes:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    except OSError as error:
        raise CannotBuild(f"the starting revision {REVISION[:12]}: {error}") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-500:]
        raise CannotBuild(f"the starting revision {REVISION[:12]}: {advice}: {words}")
    return done.stdout
