"""A run's streams as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.engine.history import flat_row, in_steps
from wbmodel.engine.records import RunRecord

__all__ = ["BATCH_ROWS", "read_columns"]

BATCH_ROWS = 8192


def read_columns(run: RunRecord, spec: ReadSpec) -> Iterator[ColumnBatch]:
    """Batches of at most :data:`BATCH_ROWS` rows. Nested objects are dotted columns, NaN stays a float.

    With ``keys``, a row needs at least one of them; ``_step`` is always a column of a history. Events and console
    lines have no steps: there, the line number takes the step's part.
    """
    rows = _rows(run, spec)
    wanted = None if spec.keys is None else list(dict.fromkeys(spec.keys))
    if wanted is not None:
        asked = [key for key in wanted if key != "_step"]
        rows = [row for row in rows if not asked or any(key in row for key in asked)]
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        names = list(dict.fromkeys(key for row in batch for key in row)) if wanted is None else list(wanted)
        if spec.stream == "history" and "_step" not in names:
            names.insert(0, "_step")
        columns = {name: [row.get(name) for row in batch] for name in names}
        yield ColumnBatch(run.id, columns, len(batch))


def _rows(run: RunRecord, spec: ReadSpec) -> Sequence[dict[str, Any]]:
    if spec.stream == "history":
        return [flat_row(row) for row in in_steps(run.history, spec.min_step, spec.max_step)]
    if spec.stream == "events":
        return [flat_row(row) for row in run.events[_lines(spec)]]
    lines = list(enumerate(run.console))[_lines(spec)]
    return [
        {"number": number, "line": line.line, "level": line.level, "timestamp": line.timestamp, "label": line.label}
        for number, line in lines
    ]


def _lines(spec: ReadSpec) -> slice:
    return slice(max(0, spec.min_step or 0), None if spec.max_step is None else max(0, spec.max_step))
