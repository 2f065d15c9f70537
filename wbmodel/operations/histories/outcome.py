"""What came of a reading: the runs that failed, and the rows that are missing."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from wbmodel.backend.asks import Failure
from wbmodel.codec import dumps
from wbmodel.errors import IncompleteHistory, warn
from wbmodel.operations.histories.pieces import Ended
from wbmodel.query.histories import RUN
from wbmodel.safe_text import counted

__all__ = ["Outcome"]


@attrs.define(slots=True, eq=False)
class Outcome:
    """What is known of a reading so far."""

    failures: list[Failure] = attrs.field(factory=list)
    missing: dict[str, int | None] = attrs.field(factory=dict)
    """Run (its path) -> how many rows are missing; None if nothing proves that all are there."""
    ended: int = 0
    """How many runs were read to their end."""
    rows: int = 0
    """How many rows were found."""
    names: dict[str, None] = attrs.field(factory=dict)
    """The names of the columns of the rows that were kept."""
    total: int | None = None
    """How many rows there are, of which a glance took some; None if that is not known."""
    is_sampled: bool = False
    """Whether the server left rows out."""
    _glances: int = 0
    settled: bool = False
    """Whether the reading is over."""

    @property
    def is_complete(self) -> bool:
        """Whether every row is proven to be there."""
        return not (self.failures or self.missing or self.is_sampled)

    def glanced(self, rows: int, total: int | None) -> None:
        """Note a glance at a run."""
        before = 0 if self._glances == 0 else self.total
        self.total = None if total is None or before is None else before + total
        self._glances += 1
        self.is_sampled = self.is_sampled or total is None or rows < total

    def take(self, end: Ended) -> None:
        """Note the end of a run."""
        self.ended += 1
        if end.error is not None:
            self.failures.append(Failure(end.head.ref, end.error))
        elif end.missing != 0:
            self.missing[end.head.ref.path] = end.missing

    def become(self, other: Outcome) -> None:
        """Take over what is known of another reading."""
        for field in attrs.fields(Outcome):
            setattr(self, field.name, getattr(other, field.name))

    def settle(self) -> None:
        """At the end: raise the error if no run could be read, and warn if anything is missing."""
        self.settled = True
        if self.failures and len(self.failures) == self.ended:
            raise self.failures[0].error
        if not (self.failures or self.missing):
            return
        told = [f"{item.run.path} could not be read: {item.error}" for item in self.failures]
        told += [
            f"{path}: {'nothing proves that all its rows are there' if count is None else counted(count, 'row')}"
            f"{'' if count is None else ' missing'}"
            for path, count in self.missing.items()
        ]
        shown = "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "")
        again = ". Read them again if their runs were just logging" if self.missing else ""
        warn(f"incomplete histories: {shown} (.failures and .missing have all of them){again}", IncompleteHistory)

    def metadata(self) -> Mapping[str, str]:
        """What an export says about it."""
        failures = [{RUN: item.run.path, "error": str(item.error)} for item in self.failures]
        return {
            "wbmodel.complete": dumps(self.is_complete),
            "wbmodel.failures": dumps(failures),
            "wbmodel.missing": dumps(self.missing),
        }
