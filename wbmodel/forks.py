"""Fork safety: locks that are released in a forked child, and callbacks that reset state there.

Only the forking thread survives in the child. Locks that other threads held stay locked there for ever, including the
interpreter's import locks. So every lock of the package comes from :func:`lock` or :func:`rlock`, which are released in
the child, and a fork waits for imports that wbmodel started in other threads. State that must not be shared with the
child is dropped by :func:`in_child` and :func:`renewing`.
"""

from __future__ import annotations

import functools
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
"""The most seconds that a fork waits for imports, as importing a module may run any code."""


class Renewed(Protocol):
    """An object that resets itself in a forked child."""

    def after_fork(self) -> None:
        """Called in the child, by its only thread, after all locks are released."""
        ...


_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_owners: weakref.WeakSet[Any] = weakref.WeakSet()
_functions: list[Callable[[], None]] = []


def lock() -> threading.Lock:
    """A ``threading.Lock`` that is released in a forked child."""
    made = threading.Lock()
    _locks.add(made)
    return made


def rlock() -> threading.RLock:
    """A ``threading.RLock`` that is released in a forked child."""
    made = threading.RLock()
    _locks.add(made)
    return made


def in_child(function: Callable[[], None]) -> None:
    """Call ``function`` in each forked child, after all locks are released."""
    _functions.append(function)


def renewing(owner: Renewed) -> None:
    """Call ``owner.after_fork()`` in each forked child, for as long as ``owner`` is alive."""
    _owners.add(owner)


def _let_imports_end() -> None:
    if _imports(sys._getframe(), ours=False):
        return  # the forking thread is importing, and other threads may be waiting for that very import
    end = time.monotonic() + _LONGEST
    while _others_import() and time.monotonic() < end:
        time.sleep(0.001)


def _others_import() -> bool:
    me = threading.get_ident()
    return any(_imports(frame, ours=True) for thread, frame in sys._current_frames().items() if thread != me)


def _imports(frame: FrameType | None, *, ours: bool) -> bool:
    """Whether the thread at ``frame`` is importing; with ``ours``, only if wbmodel's code started the import."""
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
        each._at_fork_reinit()  # as the standard library does for its own (concurrent.futures, logging)
    if sys.version_info < (3, 12):
        _renew_cached_properties()
    for function in _functions:
        function()
    for owner in list(_owners):
        owner.after_fork()


def _renew_cached_properties() -> None:
    """Release the locks that ``functools.cached_property`` had before Python 3.12. graphql-core holds them while it
    builds a schema."""
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "graphql"]
    for kind in {one for module in modules for one in vars(module).values() if isinstance(one, type)}:
        for each in vars(kind).values():
            if isinstance(each, functools.cached_property):
                each.lock = threading.RLock()  # type: ignore[attr-defined, unused-ignore]


def wait_for_imports() -> None:
    """Make forks wait for imports from now on. Called before the first request, as threads may start then."""
    global _waiting
    if not _waiting and hasattr(os, "register_at_fork"):
        # Hooks run in reverse order of registration. `logging` takes its lock in such a hook, and imports that wait for
        # that lock would never end: so import it first, to make our hook run before its hook.
        import logging  # noqa: F401

        os.register_at_fork(before=_let_imports_end)
        _waiting = True


_waiting = False

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
