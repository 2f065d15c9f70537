"""What the pages of one evaluation share: how much a row weighs, which page is read ahead, and whether rows drift."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wbmodel.backend.asks import Response
from wbmodel.compiler.requests import PAGE_BYTES
from wbmodel.compiler.target import Target
from wbmodel.errors import PageDrift, warn

__all__ = ["Drift", "PageBudget", "Seen"]


class PageBudget:
    """What the pages of one evaluation may weigh together. ``sliced``: the evaluation may end before the last page."""

    def __init__(self, target: Target, *, sliced: bool = False) -> None:
        self.target, self.sliced = target, sliced
        can = target.capabilities
        self.looks_ahead = can.concurrent and not can.in_process
        self.ahead: object = None
        """The connection whose next page is under way. One at a time, however many there are: each is a page held."""
        self.pages = 0
        self._rows = 0
        self._bytes = 0
        self._warned = False

    def weigh(self, response: Response, rows: int) -> None:
        """Note an answer, and how many rows it held, of all connections in it."""
        self.pages += 1
        size = None if response.note is None else response.note.size
        if size and rows > 0:
            self._bytes += size
            self._rows += rows

    @property
    def most(self) -> int:
        """How many rows to ask for in one page: what weighs :data:`PAGE_BYTES` by the pages so far, and no more than
        the backend takes. Where nothing says what an answer weighs, all that it takes."""
        limit = self.target.capabilities.max_page_size
        if not self._rows:
            return limit
        return max(1, min(limit, PAGE_BYTES * self._rows // self._bytes))

    def drifted(self, plural: str, order: str | None, what: str) -> None:
        """Warn, once, that rows moved between pages."""
        if self._warned:
            return
        self._warned = True
        warn(
            f"{plural} of {self.target.place} changed while their pages were read in the order {order}: {what}. Rows "
            "may be missing. order_by('-created_at') reads all that stay, whatever comes and goes; .snapshot() leaves "
            "out what starts meanwhile",
            PageDrift,
        )


class Seen:
    """The identities that came before, at the price of a hash each.

    Two of a million rows have the same 64-bit hash with a probability of 1 in 37 million; whole ids would take three
    times the memory.
    """

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def fresh(self, rows: Iterable[Any]) -> list[Any]:
        """The rows that were not seen before, noted as seen."""
        hashes, kept = self._hashes, []
        for row in rows:
            mark = hash(row.node_id)
            if mark not in hashes:
                hashes.add(mark)
                kept.append(row)
        return kept


class Drift:
    """The count of one connection's rows, held against the rows that come.

    The count is the server's, of the same filter in the same document, so that on a quiet server it is the same with
    each page, and is the number of different rows in the end.
    """

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._count: int | None = None
        self._pages = 0
        self._blind = False

    def take(self, count: int | None, edges: list[Any], done: bool) -> str | None:
        """Note a page: the count that came with it, its edges and whether it is the last. What is wrong, in words."""
        before, self._count = self._count, count
        self._pages += 1
        self._hashes.update(hash(edge["node"]["id"]) for edge in edges if edge is not None and edge["node"] is not None)
        # A row that this account may not see counts, and cannot be told from another.
        self._blind = self._blind or count is None or any(edge is None or edge["node"] is None for edge in edges)
        if self._blind or self._pages == 1:
            return None
        if count != before:
            return f"{before} matched with one page, and {count} with the next"
        if done and count != len(self._hashes):
            return f"{count} match, and {len(self._hashes)} different ones came"
        return None
