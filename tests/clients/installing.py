"""The official clients, each in a virtual environment of its own that is made when it is first needed.

They are kept in ``.venv-clients`` (not under version control), so that only the first run pays for them. The old client
needs an old Python; pyenv's are looked at too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["CLIENTS", "CannotInstall", "client_python"]

HERE = Path(__file__).parent
HOME = HERE.parents[1] / ".venv-clients"
CLIENTS = {"0.31.0": ("3.11", "3.12", "3.10", "3.13"), "0.10.28": ("3.9", "3.8")}
"""Version of the client -> versions of Python that can run it, best first."""


class CannotInstall(Exception):
    """There is no such Python here, or the packages cannot be had. The message says which and why."""


def client_python(version: str) -> Path:
    """The interpreter that has the client. Raises :class:`CannotInstall`."""
    wanted = HERE / f"requirements-{version}.txt"
    mark = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
    target = HOME / f"wandb-{version}-{mark}"
    python = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists():
        return python
    base = find_python(CLIENTS[version])
    HOME.mkdir(exist_ok=True)
    with _alone(HOME / f".{target.name}.lock"):
        # Another process may have made it meanwhile.
        return python if python.exists() else _made(version, wanted, base, target, python)


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One process at a time, where files can be locked; elsewhere the fastest wins."""
    with file.open("w") as held:
        try:
            import fcntl
        except ImportError:
            pass
        else:
            fcntl.flock(held, fcntl.LOCK_EX)  # let go when the file is closed, or the process ends
        yield  # the file stays: without it, whoever comes next would hold another lock than who waits


def _made(version: str, wanted: Path, base: str, target: Path, python: Path) -> Path:
    # Made beside its place and moved there, so that a broken one is never taken for a whole one.
    made = Path(tempfile.mkdtemp(prefix=f".wandb-{version}-", dir=HOME))
    try:
        _run([base, "-m", "venv", str(made)], f"{base} makes no virtual environment")
        inside = str(made / python.relative_to(target))
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        _run([inside, "-m", "pip", "install", *quiet, "-r", str(wanted)], f"wandb {version} cannot be installed")
        try:
            made.rename(target)
        except OSError:
            if not python.exists():  # else another run was faster
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return python


def find_python(versions: tuple[str, ...]) -> str:
    """The path of the first of these versions that is here. Raises :class:`CannotInstall`."""
    for version in versions:
        for candidate in _candidates(version):
            code = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
            try:
                done = subprocess.run([candidate, "-c", code], capture_output=True, text=True, timeout=60, check=False)
            except (OSError, subprocess.TimeoutExpired):
                continue
            found, _, path = done.stdout.strip().partition(" ")
            if done.returncode == 0 and found == version:
                return path
    raise CannotInstall(f"there is no Python {' or '.join(versions)} here, neither on PATH nor in pyenv")


def _candidates(version: str) -> Iterator[str]:
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        # Outside of the environment that the tests run in, whose packages are none of the client's.
        yield str(getattr(sys, "_base_executable", sys.executable))
    # A shim of pyenv is on PATH and fails for versions that are installed but not chosen; those are asked by path.
    found = shutil.which(f"python{version}")
    if found:
        yield found
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in sorted(root.glob(f"versions/{version}.*"), reverse=True):
        yield str(folder / "bin" / "python")


def _run(command: list[str], words: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"{words}: {error}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise CannotInstall(f"{words}: {' | '.join(lines[-3:])[-500:]}")
