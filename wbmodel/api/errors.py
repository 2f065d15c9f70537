"""The errors of the official client, under the names that scripts catch. The cause is always chained."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from wbmodel.errors import NotSupported, WbmodelError

__all__ = ["CommError", "Error", "NotHere", "UsageError", "normalize_exceptions"]

P = ParamSpec("P")
T = TypeVar("T")


class Error(WbmodelError):
    """The base of the official client's errors. ``message`` is its text."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CommError(Error):
    """Something failed in a call that asks the server. ``exc`` is the error that it failed with."""

    def __init__(self, msg: str, exc: Exception | None = None) -> None:
        super().__init__(msg)
        self.exc = exc

    def __reduce__(self) -> tuple[object, ...]:
        return CommError, (self.message, self.exc)


class UsageError(Error):
    """The client was used in a way that it does not support."""


class NotHere(NotSupported, AttributeError):
    """The official client has this, and wbmodel does not. The message says what to do instead."""


def normalize_exceptions(function: Callable[P, T]) -> Callable[P, T]:
    """Raise every error of ``function`` as :class:`CommError`, as the official client does, chained to its cause."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (Error, NotSupported):
            raise
        except Exception as error:
            raise CommError(str(error) or type(error).__name__, error) from error

    return wrapped
