"""Saves of a world that end at each point where they touch the file system, in children of a process without threads.

Run as a module: ``python -m tests.support.interrupted_save WORLD HOW EVERY``. ``WORLD`` is a world's file or folder,
``HOW`` is ``kill`` (SIGKILL) or ``fail`` (no space left), at every ``EVERY``-th point. Every child changes the world
and saves it. Prints one JSON line per point: what stopped the child, what it said, whether the world was then ``old``
or ``new``, and what else was there.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.world_files import everything
from wbmodel.errors import FixtureError
from wbmodel_fixtures.backend import FixturesBackend
from wbmodel_fixtures.replace import COMMITTED

TOUCHES = {"open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir"}


def change(backend: FixturesBackend) -> None:
    """Change every part: a run, a project, a history; one project goes."""
    store = backend.world
    for entity in store.entities():
        for project in store.projects(entity):
            store.update(project.id, description="after", updated_at="2026-01-02T03:04:05Z")
            for run in store.runs(project):
                store.update(
                    run.id, notes="after", history=[{"loss": 0.25}], group="g" * 50, updated_at="2026-01-02T03:04:05Z"
                )
    gone = store.project("beta", "gone")
    if gone is not None:
        store.delete(gone.id)


def stop_at(point: int, how: str) -> Callable[[], bool]:
    """End this process, or fail, the ``point``-th time that it touches the file system from now on. Returns a function
    that tells whether it came to that."""
    left = point

    def hook(event: str, arguments: Any) -> None:
        nonlocal left
        if event not in TOUCHES or (event == "open" and not _writes(arguments)):
            return
        left -= 1
        if left == 0 and how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)
    return lambda: left <= 0


def _writes(arguments: Any) -> bool:
    _, mode, flags = arguments
    return (isinstance(mode, str) and mode[:1] in ("w", "x", "a")) or bool(flags & (os.O_WRONLY | os.O_RDWR))


def save_in_child(place: Path, point: int, how: str) -> dict[str, Any]:
    """What came of a save in a child that was stopped at ``point``."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        said, status, stopped = "saved", 3, False
        try:
            backend = FixturesBackend(f"fixtures:{place}")
            change(backend)
            was_stopped = stop_at(point, how)
            try:
                backend.save()
                status = 0
            except FixtureError as error:
                said, status = str(error), 1
            stopped = was_stopped()
        except BaseException:
            said = traceback.format_exc()
        os.write(write, json.dumps([said[-3000:], stopped]).encode())
        os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said, stopped = json.loads(pipe.read() or b'["", true]')
    _, status = os.waitpid(child, 0)
    return {"point": point, "status": os.waitstatus_to_exitcode(status), "said": said, "stopped": stopped}


def hidden(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob(".*"))


def copied(world: Path, work: Path) -> Path:
    """A fresh copy of ``world`` in the folder ``work``."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    (shutil.copytree if world.is_dir() else shutil.copy2)(world, work / world.name)
    return work / world.name


def changed(place: Path) -> str:
    """Change the world at ``place``, save it, and read it again."""
    backend = FixturesBackend(f"fixtures:{place}")
    change(backend)
    backend.save()
    return repr(everything(FixturesBackend(f"fixtures:{place}")))


def main(world: Path, how: str, every: int) -> None:
    work = world.parent / f"{world.name}-{how}"
    old = repr(everything(FixturesBackend(f"fixtures:{world}")))
    place = copied(world, work)
    new = changed(place)
    assert old != new
    for point in itertools.count(1, every):
        place = copied(world, work)
        result = save_in_child(place, point, how)
        root = place if place.is_dir() else work
        result["decided"] = (root / COMMITTED).exists()
        found = repr(everything(FixturesBackend(f"fixtures:{place}")))
        result["world"] = "old" if found == old else "new" if found == new else "neither"
        result["again"] = changed(place) == new
        result["left"] = hidden(work)
        print(json.dumps(result), flush=True)
        if not result["stopped"]:
            break
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
