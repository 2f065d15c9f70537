"""Every exception that wbmodel raises, in one tree under :class:`WbmodelError`.

Classes are split by what the caller can do about them. Each also inherits the built-in exception that code unaware of
wbmodel would catch. A message names the thing, where it is, what was tried and what to do next; it never contains an
API key.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wbmodel.safe_text import escape_lines

__all__ = [
    "BackendClaimedTwice",
    "BackendError",
    "BackendNotInstalled",
    "BackendVersionError",
    "BulkError",
    "ChoiceWarning",
    "ConfigurationError",
    "ConflictError",
    "DamagedRow",
    "DoesNotExist",
    "FieldError",
    "FieldNotLoaded",
    "FixtureError",
    "FrameWarning",
    "IntegrityError",
    "KeyWarning",
    "LibraryNotInstalled",
    "LinkExpired",
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
    "ResponseTooLarge",
    "ServerError",
    "ServerUnreachable",
    "SessionWarning",
    "TransferError",
    "UnknownBackend",
    "UnreadableValue",
    "UnsafeName",
    "ValueWarning",
    "WaitTimeout",
    "WbmodelError",
    "WbmodelWarning",
    "nearest",
    "suggestion",
    "warn",
]


class WbmodelError(Exception):
    """The root of every error that wbmodel raises on purpose. Its text holds no control characters: names and words in
    it come from servers and files, and a terminal obeys what it is shown."""

    def __str__(self) -> str:
        return escape_lines(super().__str__())


# -- wrong queries ---------------------------------------------------------------------------------


class FieldError(WbmodelError, ValueError):
    """A field, lookup, order key or value in a query is wrong; no request was made."""


class QueryError(WbmodelError, TypeError):
    """A queryset was used in a way that is not defined (filtering a slice, say); no request was made."""


class FieldNotLoaded(WbmodelError, AttributeError):
    """The field exists, but this object was loaded without it. The message names the call that loads it."""


class DoesNotExist(WbmodelError, LookupError):
    """Nothing matched, or the viewer may not see it: the protocol does not distinguish the two."""


class MultipleObjectsReturned(WbmodelError, LookupError):
    """``get()`` matched more than one object."""


# -- session, credentials, permissions -------------------------------------------------------------


class ConfigurationError(WbmodelError, RuntimeError):
    """No session is open, or a setting is missing or contradicts another one."""


class NotAuthenticated(WbmodelError, PermissionError):
    """The server does not know the API key, or no key was given."""


class PermissionDenied(WbmodelError, PermissionError):
    """The server knows the API key but refuses the operation."""


class LinkExpired(PermissionDenied):
    """The host of a file refuses the file's URL, as it does some time after the server gave it. Ask for a new one."""


# -- what the server answered ----------------------------------------------------------------------


class ServerError(WbmodelError, RuntimeError):
    """A backend answered with an error, or not at all.

    ``status`` is the HTTP status or None, ``operation`` the name of the GraphQL operation, ``attempts`` the number of
    attempts, ``server_message`` the server's own words and ``errors`` the GraphQL errors.
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
    """The connection to the server failed or broke: name, port, proxy, certificate. Reads were retried."""


class NotWandbServer(ServerError):
    """The address answers, but it is not a W&B server: it sent a web page, say, or a redirect to another host."""


class OutcomeUnknown(ServerError):
    """A mutation was sent but its response was lost: it may or may not have been applied.

    The message says whether repeating it is safe, or how to check first.
    """


class UnreadableValue(ServerError, ValueError):
    """The server's value of a JSON or YAML field cannot be decoded. The rest of the object is readable."""


class RateLimited(ServerError):
    """The server asked for fewer requests, and the deadline left no time to wait."""


class ResponseTooLarge(ServerError):
    """An answer is larger than the session's ``max_response``, and was not read to its end. Listings go on with smaller
    pages."""


class RequestTimeout(ServerError, TimeoutError):
    """No response arrived within the caller's timeout; work in progress was cancelled."""


RAN_OUT = "the deadline of the query"
"""The ``server_message`` of a :class:`RequestTimeout` whose request was not sent because no time was left."""


class WaitTimeout(WbmodelError, TimeoutError):
    """The awaited state was not reached within the caller's timeout. The server itself did respond."""


class NotSupported(WbmodelError, NotImplementedError):
    """The backend does not support this operation. The message names the missing capability."""


class NotSupportedByServer(NotSupported):
    """The server is too old. ``feature`` is the missing feature, ``needs`` the version that has it."""

    def __init__(self, feature: str, needs: str | None = None) -> None:
        tail = f"; it needs {needs}" if needs else ""
        super().__init__(f"this server does not support {feature}{tail}")
        self.feature = feature
        self.needs = needs

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.feature, self.needs))


class ConflictError(WbmodelError, RuntimeError):
    """The object changed on the server after it was loaded."""


class BulkError(WbmodelError, RuntimeError):
    """Some rows of a bulk update or delete could not be written; the others were.

    ``result`` has every row (see ``BulkResult``). If an error ended the operation early, it is the ``__cause__``.
    """

    def __init__(self, message: str, *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


class IntegrityError(WbmodelError, ValueError):
    """The bytes do not match their expected digest or size."""


class UnsafeName(WbmodelError, ValueError):
    """A name from a server would lead outside of the folder that files go to, or onto another file."""


class TransferError(WbmodelError, RuntimeError):
    """Some of several files could not be transferred; the others were.

    ``result`` says which, and why (see ``Downloads``).
    """

    def __init__(self, message: str, *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


# -- backends and plugins --------------------------------------------------------------------------


class BackendError(WbmodelError):
    """A problem with a backend plugin rather than with the query."""


class UnknownBackend(BackendError, LookupError):
    """No plugin claims this scheme; the message lists the known schemes and the nearest name."""


class BackendNotInstalled(BackendError, ImportError):
    """The backend is known, but a library it needs is missing; the message has the install command."""


class BackendClaimedTwice(BackendError, RuntimeError):
    """Two plugins claim the same name or scheme; the message names both."""


class BackendVersionError(BackendError, RuntimeError):
    """The plugin was written for another version of the backend contract; the message names both versions."""


class PluginError(BackendError, RuntimeError):
    """A plugin could not be loaded or does not fit the hook specification."""


def exit_of_plugin(error: BaseException, who: str, module: str) -> PluginError | None:
    """The :class:`PluginError` in place of a ``SystemExit`` that the plugin in ``module`` raised, else None.

    A ``SystemExit`` that comes from other code, such as a signal handler of the program, must end the program.
    """
    if not isinstance(error, SystemExit):
        return None
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    raised_in = str(at.tb_frame.f_globals.get("__name__")) if at is not None else ""
    if raised_in.partition(".")[0] not in (module.partition(".")[0], *PLUGIN_PACKAGES):
        return None
    told = PluginError(f"{who} called sys.exit({error.code!r}); a plugin must raise an error instead")
    told.__cause__ = error
    return told


@contextmanager
def exits_contained(who: str, module: str) -> Iterator[None]:
    """Raise what :func:`exit_of_plugin` gives for a ``SystemExit`` of the block."""
    try:
        yield
    except SystemExit as error:
        told = exit_of_plugin(error, who, module)
        if told is None:
            raise
        raise told from error


class LibraryNotInstalled(WbmodelError, ImportError):
    """An optional library is missing; the message has the install command."""


class FixtureError(WbmodelError, ValueError):
    """A fixtures file is invalid: ``problem`` says why; ``file``, ``line`` (from 1, or None) and ``field`` where."""

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        place = file or "fixtures"
        if line is not None:
            place += f", line {line}"
        if field:
            place += f", {field}"
        super().__init__(f"{place}: {message}")
        # Not called "message": graphql-core would take that as the whole text and drop the place.
        self.problem = message
        self.file = file
        self.line = line
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


# -- warnings --------------------------------------------------------------------------------------


class WbmodelWarning(UserWarning):
    """The root of every warning that wbmodel issues. Its text holds no control characters."""

    def __str__(self) -> str:
        return escape_lines(super().__str__())


class QueryWarning(WbmodelWarning):
    """Part of a query is evaluated locally instead of by the backend, at a cost that may be surprising."""


class KeyWarning(QueryWarning):
    """An order, a group key, an aggregate or ``best()`` names a key that no row has."""


class OperandWarning(QueryWarning):
    """A result is empty where a condition compares a key with a type that no row has there, such as ``7`` and
    ``"7"``."""


class ChoiceWarning(QueryWarning):
    """A condition compares with a value outside the known values of a field, such as a misspelt state."""


class OrderWarning(QueryWarning):
    """Ordering needs many more rows than requested, the server's order proved different after rows were returned, or a
    backend does not order as it promises."""


class PageDrift(WbmodelWarning):
    """The number of matching rows changed while pages were read; rows may be missing."""


class DamagedRow(WbmodelWarning):
    """A row came as null, or a value of it that a filter, an order or a listing uses cannot be read."""


class SessionWarning(WbmodelWarning):
    """The default session is asked while another thread or task has a ``with`` block of another session open."""


class FrameWarning(WbmodelWarning):
    """Values were written as text because no column type of a frame can hold them."""


class ValueWarning(WbmodelWarning):
    """A value was written that will be read back as another one."""


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning at the line of the first caller outside this package and its backends."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_inside(str(frame.f_globals.get("__name__"))):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module: str) -> bool:
    package = module.partition(".")[0]
    return package == "wbmodel" or package.startswith("wbmodel_") or package in PLUGIN_PACKAGES


PLUGIN_PACKAGES: set[str] = set()
"""Top-level packages of the installed plugins, which warnings never point at. The registry adds them."""


# -- words for messages ----------------------------------------------------------------------------


def nearest(name: str, choices: Iterable[str], limit: int = 3) -> list[str]:
    """The ``choices`` most similar to ``name``, best first; empty if none is close."""
    import difflib

    pool = sorted(set(choices))
    folded = {choice.lower(): choice for choice in reversed(pool)}
    found = difflib.get_close_matches(name.lower(), list(folded), n=limit, cutoff=0.6)
    return [folded[hit] for hit in found]


def suggestion(name: str, choices: Iterable[str], label: str = "choices") -> str:
    """The tail of a sentence: ``"; did you mean 'x'?"`` if a choice is close, else the list of choices."""
    pool = sorted(set(choices))
    hits = nearest(name, pool)
    if hits:
        return "; did you mean " + " or ".join(repr(hit) for hit in hits) + "?"
    if not pool:
        return ""
    shown = ", ".join(pool[:40]) + (", ..." if len(pool) > 40 else "")
    return f"; {label}: {shown}"


def _rebuild(cls: type[WbmodelError], args: tuple[Any, ...], state: dict[str, Any]) -> WbmodelError:
    # RuntimeError comes first among the bases and cannot create an object that is also an OSError (a timeout, a lost
    # connection).
    make = OSError.__new__ if issubclass(cls, OSError) else cls.__new__
    error = make(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error
