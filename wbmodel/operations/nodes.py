"""Single nodes by their keys, many in one document by aliases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wbmodel.compiler.extras import ALIASES, KEYS
from wbmodel.compiler.physical import Get, Parent
from wbmodel.compiler.requests import get_request
from wbmodel.compiler.target import Target
from wbmodel.meta import EntityMeta, Route
from wbmodel.operations.answer import Operation, answer, send_all, walk, whole_answer
from wbmodel.operations.ways_back import refusable

__all__ = ["Nodes", "load_nodes"]


class Nodes:
    """The nodes of one step."""

    def __init__(self, get: Get, target: Target) -> None:
        self.get, self.target = get, target
        self.done = False

    def pull(self) -> Operation[list[Any] | None]:
        """All nodes that exist and pass the rest of the condition, once."""
        if self.done:
            return None
        self.done = True
        rows = yield from load_nodes([(self.get, parent) for parent in self.get.parents], self.target)
        return [row for row in rows if row is not None] or None


def load_nodes(wanted: Sequence[tuple[Get, Parent]], target: Target) -> Operation[list[Any]]:
    """The row of each pair of a step and one of its parents; None if it does not exist, or fails the rest of the
    condition. Those of the same selection share documents."""
    kinds: dict[Any, list[int]] = {}
    for at, (get, _) in enumerate(wanted):
        kinds.setdefault((get.node, id(get.route)), []).append(at)
    most = max(1, target.capabilities.max_aliases)
    chunks = [group[at : at + most] for group in kinds.values() for at in range(0, len(group), most)]
    requests = [get_request([wanted[at] for at in chunk]) for chunk in chunks]
    extras = {KEYS for get, _ in wanted if get.node.asks} | {ALIASES for chunk in chunks if len(chunk) > 1}
    with refusable(lambda: extras):
        responses = yield from send_all(requests)
        answers = [answer(target, *pair) for pair in zip(requests, responses, strict=True)]
    found: list[Any] = [None] * len(wanted)
    for chunk, request, data in zip(chunks, requests, answers, strict=True):
        with whole_answer(target, request):
            for index, at in enumerate(chunk):
                get, parent = wanted[at]
                row = _node_at(get, parent, data, f"s{index}" if len(chunk) > 1 else None, target)
                if row is not None and (get.check is None or get.check.predicate()(row)):
                    found[at] = row
    return found


def _node_at(get: Get, parent: Parent, data: dict[str, Any], alias: str | None, target: Target) -> Any:
    """The row of one parent in a response, or None."""
    route, node = get.route, get.node
    found, context = walk(node.meta, route, parent, data, alias, target.place, optional=get.optional)
    if found is None:
        return None
    if route.beside is not None:
        found = _replaced(route, node.meta, found, data, alias)
    make = node.context_hydrator(route)
    around = make([context], target.owner, None)[0] if make is not None and context is not None else None
    return node.hydrator(route)([found], target.owner, around)[0]


def _replaced(route: Route, meta: EntityMeta, node: dict[str, Any], data: dict[str, Any], alias: str | None) -> Any:
    """A node with the values of the field beside it, if the server has one there."""
    beside, at = route.beside, data
    assert beside is not None
    for index, step in enumerate(route.steps[:-1]):
        at = at[alias if alias and index == 0 else step.field]
    own = at[beside.field]
    if own is None or own[beside.wire] is None:
        return node
    return {**node, **{name: own[name] for name in beside.gives}, meta.fields[beside.relation].wire: own[beside.wire]}
