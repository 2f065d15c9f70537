"""Time in tests: how fast this machine is right now, and waiting for what will be so.

A test holds a time only where time is what it is about. Three ways, best first: a cause (what was sent, what has ended,
what came before what); the processor's time of a thread, which other processes hardly change; and a bound that lies far
from what a slow machine does and before what would go wrong, such as the end of a stall.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["LONG", "patience", "stretch"]

LONG = 60.0
"""Seconds after which something has not happened: a test that waits for a state waits no longer. Only failures take
so long."""

_SPIN = 0.03
_MOST = 8.0


def stretch() -> float:
    """How many times longer work takes now than on a processor of its own: from 1, on a quiet machine, to 8.

    For a time that the work in front of it must fit into: a deadline that is meant to pass in the second request must
    not pass in the first. What it is held against (a stall, the deadline behind it) stays longer than 8 times as long.
    """
    began, worked = time.perf_counter(), time.thread_time()
    while time.thread_time() - worked < _SPIN:
        pass
    return min(max((time.perf_counter() - began) / (time.thread_time() - worked), 1.0), _MOST)


def patience(condition: Callable[[], object], seconds: float = LONG) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)
