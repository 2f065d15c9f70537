"""A record of each request that goes to a backend: which document and variables, how long it took, what came of it.

Tracing is an observer, as ``session.stats`` and ``assert_num_requests`` are: it sees what they count. What a cache
among the wrappers answers makes no record, and what one splits or sends again makes several. Three ways to turn it on:

- ``with trace() as records: ...`` collects the records of a block, in both colours;
- ``WBMODEL_TRACE=1`` when ``connect()`` is called writes a line for each to the logger ``wbmodel.trace``;
- ``WBMODEL_TRACE=PATH`` appends each as a line of JSON to that file.

Secrets are hidden as :mod:`wbmodel.session.redact` says.
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
    """One thing that was asked of a backend, without secrets.

    ``session``, ``backend`` and ``origin`` say where it went, ``kind`` is ``"query"``, ``"mutation"`` or
    ``"subscription"``, ``operation`` its name. (Through the other doors ``kind`` is ``"read"``, ``"append"``,
    ``"open"``, ``"fetch"`` or ``"put"``, ``operation`` says what of, and there is no document.) ``started`` is an aware
    datetime, ``seconds`` the time until the answer, of the backend itself where it tells it; without that, a batch's
    requests share their time, and what was read ahead lasts until it is taken. ``rows`` counts the edges of connections
    in the answer, or the rows of columns (None: it has none); ``bytes`` (received on the wire), ``sent`` (bytes),
    ``attempts``, ``pauses`` and ``status`` (of HTTP) are what the backend said, or None. ``outcome`` is ``"ok"``,
    ``"errors"`` (the answer holds GraphQL errors), ``"failed"`` (the backend raised) or ``"abandoned"`` (nobody waited
    for the answer); ``error`` says what went wrong.
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
        """The record as plain data that JSON can hold; ``started`` is RFC 3339 text."""
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
    """The records of a block, in the order in which the requests came to an end: what :func:`trace` gives. As text it
    is one line for each."""

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
    """A block, for ``with`` and ``async with``, whose requests are recorded: ``with trace() as records: ...``.

    It records what any session sends, from any thread or task, while the block runs; ``using`` (a session or its name)
    keeps to one. Requests that began before the block are not in it.
    """
    return Trace(using)


# -- the observer ----------------------------------------------------------------------------------


def tracing(sink: Callable[[TraceRecord], object]) -> Observer:
    """The observer that hands ``sink`` a record of each thing that was asked, on the thread that asks."""

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
        origin=info.origin,
        kind=kind,
        operation=operation,
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
    """What hides the API keys of ``session`` and of the other open sessions, as far as they are known by now."""
    keys = [known.settings.known_key() for known in (session, *list(connections.values()))]
    return Redactor(key.reveal() for key in keys if key is not None)


def note_of(answer: Any) -> CallNote | None:
    """What the backend says of an answer, if it says anything."""
    return answer.note if isinstance(answer, Response) else None


def came_of(answer: Any, outcome: Outcome) -> tuple[Came, str | None]:
    """What came of something that was asked, and the words for what went wrong."""
    error = outcome.error
    if isinstance(error, Exception):
        return "failed", f"{type(error).__name__}: {error}"
    if error is not None:
        return "abandoned", None
    if isinstance(answer, Response) and answer.errors:
        return "errors", str(answer.errors[0].get("message", answer.errors[0]))
    return "ok", None


def kind_and_name(ask: Ask) -> tuple[str, str | None]:
    """What kind of thing is asked, and its name."""
    return operation_of(ask) if isinstance(ask, Request) else (type(ask).__name__.lower(), subject_of(ask))


def operation_of(request: Request) -> tuple[str, str | None]:
    """The type (``"query"``, ``"mutation"`` or ``"subscription"``) and the name of the operation that ``request`` asks
    for; where it names none, of the first one in its document."""
    from graphql import GraphQLError

    name = request.operation_name
    try:
        found = request.document.operation(name)
    except (GraphQLError, RecursionError):  # the backend says what is wrong with it
        found = None
    if found is None:
        return "query", name
    return found.operation.value, name or (found.name.value if found.name else None)


def rows_of(data: Any) -> int | None:
    """How many edges the connections in ``data`` hold that are nested in no other; None where there are none."""
    if not isinstance(data, Mapping):
        return None
    if isinstance(data.get("edges"), list):
        return len(data["edges"])
    counts = [count for item in data.values() if (count := rows_of(item)) is not None]
    return sum(counts) if counts else None


# -- WBMODEL_TRACE ---------------------------------------------------------------------------------


def by_setting(where: str) -> Observer:
    """The observer for a session whose setting ``trace`` is ``where``: ``"log"``, or the path of a file."""
    return tracing(_to_log if where == "log" else _File(where))


class _Stderr(logging.Handler):
    """Writes to whatever ``sys.stderr`` is now, unless somebody has configured logging: then it is their affair."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _handled_by_others():
            sys.stderr.write(f"{record.name}: {record.getMessage()}\n")


_once = forks.lock()


def _to_log(record: TraceRecord) -> None:
    with _once:
        if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
            logger.addHandler(_Stderr())
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.INFO)  # else the root's WARNING would hold
    logger.info("%s", record)


def _handled_by_others() -> bool:
    at: logging.Logger | None = logger
    while at is not None:
        if any(not isinstance(handler, _Stderr | logging.NullHandler) for handler in at.handlers):
            return True
        at = at.parent if at.propagate else None
    return False


class _File:
    """Appends JSON lines to a file that only its owner may read. When that fails it says so once, and stops."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.broken = False

    def __call__(self, record: TraceRecord) -> None:
        if self.broken:
            return
        line = f"{dumps(record.as_dict())}\n".encode(errors="backslashreplace")
        try:
            # One write at the end of the file, so that lines of threads and processes do not mix.
            target = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(target, line)
            finally:
                os.close(target)
        except OSError as error:
            self.broken = True
            warn(
                f"WBMODEL_TRACE: {self.path} cannot be written ({error.strerror or error}); requests go on untraced",
                WbmodelWarning,
            )


# -- text ------------------------------------------------------------------------------------------

_WIDTH = 200


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
