"""``run.console_logs()``: what a run printed, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from wbmodel.codec import parse_datetime
from wbmodel.entities.run import Run as RunEntity

if TYPE_CHECKING:
    from wbmodel.api.attrs import Attrs
    from wbmodel.api.client import Client

__all__ = ["ConsoleLogLine", "ConsoleLogs"]


@attrs.frozen
class ConsoleLogLine:
    """A line that a run printed: its ``number`` from 0, when it was captured (in UTC; None if that is not known), its
    ``level`` (``"error"`` for standard error, else empty), the ``label`` of the process, and the text."""

    number: int
    timestamp: datetime | None
    level: str
    label: str
    content: str


class ConsoleLogs:
    """The lines that a run printed, oldest first. Each loop is by itself; the lines are read once."""

    def __init__(self, client: Client, run: Attrs[RunEntity], per_page: int = 1000, last: int | None = None) -> None:
        asked: tuple[tuple[str, object], ...] = (("per_page", per_page), ("last", last))
        for name, value in asked:
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a whole number from 1, not {value!r}")
        self.run = run
        lines = run.model.console.using(client.session)
        self._lines = lines if last is None else lines.tail(last)
        self._own: Iterator[ConsoleLogLine] | None = None

    def __iter__(self) -> Iterator[ConsoleLogLine]:
        for row in self._lines:
            when = row.get("timestamp")
            yield ConsoleLogLine(
                row["number"],
                when if isinstance(when, datetime) or when is None else parse_datetime(when),
                row.get("level") or "",
                row.get("label") or "",
                str(row.get("line") or "").rstrip("\n"),
            )

    def __next__(self) -> ConsoleLogLine:
        if self._own is None:
            self._own = iter(self)
        return next(self._own)

    def __repr__(self) -> str:
        return f"<ConsoleLogs {self.run.model.path}>"
