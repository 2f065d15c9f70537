"""The verbs of an I/O-free operation: a generator yields them to ``session/driver.py``.

The answer to a verb is the value of the ``yield``. A backend's error is raised at the ``yield``, so that the operation
can retry or clean up.
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
"""The answer to :class:`Next` at the end of a stream."""


@attrs.frozen(slots=True)
class Send:
    """Send one ask. The answer to a request is a :class:`~wbmodel.backend.asks.Response`. For asks that are answered by
    streams (``Read``, ``Open``, ``Fetch``) it is a handle for :class:`Next`; nothing is sent before the first
    ``Next``."""

    request: Ask


@attrs.frozen(slots=True)
class Batch:
    """Send several asks that may be done together. The answer is the list of answers, in order; if any fail, the first
    error is raised instead."""

    requests: Sequence[Ask]


@attrs.frozen(slots=True)
class Start:
    """Send an ask without waiting for it. The answer is a handle for :class:`Join`.

    The ask is sent at once if that saves time (``capabilities.concurrent``). Otherwise it is sent at :class:`Join`, so
    that an ask that is never joined costs nothing."""

    request: Ask


@attrs.frozen(slots=True)
class Join:
    """Wait, once, for an ask that :class:`Start` began. The answer is the same as for :class:`Send`."""

    handle: Any


@attrs.frozen(slots=True)
class Next:
    """Take the next item of a stream. The answer is the item, or :data:`END`."""

    stream: Any


@attrs.frozen(slots=True)
class Emit:
    """Pass rows to the iterating caller. The answer is None."""

    rows: Sequence[Any]


Verb = Send | Batch | Start | Join | Next | Emit
