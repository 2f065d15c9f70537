"""What the pages of one evaluation share: how much a row weighs, which page is read ahead, and whether rows drift."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wbmodel.backend.asks import Response
from wbmodel.errors import PageDrift, warn

if TYPE_CHECKING:
    from wbmodel.backend.capabilities import Capabilities
    from wbmodel.compiler.query import CompiledQuery

__all__ = ["PAGE_BYTES", "Drift", "Reading", "Seen"]

PAGE_BYTES = 4 * 1024 * 1024
"""What an answer may weigh, decoded, in bytes. Beyond this a larger page saves no time: its one round trip is far below
the time of its transfer and decoding, while the memory of it (up to three pages are held at once: one in use, one
decoded, one on its way) and what a broken connection loses grow with it."""


class Reading:
    """One evaluation of a plan. ``capabilities`` are the backend's."""

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.looks_ahead = capabilities.concurrent and not capabilities.in_process
        self.ahead: Any = None
        """The connection whose next page is under way. One at a time, however many there are: each is a page held."""
        self.pages = 0
        self._rows = 0
        self._bytes = 0
        self._warned = False

    def weigh(self, response: Response, rows: int) -> None:
        """Note an answer, and how many rows it held, of all connections in it."""
        self.pages += 1
        note = response.extensions.get("wbmodel")
        size = note.get("size") if isinstance(note, Mapping) else None
        if isinstance(size, int) and size > 0 and rows > 0:
            self._bytes += size
            self._rows += rows

    @property
    def most(self) -> int:
        """How many rows to ask for in one page: what weighs :data:`PAGE_BYTES` by the pages so far, and no more than
        the backend takes. Where nothing says what an answer weighs, all that it takes."""
        limit = self.capabilities.max_page_size
        if not self._rows:
            return limit
        return max(1, min(limit, PAGE_BYTES * self._rows // self._bytes))

    def drifted(self, query: CompiledQuery, order: str | None, what: str) -> None:
        """Warn, once, that rows moved between pages."""
        if self._warned:
            return
        self._warned = True
        warn(
            f"{query.meta.plural} of {query.target.place} changed while their pages were read in the order {order}: "
            f"{what}. Rows may be missing. order_by('-created_at') reads all that stay, whatever comes and goes; "
            ".snapshot() leaves out what starts meanwhile",
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
