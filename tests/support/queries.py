"""What several test modules of this folder need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.backends import served
from tests.support.worlds import make_world
from wbmodel.session.session import Session

__all__ = ["HOME", "STORE", "WORLD", "ids", "on", "run_dict"]

WORLD = make_world()
STORE = WORLD.store()
HOME = WORLD.of("acme/vision")


@contextmanager
def on(kind: str = "full", **options: object) -> Iterator[Session]:
    """A session over the shared world; tests that change it make their own store."""
    with served(STORE, kind, **options) as session:
        yield session


def ids(rows: object) -> list[str]:
    """The ids of rows, evaluated."""
    return [run.id for run in rows]  # type: ignore[attr-defined]


def run_dict(run_id: str, project: str = "acme/vision") -> dict[str, object]:
    """The plain run of this id."""
    return next(run for run in WORLD.runs if (run["project"], run["id"]) == (project, run_id))
