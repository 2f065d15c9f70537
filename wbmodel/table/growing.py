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

from wbmodel.table.batch import ColumnBatch
from wbmodel.table.build import Builder
from wbmodel.table.column import FLOAT, JSON, NULL, TIME, Dtype
from wbmodel.table.gather import GATHER, Gathered, Gatherer, even
from wbmodel.table.gather import Types as KnownTypes
from wbmodel.table.infer import Seen, encodes, fit, mended
from wbmodel.table.libraries import Library, library
from wbmodel.table.table import Table, named, say_broken, say_mixed

__all__ = ["GATHER", "Growing", "Part", "Types", "final_piece", "parts_of"]

_NO_TYPES: KnownTypes = {}

# -- parts of columns ------------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False)
class Part:
    """Some rows of a column in a library's form, and what is needed to write them as JSON text later on.

    ``kept`` is None if the piece says it all; a byte per row that is 1 for an integer among floats (:data:`WHOLE` if
    those are the whole numbers); or the values.
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


def parts_of(to: Library[Any], gathered: Gathered, types: Types) -> Iterator[tuple[str, Part]]:
    """Make a part of each column; ``types`` learns what is in them."""
    for name, values in gathered.columns.items():
        classes = gathered.types.get(name) or frozenset(map(type, values))
        part = _of_numbers(to, values, types, name) if _NUMBERS <= classes <= _NUMBERS_OR_NONE else None
        yield name, part or _of_any(to, values, Seen.of(values, classes), types, name)


def _of_numbers(to: Library[Any], values: Sequence[Any], types: Types, name: str) -> Part | None:
    """A part of integers among floats, the normal case: W&B writes 1.0 as 1. None where they are not exact.

    The values are not walked again: each integer below 2**53 is a whole float, so that only whole ones are looked at.
    """
    try:
        piece = to.piece(values, FLOAT)
    except (OverflowError, ValueError):  # pyarrow refuses integers that a float would round
        return None
    low, high, whole = to.whole(piece)
    if not -_EXACT < low <= high < _EXACT:
        return None
    types.add(name, Seen(_NUMBERS, int(low), int(high)))
    kept = WHOLE if all(values[at].__class__ is int for at in whole) else None
    return Part(
        FLOAT, piece, len(values), bytes([value.__class__ is int for value in values]) if kept is None else kept
    )


_EXACT = 2.0**53
_NUMBERS: frozenset[type] = frozenset((int, float))
_NUMBERS_OR_NONE = _NUMBERS | {type(None)}
WHOLE = b""
"""The integers among floats are the whole numbers."""


def _of_any(to: Library[Any], values: Sequence[Any], seen: Seen, types: Types, name: str) -> Part:
    dtype, _ = seen.dtype()
    fitted = fit(values, dtype)
    broken = not encodes("", fitted, dtype)
    if broken:
        fitted = list(map(mended, fitted))
    types.add(name, seen, broken)
    kept: bytes | Sequence[Any] | None = None
    if dtype == FLOAT and seen.mixes_numbers:
        kept = bytes([isinstance(value, int) for value in values])
    elif dtype != JSON and (  # nothing else can become of JSON text
        broken or seen.mixes_numbers or (dtype.innermost == TIME and not _in_utc(values, dtype))
    ):
        kept = values
    return Part(dtype, to.piece(fitted, dtype), len(values), kept)


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
    if part.kept == WHOLE:
        values = [int(value) if value is not None and value.is_integer() else value for value in values]
    elif isinstance(part.kept, bytes):
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

    def add(self, columns: Mapping[str, Sequence[Any]], length: int, types: KnownTypes = _NO_TYPES) -> None:
        """Add ``length`` rows as columns of Python values (None for a missing one), which must not change later.

        ``types`` are the classes of the values of columns, where they are known.

        Raises :class:`~wbmodel.errors.QueryError`, which names the column, if one has another length.
        """
        even(columns, length)
        self.length += length
        if self._table is not None:
            self._table.extend(columns, columns.values(), length)
            return
        self._take(self._gatherer.add(columns, length, types))

    def add_batch(self, batch: ColumnBatch) -> None:
        """Add the rows of a batch."""
        self.add(batch.columns, batch.length, batch.types)

    def _take(self, gathered: Gathered | None) -> None:
        if gathered is not None:
            for name, part in parts_of(self._to, gathered, self._types):
                self._parts.setdefault(name, []).append((self._typed, part))
            self._typed += gathered.length

    def finish(self) -> Any:
        """The frame of all rows so far. Warns, once, of columns that had to become JSON text or whose text is not
        valid Unicode."""
        if self._table is not None:
            return Table(self._table.finish().values(), self._table.length)
        self._take(self._gatherer.rest())
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
