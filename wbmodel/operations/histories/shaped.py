"""Read what a plan of histories asks for: blocks of rows with its columns, from the parts of a reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import attrs

from wbmodel.backend.verbs import Emit
from wbmodel.compiler.target import Target
from wbmodel.meta.parts import Wanted
from wbmodel.meta.state import holds
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.blocks import Block, Chosen, Shaping, chosen
from wbmodel.operations.histories.glance import read_glance
from wbmodel.operations.histories.key_names import Source, say_unknown
from wbmodel.operations.histories.keys import history_keys
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given, Listed, Others, Runs, head_of
from wbmodel.operations.reload import look_again
from wbmodel.query.histories import Histories
from wbmodel.query.plan import Plan

__all__ = ["blocks", "passed_on", "source_of"]

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


def passed_on(
    operation: Operation[T], take: Callable[[Sequence[Any]], Sequence[Any]], done: Callable[[], bool]
) -> Operation[None]:
    """Run an operation, emitting what ``take`` makes of what it emits, until it ends or ``done`` says so."""
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            try:
                verb = operation.send(answer) if error is None else operation.throw(error)
            except StopIteration:
                return
            answer = error = None
            if isinstance(verb, Emit):
                if made := take(verb.rows):
                    yield Emit(made)
                if done():
                    return
                continue
            try:
                answer = yield verb
            except Exception as raised:
                error = raised
    finally:
        error = None  # its traceback refers to this frame
        operation.close()


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
    shaping, steps = Shaping(plan), chosen(plan)

    def take(items: Sequence[Part | Ended]) -> list[Block | Ended]:
        made: list[Block | Ended] = []
        for item in items:
            if isinstance(item, Ended):
                outcome.take(item)
                shaping.growing = shaping.growing or item.head.growing
                made += [item] if ends else []
            elif (block := shaping.take(item)) is not None:
                made += _through(steps, block)
                outcome.rows += block.length
        return made

    def is_full() -> bool:
        return any(step.is_full for step in steps)

    spec = plan.spec
    if not is_full():
        runs = source_of(plan, source, target, full=full)
        if done:
            runs = Others(runs, done)
        reading = (
            read(spec, runs, target) if plan.glance is None else read_glance(spec, plan.glance, runs, target, outcome)
        )
        yield from passed_on(reading, take, is_full)
    for at, step in enumerate(steps):
        rest = [block for held in step.rest() for block in _through(steps[at + 1 :], held)]
        if rest:
            yield Emit(rest)
    outcome.settle()
    by_columns = target.capabilities.columns or plan.glance is not None
    # Reading keys by documents asks for what there is, and has said so already.
    if shaping.unmet and outcome.ended and not is_full() and (by_columns or spec.keys is None):
        known: Collection[str] = shaping.names
        if plan.stream == "history":
            known = yield from history_keys(source_of(plan, source, target), target)
        say_unknown([item.key for item in plan.shown_keys], shaping.unmet, known, growing=shaping.growing)


def _through(steps: Sequence[Chosen], block: Block) -> Iterator[Block]:
    if not steps:
        yield block
        return
    for made in steps[0].take(block):
        yield from _through(steps[1:], made)
