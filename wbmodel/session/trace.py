"""A record of each request that goes to a backend: which document and variables, how long it took, what came of it.

Tracing is a wrapper, the innermost one: it stands between every other wrapper and the backend. So it sees what
``session.stats`` counts and ``assert_num_requests`` holds. What a cache among the wrappers answers makes no record, and
what one splits or sends again makes several. Three ways to turn it on:

- ``with trace() as records: ...`` collects the records of a block, in both colours;
- ``WBMODEL_TRACE=1`` when ``connect()`` is called writes a line for each to the logger ``wbmodel.trace``;
- ``WBMODEL_TRACE=PATH`` appends each as a line of JSON to that file.

When it is off there is no wrapper. Secrets are hidden as :mod:`wbmodel.session.redact` says.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs
from typing_extensions import Self

from wbmodel import forks
from wbmodel.backend.asks import Request, Response, Send
from wbmodel.codec import dumps, format_datetime
from wbmodel.errors import ServerError, WbmodelWarning, warn
from wbmodel.hookspecs import CallInfo, Wrapper
from wbmodel.safe_text import printable, readable
from wbmodel.session.current import connections, get_session
from wbmodel.session.drive import NamedWrapper
from wbmodel.session.observe import Innermost, within
from wbmodel.session.redact import Redactor

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = [
    "Trace",
    "TraceRecord",
    "by_setting",
    "note_of",
    "operation_of",
    "outcome_of",
    "redactor_for",
    "rows_of",
    "trace",
    "traced",
    "watched",
]

logger = logging.getLogger("wbmodel.trace")

Outcome = Literal["ok", "errors", "failed", "abandoned"]


@attrs.frozen(slots=True, kw_only=True)
class TraceRecord:
    """One request to a backend, without secrets.

    ``session``, ``backend`` and ``origin`` say where it went, ``kind`` is ``"query"``, ``"mutation"`` or
    ``"subscription"``, ``operation`` its name. ``started`` is an aware datetime, ``seconds`` the time until the answer,
    of the backend itself where it tells it; without that, a batch's requests share their time, and what was read ahead
    lasts until it is taken. ``rows`` counts the edges of connections in the answer (None: it has none); ``bytes``
    (received on the wire), ``sent`` (bytes), ``attempts``, ``pauses`` and ``status`` (of HTTP) are what the backend
    said, or None. ``outcome`` is ``"ok"``, ``"errors"`` (the answer holds GraphQL errors), ``"failed"`` (the backend
    raised) or ``"abandoned"`` (nobody waited for the answer); ``error`` says what went wrong.
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
    outcome: Outcome
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

        def innermost(session: Session) -> NamedWrapper | None:
            return None if only is not None and session is not only else traced(session, self._records.append)

        self._block = within(innermost)
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


# -- the wrapper -----------------------------------------------------------------------------------


def watched(
    request: Request, end: Callable[[Response | None, Exception | None], object]
) -> Generator[Send, Any, Response]:
    """Send ``request``, and tell ``end`` what came of it: the answer or the error. It is told neither when the
    generator was closed: the operation was, or its task was cancelled."""
    response: Response | None = None
    error: Exception | None = None
    try:
        answer: Response = yield Send(request)
        response = answer
        return answer
    except Exception as raised:
        error = raised
        raise
    finally:
        end(response, error)
        error = None  # its traceback refers to this frame


def traced(session: Session, sink: Callable[[TraceRecord], object]) -> NamedWrapper:
    """The wrapper that hands ``sink`` a record of each request of ``session``, on the thread that sends it."""

    def wrapper(request: Request, info: CallInfo) -> Generator[Send, Any, Response]:
        started, begin = datetime.now(timezone.utc), time.perf_counter()

        def end(response: Response | None, error: Exception | None) -> None:
            sink(_record(session, request, info, started, time.perf_counter() - begin, response, error))

        return (yield from watched(request, end))

    checked: Wrapper = wrapper
    return NamedWrapper("trace", checked)


def _record(
    session: Session,
    request: Request,
    info: CallInfo,
    started: datetime,
    seconds: float,
    response: Response | None,
    error: Exception | None,
) -> TraceRecord:
    hide = redactor_for(session)
    note = note_of(response)
    outcome, told = outcome_of(response, error)
    failed = {"attempts": error.attempts, "status": error.status} if isinstance(error, ServerError) else {}
    facts = {name: note.get(name) for name in ("bytes", "sent", "attempts", "pauses", "status")} | failed
    kind, operation = operation_of(request)
    return TraceRecord(
        session=info.session,
        backend=info.backend,
        origin=info.origin,
        kind=kind,
        operation=operation,
        document=hide.document(request.document.text),
        variables=hide.value(request.variables),
        started=started,
        seconds=float(note.get("seconds", seconds)),
        outcome=outcome,
        error=None if told is None else hide.text(told),
        rows=None if response is None else rows_of(response.data),
        **facts,
    )


def redactor_for(session: Session) -> Redactor:
    """What hides the API keys of ``session`` and of the other open sessions, as far as they are known by now."""
    keys = [known.settings.known_key() for known in (session, *list(connections.values()))]
    return Redactor(key.reveal() for key in keys if key is not None)


def note_of(response: Response | None) -> Mapping[str, Any]:
    """What the backend says of an answer; empty where it says nothing."""
    note = None if response is None else response.extensions.get("wbmodel")
    return note if isinstance(note, Mapping) else {}


def outcome_of(response: Response | None, error: Exception | None) -> tuple[Outcome, str | None]:
    """What came of a request, and the words for what went wrong."""
    if error is not None:
        return "failed", f"{type(error).__name__}: {error}"
    if response is None:
        return "abandoned", None
    if response.errors:
        return "errors", str(response.errors[0].get("message", response.errors[0]))
    return "ok", None


_OPERATION = re.compile(r"^\s*(query|mutation|subscription)\b(?:\s+(\w+))?", re.MULTILINE)


def operation_of(request: Request) -> tuple[str, str | None]:
    """The type (``"query"``, ``"mutation"`` or ``"subscription"``) and the name of the operation that ``request`` asks
    for; where it names none, of the first one in its document."""
    text, name = request.document.text, request.operation_name
    found = re.search(rf"\b(query|mutation|subscription)\s+({re.escape(name)})\b", text) if name else None
    found = found or _OPERATION.search(text)
    return (found[1], name or found[2]) if found else ("query", name)


def rows_of(data: Any) -> int | None:
    """How many edges the connections in ``data`` hold that are nested in no other; None where there are none."""
    if not isinstance(data, Mapping):
        return None
    if isinstance(data.get("edges"), list):
        return len(data["edges"])
    counts = [count for item in data.values() if (count := rows_of(item)) is not None]
    return sum(counts) if counts else None


# -- WBMODEL_TRACE ---------------------------------------------------------------------------------


def by_setting(where: str) -> Innermost:
    """The wrapper for a session whose setting ``trace`` is ``where``: ``"log"``, or the path of a file."""
    sink = _to_log if where == "log" else _File(where)
    return lambda session: traced(session, sink)


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
