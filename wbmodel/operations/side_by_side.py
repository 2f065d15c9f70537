"""Pages side by side: once page 1 shows that cursors are places in a list, the other pages are asked for at once.

Each page starts one row early and has to begin with the last row of the page before it. If it does not, rows came or
went meanwhile, or the server has other cursors after all: then the rest is read in turn, from the last row that fitted.
Rows that are created meanwhile do not move the others: the newest row of page 1 is the bound for newest-first orders,
and in oldest-first orders they come last.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from wbmodel.codec import format_datetime, parse_datetime
from wbmodel.compiler.physical import KeysetBy
from wbmodel.compiler.requests import PAGE_BYTES
from wbmodel.operations.keyset import resolution

__all__ = ["SideBySide", "cursor_at", "side_by_side"]

MOST_AT_ONCE = 12
"""How many pages are in flight at most."""
_IN_FLIGHT = 4 * PAGE_BYTES


def cursor_at(place: int) -> str:
    """The cursor of the row at a place, as servers write it that page by offset (relay's ``arrayconnection``)."""
    return b64encode(b"arrayconnection:%d" % place).decode()


class SideBySide:
    """The pages after page 1. ``bound`` is the condition that keeps out rows created meanwhile."""

    def __init__(self, first: int, end: int, size: int, bound: dict[str, Any] | None, last: Any) -> None:
        self.size, self.bound = size, bound
        self._starts = deque(range(first - 1, end - 1, max(size - 1, 1)))
        self._last = last
        self.more = True
        """Whether the last page that fitted announced another one."""

    @property
    def is_over(self) -> bool:
        """Whether every page has been asked for."""
        return not self._starts

    def next_cursor(self) -> str:
        """The cursor of the next page to ask for."""
        return cursor_at(self._starts.popleft() - 1)

    def room(self, bytes_of_row: float | None) -> int:
        """How many pages may be in flight."""
        weight = (bytes_of_row or 0) * self.size
        return MOST_AT_ONCE if not weight else max(2, min(MOST_AT_ONCE, int(_IN_FLIGHT / weight)))

    def fits(self, edges: Sequence[Any], more: bool) -> bool:
        """Whether a page begins with the last row of the page before it, and brings more than that."""
        ids = [None if edge is None or edge["node"] is None else edge["node"]["id"] for edge in edges]
        if len(ids) < 2 or None in ids or ids[0] != self._last:
            return False
        self._last, self.more = ids[-1], more
        return True


def side_by_side(by: KeysetBy, edges: Sequence[Any], cursor: str | None, end: int, size: int) -> SideBySide | None:
    """The pages after page 1 up to row ``end``, of ``size`` rows each; None if they cannot be asked for at once."""
    if size < 2 or len(edges) < 2 or end <= len(edges) or cursor != cursor_at(len(edges) - 1):
        return None
    if any(edge is None or edge["node"] is None for edge in edges):
        return None
    bound: dict[str, Any] | None = None
    if by.descending:
        field, path = by.date
        text = edges[0]["node"][field]
        try:
            # The server may compare with a more precise, later date than the one that it returns.
            edge = parse_datetime(text) + max(resolution(text), timedelta(microseconds=1))
        except (TypeError, ValueError):
            return None
        bound = {path: {"$lt": format_datetime(edge)}}
    return SideBySide(len(edges), end, size, bound, edges[-1]["node"]["id"])
