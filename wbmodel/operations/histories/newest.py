"""Which runs, and which of their steps, hold the last rows of histories: so that not all are read for a few.

It is a guess, and it is checked: everything is read if fewer rows come than are wanted, or if nothing proves that they
are all that are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from wbmodel.backend.asks import ReadSpec
from wbmodel.backend.verbs import Send
from wbmodel.compiler.history_specs import SERIES, KeyAsk, answered, key_ask_request, spec_of
from wbmodel.compiler.target import Target
from wbmodel.errors import ServerError
from wbmodel.operations.answer import Operation, answer
from wbmodel.operations.histories.joined import NoStep, asked_keys, series_of
from wbmodel.operations.histories.key_info import info_of, logged
from wbmodel.operations.histories.ladder import BITE
from wbmodel.operations.histories.pieces import Head
from wbmodel.operations.histories.rows import STEP
from wbmodel.operations.histories.runs import Runs

__all__ = ["Newest", "newest"]

_SAMPLES = 500
"""Steps of a long history that tell where its last rows begin."""


@attrs.frozen(slots=True, eq=False)
class Newest:
    """The runs to read, between the steps of ``spec``. ``every`` are all runs, for which ``spec`` was meant."""

    runs: Sequence[Any]
    spec: ReadSpec
    every: Sequence[Any]


def newest(count: int, spec: ReadSpec, runs: Runs, target: Target) -> Operation[Newest]:
    """Where the last ``count`` rows are, as the counts of lines tell: in the last runs; of one long history, from a
    step on."""
    heads: list[Head] = []
    while (more := (yield from runs.pull())) is not None:
        heads += more
    kept, rows = len(heads), 0
    while kept and rows < count:
        kept -= 1
        rows += heads[kept].count or 0
    last, every = heads[kept:], [head.row for head in heads]
    if len(last) == 1 and (last[0].count is None or _is_long(last[0].count, count)):
        spec = attrs.evolve(spec, min_step=(yield from _first_step(count, spec, last[0], target)))
    return Newest([head.row for head in last], spec, every)


def _is_long(rows: int, count: int) -> bool:
    """Whether finding out where the last rows begin is less work than reading all."""
    return rows > max(BITE, 4 * count)


def _first_step(count: int, spec: ReadSpec, head: Head, target: Target) -> Operation[int | None]:
    """The step from which on there are about as many rows, or some more; None where that is not known."""
    if SERIES in target.refused:
        return None
    keys = asked_keys(spec)
    specs = tuple(spec_of(key, samples=_SAMPLES) for key in keys or (STEP,))
    meta = type(head.row).__wbmodel_meta__
    request = key_ask_request(meta, [KeyAsk(head.ref, specs)], counts=True)
    try:
        node = answered(answer(target, request, (yield Send(request))), meta, 0)
        if node is None or node["id"] != head.ref.node_id:
            return None
        found = [series_of(series, STEP).steps for series in node["sampledHistory"]]
    except (ServerError, NoStep, KeyError, TypeError):
        return None  # reading everything will say what is wrong
    facts = logged(node.get("historyKeys")) or {}
    counts = [info_of(facts.get(key)).count for key in keys] or [info_of(facts.get(STEP)).count or head.count]
    known = [rows for rows in counts if rows is not None]
    if len(known) < len(counts) or not _is_long(max(known), count):
        return None
    steps = sorted({step for series in found for step in series})
    share = -(-len(steps) * count // max(known)) + 2
    if share >= len(steps):
        return None
    low = steps[-share]
    # A key without a value from there on would seem to be one that nobody logged.
    return low if all(series and series[-1] >= low for series in found) else None
