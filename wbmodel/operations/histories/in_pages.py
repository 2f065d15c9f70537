"""Runs together with the values of their keys, where the server's pages of runs can have them."""

from __future__ import annotations

from typing import Any

from wbmodel.compiler.physical import Along
from wbmodel.compiler.target import Target
from wbmodel.errors import RAN_OUT, ServerError
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.pieces import Head
from wbmodel.operations.histories.runs import Listed, Runs, head_of
from wbmodel.operations.run import Rows

__all__ = ["WithValues", "with_values"]

_MOST_LEFT = 256
"""What came along with rows that are not results is forgotten when there is so much of it."""

Came = tuple[Head, dict[str, Any] | None]
"""A run, and what came along with it."""


class WithValues:
    """A source of runs, each with what came along with it."""

    @property
    def brings(self) -> bool:
        """Whether anything comes along, as far as is known."""
        return False

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    @property
    def target(self) -> Target | None:
        """The target without what its server refused; None: as it was."""
        return None

    def pull(self) -> Operation[list[Came] | None]:
        """The next runs; None at the end."""
        heads = yield from self.runs.pull()
        return None if heads is None else [(head, None) for head in heads]

    def alone(self) -> Runs:
        """The runs that were not given yet, without what comes along."""
        return self.runs

    def bring_no_more(self) -> None:
        """Give the next runs without anything."""


class InPages(WithValues):
    """The runs of a plan, whose pages have the values too, unless that is too much for the server."""

    def __init__(self, runs: Listed, along: Along) -> None:
        super().__init__(runs)
        self.rows = Rows(runs.plan, runs.target, along)

    @property
    def brings(self) -> bool:
        """Whether the pages have the values."""
        return self.rows.brings

    @property
    def target(self) -> Target | None:
        """The target of the listing."""
        return self.rows.target

    def pull(self) -> Operation[list[Came] | None]:
        """The runs of the next page."""
        try:
            rows = yield from self.rows.pull()
        except ServerError as error:
            if self.rows.along is None or error.server_message == RAN_OUT:
                raise
            # From here on, pages of runs alone; their values are asked for run by run.
            self.rows.along = None
            return (yield from self.pull())
        return None if rows is None else self._with(rows)

    def alone(self) -> Runs:
        """The rest of the listing."""
        self.rows.along = None
        return _Rest(self)

    def bring_no_more(self) -> None:
        """List again, from where it stands, without the values."""
        self.rows.along, self.rows.brings, self.rows.broken = None, False, True

    def _with(self, rows: list[Any]) -> list[Came]:
        came = self.rows.came
        found = [(head_of(row), came.pop(row.node_id, None)) for row in rows]
        while len(came) > _MOST_LEFT:
            del came[next(iter(came))]
        return found


class _Rest:
    """The runs of a source, alone."""

    def __init__(self, source: WithValues) -> None:
        self.source = source

    def pull(self) -> Operation[list[Head] | None]:
        """The next runs."""
        came = yield from self.source.pull()
        return None if came is None else [head for head, _ in came]


def with_values(runs: Runs, along: Along | None) -> WithValues:
    """The runs, with ``along`` where that can be asked for in their pages."""
    return WithValues(runs) if along is None or not isinstance(runs, Listed) else InPages(runs, along)
