"""``Stream``: the history, the system metrics or the terminal of a run, by line and by step.

A line is where a row was written, from 0; lines may be missing. A step is what a row of a history says of itself; it
may be negative, and several rows may share one. What comes by step comes in the order of lines where steps are equal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, Protocol, runtime_checkable

import attrs

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.engine.select import JSON_TYPES, KeyFacts

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
"""The most rows of a batch."""

Row = dict[str, Any]
Source = Iterable[Any] | Callable[[], Iterable[Any]]
"""Rows, or a callable without arguments that reads them at the first use."""


@runtime_checkable
class Stream(Protocol):
    """Rows of one run. They are read outside of a view, in short pieces; each call reads what is there then."""

    @property
    def token(self) -> Hashable:
        """Equal tokens mean equal content."""
        ...

    @property
    def last_step(self) -> int:
        """The highest step; -1 without rows."""
        ...

    def length(self) -> int:
        """The highest line + 1."""
        ...

    def count(self) -> int:
        """How many rows are there: fewer than :meth:`length` where lines are missing."""
        ...

    def keys(self) -> Mapping[str, KeyFacts]:
        """What is known of each key; nested objects are dotted."""
        ...

    def rows(self, start: int = 0, stop: int | None = None) -> Iterable[Any]:
        """One item per line, ``start <= line < stop``: the row, or None where the line is missing."""
        ...

    def between(self, low: float | None, high: float | None) -> Sequence[Row]:
        """Rows with ``low <= _step < high``, by step; None leaves a side open."""
        ...

    def tail(self, count: int) -> Sequence[Any]:
        """The last rows by line."""
        ...

    def written(self, line: int, rows: Iterable[Any]) -> Stream:
        """The stream with ``rows`` written from ``line`` on, for a store that can be changed: see
        :meth:`RowStream.written`."""
        ...

    def read(self, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """Columns of at most :data:`BATCH_ROWS` rows, histories by step, other streams by line. Nested objects are
        dotted columns, NaN stays a float. With keys, a row needs at least one of them; ``_step`` is always a column of
        a history. Other streams have no steps: there, the line number takes the step's part. ``run`` is empty."""
        ...


@attrs.frozen(slots=True, eq=False)
class _Content:
    """What was read of a stream at one token."""

    token: Hashable
    lines: Sequence[Any]
    there: Sequence[Any]
    """``lines`` without those that are missing."""


class RowStream:
    """A :class:`Stream` of rows: give it a list, or a callable that reads one when first asked. Or derive from it and
    write :meth:`rows` and :attr:`token`, and everything else follows.

    ``steps`` says whether rows have steps; a row of such a stream without a whole ``_step`` has its line number there.
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

    # -- what a subclass says ------------------------------------------------------------------------

    @property
    def token(self) -> Hashable:
        """Equal tokens mean equal content. A list that was given does not change."""
        return 0

    def rows(self, start: int = 0, stop: int | None = None) -> Iterable[Any]:
        """One item per line, ``start <= line < stop``: the row, or None where the line is missing."""
        return islice(self._content().lines, start, stop)

    # -- what follows --------------------------------------------------------------------------------

    def length(self) -> int:
        """The highest line + 1."""
        return len(self._content().lines)

    def count(self) -> int:
        """How many rows are there."""
        return len(self._content().there)

    @property
    def last_step(self) -> int:
        """The highest step; -1 without rows."""
        steps = self._by_step()[1]
        return steps[-1] if steps else -1

    def keys(self) -> Mapping[str, KeyFacts]:
        """What is known of each key; nested objects are dotted."""
        content = self._content()
        if self._facts is None or self._facts[0] != content.token:
            self._facts = (content.token, _key_facts(content.there))
        return self._facts[1]

    def tail(self, count: int) -> Sequence[Any]:
        """The last rows by line."""
        there = self._content().there
        return there[max(len(there) - count, 0) :]

    def between(self, low: float | None, high: float | None) -> Sequence[Row]:
        """Rows with ``low <= _step < high``, by step; None leaves a side open."""
        rows, steps = self._by_step()
        start = 0 if low is None else bisect_left(steps, low)
        return rows[start : None if high is None else max(start, bisect_left(steps, high))]

    def read(self, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """Columns of at most :data:`BATCH_ROWS` rows, see :meth:`Stream.read`."""
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
        """The stream with ``rows`` written from ``line`` on, over what stands there and no further: what stands behind
        stays, lines between are missing, and writing the same again changes nothing."""
        if line < 0:
            raise ValueError(f"lines are counted from 0, and {line} is below")
        lines, added = list(self._content().lines), list(rows)
        lines += [None] * (line - len(lines))
        lines[line : line + len(added)] = added
        return self._like(lines)

    # -- inside --------------------------------------------------------------------------------------

    def _like(self, lines: list[Any]) -> RowStream:
        return RowStream(lines, steps=self.steps)

    def _content(self) -> _Content:
        token = self.token
        if self._read is None or self._read.token != token:
            if type(self).rows is RowStream.rows:
                given = self._source() if callable(self._source) else self._source
            else:
                given = self.rows()
            lines = [_numbered(row, at) for at, row in enumerate(given)] if self.steps else list(given)
            there = [row for row in lines if row is not None] if None in lines else lines
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
        return [row for row in self._content().lines[_lines(spec)] if row is not None]


class ConsoleStream(RowStream):
    """Lines of a terminal: objects with ``line``, ``level``, ``timestamp`` and ``label``. As columns they have their
    ``number`` too."""

    steps = False

    def __init__(self, rows: Source = ()) -> None:
        super().__init__(rows, steps=False)

    def _like(self, lines: list[Any]) -> RowStream:
        return ConsoleStream(lines)

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
    """A stream as it is; rows with steps, or a callable that reads them, as one."""
    return given if _is_stream(given) else RowStream(given)


def events_of(given: Any) -> Stream:
    """The same for rows without steps."""
    return given if _is_stream(given) else RowStream(given, steps=False)


def console_of(given: Any) -> Stream:
    """The same for lines of a terminal."""
    return given if _is_stream(given) else ConsoleStream(given)


def sample(rows: Sequence[Any], samples: int | None) -> Sequence[Any]:
    """At most ``samples`` rows, evenly spread, first and last among them. None keeps all, as does zero or less."""
    count = len(rows)
    if samples is None or samples <= 0 or count <= samples:
        return rows
    if samples == 1:
        return [rows[-1]]
    return [rows[round(at * (count - 1) / (samples - 1))] for at in range(samples)]


def flat_row(row: Row) -> Row:
    """The row with nested objects as dotted keys, as the server names them (``nested.b``, seen)."""
    if not any(type(value) is dict for value in row.values()):
        return row
    flat: Row = {}
    for key, value in row.items():
        # An object with a _type is one value: an image, a histogram.
        if type(value) is dict and value and "_type" not in value:
            flat.update((f"{key}.{inner}", item) for inner, item in flat_row(value).items())
        else:
            flat[key] = value
    return flat


def _numbered(row: Row | None, line: int) -> Row | None:
    if row is None or type(row.get("_step")) is int:
        return row
    step = row.get("_step")
    return {**row, "_step": int(step) if isinstance(step, float) and step.is_integer() else line}


def _key_facts(rows: Sequence[Row]) -> Mapping[str, KeyFacts]:
    types: dict[str, Counter[str]] = {}
    last: Row = {}
    falling: set[str] = set()
    for row in rows:
        for key, value in flat_row(row).items():
            kind = JSON_TYPES.get(type(value), "nil")
            types.setdefault(key, Counter())[kind] += 1
            before = last.get(key)
            if kind != "number" or (before is not None and _falls(before, value)):
                falling.add(key)
            last[key] = value
    return {
        key: KeyFacts(sum(counts.values()), dict(counts), last[key], key not in falling)
        for key, counts in types.items()
    }


def _falls(before: Any, value: Any) -> bool:
    return isinstance(before, (int, float)) and not value >= before
