"""An OpenTelemetry span for each request that goes to a backend: ``instrument()``, or ``WBMODEL_OTEL=1``.

Only OpenTelemetry's API is needed (``pip install "wbmodel[otel]"``); where spans go is for the program's SDK to say.
Like tracing (:mod:`wbmodel.session.trace`) it is the innermost wrapper, so that spans are what was sent, and there is
no wrapper while it is off.

A span is named after the operation's type and name (``query Runs``) and of kind CLIENT; its parent is the caller's
current span. Attributes are those of OpenTelemetry's semantic conventions for GraphQL, HTTP, servers and errors
(``graphql.operation.name``, ``graphql.operation.type``, ``server.address``, ``server.port``,
``http.response.status_code``, ``error.type``), and ``wbmodel.session``, ``wbmodel.backend``, ``wbmodel.rows``,
``wbmodel.bytes`` (received on the wire), ``wbmodel.attempts``, ``wbmodel.outcome`` as in a trace's records.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wbmodel import forks
from wbmodel._version import __version__
from wbmodel.backend.asks import Request, Response, Send
from wbmodel.codec import dumps
from wbmodel.errors import LibraryNotInstalled, ServerError
from wbmodel.hookspecs import CallInfo, Wrapper
from wbmodel.session import observe
from wbmodel.session.drive import NamedWrapper
from wbmodel.session.trace import note_of, operation_of, outcome_of, redactor_for, rows_of, watched

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from wbmodel.session.session import Session

__all__ = ["by_setting", "instrument", "uninstrument"]

_lock = forks.lock()
_installed: observe.Innermost | None = None


def instrument(
    *, tracer_provider: TracerProvider | None = None, documents: bool = False, variables: bool = False
) -> None:
    """Make a span for each request of every session from now on. A second call replaces the first.

    ``tracer_provider`` is None for the global one. ``documents`` adds ``graphql.document``, ``variables`` adds
    ``wbmodel.variables`` (JSON text); both without what looks secret, and neither unless asked for.

    Raises :class:`~wbmodel.errors.LibraryNotInstalled` where OpenTelemetry's API is not installed.
    """
    global _installed
    tracer = _tracer(tracer_provider)

    def innermost(session: Session) -> NamedWrapper:
        return _spanned(session, tracer, documents, variables)

    with _lock:
        if _installed is not None:
            observe.remove(_installed)
        observe.install(innermost)
        _installed = innermost


def uninstrument() -> None:
    """Make no spans any more. Does nothing when :func:`instrument` was not called."""
    global _installed
    with _lock:
        if _installed is not None:
            observe.remove(_installed)
            _installed = None


def by_setting() -> observe.Innermost:
    """The wrapper for a session that ``WBMODEL_OTEL=1`` asks for; none while :func:`instrument` makes its spans."""
    tracer = _tracer(None)
    return lambda session: _spanned(session, tracer, False, False) if _installed is None else None


def _tracer(provider: TracerProvider | None) -> Tracer:
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise LibraryNotInstalled(
            "OpenTelemetry's API is not installed, and spans are made with it; install it with: "
            'pip install "wbmodel[otel]" (wbmodel.trace() and WBMODEL_TRACE=1 need no library)'
        ) from error
    return trace.get_tracer("wbmodel", __version__, provider)


def _spanned(session: Session, tracer: Tracer, documents: bool, variables: bool) -> NamedWrapper:
    from opentelemetry.trace import SpanKind

    place = _place(session.url)

    def wrapper(request: Request, info: CallInfo) -> Generator[Send, Any, Response]:
        kind, name = operation_of(request)
        # Not made the current span: a generator that is left at its yield would leave its context behind.
        started = time.time_ns()
        span = tracer.start_span(f"{kind} {name}" if name else kind, kind=SpanKind.CLIENT, start_time=started)

        def end(response: Response | None, error: Exception | None) -> None:
            if span.is_recording():
                span.set_attributes({"graphql.operation.type": kind, **place, **_asked(name, info)})
                if documents or variables:
                    hide = redactor_for(session)
                    if documents:
                        span.set_attribute("graphql.document", hide.document(request.document.text))
                    if variables:
                        span.set_attribute("wbmodel.variables", dumps(hide.value(request.variables)))
                _answered(span, session, response, error)
            seconds = note_of(response).get("seconds")
            span.end(None if seconds is None else started + int(seconds * 1e9))

        return (yield from watched(request, end))

    checked: Wrapper = wrapper
    return NamedWrapper("otel", checked)


def _place(url: str) -> dict[str, str | int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return {}
    if parts.scheme not in ("http", "https") or not host:
        return {}
    return {"server.address": host, "server.port": port or (443 if parts.scheme == "https" else 80)}


def _asked(name: str | None, info: CallInfo) -> dict[str, str]:
    found = {"wbmodel.session": info.session, "wbmodel.backend": info.backend}
    return found if name is None else {**found, "graphql.operation.name": name}


def _answered(span: Span, session: Session, response: Response | None, error: Exception | None) -> None:
    from opentelemetry.trace import Status, StatusCode

    note = note_of(response)
    rows = None if response is None else rows_of(response.data)
    facts: dict[str, Any] = {
        "wbmodel.rows": rows,
        "wbmodel.bytes": note.get("bytes"),
        "wbmodel.attempts": error.attempts if isinstance(error, ServerError) else note.get("attempts"),
        "http.response.status_code": error.status if isinstance(error, ServerError) else note.get("status"),
    }
    span.set_attributes({name: value for name, value in facts.items() if value is not None})
    outcome, told = outcome_of(response, error)
    span.set_attribute("wbmodel.outcome", outcome)
    if told is None:
        return
    words = redactor_for(session).text(told if error is None else str(error))
    kind = "GraphQLError" if error is None else f"{type(error).__module__}.{type(error).__qualname__}"
    span.set_attribute("error.type", kind)
    # Not record_exception: the traceback that it takes holds the messages of all causes, as they are.
    span.add_event("exception", {"exception.type": kind, "exception.message": words})
    span.set_status(Status(StatusCode.ERROR, words))
