"""CSV and Parquet files from chunks of rows, in memory that does not grow with the rows.

What a file says of a column (that it is there, and its type) is known only at the end, so the chunks wait in a
temporary file beside the target. The file is written to a temporary name and renamed: it is whole or not there.
"""

from __future__ import annotations

import io
import os
import pickle
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from wbmodel.table.batch import ColumnBatch
from wbmodel.table.column import JSON, TEXT, Column, Dtype
from wbmodel.table.exports import csv_header, csv_lines, need
from wbmodel.table.gather import GATHER, Gathered, Gatherer, even
from wbmodel.table.gather import Types as KnownTypes
from wbmodel.table.infer import Seen, encodes, fit, mended
from wbmodel.table.libraries import Arrow
from wbmodel.table.parts import Intake, Part, Types, final_piece

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CsvWriter", "ParquetWriter", "replaced"]

ROW_GROUP = 131_072
_ROW_GROUP_BYTES = 64 * 2**20


class _Spool:
    """Objects in a temporary file without a name, in the order in which they came."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None

    def add(self, item: Any) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix=".wbmodel-")  # noqa: SIM115 - close() does
        pickle.dump(item, self._file, protocol=5)

    def __iter__(self) -> Iterator[Any]:
        if self._file is not None:
            end = self._file.tell()
            self._file.seek(0)
            while self._file.tell() < end:
                yield pickle.load(self._file)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class _Writer(ABC):
    """What both have in common: ``with`` finishes the file, or leaves no trace of it after an error."""

    def __init__(self, folder: Path | None) -> None:
        self._spool = _Spool(folder)
        self._done = False

    @abstractmethod
    def add(self, columns: Mapping[str, Sequence[Any]], length: int, types: KnownTypes | None = None) -> None:
        """Add ``length`` rows as columns of Python values; see :meth:`~wbmodel.table.growing.Growing.add`."""

    @abstractmethod
    def add_batch(self, batch: ColumnBatch) -> None:
        """Add the rows of a batch."""

    @abstractmethod
    def finish(self) -> None:
        """Write the file. Warns, once, of columns that had to become JSON text."""

    def close(self) -> None:
        """Throw away what was added, if the file is not finished."""
        self._done = True
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._done:
                self.finish()
        finally:
            self.close()


def replaced(path: Path) -> _Replaced:
    """A temporary name beside a file. At the end of ``with``, what is there takes the place of the file, safe on disk;
    after an error it is removed."""
    return _Replaced(path)


class _Replaced:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")

    def __enter__(self) -> Path:
        return self._temporary

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._temporary.unlink(missing_ok=True)
            return
        with self._temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self._temporary, self._path)
        with suppress(OSError):  # Windows opens no folders
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class CsvWriter(_Writer):
    """Writes the CSV of all rows: byte for byte that of ``Table.concat(chunks).to_csv(path)``.

    ``target`` is a path, or an open file: of text, or of bytes (UTF-8). ``names`` are columns that come first, and are
    there even if no chunk has them.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | IO[str] | IO[bytes],
        names: Iterable[str] | None = None,
        *,
        gather: int = GATHER,
    ) -> None:
        self._path = Path(target) if isinstance(target, (str, os.PathLike)) else None
        self._target: Any = target
        super().__init__(None if self._path is None else self._path.parent)
        self._types = Types(names or ())
        self._gatherer = Gatherer(gather)

    def add(self, columns: Mapping[str, Sequence[Any]], length: int, types: KnownTypes | None = None) -> None:
        even(columns, length)
        self._take(self._gatherer.add(columns, length, types or {}))

    def add_batch(self, batch: ColumnBatch) -> None:
        self.add(batch.columns, batch.length, batch.types)

    def _take(self, gathered: Gathered | None) -> None:
        if gathered is not None and (gathered.columns or gathered.length):
            for name, values in gathered.columns.items():
                seen = Seen.of(values, gathered.types.get(name))
                dtype, _ = seen.dtype()
                texts = dtype.innermost in (TEXT, JSON)
                self._types.add(name, seen, texts and not encodes("", fit(values, dtype), dtype))
            self._spool.add((dict(gathered.columns), gathered.length))

    def finish(self) -> None:
        self._take(self._gatherer.rest())
        self._done = True
        if self._path is None:
            is_text = isinstance(self._target, io.TextIOBase)
            for line in self._lines():
                self._target.write(line if is_text else line.encode())
            return
        with replaced(self._path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.writelines(self._lines())

    def _lines(self) -> Iterator[str]:
        final = self._types.final()
        yield csv_header([shown for shown, _ in final.values()]) + "\n"
        for columns, length in self._spool:
            made, nothing = [], [None] * length
            for name, (shown, dtype) in final.items():
                values = fit(columns[name], dtype) if name in columns else nothing
                if not encodes("", values, dtype):
                    values = list(map(mended, values))
                made.append(Column(shown, values, dtype))
            for line in csv_lines(made, length):
                yield line + "\n"


class ParquetWriter(_Writer):
    """Writes the Parquet file of all rows, with the schema of ``Table.concat(chunks).to_parquet(path)``.

    ``names`` are columns that come first, and are there even if no chunk has them. :attr:`metadata` (of the file, text
    by text) may be filled until the end. Raises :class:`~wbmodel.errors.LibraryNotInstalled` without pyarrow.
    """

    def __init__(
        self, path: str | os.PathLike[str], names: Iterable[str] | None = None, *, gather: int = GATHER
    ) -> None:
        self._path = Path(path)
        super().__init__(self._path.parent)
        self._to = Arrow()
        self._intake = Intake(self._to, names or (), gather)
        self.metadata: dict[str, str] = {}
        self.seen: dict[str, tuple[Dtype, Seen]] = {}
        """The type of each column, by its name in the file, and what decided it; once the file is finished."""

    @property
    def length(self) -> int:
        """How many rows were added."""
        return self._intake.length

    def add(self, columns: Mapping[str, Sequence[Any]], length: int, types: KnownTypes | None = None) -> None:
        self._keep(self._intake.add(columns, length, types))

    def add_batch(self, batch: ColumnBatch) -> None:
        self._keep(self._intake.add_batch(batch))

    def _keep(self, typed: Iterable[tuple[dict[str, Part], int]]) -> None:
        for item in typed:
            self._spool.add(item)

    def finish(self) -> None:
        self._keep(self._intake.rest())
        self._done = True
        need("pyarrow")
        import pyarrow as pa
        import pyarrow.parquet as pq

        final = self._intake.types.final()
        self.seen = {shown: (dtype, self._intake.types.seen(name)) for name, (shown, dtype) in final.items()}
        metadata: dict[bytes | str, bytes | str] = {}
        metadata.update(self.metadata.items())
        schema = pa.schema([(shown, self._to.type(dtype)) for shown, dtype in final.values()], metadata=metadata)
        with replaced(self._path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            waiting: list[Any] = []
            for parts, length in self._spool:
                pieces = [
                    final_piece(self._to, parts[name], dtype) if name in parts else self._to.nulls(length, dtype)
                    for name, (_, dtype) in final.items()
                ]
                arrays = [
                    self._to.join([piece], dtype) for piece, (_, dtype) in zip(pieces, final.values(), strict=True)
                ]
                waiting.append(pa.table(arrays, schema=schema))
                enough = sum(each.num_rows for each in waiting) >= ROW_GROUP
                if enough or sum(each.nbytes for each in waiting) >= _ROW_GROUP_BYTES:
                    writer.write_table(pa.concat_tables(waiting), row_group_size=2 * ROW_GROUP)
                    waiting = []
            if waiting:
                writer.write_table(pa.concat_tables(waiting), row_group_size=2 * ROW_GROUP)
