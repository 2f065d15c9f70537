"""Which requests are sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wbmodel.backend.asks import Request
from wbmodel.session.observers import observing

__all__ = ["asked_names"]


@contextmanager
def asked_names() -> Iterator[list[str | None]]:
    """The operation names of the requests that are sent in a block."""
    names: list[str | None] = []
    with observing(lambda call: names.extend(ask.operation_name for ask in call.asks if isinstance(ask, Request))):
        yield names
