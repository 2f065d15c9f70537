"""``Paginator``: a list that reads the server's pages when they are needed, over a queryset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from wbmodel.api.attrs import Siblings, pages, take
from wbmodel.errors import DoesNotExist

if TYPE_CHECKING:
    from wbmodel.api.client import Client
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Paginator", "page_size"]

T = TypeVar("T")

DEFAULT = 50
"""The page size of the official client. Where it is left, wbmodel sizes pages by itself."""


def page_size(per_page: int | None, default: int = DEFAULT) -> int | None:
    """The size of pages that a caller wants; None for one that leaves it to us. Raises ``ValueError`` below 1."""
    if per_page is None:
        return None
    if isinstance(per_page, bool) or not isinstance(per_page, int):
        raise TypeError(f"per_page must be a whole number, not {per_page!r}")
    if per_page < 1:
        raise ValueError(f"per_page must be 1 or more, not {per_page}")
    return None if per_page == default else per_page


class Paginator(Generic[T]):
    """A lazy list. Each loop over it is by itself, and all share the objects that were read.

    ``len()`` is the number on the server, which takes a request where not everything is read.
    """

    def __init__(self, client: Client, per_page: int | None = None, default: int = DEFAULT) -> None:
        self.client = client
        self.per_page = per_page or default
        self.objects: list[T] = []
        self._per_page = page_size(per_page, default)
        self._length: int | None = None
        self._complete = False
        self._source: Iterator[Sequence[Any]] | None = None
        self._siblings: Siblings | None = None
        self._queryset: QuerySet[Any] | None = None
        self._own: Iterator[T] | None = None

    # -- what a list is of: for subclasses --

    def _make_rows(self) -> QuerySet[Any]:
        raise NotImplementedError

    def _make(self, row: Any) -> T:
        raise NotImplementedError

    def _missing(self, error: DoesNotExist) -> Exception:
        """What is raised where the place of the list does not exist."""
        return ValueError(str(error))

    # -- reading --

    @property
    def _rows(self) -> QuerySet[Any]:
        if self._queryset is None:
            self._queryset = self._make_rows()
        return self._queryset

    def _more(self) -> bool:
        """Read the next page; False at the end."""
        if self._complete:
            return False
        try:
            if self._source is None:
                self._siblings = Siblings(self.client, self._related(), self._carry)
                self._source = pages(self.client, self._rows, self._per_page)
            part = next(self._source, None)
        except DoesNotExist as error:
            self._source = None
            raise self._missing(error) from error
        except BaseException:
            self._source, self.objects = None, []
            raise
        if part is None:
            self._complete, self._source = True, None
            return False
        assert self._siblings is not None
        self._siblings.rows.extend(part)
        self.objects.extend(map(self._make, part))
        return True

    def _carry(self, name: str) -> None:
        """Read the pages again from the first, with a field besides: those that were read get it, and so do the next.
        Nothing is done if all were read. Rows that came meanwhile among those that were read are left out."""
        siblings = self._siblings
        if self._complete or self._source is None or siblings is None:
            return
        self._queryset = self._rows.also(name)
        source, self._source = self._source, None
        getattr(source, "close", lambda: None)()
        self._source = pages(self.client, self._queryset, self._per_page)
        left = {row.node_id: row for row in siblings.rows}
        later: list[Any] = []
        while left:
            part = next(self._source, None)
            if part is None:
                self._complete, self._source = True, None
                break
            found = 0
            for row in part:
                known = left.pop(row.node_id, None)
                if known is None:
                    later.append(row)
                else:
                    take(known, row, name)
                    later.clear()
                    found += 1
            if not found:
                break  # the rest was deleted
        siblings.rows.extend(later)
        self.objects.extend(map(self._make, later))

    def _related(self) -> QuerySet[Any]:
        """The query by which what is left out of the pages is loaded."""
        return self._rows.order_by()

    def __iter__(self) -> Iterator[T]:
        at = 0
        while True:
            while at < len(self.objects):
                yield self.objects[at]
                at += 1
            if not self._more() and at >= len(self.objects):
                return

    def __next__(self) -> T:
        if self._own is None:
            self._own = iter(self)
        return next(self._own)

    next = __next__

    def __len__(self) -> int:
        found = self.length
        assert found is not None
        return found

    def __bool__(self) -> bool:
        return bool(self.objects) or self._more()

    @property
    def length(self) -> int | None:
        """How many there are on the server."""
        if self._complete:
            return len(self.objects)
        if self._length is None:
            try:
                self._length = self._rows.count()
            except DoesNotExist as error:
                raise self._missing(error) from error
        return self._length

    @property
    def more(self) -> bool:
        """Whether there may be pages that were not read."""
        return not self._complete

    @property
    def cursor(self) -> str | None:
        """Where the next page begins, as text: how many objects were read. None before the first."""
        return str(len(self.objects)) if self.objects else None

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            ends = [part for part in (index.start, index.stop) if part is not None]
            open_end = index.stop is None and (index.step is None or index.step > 0)
            whole = open_end or any(part < 0 for part in ends) or (index.step or 1) < 0
            self._read_to(None if whole else max(ends, default=0))
            return self.objects[index]
        self._read_to(None if index < 0 else index + 1)
        return self.objects[index]

    def _read_to(self, count: int | None) -> None:
        while (count is None or len(self.objects) < count) and self._more():
            pass

    def __getstate__(self) -> dict[str, Any]:
        self._read_to(None)
        return {**self.__dict__, "_source": None, "_own": None, "_siblings": None, "_queryset": None}
