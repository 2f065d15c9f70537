"""``QueryText``: what ``print(qs.query)`` shows."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["QueryText"]


class QueryText:
    """The text of a query, built on demand."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def __str__(self) -> str:
        return self._make()

    def __repr__(self) -> str:
        return str(self)
