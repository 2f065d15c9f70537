"""The lineage of an artifact version or a run: what it was made from, and what was made from it, step by step.

A step is breadth-first over all versions or all runs that were found in the step before, whose relations are loaded
side by side, several in one document. What was seen is not looked at again, so circles end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import QueryError
from wbmodel.meta import state
from wbmodel.operations.answer import Operation
from wbmodel.operations.prefetch import related_rows
from wbmodel.operations.reload import look_again
from wbmodel.operations.ways_back import on_lesser_terms

__all__ = ["Edge", "Lineage", "lineage"]

_RUN = ("id", "name", "state", "created_at")
_ARTIFACT = ("version_index", "type_name", "digest", "created_at", "logged_by", "state")


@attrs.frozen(slots=True)
class Edge:
    """``run`` has logged ``artifact`` (``how`` is ``logged``) or used it as input (``used``)."""

    run: Any
    artifact: Any
    how: Literal["logged", "used"]


@attrs.frozen(slots=True, eq=False)
class Lineage:
    """A graph of artifact versions and runs around ``start``, in the order in which they were found. With
    ``is_whole`` False, there is more beyond the depth that was asked for."""

    start: Any
    artifacts: tuple[Any, ...]
    runs: tuple[Any, ...]
    edges: tuple[Edge, ...]
    is_whole: bool

    def __repr__(self) -> str:
        more = "" if self.is_whole else ", and more beyond"
        return f"<Lineage of {self.start.path}: {len(self.artifacts)} artifacts, {len(self.runs)} runs{more}>"

    def __str__(self) -> str:
        arrow = {"logged": "logged", "used": "used"}
        return "\n".join(f"{edge.run.path} {arrow[edge.how]} {edge.artifact.path}" for edge in self.edges)


class _Graph:
    def __init__(self, start: Any) -> None:
        self.nodes: dict[str, Any] = {start.node_id: start}
        self.edges: dict[tuple[str, str, str], Edge] = {}

    def node(self, row: Any) -> tuple[Any, bool]:
        """The object that stands for a row, and whether it is new."""
        known = self.nodes.setdefault(row.node_id, row)
        return known, known is row

    def edge(self, run: Any, artifact: Any, how: Literal["logged", "used"]) -> None:
        self.edges.setdefault((run.node_id, artifact.node_id, how), Edge(run, artifact, how))


def lineage(start: Any, target: Target, direction: str, depth: int | None) -> Operation[Lineage]:
    """The graph around ``start`` (a run or an artifact version). ``direction`` is ``both``, ``inputs`` (what it was
    made from) or ``outputs``; ``depth`` is how many steps from it, None: to the end."""
    if direction not in ("both", "inputs", "outputs"):
        raise QueryError(f"direction must be 'both', 'inputs' or 'outputs', not {direction!r}")
    if depth is not None and (type(depth) is not int or depth < 0):
        raise QueryError(f"depth must be a number of steps or None, not {depth!r}")
    target.refuse_foreign(start)
    if not _is_run(start) and not state.is_loaded(start, "logged_by"):
        start = yield from look_again(start, target, ("logged_by",))
    graph = _Graph(start)
    ways = ("inputs", "outputs") if direction == "both" else (direction,)
    whole = True
    for way in ways:
        whole &= yield from _walk(graph, start, way, depth, target)
    runs = tuple(row for row in graph.nodes.values() if _is_run(row))
    artifacts = tuple(row for row in graph.nodes.values() if not _is_run(row))
    return Lineage(start, artifacts, runs, tuple(graph.edges.values()), whole)


def _walk(graph: _Graph, start: Any, way: str, depth: int | None, target: Target) -> Operation[bool]:
    """Add what is found in one direction. Returns whether that is all."""
    seen = {start.node_id}
    frontier = [start]
    steps = 0
    while frontier:
        if depth is not None and steps >= depth:
            return False
        found = yield from (_of_runs if _is_run(frontier[0]) else _of_artifacts)(graph, frontier, way, target)
        frontier = [row for row in found if row.node_id not in seen]
        seen.update(row.node_id for row in frontier)
        frontier = list({row.node_id: row for row in frontier}.values())
        steps += 1
    return True


def _of_runs(graph: _Graph, runs: Sequence[Any], way: str, target: Target) -> Operation[list[Any]]:
    name, how = ("used_artifacts", "used") if way == "inputs" else ("logged_artifacts", "logged")
    rows = yield from _related(runs, name, _ARTIFACT, target)
    found = []
    for run, artifacts in zip(runs, rows, strict=True):
        for artifact in artifacts:
            known, _ = graph.node(artifact)
            graph.edge(graph.node(run)[0], known, how)  # type: ignore[arg-type]
            found.append(known)
    return found


def _of_artifacts(graph: _Graph, artifacts: Sequence[Any], way: str, target: Target) -> Operation[list[Any]]:
    found = []
    if way == "inputs":
        for artifact in artifacts:
            run = artifact.logged_by if state.is_loaded(artifact, "logged_by") else None
            if run is not None:
                known, _ = graph.node(run)
                graph.edge(known, artifact, "logged")
                found.append(known)
        return found
    rows = yield from _related(artifacts, "used_by", _RUN, target)
    for artifact, runs in zip(artifacts, rows, strict=True):
        for run in runs:
            known, _ = graph.node(run)
            graph.edge(known, artifact, "used")
            found.append(known)
    return found


def _related(rows: Sequence[Any], name: str, fields: Iterable[str], target: Target) -> Operation[list[list[Any]]]:
    relation = type(rows[0]).__wbmodel_meta__.to_many[name]
    found, _ = yield from on_lesser_terms(partial(related_rows, rows, relation, tuple(fields)), target)
    return found


def _is_run(row: Any) -> bool:
    return bool(type(row).__wbmodel_meta__.name == "Run")
