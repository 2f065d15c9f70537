"""What a fork does to threads, mended: every lock of the package comes from here.

Only the thread that forks lives on in the child. What the others held stays held there for ever: a lock, and an import
that one of them was in the middle of, whose lock is the interpreter's. So locks are made by :func:`lock` and
:func:`rlock`, which are free again in the child, and a fork waits for imports that wbmodel's own code has begun in
another thread. State that must not be shared is dropped by :func:`in_child` and :func:`renewing`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

__all__ = ["Renewed", "in_child", "lock", "renewing", "rlock", "wait_for_imports"]

_IMPORTING = "<frozen importlib._bootstrap>"
_LONGEST = 10.0
"""Seconds that a fork waits for imports at most: a module may do anything while it is imported."""


class Renewed(Protocol):
    """What can be told that it is in a forked child now."""

    def after_fork(self) -> None:
        """Called in the child, by its one thread, when all locks are free again."""
        ...


_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_owners: weakref.WeakSet[Any] = weakref.WeakSet()
_functions: list[Callable[[], None]] = []


def lock() -> threading.Lock:
    """A ``threading.Lock`` that is free in a forked child, whoever held it."""
    made = threading.Lock()
    _locks.add(made)
    return made


def rlock() -> threading.RLock:
    """A ``threading.RLock`` that is free in a forked child, whoever held it."""
    made = threading.RLock()
    _locks.add(made)
    return made


def in_child(function: Callable[[], None]) -> None:
    """Have ``function`` called in each forked child, when all locks are free again."""
    _functions.append(function)


def renewing(owner: Renewed) -> None:
    """Have ``owner.after_fork()`` called in each forked child, for as long as somebody holds ``owner``."""
    _owners.add(owner)


def _let_imports_end() -> None:
    if _imports(sys._getframe(), ours=False):
        return  # whoever forks is importing, and the others may wait for that very import
    end = time.monotonic() + _LONGEST
    while _somebody_imports() and time.monotonic() < end:
        time.sleep(0.001)


def _somebody_imports() -> bool:
    me = threading.get_ident()
    return any(_imports(frame, ours=True) for thread, frame in sys._current_frames().items() if thread != me)


def _imports(frame: FrameType | None, *, ours: bool) -> bool:
    """Whether the thread that is at ``frame`` is importing; with ``ours``, only what wbmodel's code has begun."""
    importing = False
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            importing = True
        if importing and (not ours or str(frame.f_globals.get("__name__")).startswith("wbmodel")):
            return True
        frame = frame.f_back
    return False


def _renew() -> None:
    for each in list(_locks):
        each._at_fork_reinit()  # as the locks of the standard library (concurrent.futures, logging) are renewed
    for function in _functions:
        function()
    for owner in list(_owners):
        owner.after_fork()


def wait_for_imports() -> None:
    """Have forks wait for imports from now on: called when there is something to ask, and so a reason for threads."""
    global _waiting
    if not _waiting and hasattr(os, "register_at_fork"):
        # What was registered last is done first. `logging` takes its lock in a hook of its own, and imports that wait
        # for that lock would not end: so it is imported here, before, and our hook is done before its.
        import logging  # noqa: F401

        os.register_at_fork(before=_let_imports_end)
        _waiting = True


_waiting = False

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
