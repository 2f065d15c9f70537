"""Read one Parquet file of a history, as the server exports it, with pyarrow or polars.

The rows of a file may be in any order, and ``_step`` is a float. Values that are not scalars are JSON in binary
columns. A file that does not say exactly what documents would say is :class:`Unfit`: rows are then read from these.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from operator import gt
from pathlib import Path
from typing import Any

import attrs

from wbmodel.backend.asks import ColumnBatch
from wbmodel.codec import floats_from_tokens
from wbmodel.operations.histories.rows import STEP
from wbmodel.table.exports import need
from wbmodel.table.flat import flat

__all__ = ["ExportFile", "Unfit", "can_read", "read_file"]


class Unfit(Exception):  # not an error of the caller
    """Files that cannot be used, and why. Never leaves the reading of histories."""


@attrs.frozen(slots=True, eq=False)
class ExportFile:
    """The rows of a file by step. ``names`` are its columns, of which ``batch`` may have but some."""

    steps: Sequence[int]
    names: tuple[str, ...]
    batch: ColumnBatch


def can_read() -> bool:
    """Whether a library is there that reads Parquet."""
    return find_spec("pyarrow") is not None or find_spec("polars") is not None


def read_file(path: Path, run: str, keys: Sequence[str] | None) -> ExportFile:
    """The rows of a file, with the columns that ``keys`` need (None: all). Raises :class:`Unfit`."""
    try:
        names, data = _opened(path, keys)
        kinds = _kinds(data)
        steps = list(map(_whole, data[STEP].to_pylist() if hasattr(data, "column_names") else data[STEP].to_list()))
        data = _with_steps(data.select([name for name, kind in kinds.items() if kind != "null"]), steps)
        json = [name for name, kind in kinds.items() if kind == "json"]
        batch = ColumnBatch.of_arrow(run, data, len(steps), json)
        if any(map(gt, steps, steps[1:])):
            if len(set(steps)) < len(steps):
                raise Unfit("it does not tell in which order the rows of one step were logged")
            order = sorted(range(len(steps)), key=steps.__getitem__)
            batch, steps = batch.take(order), sorted(steps)
        if json or any(_has_tokens(data[name]) for name, kind in kinds.items() if kind == "text"):
            columns = {name: _decoded(values, kinds[name]) for name, values in batch.columns.items()}
            batch = ColumnBatch(run, flat(columns)[0], len(steps))
    except Unfit:
        raise
    except Exception as error:  # each library has its own, for each part of a file that can be damaged
        raise Unfit(f"it cannot be read: {error}") from error
    return ExportFile(array("q", steps), names, batch)


def _opened(path: Path, keys: Sequence[str] | None) -> tuple[tuple[str, ...], Any]:
    """The names of all columns, and the columns that ``keys`` need: a table of pyarrow, or a frame of polars."""
    read: Callable[..., Any]
    if find_spec("pyarrow") is not None:
        parquet = need("pyarrow.parquet")
        names, read = parquet.read_schema(path).names, parquet.read_table
    else:
        polars = need("polars")
        names, read = list(polars.read_parquet_schema(path)), polars.read_parquet
    if STEP not in names:
        raise Unfit("it has no column _step")
    if keys is None:
        return tuple(names), read(path)
    return tuple(names), read(path, columns=[name for name in names if name == STEP or _is_of(name, keys)])


def _is_of(name: str, keys: Sequence[str]) -> bool:
    """Whether a column has one of the keys, or an object with it."""
    return any(key == name or key.startswith(f"{name}.") for key in keys)


_KINDS = {
    **dict.fromkeys(("bool", "boolean", "double", "float64"), "plain"),
    **dict.fromkeys((f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "plain"),
    **dict.fromkeys(("string", "large_string", "string_view"), "text"),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), "json"),
    "null": "null",
}
"""The types of columns as both libraries write them, in lower case."""


def _kinds(data: Any) -> dict[str, str]:
    schema: Mapping[str, Any] = (
        data.schema if isinstance(data.schema, Mapping) else {f.name: f.type for f in data.schema}
    )
    kinds = {name: _KINDS.get(str(kind).lower()) for name, kind in schema.items()}
    for name, kind in kinds.items():
        if kind is None:
            raise Unfit(f"its column {name!r} has the type {schema[name]}")
    return kinds  # type: ignore[return-value]


def _whole(step: Any) -> int:
    if step is None or step != int(step):
        raise Unfit(f"{step!r} is not a step")
    return int(step)


def _with_steps(data: Any, steps: list[int]) -> Any:
    """The data with integers for steps."""
    if hasattr(data, "column_names"):
        arrow = need("pyarrow")
        return data.set_column(data.column_names.index(STEP), STEP, arrow.array(steps, arrow.int64()))
    polars = need("polars")
    return data.with_columns(polars.Series(STEP, steps, polars.Int64))


_TOKENS = ("NaN", "Infinity", "-Infinity")


def _has_tokens(column: Any) -> bool:
    """Whether one of the texts stands for a number that is not finite."""
    if hasattr(column, "is_in"):
        return bool(column.is_in(_TOKENS).any())
    compute = need("pyarrow.compute")
    return bool(compute.any(compute.is_in(column, need("pyarrow").array(_TOKENS, column.type))).as_py())


def _decoded(values: Sequence[Any], kind: str) -> Sequence[Any]:
    return values if kind == "plain" else [floats_from_tokens(value) for value in values]
