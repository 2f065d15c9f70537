"""``Stream``: the history, system metrics or console output of a run, by line and by step.

A line number says where a row was written, counted from 0; lines may be missing. A step is a value in a history row; it
may be negative, and several rows may share one. Rows with equal steps are ordered by line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import ge, itemgetter
from typing import Any, Protocol, runtime_checkable

import attrs

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.engine.select import JSON_TYPES, KeyFacts
from wbmodel.engine.stopping import until_given_up

__all__ = [
    "BATCH_ROWS",
    "ConsoleStream",
    "Row",
    "RowStream",
    "Stream",
    "console_of",
    "events_of",
    "flat_row",
    "history_of",
    "sample",
]

BATCH_ROWS = 8192
"""Maximum rows in a batch."""

Row = dict[str, Any]
Source = Iterable[Any] | Callable[[], Iterable[Any]]
"""Rows, or a callable without arguments that reads them on first use."""


@runtime_checkable
class Stream(Protocol):
    """The rows of one run. They are read outside of a view, in short pieces; each call reads the current state."""

    @property
    def token(self) -> Hashable:
        """Equal tokens mean equal content."""
        ...

    @property
    def last_step(self) -> int:
        """The highest step; -1 without rows."""
        ...

    def length(self) -> int:
        """The highest line number + 1."""
        ...

    def count(self) -> int:
        """The number of rows, less than :meth:`length` if lines are missing."""
        ...

    def keys(self) -> Mapping[str, KeyFacts]:
        """Facts about each key; keys of nested objects are dotted."""
        ...

    def rows(self, start: int = 0, stop: int | None = None) -> Iterable[Any]:
        """One item per line, ``start <= line < stop``: the row, or None if the line is missing."""
        ...

    def between(self, low: float | None, high: float | None) -> Sequence[Row]:
        """Rows with ``low <= _step < high``, ordered by step; None leaves a side open."""
        ...

    def tail(self, count: int) -> Sequence[Any]:
        """The last ``count`` rows by line."""
        ...

    def written(self, line: int, rows: Iterable[Any]) -> Stream:
        """The stream with ``rows`` written from ``line`` on, for a writable store; see :meth:`RowStream.written`."""
        ...

    def read(self, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """Batches of at most :data:`BATCH_ROWS` rows, histories by step, other streams by line. Nested objects become
        dotted columns, NaN stays a float. With keys, only rows with at least one of them are read; a history always has
        a ``_step`` column. Other streams have no steps; for them, the line number is used instead. ``run`` is empty."""
        ...


@attrs.frozen(slots=True, eq=False)
class _Content:
    """The content of a stream at one token."""

    token: Hashable
    lines: Sequence[Any]
    there: Sequence[Any]
    """The rows: ``lines`` without those that are missing or not a row."""


class RowStream:
    """A :class:`Stream` of rows, from a list or from a callable that reads one on first use. Subclasses can override
    :meth:`rows` and :attr:`token`; everything else follows from these.

    ``steps`` says whether rows have steps; if so, a row without an integer ``_step`` gets its line number. A line that
    is not an object is kept as a line, and counts as one, but it is not a row and is not read.
    """

    steps = True
    _source: Source = ()
    _read: _Content | None = None
    _sorted: tuple[Hashable, list[Row], list[int]] | None = None
    _facts: tuple[Hashable, Mapping[str, KeyFacts]] | None = None

    def __init__(self, rows: Source = (), *, steps: bool = True) -> None:
        self._source = rows
        self.steps = steps

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    # -- to override ---------------------------------------------------------------------------------

    @property
    def token(self) -> Hashable:
        """Equal tokens mean equal content. Constant here, because the given rows must not change."""
        return 0

    def rows(self, start: int = 0, stop: int | None = None) -> Iterable[Any]:
        """One item per line, ``start <= line < stop``: the row, or None if the line is missing."""
        return islice(self._content().lines, start, stop)

    # -- derived -------------------------------------------------------------------------------------

    def length(self) -> int:
        """The highest line number + 1."""
        return len(self._content().lines)

    def count(self) -> int:
        """The number of rows."""
        return len(self._content().there)

    @property
    def last_step(self) -> int:
        """The highest step; -1 without rows."""
        steps = self._by_step()[1]
        return steps[-1] if steps else -1

    def keys(self) -> Mapping[str, KeyFacts]:
        """Facts about each key; keys of nested objects are dotted."""
        content = self._content()
        if self._facts is None or self._facts[0] != content.token:
            self._facts = (content.token, _key_facts(content.there))
        return self._facts[1]

    def tail(self, count: int) -> Sequence[Any]:
        """The last ``count`` rows by line."""
        there = self._content().there
        return there[max(len(there) - count, 0) :]

    def between(self, low: float | None, high: float | None) -> Sequence[Row]:
        """Rows with ``low <= _step < high``, ordered by step; None leaves a side open."""
        rows, steps = self._by_step()
        start = 0 if low is None else bisect_left(steps, low)
        return rows[start : None if high is None else max(start, bisect_left(steps, high))]

    def read(self, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """Batches of at most :data:`BATCH_ROWS` rows; see :meth:`Stream.read`."""
        rows: Sequence[Row] = [flat_row(row) for row in self._asked(spec)]
        wanted = None if spec.keys is None else list(dict.fromkeys(spec.keys))
        if wanted is not None:
            asked = [key for key in wanted if key != "_step"]
            rows = [row for row in rows if not asked or any(key in row for key in asked)]
        for start in range(0, len(rows), BATCH_ROWS):
            batch = rows[start : start + BATCH_ROWS]
            names = list(dict.fromkeys(key for row in batch for key in row)) if wanted is None else list(wanted)
            if self.steps and "_step" not in names:
                names.insert(0, "_step")
            columns = {name: [row.get(name) for row in batch] for name in names}
            yield ColumnBatch("", columns, len(batch))

    def written(self, line: int, rows: Iterable[Any]) -> RowStream:
        """A stream with ``rows`` written from ``line`` on. They overwrite only the rows at their lines: later rows are
        kept, skipped lines are missing, and writing the same rows again changes nothing."""
        if line < 0:
            raise ValueError(f"a line number must be 0 or more, not {line}")
        lines, added = list(self._content().lines), list(rows)
        lines += [None] * (line - len(lines))
        lines[line : line + len(added)] = added
        return self._like(lines)

    # -- inside --------------------------------------------------------------------------------------

    def _like(self, lines: list[Any]) -> RowStream:
        return RowStream(lines, steps=self.steps)

    def _is_row(self, line: Any) -> bool:
        return isinstance(line, dict)

    def _content(self) -> _Content:
        token = self.token
        if self._read is None or self._read.token != token:
            if type(self).rows is RowStream.rows:
                given = self._source() if callable(self._source) else self._source
            else:
                given = self.rows()
            lines = [_numbered(row, at) for at, row in enumerate(given)] if self.steps else list(given)
            there = [row for row in lines if self._is_row(row)]
            self._read = _Content(token, lines, there)
        return self._read

    def _by_step(self) -> tuple[list[Row], list[int]]:
        content = self._content()
        if self._sorted is None or self._sorted[0] != content.token:
            rows = sorted(content.there, key=itemgetter("_step")) if self.steps else []
            self._sorted = (content.token, rows, [row["_step"] for row in rows])
        return self._sorted[1], self._sorted[2]

    def _asked(self, spec: ReadSpec) -> Sequence[Row]:
        if self.steps:
            return self.between(spec.min_step, spec.max_step)
        return [row for row in self._content().lines[_lines(spec)] if self._is_row(row)]


class ConsoleStream(RowStream):
    """Console output: objects with ``line``, ``level``, ``timestamp`` and ``label``. As columns they also have a
    ``number``."""

    steps = False

    def __init__(self, rows: Source = ()) -> None:
        super().__init__(rows, steps=False)

    def _like(self, lines: list[Any]) -> RowStream:
        return ConsoleStream(lines)

    def _is_row(self, line: Any) -> bool:
        return line is not None

    def _asked(self, spec: ReadSpec) -> Sequence[Row]:
        lines = _lines(spec)
        names = ("line", "level", "timestamp", "label")
        return [
            {"number": number, **{name: getattr(line, name) for name in names}}
            for number, line in enumerate(self.rows(lines.start, lines.stop), lines.start)
            if line is not None
        ]


def _lines(spec: ReadSpec) -> slice:
    return slice(max(0, spec.min_step or 0), None if spec.max_step is None else max(0, spec.max_step))


def _is_stream(given: Any) -> bool:
    # Looking a protocol up is slow, and filling a store asks this three times a run.
    return isinstance(given, RowStream) or (not isinstance(given, list) and isinstance(given, Stream))


def history_of(given: Any) -> Stream:
    """Make a stream of rows with steps, or of a callable that reads them. A stream is returned unchanged."""
    return given if _is_stream(given) else RowStream(given)


def events_of(given: Any) -> Stream:
    """Like :func:`history_of`, for rows without steps."""
    return given if _is_stream(given) else RowStream(given, steps=False)


def console_of(given: Any) -> Stream:
    """Like :func:`history_of`, for console lines."""
    return given if _is_stream(given) else ConsoleStream(given)


def sample(rows: Sequence[Any], samples: int | None) -> Sequence[Any]:
    """At most ``samples`` evenly spread rows, including the first and the last. None, zero or less keeps all rows."""
    count = len(rows)
    if samples is None or samples <= 0 or count <= samples:
        return rows
    if samples == 1:
        return [rows[-1]]
    return [rows[round(at * (count - 1) / (samples - 1))] for at in range(samples)]


def flat_row(row: Row) -> Row:
    """Flatten nested objects into dotted keys, as the server names them (``nested.b``, seen)."""
    if not any(type(value) is dict for value in row.values()):
        return row
    flat: Row = {}
    for key, value in row.items():
        # An object with a _type is a single value, such as an image or a histogram.
        if type(value) is dict and value and "_type" not in value:
            flat.update((f"{key}.{inner}", item) for inner, item in flat_row(value).items())
        else:
            flat[key] = value
    return flat


def _numbered(row: Any, line: int) -> Any:
    if not isinstance(row, dict) or type(row.get("_step")) is int:
        return row
    step = row.get("_step")
    return {**row, "_step": int(step) if isinstance(step, float) and step.is_integer() else line}


def _key_facts(rows: Sequence[Row]) -> Mapping[str, KeyFacts]:
    columns: dict[str, list[Any]] = {}
    for row in until_given_up(rows):
        for key, value in flat_row(row).items():
            column = columns.get(key)
            if column is None:
                columns[key] = [value]
            else:
                column.append(value)
    return {key: _facts_of(values) for key, values in columns.items()}


def _facts_of(values: list[Any]) -> KeyFacts:
    kinds, types = Counter(map(type, values)), Counter[str]()
    if dict in kinds:
        types = Counter(map(_kind, values))
    else:
        for kind, count in kinds.items():
            types[JSON_TYPES.get(kind, "nil")] += count
    rising = types.keys() == {"number"} and all(map(ge, values[1:], values))
    return KeyFacts(len(values), dict(types), values[-1], rising)


def _kind(value: Any) -> str:
    """The name of a value's type; that of media is what they say (``image-file``, ``histogram``)."""
    if type(value) is dict and isinstance(value.get("_type"), str):
        return str(value["_type"])
    return JSON_TYPES.get(type(value), "nil")
