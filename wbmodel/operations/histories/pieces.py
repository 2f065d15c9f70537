"""What a reading of histories is made of: the runs to read, and what comes of each of them."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.asks import ColumnBatch, RunRef
from wbmodel.errors import WbmodelError

__all__ = ["Ended", "Head", "Part"]


@attrs.frozen(slots=True, eq=False)
class Head:
    """A run whose history is read. ``count`` is its line count as listed (None: unknown), ``growing`` says that its
    process may still log. ``row`` is the run itself, with the fields that are joined to its rows."""

    ref: RunRef
    row: Any
    count: int | None = None
    growing: bool = False


@attrs.frozen(slots=True, eq=False)
class Part:
    """Some rows of a run: by step, and within a step as they came. The parts of a run are adjacent."""

    head: Head
    batch: ColumnBatch


@attrs.frozen(slots=True, eq=False)
class Ended:
    """The end of a run's parts. ``rows`` is how many came, ``missing`` how many more there are: 0 if all is proven to
    be there, None if the server says nothing that proves it. With ``error``, the run could not be read."""

    head: Head
    rows: int
    missing: int | None = 0
    error: WbmodelError | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every row is proven to be there."""
        return self.error is None and self.missing == 0
