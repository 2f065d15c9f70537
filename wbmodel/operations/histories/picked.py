"""Asked keys picked from whole rows: where the keys cannot be asked for, or nothing proves that all of them came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.compiler.target import Target
from wbmodel.operations.answer import Operation, passed_on
from wbmodel.operations.histories.joined import Regrouping, asked_keys
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.rows import STEP
from wbmodel.operations.histories.runs import Runs
from wbmodel.operations.histories.whole import read_whole

__all__ = ["Picking", "read_picked"]

Told = Callable[[Head, Iterable[str]], None]
"""Hears of each run which keys were logged."""


def read_picked(spec: ReadSpec, runs: Runs, target: Target, told: Told) -> Operation[None]:
    """Emit the parts and the end of each run, as :func:`~.keyed.read_keyed` does."""
    yield from passed_on(read_whole(attrs.evolve(spec, keys=None), runs, target), Picking(spec, told).take)


class Picking:
    """Makes rows with the asked keys of whole rows."""

    def __init__(self, spec: ReadSpec, told: Told = lambda head, names: None) -> None:
        self.keys, self.told = asked_keys(spec), told
        self.regrouping = Regrouping(self.keys)
        self.rows = 0

    def take(self, items: Sequence[Part | Ended]) -> Sequence[Part | Ended]:
        """What becomes of parts and ends."""
        made: list[Part | Ended] = []
        for item in items:
            if isinstance(item, Part):
                self.told(item.head, item.batch.names)
                made += self._parts(item.head, self._joined(item.batch))
                continue
            rest = self.regrouping.rest()
            made += self._parts(item.head, rest if item.error is None else [])
            made.append(attrs.evolve(item, rows=self.rows))
            self.rows = 0
        return made

    def _joined(self, batch: ColumnBatch) -> list[ColumnBatch]:
        steps: Sequence[Any] = batch.columns[STEP]
        if not self.keys:
            return [ColumnBatch(batch.run, {STEP: steps}, batch.length)]
        nothing = [None] * batch.length
        columns: list[Sequence[Any]] = [batch.columns.get(key, nothing) for key in self.keys]
        there = [at for at, cells in enumerate(zip(*columns, strict=True)) if any(cell is not None for cell in cells)]
        if len(there) < batch.length:
            steps = [steps[at] for at in there]
            columns = [[column[at] for at in there] for column in columns]
        named = dict(zip(self.keys, columns, strict=True))
        return self.regrouping.take(ColumnBatch(batch.run, {STEP: steps, **named}, len(there)))

    def _parts(self, head: Head, batches: Sequence[ColumnBatch]) -> list[Part]:
        self.rows += sum(batch.length for batch in batches)
        return [Part(head, batch) for batch in batches if batch.length]
