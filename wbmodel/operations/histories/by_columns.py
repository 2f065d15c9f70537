"""Read histories through the columns door, of backends that hold them themselves."""

from __future__ import annotations

from wbmodel.backend.asks import Failure, Read, ReadSpec
from wbmodel.backend.verbs import END, Emit, Next, Send
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.runs import Runs

__all__ = ["read_columns"]


def read_columns(spec: ReadSpec, runs: Runs) -> Operation[None]:
    """Emit the parts of each run, and its end."""
    while (heads := (yield from runs.pull())) is not None:
        yield from _read(spec, heads)


def _read(spec: ReadSpec, heads: list[Head]) -> Operation[None]:
    waiting = list(heads)
    rows = 0
    stream = yield Send(Read([head.ref for head in heads], spec))
    while (item := (yield Next(stream))) is not END:
        run = item.run.node_id if isinstance(item, Failure) else item.run
        while waiting and waiting[0].ref.node_id != run:
            yield Emit((Ended(waiting.pop(0), rows),))
            rows = 0
        if isinstance(item, Failure):
            yield Emit((Ended(waiting.pop(0), rows, None, item.error),))
            rows = 0
        else:
            rows += item.length
            yield Emit((Part(waiting[0], item),))
    for head in waiting:
        yield Emit((Ended(head, rows),))
        rows = 0
