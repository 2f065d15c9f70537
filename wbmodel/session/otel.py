"""OpenTelemetry spans for requests to a backend: ``instrument()``, or ``WBMODEL_OTEL=1``.

Only OpenTelemetry's API is needed (``pip install "wbmodel[otel]"``); the program's SDK decides where spans go. Like
tracing (:mod:`wbmodel.session.trace`) this is an observer, so spans show what was actually sent.

A span is named after the operation's type and name (``query Runs``), has kind CLIENT, and its parent is the caller's
current span. Its attributes follow OpenTelemetry's semantic conventions for GraphQL, HTTP, servers and errors
(``graphql.operation.name``, ``graphql.operation.type``, ``server.address``, ``server.port``,
``http.response.status_code``, ``error.type``), and ``wbmodel.session``, ``wbmodel.backend``, ``wbmodel.rows``,
``wbmodel.bytes`` (received on the wire), ``wbmodel.attempts``, ``wbmodel.outcome`` as in a trace's records.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wbmodel import forks
from wbmodel._version import __version__
from wbmodel.backend.asks import Ask, Request, Response
from wbmodel.codec import dumps
from wbmodel.errors import LibraryNotInstalled, ServerError
from wbmodel.session import observers
from wbmodel.session.observers import Call, Ended, Observed, Observer, Outcome
from wbmodel.session.trace import came_of, kind_and_name, note_of, redactor_for, rows_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider


__all__ = ["by_setting", "instrument", "uninstrument"]

_lock = forks.lock()
_installed: Observer | None = None


def instrument(
    *, tracer_provider: TracerProvider | None = None, documents: bool = False, variables: bool = False
) -> None:
    """Create a span for each request of every session from now on. A second call replaces the first.

    ``tracer_provider`` defaults to the global one. ``documents`` adds ``graphql.document`` and ``variables`` adds
    ``wbmodel.variables`` (JSON text); both are off by default, and secrets are hidden in them.

    Raises :class:`~wbmodel.errors.LibraryNotInstalled` if OpenTelemetry's API is not installed.
    """
    global _installed
    observer = _spans(_tracer(tracer_provider), documents, variables)
    with _lock:
        if _installed is not None:
            observers.remove(_installed)
        observers.add(observer)
        _installed = observer


def uninstrument() -> None:
    """Stop creating spans. Does nothing if :func:`instrument` was not called."""
    global _installed
    with _lock:
        if _installed is not None:
            observers.remove(_installed)
            _installed = None


def by_setting() -> Observer:
    """The observer for a session under ``WBMODEL_OTEL=1``. Inactive while :func:`instrument` is in effect."""
    observer = _spans(_tracer(None), False, False)
    return lambda call: observer(call) if _installed is None else None


def _tracer(provider: TracerProvider | None) -> Tracer:
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise LibraryNotInstalled(
            "spans need OpenTelemetry's API, which is not installed; install it with: "
            'pip install "wbmodel[otel]" (wbmodel.trace() and WBMODEL_TRACE=1 need no library)'
        ) from error
    return trace.get_tracer("wbmodel", __version__, provider)


def _spans(tracer: Tracer, documents: bool, variables: bool) -> Observer:
    from opentelemetry.trace import SpanKind

    def observe(call: Call) -> Ended:
        session, started, spans = call.session, time.time_ns(), []
        for ask in call.asks:
            kind, name = kind_and_name(ask)
            # Not made the current span: reading ahead would leave its context behind.
            label = f"{kind} {name}" if name and isinstance(ask, Request) else kind
            spans.append(tracer.start_span(label, kind=SpanKind.CLIENT, start_time=started))

        def end(outcome: Outcome) -> None:
            for at, (ask, span) in enumerate(zip(call.asks, spans, strict=True)):
                answer = outcome.answers[at] if outcome.answers else None
                if span.is_recording():
                    span.set_attributes(_asked(session, ask, documents, variables))
                    _answered(span, session, answer, outcome)
                note = note_of(answer)
                seconds = None if note is None else note.seconds
                span.end(None if seconds is None else started + int(seconds * 1e9))

        return end

    return observe


def _place(url: str) -> dict[str, str | int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return {}
    if parts.scheme not in ("http", "https") or not host:
        return {}
    return {"server.address": host, "server.port": port or (443 if parts.scheme == "https" else 80)}


def _asked(session: Observed, ask: Ask, documents: bool, variables: bool) -> dict[str, Any]:
    kind, name = kind_and_name(ask)
    found: dict[str, Any] = {**_place(session.url), "wbmodel.session": session.call_info.session}
    found["wbmodel.backend"] = session.call_info.backend
    if not isinstance(ask, Request):
        return {**found, "wbmodel.ask": name}
    found["graphql.operation.type"] = kind
    if name is not None:
        found["graphql.operation.name"] = name
    hide = redactor_for(session) if documents or variables else None
    if hide is not None and documents:
        found["graphql.document"] = hide.document(ask.document.text)
    if hide is not None and variables:
        found["wbmodel.variables"] = dumps(hide.value(ask.variables))
    return found


def _answered(span: Span, session: Observed, answer: Any, outcome: Outcome) -> None:
    from opentelemetry.trace import Status, StatusCode

    error, note = outcome.error, note_of(answer)
    failed = error if isinstance(error, ServerError) else None
    facts: dict[str, Any] = {
        "wbmodel.rows": rows_of(answer.data) if isinstance(answer, Response) else outcome.rows,
        "wbmodel.bytes": outcome.bytes if note is None else note.received,
        "wbmodel.attempts": failed.attempts if failed is not None else None if note is None else note.attempts,
        "http.response.status_code": failed.status if failed is not None else None if note is None else note.status,
    }
    span.set_attributes({name: value for name, value in facts.items() if value is not None})
    came, told = came_of(answer, outcome)
    span.set_attribute("wbmodel.outcome", came)
    if told is None:
        return
    words = redactor_for(session).text(told if error is None else str(error))
    kind = "GraphQLError" if error is None else f"{type(error).__module__}.{type(error).__qualname__}"
    span.set_attribute("error.type", kind)
    # Not record_exception: its traceback holds the messages of all causes, unredacted.
    span.add_event("exception", {"exception.type": kind, "exception.message": words})
    span.set_status(Status(StatusCode.ERROR, words))
