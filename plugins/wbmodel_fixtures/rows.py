"""Rows of a run's stream from a CSV or JSONL file, read when first asked for.

A damaged row costs that row alone: its line is missing in the stream, and one warning for the file names the first.
"""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

import attrs

from wbmodel.codec import loads
from wbmodel.errors import FixtureError, WbmodelWarning, warn
from wbmodel_fixtures.sources import Limits, read_text
from wbmodel_fixtures.yaml12 import fitting

__all__ = ["LazyRows", "read_csv", "read_jsonl"]

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NAMES = {"nan": math.nan, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf}
_NAMES |= {"infinity": math.inf, "+infinity": math.inf, "-infinity": -math.inf}


@attrs.define(slots=True, eq=False)
class LazyRows:
    """A callable for ``history=`` and ``events=`` of a run: reads ``file`` when called.

    Raises :class:`FixtureError` with the line if it is not such a file at all. ``given`` is how the world named the
    file (``{"csv": "x.csv"}``)."""

    file: Path
    label: str
    kind: str
    limits: Limits
    given: dict[str, str]

    def __call__(self) -> list[Any]:
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


def read_csv(text: str, label: str) -> list[Any]:
    """Rows of CSV text with a header. A column whose cells are all numbers is read as numbers, any other as text; an
    empty cell is an absent value. A cell that does not fit a float (``695e0514``) is text. A row with another number of
    cells than the header is None."""
    import csv

    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[list[str]] = []
    header: list[str] = []
    damage = _Damage(label)
    damaged: list[int] = []
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
                damage.note(reader.line_num, f"this row has {len(cells)} cells, and the header {len(header)}")
                damaged.append(len(columns[0]))
                cells = [""] * len(header)
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
    except csv.Error as error:
        raise FixtureError(f"this is not CSV: {error}", file=label, line=reader.line_num) from None
    rows: list[Any] = [{} for _ in (columns[0] if columns else ())]
    for name, column in zip(header, columns, strict=True):
        numbers = [_number(cell) if cell else None for cell in column]
        typed: list[Any] = column
        if all(number is not None for number, cell in zip(numbers, column, strict=True) if cell):
            typed = numbers
        for row, cell, value in zip(rows, column, typed, strict=True):
            if cell:
                row[name] = value
    for at in damaged:
        rows[at] = None
    damage.say()
    return rows


def read_jsonl(text: str, label: str) -> list[Any]:
    """Rows of text with one JSON object per line; blank lines are skipped, bare NaN and Infinity are numbers.
    ``null`` is a missing line, and None in the result; so is a line that is not an object."""
    rows: list[Any] = []
    damage = _Damage(label)
    # Not splitlines(): JSON strings may hold U+2028 and its like, which do not end a line here.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = loads(line)
        except ValueError as error:
            damage.note(number, f"this is not JSON: {error}")
            row = None
        if not isinstance(row, (dict, type(None))):
            damage.note(number, "each line is one JSON object")
            row = None
        rows.append(row)
    damage.say()
    return rows


class _Damage:
    """The damaged rows of a file."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._first: str | None = None
        self._count = 0

    def note(self, line: int, problem: str) -> None:
        self._count += 1
        self._first = self._first or f"{self._label}, line {line}: {problem}"

    def say(self) -> None:
        """Warn, once for all."""
        if self._first is not None:
            more = f", and so are {self._count - 1} more of this file" if self._count > 1 else ""
            warn(f"{self._first}; this row is left out{more}", WbmodelWarning)
