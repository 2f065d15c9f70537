"""Read histories through the columns door, of backends that hold them themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wbmodel.backend.asks import ColumnBatch, Failure, Read, ReadSpec
from wbmodel.backend.verbs import END, Emit, Next, Send
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.joined import Regrouping
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.runs import Runs

__all__ = ["read_columns"]


def read_columns(spec: ReadSpec, runs: Runs) -> Operation[None]:
    """Emit the parts of each run, and its end."""
    while (heads := (yield from runs.pull())) is not None:
        yield from _read(spec, heads)


def _read(spec: ReadSpec, heads: list[Head]) -> Operation[None]:
    waiting = list(heads)
    rows = _Rows(spec)
    stream = yield Send(Read([head.ref for head in heads], spec))
    while (item := (yield Next(stream))) is not END:
        run = item.run.node_id if isinstance(item, Failure) else item.run
        while waiting and waiting[0].ref.node_id != run:
            yield Emit(rows.ended(waiting.pop(0)))
        if isinstance(item, Failure):
            yield Emit(rows.ended(waiting.pop(0), item))
        else:
            yield Emit(rows.taken(waiting[0], item))
    for head in waiting:
        yield Emit(rows.ended(head))


class _Rows:
    """The rows of one run after the other."""

    def __init__(self, spec: ReadSpec) -> None:
        self.spec = spec
        self.count = 0
        self.regrouping = Regrouping.of(spec)

    def taken(self, head: Head, batch: ColumnBatch) -> Sequence[Any]:
        """What is ready after a batch."""
        return self._parts(head, [batch] if self.regrouping is None else self.regrouping.take(batch))

    def ended(self, head: Head, failure: Failure | None = None) -> Sequence[Any]:
        """The end of a run."""
        rest = [] if self.regrouping is None else self.regrouping.rest()
        parts = self._parts(head, rest if failure is None else [])
        count, self.count = self.count, 0
        end = Ended(head, count) if failure is None else Ended(head, count, None, failure.error)
        return (*parts, end)

    def _parts(self, head: Head, batches: Sequence[ColumnBatch]) -> list[Part]:
        self.count += sum(batch.length for batch in batches)
        return [Part(head, batch) for batch in batches if batch.length]
