"""Read what a plan of histories asks for: blocks of rows with its columns, from the parts of a reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

import attrs

from wbmodel.backend.asks import ReadSpec
from wbmodel.backend.verbs import Emit
from wbmodel.compiler.target import Target
from wbmodel.meta.parts import Wanted
from wbmodel.meta.state import holds
from wbmodel.operations.answer import Operation, passed_on
from wbmodel.operations.histories.blocks import Block, Chosen, Shaping, chosen
from wbmodel.operations.histories.glance import read_glance
from wbmodel.operations.histories.key_names import Source, say_unknown
from wbmodel.operations.histories.keys import history_keys
from wbmodel.operations.histories.newest import newest
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given, Listed, Others, Runs, head_of
from wbmodel.operations.reload import look_again
from wbmodel.query.histories import Histories
from wbmodel.query.plan import Plan

__all__ = ["blocks", "source_of"]

T = TypeVar("T")


class Again:
    """Given runs, loaded again with more fields."""

    def __init__(self, rows: Sequence[Any], fields: tuple[Wanted, ...], target: Target) -> None:
        self.rows: Sequence[Any] | None = rows
        self.fields, self.target = fields, target

    def pull(self) -> Operation[list[Head] | None]:
        """All of them, once."""
        rows, self.rows = self.rows, None
        if rows is None:
            return None
        found = []
        for row in rows:
            found.append(head_of((yield from look_again(row, self.target, self.fields))))
        return found


def source_of(plan: Histories, source: Source, target: Target, *, full: bool = False, fresh: bool = False) -> Runs:
    """The runs with the fields that reading them and the columns need; ``full``: and those of the query itself.
    ``fresh``: given ones are loaded again in any case."""
    streams = plan.meta.options.streams
    assert streams is not None
    if isinstance(source, Plan):
        if full:
            extra = (*source.extra, *streams.fields, *plan.fields)
            return Listed(attrs.evolve(source, extra=tuple(dict.fromkeys(extra)), prefetch=()), target)
        return Listed(source.bare(*dict.fromkeys((*streams.fields, *plan.fields))), target)
    for row in source:
        target.refuse_foreign(row)
    if not fresh and all(holds(row, wanted) for row in source for wanted in plan.fields):
        return Given(source)
    return Again(source, tuple(dict.fromkeys((*streams.fields, *plan.fields))), target)


def blocks(
    plan: Histories,
    source: Source,
    target: Target,
    outcome: Outcome,
    *,
    full: bool = False,
    ends: bool = False,
    done: Collection[str] = (),
) -> Operation[None]:
    """Emit the blocks of a plan. ``outcome`` learns what came of the reading. ``full``: the runs have all their fields.
    ``ends``: the end of each run is emitted too. ``done`` are the paths of runs that are not read."""
    reading = _Reading(plan, target, outcome, ends)
    if not reading.is_full():
        runs = source_of(plan, source, target, full=full)
        if done:
            runs = Others(runs, done)
        count = None if ends else plan.last_rows
        if count is None or target.capabilities.columns or (plan.spec.keys is not None and isinstance(source, Plan)):
            yield from reading.read(plan.spec, runs)
        else:
            few = yield from newest(count, plan.spec, runs, target)
            tried = _Reading(plan, target, Outcome(), ends)
            yield from tried.read(few.spec, Given(few.runs))
            was_all = few.spec == plan.spec and len(few.runs) == len(few.every)
            if was_all or (tried.outcome.rows >= count and not tried.outcome.missing):
                outcome.become(tried.outcome)
                reading, tried.outcome = tried, outcome
            else:
                yield from reading.read(plan.spec, Given(few.every))
    if rest := reading.rest():
        yield Emit(rest)
    outcome.settle()
    shaping = reading.shaping
    by_columns = target.capabilities.columns or plan.glance is not None
    # Reading keys by documents asks for what there is, and has said so already.
    if shaping.unmet and outcome.ended and not reading.is_full() and (by_columns or plan.spec.keys is None):
        known: Collection[str] = shaping.names
        if plan.stream == "history":
            known = yield from history_keys(source_of(plan, source, target), target)
        say_unknown([item.key for item in plan.shown_keys], shaping.unmet, known, growing=shaping.growing)


@attrs.define(eq=False)
class _Reading:
    """What is made of the parts of a reading."""

    plan: Histories
    target: Target
    outcome: Outcome
    ends: bool
    shaping: Shaping = attrs.field(init=False)
    steps: list[Chosen] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.shaping, self.steps = Shaping(self.plan), chosen(self.plan)

    def is_full(self) -> bool:
        """Whether no further row can be chosen."""
        return any(step.is_full for step in self.steps)

    def read(self, spec: ReadSpec, runs: Runs) -> Operation[None]:
        """Emit the blocks that are ready."""
        count, target = self.plan.glance, self.target
        reading = read(spec, runs, target) if count is None else read_glance(spec, count, runs, target, self.outcome)
        yield from passed_on(reading, self._take, self.is_full)

    def _take(self, items: Sequence[Part | Ended]) -> list[Block | Ended]:
        made: list[Block | Ended] = []
        for item in items:
            if isinstance(item, Ended):
                self.outcome.take(item)
                self.shaping.growing = self.shaping.growing or item.head.growing
                made += [item] if self.ends else []
            elif (block := self.shaping.take(item)) is not None:
                made += _through(self.steps, block)
                self.outcome.rows += block.length
        return made

    def rest(self) -> list[Block]:
        """The blocks that were held back."""
        return [
            block
            for at, step in enumerate(self.steps)
            for held in step.rest()
            for block in _through(self.steps[at + 1 :], held)
        ]


def _through(steps: Sequence[Chosen], block: Block) -> Iterator[Block]:
    if not steps:
        yield block
        return
    for made in steps[0].take(block):
        yield from _through(steps[1:], made)
