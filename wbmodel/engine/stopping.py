"""Stops work that nobody waits for: long loops of the engine and of list stores check, every few rows, whether the
client of the request has given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

__all__ = ["GivenUp", "check", "until_given_up", "watching"]

T = TypeVar("T")
_EVERY = 32
"""Rows between two checks."""

_given_up: ContextVar[Callable[[], bool] | None] = ContextVar("wbmodel: whether the client has given up", default=None)


class GivenUp(BaseException):
    """Nobody waits for the answer. Not an ``Exception``: it ends the whole request, not one of its fields."""


@contextmanager
def watching(given_up: Callable[[], bool] | None) -> Iterator[None]:
    """Within this block, :func:`check` raises once ``given_up()`` is true."""
    token = _given_up.set(given_up)
    try:
        yield
    finally:
        _given_up.reset(token)


def check() -> None:
    """Raise :class:`GivenUp` if nobody waits for the answer."""
    given_up = _given_up.get()
    if given_up is not None and given_up():
        raise GivenUp


def until_given_up(rows: Sequence[T]) -> Iterable[T]:
    """The rows, with a check every few of them; the rows themselves where nobody can give up."""
    return rows if _given_up.get() is None else _checked(rows)


def _checked(rows: Sequence[T]) -> Iterator[T]:
    for at, row in enumerate(rows):
        if not at % _EVERY:
            check()
        yield row
