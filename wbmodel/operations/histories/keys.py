"""The keys of histories: of one run, or of all runs of a query, with the number of rows that have each."""

from __future__ import annotations

from functools import partial
from typing import Any

from wbmodel.compiler.extras import ALIASES
from wbmodel.compiler.history_specs import (
    ALL_KEYS,
    COUNTS,
    KEYS_ALONG,
    KeyAsk,
    all_keys_request,
    answered,
    key_ask_request,
)
from wbmodel.compiler.target import Target
from wbmodel.operations.answer import Operation, answer, send_all, walk, whole_answer
from wbmodel.operations.count import countable
from wbmodel.operations.histories.in_pages import with_values
from wbmodel.operations.histories.key_info import KeyInfo, infos
from wbmodel.operations.histories.pieces import Head
from wbmodel.operations.histories.runs import Listed, Runs
from wbmodel.operations.ways_back import on_lesser_terms, refusable
from wbmodel.query.plan import Plan

__all__ = ["history_keys"]


def history_keys(runs: Runs, target: Target) -> Operation[dict[str, KeyInfo]]:
    """What is known of each key that the histories of ``runs`` have, sorted by key. Empty for runs without rows."""
    if isinstance(runs, Listed) and not (runs.plan.sliced or runs.plan.is_empty):
        found, target = yield from on_lesser_terms(partial(_of_all, runs.plan), target)
        if found is not None:
            return infos(found)
    values: list[Any] = []
    source = with_values(runs, KEYS_ALONG)
    while (came := (yield from source.pull())) is not None:
        target = source.target or target
        values += [node["historyKeys"] for _, node in came if node is not None]
        asked, _ = yield from on_lesser_terms(partial(_of_each, [head for head, node in came if node is None]), target)
        values += asked
    return infos(values)


def _of_all(plan: Plan, target: Target) -> Operation[list[Any] | None]:
    """The server's own lists of the keys of all rows of a plan; None if it has none of exactly these rows."""
    if ALL_KEYS in target.refused or target.capabilities.in_process:
        return None
    scans, target = yield from countable(plan.bare(order=(), unordered=True), target)
    if not scans:
        return None if scans is None else []
    most = max(1, target.capabilities.max_aliases)
    routes = {id(scan.route): [other for other in scans if other.route is scan.route] for scan in scans}
    chunks = [group[at : at + most] for group in routes.values() for at in range(0, len(group), most)]
    requests = [all_keys_request(chunk) for chunk in chunks]
    found: list[Any] = []
    with refusable(lambda: {ALL_KEYS, *((ALIASES,) if len(scans) > 1 else ())}):
        responses = yield from send_all(requests)
        answers = [answer(target, *pair) for pair in zip(requests, responses, strict=True)]
    for chunk, request, data in zip(chunks, requests, answers, strict=True):
        with whole_answer(target, request):
            for at, scan in enumerate(chunk):
                alias = f"s{at}" if len(chunk) > 1 else None
                parent, _ = walk(
                    scan.node.meta, scan.route, scan.parent, data, alias, target.place, optional=scan.optional
                )
                connection = None if parent is None else parent[scan.route.connection]
                value = None if connection is None else connection["historyKeys"]
                if value is None and connection is not None:
                    return None  # no rows, or a server that does not know them
                found.append(value)
    return found


def _of_each(heads: list[Head], target: Target) -> Operation[list[Any]]:
    """What each of some runs says; nothing of those that are gone, or where the server does not know keys."""
    if not heads or COUNTS in target.refused:
        return []
    meta = type(heads[0].row).__wbmodel_meta__
    most = max(1, target.capabilities.max_aliases)
    chunks = [heads[at : at + most] for at in range(0, len(heads), most)]
    requests = [key_ask_request(meta, [KeyAsk(head.ref, ()) for head in chunk], counts=True) for chunk in chunks]
    with refusable(lambda: {COUNTS, *((ALIASES,) if len(heads) > 1 else ())}):
        responses = yield from send_all(requests)
        answers = [answer(target, *pair) for pair in zip(requests, responses, strict=True)]
    found: list[Any] = []
    for chunk, request, data in zip(chunks, requests, answers, strict=True):
        with whole_answer(target, request):
            nodes = [answered(data, meta, at) for at in range(len(chunk))]
            found += [
                node["historyKeys"]
                for head, node in zip(chunk, nodes, strict=True)
                if node is not None and node["id"] == head.ref.node_id
            ]
    return found
