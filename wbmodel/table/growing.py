"""A frame made from chunks of rows as they come, equal to the frame of all rows at once.

Chunks are gathered to some thousands of rows (making frames of 200 rows costs twice as much), become columns of the
library at once (a Python float takes 32 bytes, one in a frame 8), and get their type at the end, from what was seen in
all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

import attrs

from wbmodel.errors import QueryError
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.build import Builder
from wbmodel.table.column import FLOAT, JSON, NULL, TIME, Dtype
from wbmodel.table.infer import Seen, encodes, fit, mended
from wbmodel.table.libraries import Library, library
from wbmodel.table.table import Table, named, say_broken, say_mixed

__all__ = ["GATHER", "Gatherer", "Growing", "Part", "Types", "even", "final_piece", "parts_of"]

GATHER = 8192
"""How many rows are gathered before they are typed."""


class Gatherer:
    """Joins chunks of columns until there are ``rows`` rows."""

    def __init__(self, rows: int = GATHER) -> None:
        self.rows = rows
        self._waiting: dict[str, list[tuple[int, Sequence[Any]]]] = {}
        self._length = 0

    def add(self, columns: Mapping[str, Sequence[Any]], length: int) -> Iterator[tuple[dict[str, Sequence[Any]], int]]:
        """Add rows, and give those that are enough together."""
        if not self._length and length >= self.rows:
            yield dict(columns), length
            return
        for name, values in columns.items():
            self._waiting.setdefault(name, []).append((self._length, values))
        self._length += length
        if self._length >= self.rows:
            yield from self.rest()

    def rest(self) -> Iterator[tuple[dict[str, Sequence[Any]], int]]:
        """The rows that are left."""
        if self._waiting or self._length:
            waiting, length, self._waiting, self._length = self._waiting, self._length, {}, 0
            yield {name: _joined(segments, length) for name, segments in waiting.items()}, length


def even(columns: Mapping[str, Sequence[Any]], length: int) -> None:
    """Raises :class:`~wbmodel.errors.QueryError`, which names the column, if one is not of this length."""
    for name, values in columns.items():
        if len(values) != length:
            raise QueryError(f"the column {name!r} has {len(values)} values, but the chunk has {length} rows")


def _joined(segments: Sequence[tuple[int, Sequence[Any]]], length: int) -> Sequence[Any]:
    if len(segments) == 1 and len(segments[0][1]) == length:
        return segments[0][1]
    values: list[Any] = []
    for at, segment in segments:
        if len(values) < at:
            values += [None] * (at - len(values))
        values += segment
    if len(values) < length:
        values += [None] * (length - len(values))
    return values


# -- parts of columns ------------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False)
class Part:
    """Some rows of a column in a library's form, and what is needed to write them as JSON text later on.

    ``kept`` is None if the piece says it all; a byte per row that is 1 for an integer among floats; or the values.
    """

    dtype: Dtype
    piece: Any
    length: int
    kept: bytes | Sequence[Any] | None = None


class Types:
    """What was seen of each column so far: the types, and whether all text was valid Unicode."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._seen: dict[str, Seen] = {name: Seen() for name in names}
        self._broken: set[str] = set()

    def add(self, name: str, seen: Seen, broken: bool = False) -> None:
        """Add what was seen in some rows of a column."""
        known = self._seen.get(name)
        self._seen[name] = seen if known is None else known | seen
        if broken:
            self._broken.add(name)

    def final(self) -> dict[str, tuple[str, Dtype]]:
        """The name in the frame and the type of each column. Warns as :meth:`Table.typed` does."""
        made, mixed, broken = {}, [], []
        for name, seen in self._seen.items():
            dtype, odd = seen.dtype()
            if odd:
                mixed.append(name)
            if name in self._broken or not encodes(name, (), NULL):
                broken.append(name)
            made[name] = (mended(name), dtype)
        say_mixed(mixed)
        say_broken(broken)
        named(shown for shown, _ in made.values())
        return made


def parts_of(
    to: Library[Any], columns: Mapping[str, Sequence[Any]], length: int, types: Types
) -> Iterator[tuple[str, Part]]:
    """Make a part of each column; ``types`` learns what is in them."""
    for name, values in columns.items():
        seen = Seen.of(values)
        dtype, _ = seen.dtype()
        fitted = fit(values, dtype)
        broken = not encodes("", fitted, dtype)
        if broken:
            fitted = list(map(mended, fitted))
        types.add(name, seen, broken)
        yield name, Part(dtype, to.piece(fitted, dtype), length, _kept(values, seen, dtype, broken))


def _kept(values: Sequence[Any], seen: Seen, dtype: Dtype, broken: bool) -> bytes | Sequence[Any] | None:
    if dtype == JSON:
        return None  # nothing else can become of it
    if dtype == FLOAT and seen.mixes_numbers:
        return bytes([isinstance(value, int) for value in values])
    if broken or seen.mixes_numbers or (dtype.innermost == TIME and not _in_utc(values, dtype)):
        return values
    return None


def _in_utc(values: Sequence[Any], dtype: Dtype) -> bool:
    return dtype == TIME and all(
        value is None or (value.__class__ is datetime and value.tzinfo is timezone.utc) for value in values
    )


def final_piece(to: Library[Any], part: Part, dtype: Dtype) -> Any:
    """A part as a piece of its column's type, which may have changed since."""
    if part.dtype == dtype:
        return part.piece
    if part.dtype == NULL:
        return to.nulls(part.length, dtype)
    if dtype != JSON:
        return to.cast(part.piece, dtype)
    values = to.values(part.piece) if part.kept is None or isinstance(part.kept, bytes) else part.kept
    if isinstance(part.kept, bytes):
        values = [int(value) if whole else value for value, whole in zip(values, part.kept, strict=True)]
    texts = fit(values, JSON)
    return to.piece(texts if encodes("", texts, JSON) else list(map(mended, texts)), JSON)


# -- in memory -------------------------------------------------------------------------------------


class Growing:
    """Takes chunks of rows and makes one frame of them: whatever the chunks, the frame of ``Table.concat(chunks)``.

    ``to`` is what is made: ``"polars"``, ``"arrow"``, ``"pandas"`` or ``"table"`` (a
    :class:`~wbmodel.table.table.Table` of Python values). ``names`` are columns that come first, and are there even if
    no chunk has them. ``gather`` is how many rows are typed at a time. Raises
    :class:`~wbmodel.errors.LibraryNotInstalled` if the library is missing.
    """

    def __init__(
        self, to: Literal["polars", "arrow", "pandas", "table"], names: Iterable[str] = (), *, gather: int = GATHER
    ) -> None:
        self.length = 0
        names = tuple(names)
        self._table = Builder() if to == "table" else None
        if self._table is not None:
            self._table.extend(names, [() for _ in names], 0)
            return
        self._to: Library[Any] = library(to)  # type: ignore[arg-type]
        self._gatherer = Gatherer(gather)
        self._types = Types(names)
        self._typed = 0
        self._parts: dict[str, list[tuple[int, Part]]] = {}

    def add(self, columns: Mapping[str, Sequence[Any]], length: int) -> None:
        """Add ``length`` rows as columns of Python values (None for a missing one), which must not change later.

        Raises :class:`~wbmodel.errors.QueryError`, which names the column, if one has another length.
        """
        even(columns, length)
        self.length += length
        if self._table is not None:
            self._table.extend(columns, columns.values(), length)
            return
        for gathered in self._gatherer.add(columns, length):
            self._take(*gathered)

    def add_batch(self, batch: ColumnBatch) -> None:
        """Add the rows of a batch."""
        self.add(batch.columns, batch.length)

    def _take(self, columns: Mapping[str, Sequence[Any]], length: int) -> None:
        for name, part in parts_of(self._to, columns, length, self._types):
            self._parts.setdefault(name, []).append((self._typed, part))
        self._typed += length

    def finish(self) -> Any:
        """The frame of all rows so far. Warns, once, of columns that had to become JSON text or whose text is not
        valid Unicode."""
        if self._table is not None:
            return Table(self._table.finish().values(), self._table.length)
        for gathered in self._gatherer.rest():
            self._take(*gathered)
        columns = {}
        for name, (shown, dtype) in self._types.final().items():
            columns[shown] = self._to.join(list(self._pieces(self._parts.get(name, ()), dtype)), dtype)
        return self._to.frame(columns, self._typed)

    def _pieces(self, parts: Sequence[tuple[int, Part]], dtype: Dtype) -> Iterator[Any]:
        at = 0
        for start, part in parts:
            if start > at:
                yield self._to.nulls(start - at, dtype)
            yield final_piece(self._to, part, dtype)
            at = start + part.length
        if at < self._typed or not self._typed:
            yield self._to.nulls(self._typed - at, dtype)
