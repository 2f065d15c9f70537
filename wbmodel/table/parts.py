"""Parts of columns in a library's form, and how the types of all parts make the type of a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import attrs

from wbmodel.table.batch import STEP, ColumnBatch
from wbmodel.table.column import BOOL, FLOAT, INT, JSON, NULL, TEXT, TIME, Dtype
from wbmodel.table.gather import GATHER, Gathered, Gatherer, even
from wbmodel.table.gather import Types as KnownTypes
from wbmodel.table.infer import Seen, encodes, fit, mended
from wbmodel.table.libraries import Library
from wbmodel.table.table import named, say_broken, say_mixed

__all__ = ["Intake", "Part", "Types", "final_piece"]


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

    def seen(self, name: str) -> Seen:
        """What was seen of a column so far."""
        return self._seen[name]

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


def _parts_of(to: Library[Any], gathered: Gathered, types: Types) -> Iterator[tuple[str, Part]]:
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
    values: Sequence[Any] = to.values(part.piece) if part.kept is None or isinstance(part.kept, bytes) else part.kept
    if part.kept == WHOLE:
        values = [int(value) if value is not None and float(value).is_integer() else value for value in values]
    elif isinstance(part.kept, bytes):
        values = [int(value) if whole else value for value, whole in zip(values, part.kept, strict=True)]
    texts = fit(values, JSON)
    return to.piece(texts if encodes("", texts, JSON) else list(map(mended, texts)), JSON)


_CLASSES: dict[Dtype, frozenset[type]] = {
    NULL: frozenset(),
    INT: frozenset((int,)),
    FLOAT: frozenset((float,)),
    BOOL: frozenset((bool,)),
    TEXT: frozenset((str,)),
}
_FEW_ROWS, _MOST_ROWS = 1000, 65_536


class Intake:
    """Makes parts of chunks of rows: of all columns, for some thousands of rows at a time."""

    def __init__(self, to: Library[Any], names: Iterable[str] = (), gather: int = GATHER) -> None:
        self._to, self.types = to, Types(names)
        self._gatherer = Gatherer(gather)
        self.length = 0

    def add(
        self, columns: Mapping[str, Sequence[Any]], length: int, types: KnownTypes | None = None
    ) -> Iterator[tuple[dict[str, Part], int]]:
        """Add rows as columns; gives the parts of those that are enough together, and their number."""
        even(columns, length)
        self.length += length
        yield from self._typed(self._gatherer.add(columns, length, types or {}))

    def add_batch(self, batch: ColumnBatch) -> Iterator[tuple[dict[str, Part], int]]:
        """Add the rows of a batch. Arrow data stays Arrow data."""
        arrow = batch.arrow if batch.length >= _FEW_ROWS else None
        if arrow is None or not self._to.takes_arrow:
            yield from self.add(batch.columns, batch.length, batch.types)
            return
        yield from self.rest()
        self.length += batch.length
        for start in range(0, batch.length, _MOST_ROWS):
            piece = batch.slice(start, start + _MOST_ROWS) if batch.length > _MOST_ROWS else batch
            yield self._of_arrow(piece), piece.length

    def rest(self) -> Iterator[tuple[dict[str, Part], int]]:
        """The parts of the rows that are left."""
        yield from self._typed(self._gatherer.rest())

    def _typed(self, gathered: Gathered | None) -> Iterator[tuple[dict[str, Part], int]]:
        if gathered is not None and (gathered.length or gathered.columns):
            yield dict(_parts_of(self._to, gathered, self.types)), gathered.length

    def _of_arrow(self, batch: ColumnBatch) -> dict[str, Part]:
        data, json = batch.arrow or (None, ())
        parts = {}
        for name, given in self._to.of_arrow(data).items():
            known = None if name in json or name == STEP else self._to.known(given)
            if known is None:
                parts[name] = _of_any(self._to, batch.columns[name], Seen.of(batch.columns[name]), self.types, name)
            else:
                dtype, piece, low, high = known
                parts[name] = Part(dtype, piece, batch.length)
                self.types.add(name, Seen(_CLASSES[dtype], low, high))
        return parts
