"""What a queryset has read so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from wbmodel import forks

__all__ = ["Result"]

_making = forks.lock()


class Result:
    """The results of one evaluation. Threads and iterators that read on share what was read; the lock keeps them to one
    source."""

    __slots__ = ("__weakref__", "_lock", "_source", "complete", "rows")

    def __init__(self, rows: list[Any] | None = None) -> None:
        self.rows: list[Any] = [] if rows is None else rows
        self.complete = rows is not None
        self._source: Iterator[Sequence[Any]] | None = None
        self._lock: AbstractContextManager[Any] | None = None

    def _locked(self) -> AbstractContextManager[Any]:
        # Made when something is read: most querysets are a step on the way to another one.
        if self._lock is None:
            with _making:
                if self._lock is None:
                    self._lock = forks.rlock()
        return self._lock

    def more(self, begin: Callable[[], Iterator[Sequence[Any]]]) -> bool:
        """Read on; False at the end. ``begin`` gives the source where none was begun."""
        with self._locked():
            if self.complete:
                return False
            if self._source is None:
                forks.renewing(self)
                self._source = begin()
            try:
                part = next(self._source, None)
            except BaseException:
                # What was read so far is a part. The next one who asks begins anew, and never takes it for the whole.
                self.rows, self._source = [], None
                raise
            if part is None:
                self.complete, self._source = True, None
                return False
            self.rows.extend(part)
            return True

    def after_fork(self) -> None:
        """What is half read belongs to the parent, whose thread may be in the middle of it: the child begins anew."""
        if not self.complete:
            self.rows, self._source = [], None

    def take(self, rows: list[Any]) -> None:
        """Keep rows that were read in another way, unless there are some already."""
        with self._locked():
            if not self.complete:
                self.rows, self.complete, self._source = rows, True, None
