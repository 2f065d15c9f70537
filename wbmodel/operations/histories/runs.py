"""The runs whose histories are read: given ones, or those of a query, page by page."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Protocol

from wbmodel.backend.asks import RunRef
from wbmodel.compiler.target import Target
from wbmodel.meta.state import is_loaded
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.pieces import Head
from wbmodel.operations.run import Rows
from wbmodel.query.plan import Plan

__all__ = ["Given", "Listed", "Others", "Runs", "head_of"]


class Runs(Protocol):
    """A source of runs."""

    def pull(self) -> Operation[list[Head] | None]:
        """The next runs; None at the end."""
        ...


class Given:
    """Runs that are loaded already."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows: Sequence[Any] | None = rows

    def pull(self) -> Operation[list[Head] | None]:
        """All of them, once."""
        rows, self.rows = self.rows, None
        return None if rows is None else list(map(head_of, rows))
        yield  # makes this a generator, although it makes no requests


class Listed:
    """The runs of a plan, which loads the fields that :class:`~wbmodel.meta.Streams` names."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan, self.target = plan, target
        self._rows = Rows(plan, target)

    def pull(self) -> Operation[list[Head] | None]:
        """The runs of the next page."""
        rows = yield from self._rows.pull()
        return None if rows is None else list(map(head_of, rows))


class Others:
    """The runs of a source that are not among those of these paths."""

    def __init__(self, runs: Runs, paths: Container[str]) -> None:
        self.runs, self.paths = runs, paths

    def pull(self) -> Operation[list[Head] | None]:
        """The next runs; the list may be empty."""
        heads = yield from self.runs.pull()
        return None if heads is None else [head for head in heads if head.ref.path not in self.paths]


def head_of(run: Any) -> Head:
    """What reading needs to know of a run."""
    project = run.project
    ref = RunRef(run.node_id, project.entity, project.name, run.id)
    count = run.history_line_count if is_loaded(run, "history_line_count") else None
    streams = type(run).__wbmodel_meta__.options.streams
    growing = not is_loaded(run, "state") or run.state not in streams.ended
    return Head(ref, run, count, growing)
