"""Rows in an order that the backend promises as a whole, checked for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import eq
from typing import Any

from wbmodel.errors import OrderWarning, warn
from wbmodel.meta.state import row_ids
from wbmodel.operations.answer import Operation
from wbmodel.operations.pages import Pages
from wbmodel.query.evaluate import tolerant
from wbmodel.query.order import OrderKey, rank, sort_key

__all__ = ["InOrder"]


class InOrder:
    """The rows of one connection by all ``keys``. If a row is out of order, that is said; and if nothing was returned
    yet, all rows are read and ordered here."""

    def __init__(self, keys: tuple[OrderKey, ...], pages: Pages) -> None:
        self.keys, self.pages = keys, pages
        self.last: list[Any] = []
        """The last row."""
        self.warned = False

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows."""
        rows = yield from self.pages.pull()
        if not rows or self.warned:
            return rows
        before, self.last = self.last, rows[-1:]
        if _is_sorted([*before, *rows], self.keys):
            return rows
        self.warned = True
        place, by = self.pages.target.place, ", ".join(map(str, self.keys))
        told = f"{place} promises to order {self.pages.scan.node.meta.plural} by {by}, but does not"
        if before:
            warn(f"{told}; sort the rows again after fetching them if this matters", OrderWarning)
            return rows
        warn(f"{told}; all rows are read and ordered here", OrderWarning)
        found = dict(zip(row_ids(rows), rows, strict=True))
        while (more := (yield from self.pages.pull())) is not None:
            found.update(zip(row_ids(more), more, strict=True))
        return sorted(found.values(), key=sort_key(self.keys))


def _is_sorted(rows: Sequence[Any], keys: Sequence[OrderKey]) -> bool:
    """Whether rows are in the order of ``keys``. Values of one plain type are compared as they are, which is fast."""
    key = keys[0]
    marks: list[Any] = list(map(tolerant(key.path), rows))
    plain = {str, datetime, int}.issuperset(kinds := set(map(type, marks))) and len(kinds) == 1
    if not plain:
        marks = [rank(value, key.descending) for value in marks]
    if marks != sorted(marks, reverse=plain and key.descending):
        return False
    tied = [at for at, same in enumerate(map(eq, marks, marks[1:])) if same] if keys[1:] else []
    start = end = -2
    for at in [*tied, len(rows)]:
        if at == end:
            end = at + 1
            continue
        if start >= 0 and not _is_sorted(rows[start : end + 1], keys[1:]):
            return False
        start, end = at, at + 1
    return True
