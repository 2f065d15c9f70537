"""What the counts of lines of a server are worth."""

from __future__ import annotations

__all__ = ["Trust"]


class Trust:
    """What the runs of one server show about its counts: after two that end with fewer rows than their count although
    every range was split, it is taken for a count of lines, some of which are not rows."""

    def __init__(self, *, lines: bool = False) -> None:
        self.lines = lines
        self.failed = 0
        self.trying = 0

    def begin(self) -> bool | None:
        """Whether to split a short run into widths: None while two others find out."""
        if self.lines:
            return False
        if self.trying + self.failed >= 2:
            return None
        self.trying += 1
        return True

    def ended(self, *, short: bool) -> None:
        """A run that was split into widths ended."""
        self.trying -= 1
        self.failed = self.failed + 1 if short else 0
        self.lines = self.failed >= 2
