"""``run.console``: what a run printed, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wbmodel.objects.history import HistorySet

__all__ = ["ConsoleLine", "ConsoleLog"]


class ConsoleLine(dict[str, Any]):
    """A line of output: ``number``, ``level`` (``info``, ``error`` ...), ``timestamp`` (text), ``label`` and ``line``.
    ``str(line)`` is what was printed."""

    def __str__(self) -> str:
        return str(self.get("line", "")).rstrip("\n")


class ConsoleLog(HistorySet):
    """The lines that a run printed, in order. All that a history set does, and :meth:`text`."""

    def _made(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return map(ConsoleLine, rows)

    def text(self) -> str:
        """The lines as one text."""
        return _text(list(self))

    async def atext(self) -> str:
        """The async twin of :meth:`text`."""
        return _text([line async for line in self])


def _text(lines: list[dict[str, Any]]) -> str:
    return "".join(f"{str(line.get('line', '')).rstrip(chr(10))}\n" for line in lines)
