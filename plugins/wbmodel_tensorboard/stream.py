"""``EventStream``: the history of a folder of event files. Counts, keys and last values come from the index; rows are
read from the files, and only the tags that are asked for."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import le
from typing import Any

import attrs

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.engine import KeyFacts, RowStream
from wbmodel.engine.streams import BATCH_ROWS
from wbmodel.errors import DoesNotExist
from wbmodel_tensorboard.columns import Column, Stored
from wbmodel_tensorboard.events import EventFile
from wbmodel_tensorboard.state import FileState, ValueReader, combined

__all__ = ["EventStream", "Part"]

Row = dict[str, Any]
_ROW_KEYS = ("_step", "_timestamp")


@attrs.frozen(slots=True)
class Part:
    """One file of a stream: its name, where it is, and what is known of it."""

    name: str
    path: str
    state: FileState


class _Loaded:
    """The columns of one file."""

    def __init__(self, part: Part, keys: frozenset[str] | None, plugins: Mapping[str, str]) -> None:
        try:
            self.file = open(part.path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        except FileNotFoundError:
            raise DoesNotExist(f"the event file {part.path} was deleted after it was found") from None
        self.reader = ValueReader(self.file, part.name)
        events = EventFile(keys, dict(plugins))
        end = min(part.state.offset, os.fstat(self.file.fileno()).st_size)
        events.read(self.file, 0, end)
        self.steps, self.walls = events.rows.steps, events.rows.walls
        self.columns = {name: column for name, column in events.columns.items() if column.rows}

    def close(self) -> None:
        self.file.close()


class EventStream(RowStream):
    """A history over event files, which are read in order. A row is one occurrence of a step: the k-th time that a tag
    says step s goes into row (s, k) of its file. ``_timestamp`` is the first wall time of the row, among the keys that
    are read: of one key, it is its own. ``_timestamp`` beside other keys selects no rows.
    """

    steps = True

    def __init__(self, parts: Sequence[Part], token: Hashable) -> None:
        self._parts = [part for part in parts if part.state.rows]
        self._at = token
        self._plugins: dict[str, str] = {}
        for part in parts:
            self._plugins |= part.state.plugins

    @property
    def token(self) -> Hashable:
        """Changes with the files."""
        return self._at

    def length(self) -> int:
        """The number of rows, from the index."""
        return sum(part.state.rows for part in self._parts)

    count = length

    @property
    def last_step(self) -> int:
        """The highest step, from the index; -1 without rows."""
        return max((part.state.last_step for part in self._parts), default=-1)

    def keys(self) -> Mapping[str, KeyFacts]:
        """Facts about each key, from the index."""
        return combined([part.state for part in self._parts])

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Any]:
        """The rows by line."""
        for part in self._parts:
            count = part.state.rows
            if start < count and (stop is None or stop > 0):
                loaded = self._load(part, None)
                try:
                    yield from islice(_rows_of(loaded), start, stop)
                finally:
                    loaded.close()
            start, stop = max(0, start - count), None if stop is None else stop - count
            if stop is not None and stop <= 0:
                return

    def tail(self, count: int) -> Sequence[Any]:
        """The last ``count`` rows by line."""
        length = self.length()
        return list(self.rows(max(0, length - count), length)) if count > 0 else []

    def between(self, low: float | None, high: float | None) -> Sequence[Row]:
        """Rows with ``low <= _step < high``, ordered by step."""
        return [row for batch in self._batches(None, low, high) for row in batch.rows()]

    def read(self, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """Batches of at most ``BATCH_ROWS`` rows, by step; columns of numbers are arrays."""
        wanted = None if spec.keys is None else list(dict.fromkeys(spec.keys))
        tags = None if wanted is None else frozenset(wanted).difference(_ROW_KEYS)
        for batch in self._batches(tags or None, spec.min_step, spec.max_step):
            if wanted is None:
                yield batch
                continue
            names = wanted if "_step" in wanted else ["_step", *wanted]
            empty = [None] * batch.length
            yield ColumnBatch("", {name: batch.columns.get(name, empty) for name in names}, batch.length)

    def written(self, line: int, rows: Iterable[Any]) -> RowStream:
        """Not for files."""
        raise TypeError("event files are read in place and never written")

    # -- inside --------------------------------------------------------------------------------------

    def _load(self, part: Part, keys: frozenset[str] | None) -> _Loaded:
        return _Loaded(part, keys, self._plugins)

    def _batches(self, keys: frozenset[str] | None, low: float | None, high: float | None) -> Iterator[ColumnBatch]:
        parts = [part for part in self._parts if keys is None or not keys.isdisjoint(part.state.keys)]
        loaded: list[_Loaded] = []
        try:
            for part in parts:
                loaded.append(self._load(part, keys))
            yield from _merged(loaded, low, high)
        finally:
            for item in loaded:
                item.close()


def _merged(files: Sequence[_Loaded], low: float | None, high: float | None) -> Iterator[ColumnBatch]:
    """The rows of several files by step, those of equal steps in the order of lines."""
    steps, walls, starts = array("q"), array("d"), list[int]()
    for file in files:
        starts.append(len(steps))
        steps.extend(file.steps)
        walls.extend(file.walls)
    places: array[int] | None = None  # the position of each row, if they do not stand in order already
    if not _rising(steps):
        order = sorted(range(len(steps)), key=steps.__getitem__)
        places = array("I", bytes(4 * len(order)))
        for place, row in enumerate(order):
            places[row] = place
        steps = array("q", map(steps.__getitem__, order))
        walls = array("d", map(walls.__getitem__, order))
    names = dict.fromkeys(name for file in files for name in file.columns)
    pieces = {
        name: [
            _Piece(file.columns[name], start, places, file.reader)
            for file, start in zip(files, starts, strict=True)
            if name in file.columns
        ]
        for name in names
    }
    first = 0 if low is None else bisect_left(steps, low)
    last = len(steps) if high is None else bisect_left(steps, high)
    for begin in range(first, last, BATCH_ROWS):
        end = min(begin + BATCH_ROWS, last)
        columns: dict[str, Any] = {"_step": steps[begin:end], "_timestamp": walls[begin:end]}
        for name, of_name in pieces.items():
            cells = _cells(of_name, begin, end)
            if cells is not None:
                columns[name] = cells
        yield ColumnBatch("", columns, end - begin)


class _Piece:
    """The points of one key in one file, by their places among all rows."""

    def __init__(self, column: Column, start: int, places: array[int] | None, read: ValueReader) -> None:
        self.name, self.values, self.read = column.name, column.values, read
        rows = column.rows
        self.places: array[int] = rows
        if places is not None:
            self.places = array("I", [places[start + row] for row in rows])
        elif start:
            self.places = array("I", [start + row for row in rows])
        if not _rising(self.places):
            order = sorted(range(len(rows)), key=self.places.__getitem__)
            self.places = array("I", map(self.places.__getitem__, order))
            values = map(self.values.__getitem__, order)
            self.values = array("d", values) if isinstance(self.values, array) else list(values)


def _cells(pieces: Sequence[_Piece], begin: int, end: int) -> Any:
    """The cells of rows ``begin`` to ``end``; None if there are none."""
    cells: Any = None
    for piece in pieces:
        low, high = bisect_left(piece.places, begin), bisect_left(piece.places, end)
        if low == high:
            continue
        values = piece.values[low:high]
        if isinstance(values, list):
            values = [piece.read(piece.name, value) if isinstance(value, Stored) else value for value in values]
        if high - low == end - begin:
            return values
        if cells is None:
            cells = [None] * (end - begin)
        for place, value in zip(piece.places[low:high], values, strict=True):
            cells[place - begin] = value
    return cells


def _rows_of(file: _Loaded) -> Iterator[Row]:
    """The rows of one file by line."""
    pieces = {name: [_Piece(column, 0, None, file.reader)] for name, column in file.columns.items()}
    for begin in range(0, len(file.steps), BATCH_ROWS):
        end = min(begin + BATCH_ROWS, len(file.steps))
        columns: dict[str, Any] = {"_step": file.steps[begin:end], "_timestamp": file.walls[begin:end]}
        for name, of_name in pieces.items():
            cells = _cells(of_name, begin, end)
            if cells is not None:
                columns[name] = cells
        yield from ColumnBatch("", columns, end - begin).rows()


def _rising(numbers: array[int]) -> bool:
    return all(map(le, numbers, islice(numbers, 1, None)))
