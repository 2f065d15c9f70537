"""How a plan of histories is read, in words and as data. Makes no requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from wbmodel.backend.asks import ReadSpec
from wbmodel.compiler.explain import Explanation, explain
from wbmodel.compiler.extras import EXPORTS
from wbmodel.compiler.history_specs import SERIES, along_of, spec_of
from wbmodel.compiler.target import Target
from wbmodel.operations.histories.exports import LONG, Exports
from wbmodel.operations.histories.key_names import Source
from wbmodel.operations.histories.keyed import asked_of
from wbmodel.query.histories import Histories, Long, Sample, Slice
from wbmodel.query.plan import Plan

__all__ = ["HistoryExplanation", "explained"]


@attrs.frozen(slots=True)
class HistoryExplanation:
    """What ``explain()`` of a history set says. ``str()`` formats it; :meth:`to_dict` is plain data.

    ``place`` is where the rows are read, ``door`` how: ``columns`` (the backend holds them) or ``documents``; ``ways``
    says by which requests. ``keys`` are the keys that are read (None: whole rows), ``min_step`` and ``max_step`` the
    bounds that are asked for (the second is not included), ``tested`` the conditions that are tested here, ``then``
    what goes by position. ``runs`` explains the query for the runs; None if they are given.
    """

    place: str
    stream: str
    door: str
    ways: tuple[str, ...]
    keys: tuple[str, ...] | None
    min_step: int | None
    max_step: int | None
    tested: str | None
    then: tuple[str, ...]
    runs: Explanation | None

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain data that can be written as JSON."""
        made = {item.name: getattr(self, item.name) for item in attrs.fields(type(self)) if item.name != "runs"}
        made["keys"] = None if self.keys is None else list(self.keys)
        made["then"], made["ways"] = list(self.then), list(self.ways)
        return made | {"runs": None if self.runs is None else self.runs.to_dict()}

    def __str__(self) -> str:
        how = {
            (True, True): "columns of these keys",
            (True, False): "columns of every key",
            (False, True): "documents, a series per key, proven by the counts of the keys",
            (False, False): "documents, whole rows, proven by the count of lines",
        }[self.door == "columns", self.keys is not None]
        steps = ["" if at is None else str(at) for at in (self.min_step, self.max_step)]
        lines = [
            f"{self.stream} from {self.place}",
            f"  read: {how}",
            *(f"  by: {way}" for way in self.ways),
            *([] if self.keys is None else [f"  keys: {', '.join(self.keys)}"]),
            *([f"  steps asked for: {':'.join(steps)}"] if any(steps) else []),
            *([] if self.tested is None else [f"  tested here: {self.tested}"]),
            *([f"  then: {', '.join(self.then)}"] if self.then else []),
        ]
        if self.runs is not None:
            lines += ["runs:", *(f"  {line}" for line in str(self.runs).splitlines())]
        return "\n".join(lines)

    __repr__ = __str__


def explained(plan: Histories, source: Source, target: Target) -> HistoryExplanation:
    """How the plan would be read."""
    spec = plan.spec
    streams = plan.meta.options.streams
    assert streams is not None
    runs = None
    if isinstance(source, Plan):
        runs = explain(source.bare(*dict.fromkeys((*streams.fields, *plan.fields))), target)
    return HistoryExplanation(
        place=target.place,
        stream=plan.stream,
        door="columns" if target.capabilities.columns else "documents",
        ways=tuple(_ways(spec, source, target)),
        keys=spec.keys,
        min_step=spec.min_step,
        max_step=spec.max_step,
        tested=None if plan.rest is None else str(plan.rest),
        then=tuple(map(_words, plan.steps)),
        runs=runs,
    )


def _ways(spec: ReadSpec, source: Source, target: Target) -> Iterator[str]:
    if target.capabilities.columns:
        return
    if spec.stream == "history":
        exports = Exports(spec, target)
        if exports.is_on and EXPORTS not in target.refused:
            yield f"exported files, of histories with more than {LONG:,} lines, where the server has them"
    if spec.keys is not None and spec.stream == "history" and SERIES not in target.refused:
        whole = spec.min_step is None and spec.max_step is None
        along = along_of(list(map(spec_of, asked_of(spec).specs))) if whole and isinstance(source, Plan) else None
        if along is not None and along.extra not in target.refused:
            yield f"pages of up to {along.later} runs that have the values"
    yield f"documents for up to {target.capabilities.max_aliases} runs each"


def _words(step: Any) -> str:
    if isinstance(step, Slice):
        stop = "" if step.stop is None else step.stop
        return f"[{step.start}:{stop}]" if step.step == 1 else f"[{step.start}:{stop}:{step.step}]"
    if isinstance(step, Sample):
        return f"sample({step.count}, seed={step.seed})"
    return "long()" if isinstance(step, Long) else f"tail({step.count})"
