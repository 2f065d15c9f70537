"""Worlds of histories, and reading them into rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from wbmodel.backend.asks import ReadSpec
from wbmodel.engine.memory import MemoryStore
from wbmodel.operations.histories.pieces import Ended, Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given, Runs
from wbmodel.session.observers import observing
from wbmodel.session.session import Session

__all__ = ["Got", "asking", "history_world", "reading"]


def history_world(histories: Mapping[str, Any], **more: Any) -> MemoryStore:
    """A store with one run for each history in the project acme/vision."""
    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    store.add_entity("acme", members=["ada"])
    project = store.add_project("acme", "vision")
    for name, rows in histories.items():
        store.add_run(project, name, **{"state": "finished", "user": "ada", "history": rows, **more})
    return store


@attrs.define
class Got:
    """What came of one run: its rows without empty cells, and the end."""

    rows: list[dict[str, Any]] = attrs.field(factory=list)
    end: Ended = attrs.field(default=None)
    parts: int = 0


def reading(session: Session, runs: Runs | Sequence[Any], spec: ReadSpec | None = None) -> dict[str, Got]:
    """Read histories to the end: what came of each run by its id, in order."""
    source = Given(runs) if isinstance(runs, Sequence) else runs
    found: dict[str, Got] = {}
    for items in session.iterate(read(spec or ReadSpec(), source, session.target)):
        for item in items:
            got = found.setdefault(item.head.row.id, Got())
            assert got.end is None, "a run has parts after its end"
            if isinstance(item, Part):
                assert list(found)[-1] == item.head.row.id, "the parts of a run are adjacent"
                assert item.batch.run == item.head.ref.node_id
                got.parts += 1
                got.rows += item.batch.rows()
            else:
                got.end = item
                assert item.error is not None or item.rows == len(got.rows)
    return found


@contextmanager
def asking() -> Iterator[list[Any]]:
    """The requests that are made inside the block."""
    asked: list[Any] = []
    with observing(lambda call: asked.extend(call.asks)):
        yield asked
