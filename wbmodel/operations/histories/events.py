"""Read system metrics by documents.

The server takes no range of them: it gives all, or thins them out to ``samples``. They are complete if one answer holds
as many rows as there are lines, and are asked for once more if the first answer shows that more samples are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wbmodel.backend.asks import ReadSpec
from wbmodel.compiler.histories import EVENTS
from wbmodel.compiler.target import Target
from wbmodel.errors import DamagedRow, WbmodelError, warn
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.documents import Asked, Documents
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.rows import Row, columns_of, load_rows
from wbmodel.operations.histories.runs import Runs

__all__ = ["read_events"]

SAMPLES = 5_000
EXPECTED = 500
"""Rows of a run, until the first answer."""


def read_events(spec: ReadSpec, runs: Runs, target: Target) -> Operation[None]:
    """Emit the rows of each run in the order of lines, and its end."""
    yield from Documents(runs, target, lambda head: EventsOf(head, spec, target)).read()


class EventsOf:
    """The system metrics of one run. A range of lines is cut here, from all of them."""

    def __init__(self, head: Head, spec: ReadSpec, target: Target) -> None:
        self.head, self.spec, self.target = head, spec, target
        self.error: WbmodelError | None = None
        self.done = False
        self.weight = 0
        self.missing: int | None = 0
        self._samples, self._expects = SAMPLES, EXPECTED
        self._is_asked = False
        self._rows: list[Row] = []
        self._damaged: list[str] = []

    def wanted(self) -> list[Asked]:
        """One request, or another one with more samples."""
        if self._is_asked or self.done:
            return []
        self._is_asked = True
        samples = self._samples
        return [Asked(self, lambda _: (EVENTS, frozenset()), lambda _: {"s": samples}, self._expects)]

    def take(self, asked: Asked, found: dict[str, Any]) -> int:
        """All rows, or as many as the server gives."""
        texts: list[str | None] = found["events"] or []
        count: int | None = found["eventsLineCount"]
        self._rows, self._damaged = load_rows(texts)
        self.weight = len(texts)
        if (count is None or count > len(texts)) and self._samples < 2 * max(count or 0, len(texts)):
            self._samples, self._expects = 2 * max(count or 0, len(texts)) + 1000, max(count or 0, len(texts))
            self._is_asked = False
            return len(texts)
        # Without a count, an answer far from the limit proves nothing, but more cannot be had.
        self.missing = None if count is None else max(count - len(texts), 0)
        self.done = True
        return len(texts)

    def too_much(self, asked: Asked) -> bool:
        """There is no smaller range, only fewer samples."""
        if self._samples <= 100:
            return False
        self._samples //= 4
        self._expects = min(self._expects, self._samples)
        self._is_asked = False
        return True

    def failed(self, error: WbmodelError) -> None:
        """The run cannot be read."""
        self.error, self.done = error, True

    def parts(self) -> Iterator[Part | Ended]:
        """The rows, and the end."""
        if self.error is not None:
            yield Ended(self.head, 0, None, self.error)
            return
        path, place = self.head.ref.path, self.target.place
        rows, self._rows = self._rows[max(self.spec.min_step or 0, 0) : self.spec.max_step], []
        if rows:
            yield Part(self.head, columns_of(self.head.ref.node_id, rows, ()))
        if self._damaged:
            warn(f"{path}: a row of its system metrics on {place} is left out, {self._damaged[0]}", DamagedRow)
        yield Ended(self.head, len(rows), None if self.missing is None else self.missing + len(self._damaged))
