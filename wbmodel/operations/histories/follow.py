"""Follow histories that grow: each poll asks from the last step on, and drops the rows that were there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.operations.answer import Operation, passed_on
from wbmodel.operations.histories.blocks import Block, Shaping
from wbmodel.operations.histories.key_names import Source
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given
from wbmodel.operations.histories.shaped import source_of
from wbmodel.query.histories import STEP, Histories

__all__ = ["Following"]

_NUMBER = "number"


@attrs.define(slots=True, eq=False)
class _Place:
    """How far a run was read: to this step (of other streams: before this line), with so many rows of it."""

    step: int | None = None
    count: int = 0
    ended: bool = False


class Following:
    """The rows of a plan, as they come."""

    def __init__(self, plan: Histories, source: Source) -> None:
        self.plan, self.source = plan, source
        self.shaping = Shaping(plan)
        self.ended = False
        """Whether no run logs any more, and all rows were given."""
        self._places: dict[str, _Place] = {}

    def poll(self, target: Target) -> Operation[list[Block]]:
        """The rows that are new since the last poll."""
        found: list[Block] = []
        outcome = Outcome()
        runs = source_of(self.plan, self.source, target, fresh=True)
        self.ended = True
        while (heads := (yield from runs.pull())) is not None:
            for head in heads:
                place = self._places.setdefault(head.ref.node_id, _Place())
                if not place.ended:
                    found += yield from self._new(head, place, target, outcome)
                    # What was logged before its state was asked is read by now.
                    place.ended = not head.growing
                self.ended = self.ended and place.ended
        outcome.settle()
        return found

    def _new(self, head: Head, place: _Place, target: Target, outcome: Outcome) -> Operation[list[Block]]:
        spec = self.plan.spec
        if place.step is not None and (spec.min_step is None or spec.min_step < place.step):
            spec = attrs.evolve(spec, min_step=place.step)
        old = place.count if self.plan.stream == "history" else 0
        found: list[Block] = []

        def take(items: Sequence[Part | Ended]) -> tuple[()]:
            nonlocal old
            for item in items:
                if isinstance(item, Ended):
                    outcome.take(item)
                    continue
                skipped = min(old, item.batch.length)
                old -= skipped
                self._move(place, item, skipped)
                block = self.shaping.take(Part(head, item.batch), skipped)
                found.extend([] if block is None else [block])
            return ()

        yield from passed_on(read(spec, Given([head.row]), target), take)
        return found

    def _move(self, place: _Place, part: Part, skipped: int) -> None:
        columns, length = part.batch.columns, part.batch.length
        if self.plan.stream != "history":
            numbers: Sequence[Any] = columns.get(_NUMBER, ())
            place.step = numbers[-1] + 1 if numbers else (place.step or 0) + length
            return
        for step in columns[STEP][skipped:]:
            if step is not None:
                place.count = place.count + 1 if step == place.step else 1
                place.step = step
