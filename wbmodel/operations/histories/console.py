"""Read console lines by documents, page by page. The last page proves that no line is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wbmodel.backend.asks import ReadSpec
from wbmodel.compiler.histories import CONSOLE
from wbmodel.compiler.target import Target
from wbmodel.errors import ServerError, WbmodelError
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.documents import Asked, Documents
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.rows import Row, columns_of
from wbmodel.operations.histories.runs import Runs

__all__ = ["read_console"]

LINES = 5_000
"""Lines of a page."""
EXPECTED = 500
"""Lines of a run, until the first answer."""


def read_console(spec: ReadSpec, runs: Runs, target: Target) -> Operation[None]:
    """Emit the lines of each run in order, and its end."""
    yield from Documents(runs, target, lambda head: ConsoleOf(head, spec, target)).read()


class ConsoleOf:
    """The console lines of one run: ``number``, ``line``, ``level``, ``timestamp`` and ``label``. A line whose number
    came before is left out: servers repeat lines where pages meet. A range of lines is one of numbers."""

    def __init__(self, head: Head, spec: ReadSpec, target: Target) -> None:
        self.head, self.spec, self.target = head, spec, target
        self.error: WbmodelError | None = None
        self.done = False
        self.weight = 0
        self._first = LINES
        self._cursor: str | None = None
        self._is_asked = False
        self._lines: list[Row] = []
        self._last = -1
        self._missing: int | None = 0

    def wanted(self) -> list[Asked]:
        """The next page."""
        if self._is_asked or self.done:
            return []
        self._is_asked = True
        values = {"f": self._first, "c": self._cursor}
        expects = EXPECTED if self._cursor is None else self._first
        return [Asked(self, lambda _: (CONSOLE, frozenset()), lambda _: values, expects)]

    def take(self, asked: Asked, found: dict[str, Any]) -> int:
        """A page of lines."""
        self._is_asked = False
        listed = found["logLines"]
        if listed is None:
            self.done = True
            self._missing = found["logLineCount"]
            return 0
        edges = listed["edges"]
        for edge in edges:
            line = None if edge is None else edge["node"]
            if line is None:
                self._missing = None if self._missing is None else self._missing + 1
                continue
            number = line["number"]
            if number is not None and number <= self._last:
                continue
            self._last = self._last if number is None else number
            self._lines.append(line)
        self.weight = len(self._lines)
        cursor = listed["pageInfo"]["endCursor"]
        is_over = self.spec.max_step is not None and self._last + 1 >= self.spec.max_step
        self.done = is_over or not listed["pageInfo"]["hasNextPage"]
        if not self.done and (not edges or cursor is None or cursor == self._cursor):
            self.failed(
                ServerError(
                    f"{self.head.ref.path}: {self.target.place} announces more console lines without giving any",
                    operation=CONSOLE.operation,
                )
            )
        self._cursor = cursor
        return len(edges)

    def too_much(self, asked: Asked) -> bool:
        """Ask for a smaller page."""
        if self._first == 1:
            return False
        self._first, self._is_asked = self._first // 2, False
        return True

    def failed(self, error: WbmodelError) -> None:
        """The run cannot be read."""
        self.error, self.done = error, True

    def parts(self) -> Iterator[Part | Ended]:
        """The lines, and the end."""
        low, high = self.spec.min_step or 0, self.spec.max_step
        lines, self._lines = self._lines, []
        if low > 0 or high is not None:
            lines = [
                line
                for line in lines
                if line["number"] is not None and line["number"] >= low and (high is None or line["number"] < high)
            ]
        if lines:
            yield Part(self.head, columns_of(self.head.ref.node_id, lines, ()))
        yield Ended(self.head, len(lines), None if self.error else self._missing, self.error)
