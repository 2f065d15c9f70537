"""Keyset pagination by creation date: the last row's date, not the server's cursor, says where a page starts.

The semantics of a server's cursors are unknown. Cursors that count rows (``skip 100``) skip a row whenever an earlier
one is deleted, and repeat one whenever a run starts. Dates do not change: the rest is what was created before the last
row of a page, whatever is added or deleted meanwhile. Rows with the date of the last row are excluded by name, so a
page contains only new rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wbmodel.codec import format_datetime, parse_datetime
from wbmodel.compiler.filters import conjoined
from wbmodel.compiler.physical import KeysetBy

__all__ = ["NAMED", "Keyset", "resolution"]

NAMED = 2000
"""The most rows of one date that a filter excludes by name, about 30 kB of filter.

If more rows share a date, their pages follow the server's cursor.
"""

_SECOND = 1_000_000


def resolution(text: str) -> timedelta:
    """The resolution of a date text: how far apart two dates with the same text may be if the server truncates.

    A second without a fraction, a millisecond for three digits, a microsecond for six or more.
    """
    fraction = text.partition(".")[2]
    digits = 0
    while digits < 6 and fraction[digits : digits + 1].isdigit():
        digits += 1
    return timedelta(microseconds=_SECOND // 10**digits)


class Keyset:
    """The position in one connection's order by ``created_at``, in either direction.

    :attr:`condition` selects the next page, in addition to the query's own filter.
    """

    def __init__(self, by: KeysetBy) -> None:
        self._date, self._date_path = by.date
        self._name, self._name_path = by.name
        self._descending = by.descending
        self._at: datetime | None = None
        self._edge: datetime | None = None
        self._tied: dict[str, tuple[datetime, str]] = {}
        self._off = self._unfiltered = False
        self.condition: dict[str, Any] | None = None

    def take(self, nodes: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
        """The new nodes of a page, and whether :attr:`condition` selects the rest.

        If not, follow the page's cursor, under the condition that the page was requested with.
        """
        dates = None if self._off else self._dates(nodes)
        if dates is None:
            # The server ignores the requested order, so a keyset cannot work.
            self._off = True
            return nodes, False
        if dates and not self._is_within(dates[0]):
            # The server ignores the filter. Its cursor goes once more through rows that were already read.
            self._unfiltered = True
        # The page is in order, so rows that were created in the meantime come before all others.
        begin = next((at for at, date in enumerate(dates) if not self._is_late(date)), len(dates))
        fresh = [at for at in range(begin, len(nodes)) if nodes[at]["id"] not in self._tied]
        if not fresh:
            return [], False
        nodes = [nodes[at] for at in fresh]
        return nodes, self._advance(nodes, [dates[at] for at in fresh])

    def _dates(self, nodes: list[dict[str, Any]]) -> list[datetime] | None:
        """The nodes' dates; None if they are not in order, or one of them cannot be read."""
        texts = [node[self._date] for node in nodes]
        if None in texts:
            return None
        try:
            dates = [parse_datetime(text) for text in texts]
        except ValueError:
            return None
        return dates if dates == sorted(dates, reverse=self._descending) else None

    def _is_within(self, date: datetime) -> bool:
        """Whether the bound includes a row of this date."""
        return self._edge is None or (date < self._edge if self._descending else date >= self._edge)

    def _is_late(self, date: datetime) -> bool:
        """Whether a row that was not seen belongs before the last seen row: it was created in the meantime."""
        return self._at is not None and (date > self._at if self._descending else date < self._at)

    def _advance(self, nodes: list[dict[str, Any]], dates: list[datetime]) -> bool:
        node, self._at = nodes[-1], dates[-1]
        # The server may compare with a more precise, later date than the one it returns for the last row.
        edge = self._at + resolution(node[self._date]) if self._descending else self._at
        moved, self._edge = edge != self._edge, edge
        self._tied = {key: kept for key, kept in self._tied.items() if self._is_within(kept[0])}
        for node, date in zip(reversed(nodes), reversed(dates), strict=True):
            if not self._is_within(date):
                break
            self._tied[node["id"]] = (date, node[self._name])
        if self._unfiltered:
            return False
        bound = {self._date_path: {"$lt" if self._descending else "$gte": format_datetime(edge)}}
        if self._name_path is not None and len(self._tied) <= NAMED:
            # A case-insensitive server would exclude too much if two runs of one date had ids that differ only by case;
            # but such a server would not have created the second run.
            names = sorted(name for _, name in self._tied.values())
            self.condition = conjoined(bound, {self._name_path: {"$nin": names}})
            return True
        if moved:
            self.condition = bound
        return moved
