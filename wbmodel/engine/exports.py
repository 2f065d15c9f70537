"""The Parquet files of a run's history, as the real server exports finished parts of it.

What W&B's own reader expects of such files (read in Weave's source): ``_step`` is a float, rows are in no order, files
of one run may have other columns, values that are not scalars are JSON in binary columns. Only keys of the row itself
are columns; an object is one value.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timezone
from hashlib import sha256
from random import Random
from typing import Any

import attrs

from wbmodel.engine.histories import Exports
from wbmodel.engine.history_index import Index
from wbmodel.engine.records import FileRecord, RunRecord
from wbmodel.engine.streams import Row
from wbmodel.engine.text import encode
from wbmodel.table.exports import need

__all__ = ["ExportFile", "export_files", "split"]

STALE_ROWS = 2
"""How many of its last rows a stale export lacks."""

_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class ExportFile(FileRecord):
    """One Parquet file of a run's history. Its content is made when it is read."""

    expires: float | None = None


def split(index: Index, exports: Exports) -> tuple[list[Sequence[int]], range]:
    """The positions of the rows of each file, and of the live rows."""
    end = index.between(None, exports.until).stop
    count = min(exports.files, end)
    borders = [end * part // count for part in range(count + 1)] if count else []
    ends = [min(end, border + exports.overlap) for border in borders[1:]]
    parts: list[Sequence[int]] = [range(a, b) for a, b in zip(borders, ends, strict=False)]
    if exports.stale and parts:
        parts[-1] = parts[-1][:-STALE_ROWS]
    return [part for part in parts if part], range(max(0, end - exports.overlap), len(index.rows))


def export_files(run: RunRecord, token: Any, index: Index, exports: Exports) -> list[ExportFile]:
    """The files of a run's history with this content. Raises :class:`~wbmodel.errors.LibraryNotInstalled` without
    pyarrow."""
    need("pyarrow")
    found = []
    for number, part in enumerate(split(index, exports)[0]):
        identity = f"{run.id}\0{token!r}\0{len(index.rows)}\0{exports!r}\0{number}"
        name = f"{sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.parquet"
        found.append(
            ExportFile(
                id=f"{run.id}:export:{number}",
                created_at=_EPOCH,
                name=name,
                owner=run,
                mimetype="application/vnd.apache.parquet",
                content=_Lazy(index, part, number, exports),
                expires=exports.expires,
            )
        )
    return found


class _Lazy:
    """The bytes of a file, made once."""

    def __init__(self, index: Index, part: Sequence[int], number: int, exports: Exports) -> None:
        self._index, self._part, self._number, self._exports = index, part, number, exports
        self._made: bytes | None = None

    def __call__(self) -> bytes:
        if self._made is None:
            rows = [self._index.rows[at] for at in self._part]
            if self._exports.rows == "shuffled":
                Random(self._exports.seed + self._number).shuffle(rows)
            self._made = _parquet(rows, self._number)
        return self._made


def _parquet(rows: Sequence[Row], number: int) -> bytes:
    arrow, parquet = need("pyarrow"), need("pyarrow.parquet")
    names = sorted({key for row in rows for key in row}, reverse=bool(number % 2))
    table = arrow.table({name: _column(arrow, name, [row.get(name) for row in rows]) for name in names})
    into = io.BytesIO()
    parquet.write_table(table, into)
    return into.getvalue()


def _column(arrow: Any, name: str, cells: Sequence[Any]) -> Any:
    kinds = {type(cell) for cell in cells} - {type(None)}
    if name == "_step":
        return arrow.array(map(float, cells), arrow.float64())
    if kinds == {str}:
        return arrow.array(cells, arrow.string())
    if kinds == {bool}:
        return arrow.array(cells, arrow.bool_())
    whole = [cell for cell in cells if type(cell) is int]
    if kinds == {int} and all(-(2**63) <= cell < 2**63 for cell in whole):
        return arrow.array(cells, arrow.int64())
    if kinds and kinds <= {int, float} and all(abs(cell) <= 2**53 for cell in whole):
        return arrow.array([None if cell is None else float(cell) for cell in cells], arrow.float64())
    return arrow.array([None if cell is None else encode(cell).encode() for cell in cells], arrow.binary())
