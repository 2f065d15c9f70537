"""Every exception that wbmodel raises, in one tree under :class:`WbmodelError`.

Classes are split by what the caller can do about them, and each one also inherits the built-in
that a caller who has never heard of wbmodel would catch. A message names the thing, where it is,
what was tried and what to do next; it never holds an API key.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "BackendClaimedTwice",
    "BackendError",
    "BackendNotInstalled",
    "BackendVersionError",
    "BulkError",
    "ConfigurationError",
    "ConflictError",
    "DoesNotExist",
    "FieldError",
    "FieldNotLoaded",
    "FixtureError",
    "FrameWarning",
    "IntegrityError",
    "LibraryNotInstalled",
    "MultipleObjectsReturned",
    "NotAuthenticated",
    "NotSupported",
    "NotSupportedByServer",
    "NotWandbServer",
    "OrderWarning",
    "OutcomeUnknown",
    "PageDrift",
    "PermissionDenied",
    "PluginError",
    "QueryError",
    "QueryWarning",
    "RateLimited",
    "RequestTimeout",
    "ServerError",
    "ServerUnreachable",
    "SessionWarning",
    "UnknownBackend",
    "UnreadableValue",
    "WaitTimeout",
    "WbmodelError",
    "WbmodelWarning",
    "nearest",
    "suggestion",
    "warn",
]


class WbmodelError(Exception):
    """The root of every error that wbmodel raises on purpose."""


# -- what the question was wrong about -------------------------------------------------------------


class FieldError(WbmodelError, ValueError):
    """A field, lookup, order key or value in a query is wrong; no request was made."""


class QueryError(WbmodelError, TypeError):
    """A queryset was used in a way that has no meaning (filtering a slice, say); no request was made."""


class FieldNotLoaded(WbmodelError, AttributeError):
    """The field exists, but this object was fetched without it. The message names the call that loads it."""


class DoesNotExist(WbmodelError, LookupError):
    """Nothing matched, or the viewer may not see it: the protocol cannot tell these two apart."""


class MultipleObjectsReturned(WbmodelError, LookupError):
    """``get()`` matched more than one object."""


# -- who asks, and may they ------------------------------------------------------------------------


class ConfigurationError(WbmodelError, RuntimeError):
    """There is no session, or a setting is missing or contradicts another."""


class NotAuthenticated(WbmodelError, PermissionError):
    """The server knows no such key, or none was given."""


class PermissionDenied(WbmodelError, PermissionError):
    """The server knows the key and refuses the operation."""


# -- what the other side said ----------------------------------------------------------------------


class ServerError(WbmodelError, RuntimeError):
    """A backend answered with an error, or not at all.

    ``status`` is the HTTP status or None, ``operation`` the GraphQL operation's name, ``attempts`` how
    often it was tried, ``server_message`` the other side's own words and ``errors`` the GraphQL errors.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        operation: str | None = None,
        attempts: int = 1,
        server_message: str | None = None,
        errors: Sequence[Any] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.operation = operation
        self.attempts = attempts
        self.server_message = server_message
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


class ServerUnreachable(ServerError, ConnectionError):
    """No connection to the server could be made, or it broke: name, port, proxy, certificate. Reads were repeated."""


class NotWandbServer(ServerError):
    """Something answers at this address, but not as a W&B server does: a web page, say, or a redirect to elsewhere."""


class OutcomeUnknown(ServerError):
    """A mutation was sent and its answer got lost: it may have been carried out, or not. The message says whether doing
    it again is harmless, or how to look first."""


class UnreadableValue(ServerError, ValueError):
    """What the server has in a field of JSON or YAML is neither. The rest of the object can be read."""


class RateLimited(ServerError):
    """The server asked for fewer requests and the deadline left no time to wait."""


class RequestTimeout(ServerError, TimeoutError):
    """No answer came within the time that the caller gave; what was under way has been cancelled."""


RAN_OUT = "the deadline of the query"
"""The ``server_message`` of the :class:`RequestTimeout` of a request that was not sent: no time was left for it."""


class WaitTimeout(WbmodelError, TimeoutError):
    """What was waited for did not happen within the time that the caller gave. The server itself did answer."""


class NotSupported(WbmodelError, NotImplementedError):
    """The backend in use cannot do this at all. The message names the capability it lacks."""


class NotSupportedByServer(NotSupported):
    """The server is too old for this. ``feature`` is what is missing, ``needs`` what would have it."""

    def __init__(self, feature: str, needs: str | None = None) -> None:
        tail = f"; it needs {needs}" if needs else ""
        super().__init__(f"this server does not support {feature}{tail}")
        self.feature = feature
        self.needs = needs

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.feature, self.needs))


class ConflictError(WbmodelError, RuntimeError):
    """The object changed on the server after it was read here."""


class BulkError(WbmodelError, RuntimeError):
    """Some rows of a bulk update or delete could not be written; the others were. ``result`` has every row (see
    ``BulkResult``), and what ended it early is the error's cause."""

    def __init__(self, message: str, *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


class IntegrityError(WbmodelError, ValueError):
    """Bytes do not have the digest that they were promised to have."""


# -- which backend, and is it there ----------------------------------------------------------------


class BackendError(WbmodelError):
    """Something about a backend plugin, not about the question that was asked."""


class UnknownBackend(BackendError, LookupError):
    """No plugin claims this scheme; the known ones and the nearest name are in the message."""


class BackendNotInstalled(BackendError, ImportError):
    """The backend is known, but a library it needs is missing; the install command is in the message."""


class BackendClaimedTwice(BackendError, RuntimeError):
    """Two plugins claim the same name or scheme; both are named."""


class BackendVersionError(BackendError, RuntimeError):
    """The plugin was written for another version of the backend contract; both numbers are named."""


class PluginError(BackendError, RuntimeError):
    """A plugin could not be loaded or does not fit the hook specification."""


class LibraryNotInstalled(WbmodelError, ImportError):
    """An optional library is missing; the install command is in the message."""


class FixtureError(WbmodelError, ValueError):
    """A fixtures file is wrong. ``problem`` says what; ``file``, ``line`` (from 1, or None) and ``field`` say where."""

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        place = file or "fixtures"
        if line is not None:
            place += f", line {line}"
        if field:
            place += f", {field}"
        super().__init__(f"{place}: {message}")
        # Not called "message": graphql-core would take that for the whole text and drop the place.
        self.problem = message
        self.file = file
        self.line = line
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


# -- warnings --------------------------------------------------------------------------------------


class WbmodelWarning(UserWarning):
    """The root of wbmodel's warnings."""


class QueryWarning(WbmodelWarning):
    """Part of a query is done here and not by the backend, at a cost that may surprise."""


class OrderWarning(QueryWarning):
    """Ordering needs many more rows than were asked for, or the server turned out to order otherwise after rows were
    handed out."""


class PageDrift(WbmodelWarning):
    """The number of matching rows changed while pages were read; rows may be missing."""


class SessionWarning(WbmodelWarning):
    """The default session is asked while another thread or task has a ``with`` block of another session open."""


class FrameWarning(WbmodelWarning):
    """Values were written as text because no type of a frame's column holds them as they are."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn, with the line of the first caller that is neither this package nor a backend as the place."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_inside(str(frame.f_globals.get("__name__"))):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module: str) -> bool:
    package = module.partition(".")[0]
    return package == "wbmodel" or package.startswith("wbmodel_") or package in PLUGIN_PACKAGES


PLUGIN_PACKAGES: set[str] = set()
"""Top-level packages of the installed plugins: a warning is never about a line of theirs. The registry adds them."""


# -- words for messages ----------------------------------------------------------------------------


def nearest(name: str, choices: Iterable[str], limit: int = 3) -> list[str]:
    """The ``choices`` most like ``name``, best first; empty when nothing is near."""
    import difflib

    pool = sorted(set(choices))
    folded = {choice.lower(): choice for choice in reversed(pool)}
    found = difflib.get_close_matches(name.lower(), list(folded), n=limit, cutoff=0.6)
    return [folded[hit] for hit in found]


def suggestion(name: str, choices: Iterable[str], label: str = "choices") -> str:
    """A sentence tail: ``"; did you mean 'x'?"`` when something is near, else the choices."""
    pool = sorted(set(choices))
    hits = nearest(name, pool)
    if hits:
        return "; did you mean " + " or ".join(repr(hit) for hit in hits) + "?"
    if not pool:
        return ""
    shown = ", ".join(pool[:40]) + (", ..." if len(pool) > 40 else "")
    return f"; {label}: {shown}"


def _rebuild(cls: type[WbmodelError], args: tuple[Any, ...], state: dict[str, Any]) -> WbmodelError:
    # RuntimeError comes first among the bases, and refuses to make what is an OSError too (a timeout, a lost
    # connection).
    make = OSError.__new__ if issubclass(cls, OSError) else cls.__new__
    error = make(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error
