"""State shared by the pages of one evaluation: the size of rows, read-ahead, and drift detection."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from wbmodel.backend.asks import Response
from wbmodel.compiler.requests import PAGE_BYTES
from wbmodel.compiler.target import Target
from wbmodel.errors import DamagedRow, PageDrift, warn

__all__ = ["Drift", "PageBudget", "Seen"]


class PageBudget:
    """The size limits of the pages of one evaluation. ``sliced``: it may end before the last page."""

    def __init__(self, target: Target, *, sliced: bool = False) -> None:
        self.target, self.sliced = target, sliced
        can = target.capabilities
        self.looks_ahead = can.concurrent and not can.in_process
        self.ahead: object = None
        """The connection whose next page is in flight. Only one at a time, as each is a page held in memory."""
        self.along: dict[str, dict[str, Any]] = {}
        """What came along with the rows, by node id, until it is taken."""
        self.pages = 0
        self._cut: int | None = None
        """The largest page that the server may be asked for after it failed on a larger one."""
        self._late = False
        self._rows = 0
        self._bytes = 0
        self._warned: set[type[Warning]] = set()

    def weigh(self, response: Response, rows: int) -> None:
        """Record the size of a response, and the number of rows in it over all connections."""
        self.pages += 1
        self._late = False
        if self._cut is not None:
            self._cut *= 2
        size = None if response.note is None else response.note.size
        if size and rows > 0:
            self._bytes += size
            self._rows += rows

    def shrink(self, size: int, *, late: bool) -> bool:
        """Ask for smaller pages than one of ``size`` rows; they grow again with each page that arrives. Returns whether
        there are smaller ones. ``late``: the page did not come in time, which is waited for only twice."""
        twice, self._late = late and self._late, late
        self._cut = max(1, size // (4 if late else 2))
        return size > 1 and not twice

    @property
    def weight(self) -> float | None:
        """The bytes of one row, judging by the pages so far; None if the size of responses is unknown."""
        return self._bytes / self._rows if self._rows else None

    @property
    def most(self) -> int:
        """The number of rows to request in one page: about :data:`PAGE_BYTES`, judging by the pages so far.

        It never exceeds the backend's limit, and equals it if the size of responses is unknown and no page failed.
        """
        limit = self.target.capabilities.max_page_size
        if self._cut is not None:
            limit = min(limit, self._cut)
        if not self._rows:
            return limit
        return max(1, min(limit, PAGE_BYTES * self._rows // self._bytes))

    def drifted(self, plural: str, order: str | None, what: str) -> None:
        """Warn, once, that rows moved between pages."""
        self._warn(
            f"{plural} of {self.target.place} changed while their pages were read in the order {order}: {what}. Rows "
            "may be missing. order_by('-created_at') reads every row that is not deleted meanwhile; .snapshot() "
            "excludes rows created meanwhile",
            PageDrift,
        )

    def nulled(self, plural: str, place: str) -> None:
        """Warn, once, that rows came as null."""
        self._warn(
            f"{self.target.place} answered {plural} with null for a row ({place}), which is left out: it was just "
            "deleted, or this account may not see it; count() may include it",
            DamagedRow,
        )

    def _warn(self, message: str, category: type[Warning]) -> None:
        if category not in self._warned:
            self._warned.add(category)
            warn(message, category)


class Seen:
    """The identities seen so far, stored as one hash each.

    The probability that two of a million rows share a 64-bit hash is 1 in 37 million; full ids would take three times
    the memory.
    """

    __slots__ = ("_hashes", "_identity")

    def __init__(self, identity: Callable[[Any], Any] = attrgetter("node_id")) -> None:
        self._hashes: set[int] = set()
        self._identity = identity

    def fresh(self, rows: list[Any]) -> list[Any]:
        """Return the rows that were not seen before, and record them as seen."""
        hashes = self._hashes
        marks = [hash(mark) for mark in map(self._identity, rows)]
        if hashes.isdisjoint(marks) and len(set(marks)) == len(marks):  # as nearly always, and quicker
            hashes.update(marks)
            return rows
        kept = []
        for mark, row in zip(marks, rows, strict=True):
            if mark not in hashes:
                hashes.add(mark)
                kept.append(row)
        return kept


class Drift:
    """Compares the server's count of one connection with the rows received.

    The server counts by the same filter in the same document. If nothing changes on the server, every page has the same
    count, which equals the final number of distinct rows.
    """

    def __init__(self) -> None:
        self._count: int | None = None
        self._pages = 0
        self._blind = False

    def take(self, count: int | None, received: int, done: bool) -> str | None:
        """Record a page: its count (None if it cannot be compared), the number of distinct rows received so far, and
        whether it is the last. Returns a description of any drift."""
        before, self._count = self._count, count
        self._pages += 1
        self._blind = self._blind or count is None
        if self._blind or self._pages == 1:
            return None
        if count != before:
            return f"{before} rows matched on one page, but {count} on the next"
        if done and count != received:
            return f"{count} rows match, but {received} distinct ones were received"
        return None
