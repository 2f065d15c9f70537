"""Rows of a run's stream from a CSV or JSONL file, read when first asked for."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

import attrs

from wbmodel.codec import loads
from wbmodel.errors import FixtureError
from wbmodel_fixtures.sources import Limits, read_text
from wbmodel_fixtures.yaml12 import fitting

__all__ = ["LazyRows", "read_csv", "read_jsonl"]

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NAMES = {"nan": math.nan, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf}
_NAMES |= {"infinity": math.inf, "+infinity": math.inf, "-infinity": -math.inf}


@attrs.define(slots=True, eq=False)
class LazyRows:
    """A callable for ``history=`` and ``events=`` of a run: reads ``file`` when called, and raises
    :class:`FixtureError` with the line of what is wrong in it. ``given`` is how the world named the file
    (``{"csv": "x.csv"}``)."""

    file: Path
    label: str
    kind: str
    limits: Limits
    given: dict[str, str]

    def __call__(self) -> list[dict[str, Any]]:
        text = read_text(self.file, self.label, self.limits)
        return read_csv(text, self.label) if self.kind == "csv" else read_jsonl(text, self.label)


def _number(cell: str) -> int | float | None:
    if _INT.fullmatch(cell):
        return int(cell) if len(cell) < 4000 else None
    if _FLOAT.fullmatch(cell):
        try:
            return fitting(cell)
        except ValueError:
            return None
    return _NAMES.get(cell.lower())


def read_csv(text: str, label: str) -> list[dict[str, Any]]:
    """Rows of CSV text with a header. A column whose cells are all numbers is read as numbers, any other as text; an
    empty cell is an absent value. A cell that does not fit a float (``695e0514``) is text."""
    import csv

    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[list[str]] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not cells:
                continue
            if not header:
                header = cells
                twice = {name for name in cells if cells.count(name) > 1}
                if twice or "" in cells:
                    what = f"column {min(twice)!r} appears twice" if twice else "a column has no name"
                    raise FixtureError(what, file=label, line=1)
                columns = [[] for _ in header]
                continue
            if len(cells) != len(header):
                raise FixtureError(
                    f"this row has {len(cells)} cells, and the header {len(header)}", file=label, line=reader.line_num
                )
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
    except csv.Error as error:
        raise FixtureError(f"this is not CSV: {error}", file=label, line=reader.line_num) from None
    rows: list[dict[str, Any]] = [{} for _ in (columns[0] if columns else ())]
    for name, column in zip(header, columns, strict=True):
        numbers = [_number(cell) if cell else None for cell in column]
        typed: list[Any] = column
        if all(number is not None for number, cell in zip(numbers, column, strict=True) if cell):
            typed = numbers
        for row, cell, value in zip(rows, column, typed, strict=True):
            if cell:
                row[name] = value
    return rows


def read_jsonl(text: str, label: str) -> list[dict[str, Any]]:
    """Rows of text with one JSON object per line; blank lines are skipped, bare NaN and Infinity are numbers."""
    rows: list[dict[str, Any]] = []
    # Not splitlines(): JSON strings may hold U+2028 and its like, which do not end a line here.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = loads(line)
        except ValueError as error:
            raise FixtureError(f"this is not JSON: {error}", file=label, line=number) from None
        if not isinstance(row, dict):
            raise FixtureError("each line is one JSON object", file=label, line=number)
        rows.append(row)
    return rows
