"""Run the nodes of a physical plan: streams of rows in the requested order, from pages in the server's order.

A stream returns its next rows, and None at its end. Streams are nested like the nodes of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from wbmodel.compiler.physical import Get, Merge, Scan, SortHere, Step, Ties, ValuesFirst
from wbmodel.errors import ConfigurationError
from wbmodel.meta.state import row_ids
from wbmodel.operations.answer import Operation
from wbmodel.operations.nodes import Nodes
from wbmodel.operations.pages import Pages, load
from wbmodel.operations.paging import PageBudget
from wbmodel.operations.promised_order import InOrder
from wbmodel.operations.ties import MixedOrdered, TieOrdered
from wbmodel.query.order import sort_key

__all__ = ["RowStream", "open_stream"]


class RowStream(Protocol):
    """A source of rows."""

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows, in order; None at the end."""
        ...


def open_stream(step: Step, budget: PageBudget, first: list[Pages]) -> RowStream:
    """The stream of a step; makes no requests.

    The connections that it reads first are added to ``first``, so that the first pages of several streams can be loaded
    together.
    """
    if isinstance(step, (Scan, Get)) and step.place != budget.target.place:
        raise ConfigurationError(
            f"this plan was compiled for {step.place}, not for {budget.target.place}; compile it for that backend"
        )
    if isinstance(step, Scan):
        first.append(Pages(step, budget))
        return InOrder(step.sorted_by, first[-1]) if step.sorted_by else first[-1]
    if isinstance(step, Ties):
        return AsideLast(_ties(step, budget, first))
    if isinstance(step, ValuesFirst):
        return PresentFirst(step, _ties(step.present, budget, first), budget)
    if isinstance(step, SortHere):
        return Sorted(open_stream(step.source, budget, first), sort_key(step.keys))
    if isinstance(step, Merge):
        streams = [open_stream(source, budget, first) for source in step.sources]
        return Merged(streams, first, sort_key(step.keys)) if step.keys and streams else Concatenated(streams)
    if isinstance(step, Get):
        return Nodes(step, budget.target)
    raise TypeError(f"{type(step).__name__} has to be expanded before it can be read; see settle()")


def _ties(step: Ties, budget: PageBudget, first: list[Pages]) -> TieOrdered:
    pages = Pages(step.source, budget)
    first.append(pages)
    return TieOrdered(step, pages) if step.far is None else MixedOrdered(step, pages, Pages(step.far, budget))


class AsideLast:
    """The rows that have a value, then those whose value is missing although it should not be."""

    def __init__(self, present: TieOrdered) -> None:
        self.present = present

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows."""
        rows = yield from self.present.pull()
        if rows is None and self.present.aside:
            rows, self.present.aside = sorted(self.present.aside, key=self.present.inner), []
        return rows


class PresentFirst:
    """The rows that have a value, then those that lack it, ordered by the other keys."""

    def __init__(self, step: ValuesFirst, present: TieOrdered, budget: PageBudget) -> None:
        self.step, self.present, self.budget = step, present, budget
        self.inner = sort_key(step.rest)
        self.tail: RowStream | None = None

    def pull(self) -> Operation[list[Any] | None]:
        """Rows of the first part, then of the second."""
        if self.tail is None:
            rows = yield from self.present.pull()
            if rows is not None:
                return rows
            aside = sorted(self.present.aside, key=self.inner)
            # A server that looks into lists for null, or treats NaN as null, may return rows here that were already
            # returned or that belong to the first part. The former are recognized by identity; the latter must not be
            # lost. Opened only if needed, as most slices end among the rows that have a value.
            absent = open_stream(self.step.absent, self.budget, [])
            self.tail = Merged([Ready(aside), absent], [], self.inner) if aside else absent
        return (yield from self.tail.pull())


class Ready:
    """Rows that are already loaded."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows: list[Any] | None = rows

    def pull(self) -> Operation[list[Any] | None]:
        """All of them, once."""
        rows, self.rows = self.rows, None
        return rows
        yield  # makes this a generator, although it makes no requests


class Sorted:
    """All rows, ordered locally."""

    def __init__(self, source: RowStream, key: Callable[[Any], Any]) -> None:
        self.source, self.key = source, key
        self.done = False

    def pull(self) -> Operation[list[Any] | None]:
        """All rows at once."""
        if self.done:
            return None
        self.done = True
        collected: dict[Any, Any] = {}
        while (rows := (yield from self.source.pull())) is not None:
            for mark, row in zip(row_ids(rows), rows, strict=True):
                collected.setdefault(mark, row)
        return sorted(collected.values(), key=self.key) or None


class Concatenated:
    """Streams one after the other."""

    def __init__(self, streams: Sequence[RowStream]) -> None:
        self.streams = list(streams)

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows of the first stream that is not exhausted."""
        while self.streams:
            rows = yield from self.streams[0].pull()
            if rows is not None:
                return rows
            del self.streams[0]
        return None


class Merged:
    """Several ordered streams merged into one. Their ``first`` pages are loaded together."""

    def __init__(self, streams: Sequence[RowStream], first: Sequence[Pages], key: Callable[[Any], Any]) -> None:
        self.streams, self.first, self.key = list(streams), first, key
        self.heads: list[list[Any]] = [[] for _ in streams]
        self.keys: list[list[Any]] = [[] for _ in streams]
        self.started = False

    def pull(self) -> Operation[list[Any] | None]:
        """All rows whose order is certain before a stream has to be pulled again."""
        if not self.started:
            self.started = True
            yield from load(self.first)
        for index in range(len(self.streams) - 1, -1, -1):
            while not self.heads[index]:
                rows = yield from self.streams[index].pull()
                if rows is None:
                    del self.streams[index], self.heads[index], self.keys[index]
                    break
                self.heads[index] = rows[::-1]
                self.keys[index] = [self.key(row) for row in self.heads[index]]
        if not self.streams:
            return None
        out = []
        while True:
            best = min(range(len(self.streams)), key=lambda index: self.keys[index][-1])
            out.append(self.heads[best].pop())
            self.keys[best].pop()
            if not self.heads[best]:
                return out
