"""How a command ends: each exception becomes one line on standard error and an exit status.

``docs/reference/cli.md`` lists the statuses. The traceback is shown only with ``--traceback`` or ``WBMODEL_DEBUG``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence

from wbmodel import errors
from wbmodel.cli.output import complain

__all__ = ["contained", "exit_status", "wants_traceback"]

OUTPUT = 5
BUG = 70
"""``EX_SOFTWARE`` of ``sysexits.h``."""

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (errors.NotAuthenticated, 3),
    (errors.PermissionDenied, 3),
    (errors.BackendError, 4),
    (errors.NotSupported, 4),
    (errors.FixtureError, 4),
    (errors.FieldError, 2),
    (errors.QueryError, 2),
    (errors.ConfigurationError, 2),
    (errors.WbmodelError, 1),
)
_OUTPUT_ERRORS = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC})


def exit_status(error: errors.WbmodelError) -> int:
    """The exit status for an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def wants_traceback(arguments: Sequence[str]) -> bool:
    """Whether an error's traceback is wanted."""
    return "--traceback" in arguments or os.environ.get("WBMODEL_DEBUG", "") not in ("", "0", "false")


def contained(run: Callable[[], int], *, traceback: bool) -> int:
    """The exit status of ``run``, which may raise anything."""
    try:
        status = _until_exit(run)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`), which every program of a pipeline does without a word.
        _let_go()
        return 128 + getattr(signal, "SIGPIPE", 13)
    except BaseException as error:
        words, status = _told(error)
        if traceback:
            import traceback as tracebacks

            words = ("".join(tracebacks.format_exception(error)) + words[0], *words[1:])
        if status in (130, OUTPUT):
            _let_go()
        with contextlib.suppress(OSError):  # standard output again; the message has been written
            complain(*words)
        return status


def _until_exit(run: Callable[[], int]) -> int:
    try:
        return run()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 2


def _told(error: BaseException) -> tuple[tuple[str, ...], int]:
    """The line for an exception, and the status."""
    if isinstance(error, errors.WbmodelError):
        return (str(error), "error"), exit_status(error)
    if isinstance(error, KeyboardInterrupt):
        return ("wbmodel: interrupted",), 130
    if isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_ERRORS:
        return (f"the output cannot be written: {error.strerror}", "error"), OUTPUT
    if isinstance(error, MemoryError):
        return ("there is not enough memory for this; ask for fewer rows (-n) or columns (-c)", "error"), BUG
    if isinstance(error, RecursionError):
        return ("the data or the query is nested too deeply (--traceback shows where)", "error"), BUG
    first = (str(error).splitlines() or [""])[0][:300]
    name = type(error).__name__ + (f": {first}" if first else "")
    return (f"{name} (a bug in wbmodel or in a plugin; --traceback shows where)", "error"), BUG


def _let_go() -> None:
    """Drop what standard output still holds, so that the interpreter does not try to write it at its exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        pass
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):  # not a real file: a test's stream, or a notebook's
        pass
