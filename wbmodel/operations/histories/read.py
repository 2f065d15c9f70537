"""Choose how to read histories on a backend."""

from __future__ import annotations

from wbmodel.backend.asks import ReadSpec
from wbmodel.compiler.target import Target
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.by_columns import read_columns
from wbmodel.operations.histories.keyed import read_keyed
from wbmodel.operations.histories.runs import Runs
from wbmodel.operations.histories.whole import read_whole

__all__ = ["read"]


def read(spec: ReadSpec, runs: Runs, target: Target) -> Operation[None]:
    """Emit a :class:`~.pieces.Part` for some rows of a run, and an :class:`~.pieces.Ended` at the end of each run, in
    the order of ``runs``.

    Only rows that have one of the keys of ``spec`` come, with a column for each of them and ``_step``; the k-th value
    of each key at a step is in the k-th row of that step.
    """
    if target.capabilities.columns:
        yield from read_columns(spec, runs)
    elif spec.keys is not None and spec.stream == "history":
        yield from read_keyed(spec, runs, target)
    else:
        yield from read_whole(spec, runs, target)
