"""The parts of a folder as one lazy frame, of polars or of Dask."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from wbmodel.errors import QueryError
from wbmodel.table.column import BOOL, FLOAT, INT, JSON, NULL, Dtype
from wbmodel.table.exports import need
from wbmodel.table.folder import PartFacts, read_manifest
from wbmodel.table.infer import fit
from wbmodel.table.libraries import Arrow, Pandas, Polars
from wbmodel.table.parts import Part, final_piece

__all__ = ["scan"]


def scan(path: str | os.PathLike[str], library: Literal["polars", "dask"] = "polars") -> Any:
    """A lazy frame of all parts of a folder: a ``polars.LazyFrame``, or a Dask data frame with a partition per file.

    It has the columns of all parts, null where a part lacks one, with the types that hold the values of all parts:
    integers and floats are floats if that is exact, anything else that differs is JSON text (where a number that a part
    has among floats is written as a float). Nothing is read before it is asked for. Raises
    :class:`~wbmodel.errors.LibraryNotInstalled`, and :class:`~wbmodel.errors.ConfigurationError` where there is no
    manifest.
    """
    if library not in ("polars", "dask"):
        raise QueryError(f"scan() makes frames of 'polars' or 'dask', not {library!r}")
    manifest = read_manifest(path)
    columns = manifest.columns
    if library == "polars":
        return _polars(Path(path), manifest.parts, columns)
    return _dask(Path(path), manifest.parts, columns)


def _polars(folder: Path, parts: Sequence[PartFacts], columns: Mapping[str, Dtype]) -> Any:
    to = Polars()
    polars = to.polars
    frames = []
    for part in parts:
        cells = []
        for name, dtype in columns.items():
            known = part.columns[name].dtype if name in part.columns else NULL
            if known == NULL:
                cell = polars.lit(None, dtype=to.type(dtype)).alias(name)
            elif known == dtype:
                cell = polars.col(name)
            elif dtype == JSON:
                cell = polars.col(name).map_batches(_json_series, return_dtype=polars.String)
            else:
                cell = polars.col(name).cast(to.type(dtype))
            cells.append(cell)
        # Without a column that the file has, the number of rows would be lost.
        frames.append(polars.scan_parquet(folder / part.file).with_columns(cells).select(list(columns)))
    if not frames:
        return polars.LazyFrame()
    return polars.concat(frames, how="vertical")


def _json_series(series: Any) -> Any:
    return Polars().piece(fit(series.to_list(), JSON), JSON).alias(series.name)


def _dask(folder: Path, parts: Sequence[PartFacts], columns: Mapping[str, Dtype]) -> Any:
    frames = need("dask.dataframe")
    read = _ReadPart(folder, columns)
    if not parts:
        return frames.from_pandas(read(_NO_ROWS), npartitions=1)
    return frames.from_map(read, list(parts), meta=read(_NO_ROWS))


_NO_ROWS = PartFacts(file="", runs=[], rows=0, bytes=0, complete=True, missing=0, columns={})


class _ReadPart:
    """Reads a part as a frame of pandas, with the types of all parts. Dask sends it to its workers.

    Lists are Arrow lists, for Dask makes text of Python's.
    """

    def __init__(self, folder: Path, types: Mapping[str, Dtype]) -> None:
        self._folder, self._types = folder, types

    def __call__(self, part: PartFacts, columns: Sequence[str] | None = None) -> Any:
        import pyarrow.parquet as pq

        arrow, to = Arrow(), Pandas()
        asked = list(self._types if columns is None else columns)
        there = [name for name in asked if name in part.columns]
        table = pq.read_table(self._folder / part.file, columns=there) if there else None
        made = {}
        for name in asked:
            dtype = self._types[name]
            if table is not None and name in part.columns:
                piece = final_piece(arrow, Part(part.columns[name].dtype, table.column(name), part.rows), dtype)
            else:
                piece = arrow.nulls(part.rows, dtype)
            if dtype.inner is not None or dtype == NULL:
                made[name] = to.pandas.arrays.ArrowExtensionArray(piece)
            else:
                made[name] = to.join([_as_pandas(to, arrow, piece, dtype)], dtype)
        return to.frame(made, part.rows)


def _as_pandas(to: Pandas, arrow: Arrow, piece: Any, dtype: Dtype) -> Any:
    if dtype not in (FLOAT, INT, BOOL):
        return to.piece(arrow.values(piece), dtype)
    missing = piece.is_null().to_numpy(zero_copy_only=False) if piece.null_count else None
    filled = piece if missing is None else piece.fill_null(False if dtype == BOOL else 0)
    return filled.to_numpy(**({} if hasattr(filled, "chunks") else {"zero_copy_only": False})).copy(), missing
