"""Records each request that goes to a backend: document, variables, duration and outcome.

Tracing is an observer, like ``session.stats`` and ``assert_num_requests``, and sees what they count. A request that a
caching wrapper answers leaves no record; one that a wrapper splits or retries leaves several. There are three ways to
turn tracing on:

- ``with trace() as records: ...`` collects the records of a block, in both colours;
- ``WBMODEL_TRACE=1``, set when ``connect()`` is called, writes a line per request to the logger ``wbmodel.trace``;
- ``WBMODEL_TRACE=PATH`` appends a line of JSON per request to that file.

:mod:`wbmodel.session.redact` hides secrets.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs
from typing_extensions import Self

from wbmodel import forks
from wbmodel.backend.asks import Ask, CallNote, Request, Response, subject_of
from wbmodel.codec import dumps, format_datetime
from wbmodel.errors import ServerError, WbmodelWarning, warn
from wbmodel.loggers import get_logger
from wbmodel.safe_text import printable, readable
from wbmodel.session.current import connections, get_session
from wbmodel.session.observers import Call, Ended, Observed, Observer, Outcome, observing
from wbmodel.session.redact import Redactor

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = [
    "Trace",
    "TraceRecord",
    "by_setting",
    "came_of",
    "kind_and_name",
    "note_of",
    "operation_of",
    "redactor_for",
    "rows_of",
    "trace",
    "tracing",
]

logger = get_logger("wbmodel.trace")

Came = Literal["ok", "errors", "failed", "abandoned"]


@attrs.frozen(slots=True, kw_only=True)
class TraceRecord:
    """One request to a backend, without secrets.

    ``session``, ``backend`` and ``origin`` say where the request went, ``kind`` is ``"query"``, ``"mutation"`` or
    ``"subscription"``, ``operation`` is its name. (For the other doors ``kind`` is ``"read"``, ``"append"``,
    ``"open"``, ``"fetch"`` or ``"put"``, ``operation`` says what was read or written, and there is no document.)
    ``started`` is an aware datetime, ``seconds`` is the time until the answer, measured by the backend if it reports
    it; otherwise the requests of a batch share their time, and a request that was read ahead lasts until its answer is
    used. ``rows`` counts the edges of connections in the answer, or the rows of columns (None: it has neither);
    ``bytes`` (received on the wire), ``sent`` (bytes), ``attempts``, ``pauses`` and ``status`` (HTTP) are reported by
    the backend, or None. ``outcome`` is ``"ok"``, ``"errors"`` (the answer holds GraphQL errors), ``"failed"`` (the
    backend raised) or ``"abandoned"`` (the caller stopped waiting); ``error`` says what went wrong.
    """

    session: str
    backend: str
    origin: str
    kind: str
    operation: str | None
    document: str = attrs.field(repr=False)
    variables: Mapping[str, Any]
    started: datetime
    seconds: float
    outcome: Came
    error: str | None = None
    rows: int | None = None
    bytes: int | None = None
    sent: int | None = None
    attempts: int | None = None
    pauses: int | None = None
    status: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-serializable data; ``started`` is RFC 3339 text."""
        found = attrs.asdict(self, recurse=False)
        found["started"] = format_datetime(self.started)
        found["seconds"] = round(self.seconds, 6)
        return found

    def __str__(self) -> str:
        facts = [f"{self.session}: {self.kind} {self.operation or '(no name)'}", _duration(self.seconds)]
        facts += [] if self.rows is None else [f"{self.rows:,} rows"]
        facts += [] if self.bytes is None else [readable(self.bytes)]
        facts += [f"{self.attempts} attempts"] if (self.attempts or 1) > 1 else []
        facts.append(self.outcome if self.error is None else f"{self.outcome} ({_short(self.error)})")
        return printable(f"{', '.join(facts)} {_short(dumps(self.variables))}")


class Trace(Sequence[TraceRecord]):
    """The records of a :func:`trace` block, in the order in which the requests ended. ``str()`` gives one line per
    record."""

    def __init__(self, using: str | Session | None = None) -> None:
        self._records: list[TraceRecord] = []
        self._using = using
        self._block: contextlib.AbstractContextManager[None] | None = None

    @overload
    def __getitem__(self, index: int) -> TraceRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TraceRecord]: ...
    def __getitem__(self, index: int | slice) -> TraceRecord | Sequence[TraceRecord]:
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[TraceRecord]:
        return iter(list(self._records))

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} request{'' if len(self) == 1 else 's'}>"

    def __enter__(self) -> Self:
        only = None if self._using is None else get_session(self._using)

        record = tracing(self._records.append)
        self._block = observing(lambda call: record(call) if only is None or call.session is only else None)
        self._block.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._block is not None:
            self._block.__exit__(None, None, None)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__()


def trace(using: str | Session | None = None) -> Trace:
    """Record the requests of a block, for ``with`` and ``async with``: ``with trace() as records: ...``.

    Records what any session sends, from any thread or task, while the block runs; ``using`` (a session or its name)
    limits it to one session. Requests that began before the block are not recorded.
    """
    return Trace(using)


# -- the observer ----------------------------------------------------------------------------------


def tracing(sink: Callable[[TraceRecord], object]) -> Observer:
    """An observer that passes ``sink`` a record of each ask, on the calling thread."""

    def observe(call: Call) -> Ended:
        started, begin = datetime.now(timezone.utc), time.perf_counter()

        def end(outcome: Outcome) -> None:
            seconds = time.perf_counter() - begin
            answers = outcome.answers or [None] * len(call.asks)
            for ask, answer in zip(call.asks, answers or [None], strict=True):
                sink(_record(call.session, ask, started, seconds, answer, outcome))

        return end

    return observe


def _record(
    session: Observed, ask: Ask, started: datetime, seconds: float, answer: Any, outcome: Outcome
) -> TraceRecord:
    hide, info = redactor_for(session), session.call_info
    error = outcome.error
    note = note_of(answer)
    came, told = came_of(answer, outcome)
    failed = error if isinstance(error, ServerError) else None
    kind, operation = kind_and_name(ask)
    rows = rows_of(answer.data) if isinstance(answer, Response) else outcome.rows
    return TraceRecord(
        session=info.session,
        backend=info.backend,
        origin=hide.text(info.origin),
        kind=kind,
        operation=None if operation is None else hide.text(operation),
        document=hide.document(ask.document.text) if isinstance(ask, Request) else "",
        variables=hide.value(ask.variables) if isinstance(ask, Request) else {},
        started=started,
        seconds=seconds if note is None or note.seconds is None else note.seconds,
        outcome=came,
        error=None if told is None else hide.text(told),
        rows=rows,
        bytes=outcome.bytes if note is None else note.received,
        sent=None if note is None else note.sent,
        attempts=failed.attempts if failed is not None else None if note is None else note.attempts,
        pauses=None if note is None else note.pauses,
        status=failed.status if failed is not None else None if note is None else note.status,
    )


def redactor_for(session: Observed) -> Redactor:
    """A redactor that hides the API keys of ``session`` and of all open sessions, as far as they are known yet."""
    keys = [known.settings.known_key() for known in (session, *list(connections.values()))]
    return Redactor(key.reveal() for key in keys if key is not None)


def note_of(answer: Any) -> CallNote | None:
    """The backend's note on an answer, if there is one."""
    return answer.note if isinstance(answer, Response) else None


def came_of(answer: Any, outcome: Outcome) -> tuple[Came, str | None]:
    """The outcome of an ask, and the text of its error if there is one."""
    error = outcome.error
    if isinstance(error, Exception):
        return "failed", f"{type(error).__name__}: {error}"
    if error is not None:
        return "abandoned", None
    if isinstance(answer, Response) and answer.errors:
        return "errors", str(answer.errors[0].get("message", answer.errors[0]))
    return "ok", None


def kind_and_name(ask: Ask) -> tuple[str, str | None]:
    """The kind of an ask, and its name."""
    return operation_of(ask) if isinstance(ask, Request) else (type(ask).__name__.lower(), subject_of(ask))


def operation_of(request: Request) -> tuple[str, str | None]:
    """The type (``"query"``, ``"mutation"`` or ``"subscription"``) and the name of the operation of ``request``: the
    one it names, or the first one in its document."""
    from graphql import GraphQLError

    name = request.operation_name
    try:
        found = request.document.operation(name)
    except (GraphQLError, RecursionError):  # the backend reports what is wrong with it
        found = None
    if found is None:
        return "query", name
    return found.operation.value, name or (found.name.value if found.name else None)


def rows_of(data: Any) -> int | None:
    """The number of edges in the outermost connections in ``data``; None if it has no connections."""
    if not isinstance(data, Mapping):
        return None
    if isinstance(data.get("edges"), list):
        return len(data["edges"])
    counts = [count for item in data.values() if (count := rows_of(item)) is not None]
    return sum(counts) if counts else None


# -- WBMODEL_TRACE ---------------------------------------------------------------------------------


def by_setting(where: str) -> Observer:
    """The observer for a session whose ``trace`` setting is ``where``: ``"log"``, or the path of a file."""
    return tracing(_to_log if where == "log" else _File(where))


class _Stderr(logging.Handler):
    """Writes to the current ``sys.stderr``, unless the program has configured logging."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _handled_by_others():
            sys.stderr.write(f"{record.name}: {record.getMessage()}\n")


_once = forks.lock()


def _to_log(record: TraceRecord) -> None:
    with _once:
        if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
            logger.addHandler(_Stderr())
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.INFO)  # otherwise the root logger's WARNING would apply
    logger.info("%s", record)


def _handled_by_others() -> bool:
    at: logging.Logger | None = logger
    while at is not None:
        if any(not isinstance(handler, _Stderr | logging.NullHandler) for handler in at.handlers):
            return True
        at = at.parent if at.propagate else None
    return False


class _File:
    """Appends JSON lines to a file that only its owner may read. If writing fails, it warns once and stops."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.broken = False

    def __call__(self, record: TraceRecord) -> None:
        if self.broken:
            return
        line = f"{dumps(record.as_dict())}\n".encode(errors="backslashreplace")
        try:
            # A single write with O_APPEND, so that lines from several threads and processes do not mix.
            target = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(target, line)
            finally:
                os.close(target)
        except OSError as error:
            self.broken = True
            warn(
                f"WBMODEL_TRACE: {self.path} cannot be written ({error.strerror or error}); tracing is now off",
                WbmodelWarning,
            )


# -- text ------------------------------------------------------------------------------------------

_WIDTH = 200


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
