"""Some rows of a run's history in few requests: a glance, the last rows, and what came since a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.compiler.target import Target
from wbmodel.operations.answer import Operation, kept
from wbmodel.operations.histories.ladder import MAP_ROWS, Range
from wbmodel.operations.histories.one_range import read_range
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.rows import STEP, Row, columns_of
from wbmodel.operations.histories.runs import Known

__all__ = ["Since", "glance", "read_newest", "tail"]


@attrs.frozen(slots=True)
class Since:
    """Where a reading ended: the last step, and how many rows of it were there. Without a step, no row was there."""

    step: int | None = None
    rows: int = 0

    @classmethod
    def after(cls, steps: Sequence[Any]) -> Since:
        """After rows with these steps, in order."""
        known = [step for step in steps if step is not None]
        return cls(known[-1], known.count(known[-1])) if known else cls()


def read_newest(head: Head, target: Target, since: Since) -> Operation[tuple[list[Row], Since]]:
    """The rows since a place, and the next place. It asks from the last step on, that step included, and leaves out as
    many rows of it as were there: another row of it may have come.

    Raises the error of a run that cannot be read.
    """
    batches, _ = yield from _read(ReadSpec("history", None, since.step, None), head, target)
    rows = [row for batch in batches for row in batch.rows()]
    steps = [row.get(STEP) for row in rows]
    new = rows[since.rows if steps and since.rows and steps[0] == since.step else 0 :]
    return new, (Since.after(steps) if any(step is not None for step in steps) else since)


def glance(head: Head, target: Target, rows: int) -> Operation[tuple[ColumnBatch, int | None]]:
    """About ``rows`` rows of all, thinned out by the server, in one request; and how many there are, if it says."""
    if target.capabilities.columns:
        batches, _ = yield from _read(ReadSpec(), head, target)
        found = [row for batch in batches for row in batch.rows()]
        kept = found if len(found) <= rows else [found[at * (len(found) - 1) // max(rows - 1, 1)] for at in range(rows)]
        return columns_of(head.ref.node_id, kept), len(found)
    reading = yield from read_range(head, target, Range(None, None, rows, rows))
    return columns_of(head.ref.node_id, reading.rows), reading.count


def tail(head: Head, target: Target, rows: int) -> Operation[list[Row]]:
    """The last ``rows`` rows by step.

    Of a history with many more rows, a few are read first, whose steps say where the last ones begin, and then all from
    there on. If these are fewer than they should be, the whole history is read. Raises the error of a run that cannot
    be read.
    """
    if rows <= 0:
        return []
    if not target.capabilities.columns and (head.count is None or head.count > 2 * rows + 500):
        first = yield from read_range(head, target, Range(None, None, MAP_ROWS, MAP_ROWS))
        count, steps = first.count, [row[STEP] for row in first.rows if row[STEP] is not None]
        if count is not None and len(first.rows) >= count:
            return first.rows[-rows:]
        share = 2 if not count else -(-len(steps) * rows // count) + 2
        if count and share < len(steps):
            expected = count * share // len(steps)
            last = yield from read_range(head, target, Range(steps[-share], None, 2 * count + 1000, expected))
            if len(last.rows) >= max(rows, expected // 2):
                return last.rows[-rows:]
    batches, _ = yield from _read(ReadSpec(), head, target)
    return [row for batch in batches for row in batch.rows()][-rows:]


def _read(spec: ReadSpec, head: Head, target: Target) -> Operation[tuple[list[ColumnBatch], Ended]]:
    """Read one run to its end. Raises the error of a run that cannot be read."""
    items = yield from kept(read(spec, Known([head]), target))
    end = items[-1]
    assert isinstance(end, Ended)
    if end.error is not None:
        raise end.error
    return [item.batch for item in items if isinstance(item, Part)], end
