"""The verbs by which an operation without I/O asks, and is told: a generator yields them to ``session/driver.py``.

What is yielded is answered at the ``yield``; an error of the backend is raised there, so that the operation can repeat
or clean up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from wbmodel.backend.asks import Ask

__all__ = ["END", "Batch", "Emit", "Join", "Next", "Send", "Start", "Verb"]


class _End:
    __slots__ = ()

    def __repr__(self) -> str:
        return "END"


END: Final = _End()
"""What :class:`Next` is answered with when the stream is over."""


@attrs.frozen(slots=True)
class Send:
    """Ask one thing. The answer is a :class:`~wbmodel.backend.asks.Response` for a request; for what is answered by a
    stream (``Read``, ``Open``, ``Fetch``) it is a handle for :class:`Next`, and nothing is asked before that."""

    request: Ask


@attrs.frozen(slots=True)
class Batch:
    """Ask several things that may be done together. The answer is the list of answers, in order; the first error is
    raised in place of all."""

    requests: Sequence[Ask]


@attrs.frozen(slots=True)
class Start:
    """Ask, and go on. The answer is a handle for :class:`Join`.

    What is asked begins at once where the backend says that this saves time (``capabilities.concurrent``); elsewhere
    at :class:`Join`, and what is never joined costs nothing."""

    request: Ask


@attrs.frozen(slots=True)
class Join:
    """Wait, once, for what :class:`Start` began. The answer is what :class:`Send` would have been answered with."""

    handle: Any


@attrs.frozen(slots=True)
class Next:
    """Take the next item of a stream. The answer is the item, or :data:`END`."""

    stream: Any


@attrs.frozen(slots=True)
class Emit:
    """Hand rows to the caller that iterates. The answer is None."""

    rows: Sequence[Any]


Verb = Send | Batch | Start | Join | Next | Emit
