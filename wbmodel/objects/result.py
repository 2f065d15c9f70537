"""The result cache of a queryset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from wbmodel import forks

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = ["Result"]

_making = forks.lock()


class Result:
    """The results of one evaluation, shared by all iterators and threads; the lock ensures a single source.

    ``session`` is the one that the rows come from; None before the first is read.
    """

    __slots__ = ("__weakref__", "_lock", "_source", "complete", "rows", "session")

    def __init__(self, rows: list[Any] | None = None) -> None:
        self.rows: list[Any] = [] if rows is None else rows
        self.complete = rows is not None
        self.session: Session | None = None
        self._source: Iterator[Sequence[Any]] | None = None
        self._lock: AbstractContextManager[Any] | None = None

    def _locked(self) -> AbstractContextManager[Any]:
        # Made on first use: most querysets are only an intermediate step of a chain.
        if self._lock is None:
            with _making:
                if self._lock is None:
                    self._lock = forks.rlock()
        return self._lock

    def more(self, begin: Callable[[], tuple[Session, Iterator[Sequence[Any]]]]) -> bool:
        """Read more rows; False at the end. ``begin`` starts the source if necessary."""
        with self._locked():
            if self.complete:
                return False
            if self._source is None:
                forks.renewing(self)
                self.session, self._source = begin()
            try:
                part = next(self._source, None)
            except BaseException:
                # Drop the partial result, so that the next evaluation starts over and never mistakes it for the whole.
                self.rows, self._source, self.session = [], None, None
                raise
            if part is None:
                self.complete, self._source = True, None
                return False
            self.rows.extend(part)
            return True

    def after_fork(self) -> None:
        """Start over in the child: a partial read belongs to the parent, one of whose threads may continue it."""
        if not self.complete:
            self.rows, self._source, self.session = [], None, None

    def take(self, rows: list[Any], session: Session) -> None:
        """Store rows that were read from ``session`` in another way, unless the result is complete."""
        with self._locked():
            if not self.complete:
                self.rows, self.complete, self._source, self.session = rows, True, None, session
