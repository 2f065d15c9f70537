"""One range of steps of a run: how it is asked for, and its rows as the server gives them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from wbmodel.compiler.extras import FROM_BELOW, MANY_KEYS, Extra
from wbmodel.compiler.histories import ROWS, ROWS_CUT, Kind
from wbmodel.compiler.target import Target
from wbmodel.errors import WbmodelError
from wbmodel.operations.answer import Operation, kept
from wbmodel.operations.histories.documents import Asked, Documents, Reading
from wbmodel.operations.histories.ladder import Range
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.rows import Row, decode
from wbmodel.operations.histories.runs import Known

__all__ = ["OneRange", "range_values", "read_range", "rows_kind"]


def rows_kind(target: Target) -> tuple[Kind, frozenset[Extra]]:
    if MANY_KEYS in target.refused:
        return ROWS_CUT, frozenset({FROM_BELOW} - target.refused)
    return ROWS, frozenset({FROM_BELOW, MANY_KEYS} - target.refused)


def range_values(ask: Range, target: Target) -> dict[str, Any]:
    low, high = ask.bounds
    if low is None and FROM_BELOW in target.refused:
        low = 0
    return {"a": low, "b": high, "s": ask.samples}


class OneRange:
    """One range of one run, as the server gives it."""

    def __init__(self, head: Head, wanted: Range) -> None:
        self.head = head
        self.error: WbmodelError | None = None
        self.done = False
        self.weight = 0
        self.rows: list[Row] = []
        self.count: int | None = None
        self._wanted: list[Range] = [wanted]

    def wanted(self) -> list[Asked]:
        """The range."""
        new, self._wanted = self._wanted, []
        return [Asked(self, rows_kind, partial(range_values, ask), ask.expects) for ask in new]

    def take(self, asked: Asked, found: dict[str, Any]) -> int:
        """Its rows."""
        got = decode(found["history"])
        self.rows, self.count, self.done = [*got.rows, *got.loose], found["historyLineCount"], True
        return len(self.rows)

    def too_much(self, asked: Asked) -> bool:
        """There are no smaller ranges."""
        return False

    def failed(self, error: WbmodelError) -> None:
        """The run cannot be read."""
        self.error, self.done = error, True

    def parts(self) -> Iterator[Part | Ended]:
        """The end."""
        yield Ended(self.head, len(self.rows), None, self.error)


def read_range(head: Head, target: Target, wanted: Range) -> Operation[OneRange]:
    """The answer to one range. Raises the error of a run that cannot be read."""
    reading = OneRange(head, wanted)

    def begin(_: Head) -> Reading:
        return reading

    yield from kept(Documents(Known([head]), target, begin).read())
    if reading.error is not None:
        raise reading.error
    return reading
