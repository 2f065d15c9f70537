"""Blocks of rows in other portions: chunks of a given length, and a table per run. Makes no requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wbmodel.backend.asks import ColumnBatch
from wbmodel.operations.histories.blocks import Block
from wbmodel.operations.histories.pieces import Ended, Head
from wbmodel.table.gather import Gatherer
from wbmodel.table.growing import Growing
from wbmodel.table.table import Table

__all__ = ["ByRun", "Chunks"]


class Chunks:
    """Cuts blocks into batches of ``rows`` rows; the last one may be shorter. Holds no more than one of them, and the
    block that is being cut. ``run`` is the node id of the only run, or empty."""

    def __init__(self, rows: int, run: str) -> None:
        self.rows, self.run = rows, run
        self._gatherer = Gatherer(rows)

    def take(self, block: Block) -> Iterator[ColumnBatch]:
        """The batches that are full."""
        gathered = self._gatherer.add(block.columns, block.length)
        if gathered is None:
            return
        columns, length = gathered.columns, gathered.length
        whole = length - length % self.rows
        for at in range(0, whole, self.rows):
            yield ColumnBatch(self.run, _cut(columns, at, at + self.rows), self.rows)
        if whole < length:
            self._gatherer.add(_cut(columns, whole, length), length - whole)

    def rest(self) -> Iterator[ColumnBatch]:
        """At the end: the rows that are left."""
        left = self._gatherer.rest()
        if left.length:
            yield ColumnBatch(self.run, left.columns, left.length)


def _cut(columns: Mapping[str, Sequence[Any]], start: int, stop: int) -> Mapping[str, Sequence[Any]]:
    return {name: column[start:stop] for name, column in columns.items()}


class ByRun:
    """Makes a table of the blocks of each run. Where nothing is chosen by position (``every``), a run without rows has
    an empty table."""

    def __init__(self, names: Iterable[str], *, every: bool) -> None:
        self.names, self.every = tuple(names), every
        self._head: Head | None = None
        self._table = self._empty()

    def _empty(self) -> Growing:
        return Growing("table", self.names)

    def take(self, item: Block | Ended) -> Iterator[tuple[Any, Table]]:
        """The run that is over now, with its table."""
        if isinstance(item, Ended):
            if self.every and item.error is None:
                self._head = item.head
                yield from self.rest()
            return
        if self._head is not None and item.head is not self._head:
            yield from self.rest()
        self._head = item.head
        self._table.add(item.columns, item.length)

    def rest(self) -> Iterator[tuple[Any, Table]]:
        """The last run, with its table."""
        if self._head is not None:
            yield self._head.row, self._table.finish()
        self._head, self._table = None, self._empty()
