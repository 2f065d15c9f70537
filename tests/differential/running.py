"""Runs the probe on both sides, piece by piece. What the starting revision answered is kept for the next run."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import attrs

from tests.differential.baseline import HOME, REVISION, ROOT, baseline

__all__ = ["LIVE_EVERY", "QUICK", "SEEDS", "Piece", "pieces", "records", "start"]

HERE = Path(__file__).parent
DIALECTS = ("full", "weak", "drops", "mongo", "loose", "hostile1", "hostile2")
HOMES = ("fixtures", *DIALECTS, *(f"live-{name}" for name in DIALECTS))
PLACES = ("fixtures", "engine", "slow", "live", "readonly")
TABLE_HOMES = ("fixtures", "weak")
SEEDS = 2000
LIVE_EVERY = 7
"""A live home is asked every seventh question, so that each is asked at one: HTTP takes long and changes little."""


@attrs.frozen
class Piece:
    """A part of the probe at one home, as one process runs it."""

    part: str
    home: str = "-"
    seeds: str | None = None
    live_every: int = LIVE_EVERY

    def __str__(self) -> str:
        return self.part if self.home == "-" else f"{self.part}-{self.home}"

    @property
    def arguments(self) -> list[str]:
        """For the probe's command line."""
        chosen = ["--seeds", self.seeds] if self.seeds else []
        return ["--parts", self.part, "--homes", self.home, "--live-every", str(self.live_every), *chosen]


def pieces(seeds: int = SEEDS, live_every: int = LIVE_EVERY) -> list[Piece]:
    """All pieces, with the first ``seeds`` questions; at live homes one of ``live_every``."""
    return [
        Piece("names"),
        *(Piece("lookups", name) for name in ("full", "weak")),
        *(Piece("writes", name) for name in PLACES),
        *(Piece("tables", name) for name in TABLE_HOMES),
        *(Piece("querysets", name, f"0:{seeds}", live_every) for name in HOMES),
    ]


QUICK = [
    Piece("names"),
    Piece("lookups", "weak"),
    Piece("writes", "fixtures"),
    *(Piece("querysets", name, "0:200") for name in ("full", "weak")),
]
"""What is asked after each small step of work."""


def records(piece: Piece) -> tuple[str, str]:
    """The records of the starting revision and of the working tree, as lines of JSON. Both are asked at once; what the
    starting revision answered to the same probe before is not asked again."""
    chosen = re.sub("[^a-z0-9]+", "-", piece.seeds or "all")[:40]
    name = f"{piece}-{chosen}-{piece.live_every}"
    kept = HOME / "records" / f"{name}-{_mark(piece)}.jsonl"
    fresh = HOME / "records" / f"working-{name}-{os.getpid()}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    making = kept.with_suffix(f".{os.getpid()}")
    runs = [start([ROOT, ROOT / "plugins"], [*piece.arguments, "--write", str(fresh)])]
    if not kept.exists():
        runs.append(start([baseline()], [*piece.arguments, "--write", str(making)]))
    try:
        failed = [words for words in map(_end, runs) if words]
        if failed:
            raise AssertionError(f"the probe itself failed on {piece}:\n" + "\n".join(failed))
        if making.exists():
            for outdated in kept.parent.glob(f"{name}-*.jsonl"):
                outdated.unlink()
            making.rename(kept)
        return kept.read_text(encoding="utf-8"), fresh.read_text(encoding="utf-8")
    finally:
        fresh.unlink(missing_ok=True)
        making.unlink(missing_ok=True)


def start(libraries: list[Path], arguments: list[str]) -> subprocess.Popen[str]:
    """A process of the probe with the library in these folders, free of the settings of this one."""
    ours = ("PYTHON", "WBMODEL", "WANDB", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    environ = {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}
    environ |= {"PYTHONHASHSEED": "0", "NETRC": str(HERE / "no-netrc"), "NO_PROXY": "127.0.0.1", "TZ": "UTC"}
    command = [sys.executable, str(HERE / "start.py"), os.pathsep.join(map(str, libraries)), *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(run: subprocess.Popen[str]) -> str:
    """What went wrong; "" when nothing did."""
    try:
        _, said = run.communicate(timeout=900)
    except subprocess.TimeoutExpired:
        run.kill()
        return "it hangs"
    return said[-3000:] if run.returncode else ""


def _mark(piece: Piece) -> str:
    """What the kept records depend on: the revision, the probe, the interpreter and all that is installed."""
    digest = hashlib.sha256(f"{REVISION} {piece.arguments} {sys.version}".encode())
    for file in sorted((HERE / "probe").glob("*.py")):
        digest.update(file.read_bytes())
    for found in sorted(f"{item.name} {item.version}" for item in metadata.distributions()):
        digest.update(found.encode())
    return digest.hexdigest()[:16]
