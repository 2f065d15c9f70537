"""Where the next page of an order by creation begins, said by the last row's date and not by the server's cursor.

What a server's cursors mean is not known. Cursors that count rows (``skip 100``) lose a row whenever an earlier one is
deleted, and repeat one whenever a run starts. Dates do not change: what was created before the last row of a page is
the rest, whatever comes and goes meanwhile. Rows of the moment of the last row are left out by name, so that a page
holds new rows only.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wbmodel.codec import format_datetime, parse_datetime
from wbmodel.compiler.filters import conjoined
from wbmodel.compiler.physical import KeysetBy

__all__ = ["NAMED", "Keyset", "resolution"]

NAMED = 2000
"""Rows of one moment that a filter leaves out by name: some 30 kB of it. Where more rows were created in one moment
than this, their pages follow the server's cursor."""

_SECOND = 1_000_000


def resolution(text: str) -> timedelta:
    """How far apart two dates may be that a server writes as this one text, if it cuts off what it does not show:
    a second when there is no fraction, a millisecond for three digits, a microsecond for six and more."""
    fraction = text.partition(".")[2]
    digits = 0
    while digits < 6 and fraction[digits : digits + 1].isdigit():
        digits += 1
    return timedelta(microseconds=_SECOND // 10**digits)


class Keyset:
    """The place in one connection's order by ``created_at``, in either direction. :attr:`condition` is what the next
    page is asked for by, beside the query's own filter."""

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
        """The nodes of a page that are new, and whether :attr:`condition` asks for the rest. Where it cannot, the
        cursor of the page is to be followed, under the condition that the page was asked for by."""
        dates = None if self._off else self._dates(nodes)
        if dates is None:
            # The server does not order by them as it is asked to, and nothing can be built on it.
            self._off = True
            return nodes, False
        if dates and not self._is_within(dates[0]):
            # It does not filter by them. Its cursor leads once more through what came already.
            self._unfiltered = True
        fresh = [
            (node, date)
            for node, date in zip(nodes, dates, strict=True)
            if node["id"] not in self._tied and not self._is_late(date)
        ]
        return [node for node, _ in fresh], bool(fresh) and self._advance(fresh)

    def _dates(self, nodes: list[dict[str, Any]]) -> list[datetime] | None:
        """The nodes' dates; None when they are not in order."""
        texts = [node[self._date] for node in nodes]
        if None in texts:
            return None
        dates = [parse_datetime(text) for text in texts]
        return dates if dates == sorted(dates, reverse=self._descending) else None

    def _is_within(self, date: datetime) -> bool:
        """Whether the bound does not leave out a row of this date."""
        return self._edge is None or (date < self._edge if self._descending else date >= self._edge)

    def _is_late(self, date: datetime) -> bool:
        """Whether a row that was not seen belongs before the last one that was: it has started since."""
        return self._at is not None and (date > self._at if self._descending else date < self._at)

    def _advance(self, fresh: list[tuple[dict[str, Any], datetime]]) -> bool:
        node, self._at = fresh[-1]
        # What the server compares with may be later than what it shows of the last row.
        edge = self._at + resolution(node[self._date]) if self._descending else self._at
        moved, self._edge = edge != self._edge, edge
        self._tied = {key: kept for key, kept in self._tied.items() if self._is_within(kept[0])}
        for node, date in reversed(fresh):
            if not self._is_within(date):
                break
            self._tied[node["id"]] = (date, node[self._name])
        if self._unfiltered:
            return False
        bound = {self._date_path: {"$lt" if self._descending else "$gte": format_datetime(edge)}}
        if self._name_path is not None and len(self._tied) <= NAMED:
            # A server that is blind to case leaves out more than is named where two runs of one moment have ids that
            # differ by case only; one that is blind to case would not have made the second.
            names = sorted(name for _, name in self._tied.values())
            self.condition = conjoined(bound, {self._name_path: {"$nin": names}})
            return True
        if moved:
            self.condition = bound
        return moved
