"""A glance at histories: about so many rows of each run, as the server chooses them, in one request for many runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wbmodel.backend.asks import ColumnBatch, ReadSpec
from wbmodel.codec import dumps
from wbmodel.compiler.answer_types import list_of
from wbmodel.compiler.extras import MANY_KEYS, Extra
from wbmodel.compiler.histories import ROWS, ROWS_CUT, Kind
from wbmodel.compiler.target import Target
from wbmodel.errors import WbmodelError
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.documents import Asked, Documents
from wbmodel.operations.histories.joined import asked_keys, joined, series_of
from wbmodel.operations.histories.key_info import infos
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.rows import STEP, columns_of, decode
from wbmodel.operations.histories.runs import Runs

__all__ = ["read_glance"]

_SERIES = Kind(
    "Glances",
    (("p", "[JSONString!]!"),),
    (("id", ()), ("historyKeys", ()), ("sampledHistory(specs: $p{0})", ())),
    {"id": str, "historyKeys": Any, "sampledHistory": list_of(Any)},
)
"""The values of keys, each thinned by itself, and what is known of the keys."""


def read_glance(spec: ReadSpec, count: int, runs: Runs, target: Target, outcome: Outcome) -> Operation[None]:
    """Emit what a reading emits, of about ``count`` rows of each run. ``outcome`` learns how many there are."""
    documents = Documents(runs, target, lambda head: _Glance(head, spec, count, outcome))
    yield from documents.read()


def _whole(target: Target) -> tuple[Kind, frozenset[Extra]]:
    return (ROWS_CUT, frozenset()) if MANY_KEYS in target.refused else (ROWS, frozenset((MANY_KEYS,)))


class _Glance:
    """A glance at one run."""

    def __init__(self, head: Head, spec: ReadSpec, count: int, outcome: Outcome) -> None:
        self.head, self.spec, self.count, self.outcome = head, spec, count, outcome
        self.keys = asked_keys(spec)
        self.weight = 0
        self.asked = False
        self.error: WbmodelError | None = None
        self.batch: ColumnBatch | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more is asked."""
        return self.error is not None or self.batch is not None

    def wanted(self) -> list[Asked]:
        """The only request."""
        if self.asked:
            return []
        self.asked = True
        if self.keys:
            return [Asked(self, lambda _: (_SERIES, frozenset()), lambda _: {"p": self._specs()}, self.count)]
        bounds = {"a": self.spec.min_step, "b": self.spec.max_step, "s": self.count}
        return [Asked(self, _whole, lambda _: bounds, self.count)]

    def _specs(self) -> list[str]:
        bounds = {"minStep": self.spec.min_step}
        if self.spec.max_step is not None:
            bounds["maxStep"] = self.spec.max_step - 1  # included
        given = {name: value for name, value in bounds.items() if value is not None}
        return [dumps({"keys": [STEP, key], "samples": self.count, **given}) for key in self.keys]

    def take(self, asked: Asked, found: dict[str, Any]) -> int:
        """The rows, and how many there are."""
        run = self.head.ref.node_id
        if self.keys:
            counts = [info.count for key, info in infos([found["historyKeys"]]).items() if key in self.keys]
            total = None if None in counts else max(counts, default=0)  # type: ignore[type-var]
            answers = zip(found["sampledHistory"], self.keys, strict=True)
            steps, columns = joined([series_of(rows, key) for rows, key in answers])
            self.batch = ColumnBatch(run, {STEP: steps, **dict(zip(self.keys, columns, strict=True))}, len(steps))
        else:
            total = found["historyLineCount"]
            self.batch = columns_of(run, decode(found["history"]).rows)
        self.outcome.glanced(self.batch.length, total)
        return self.batch.length

    def too_much(self, asked: Asked) -> bool:
        """Nothing less can be asked."""
        return False

    def failed(self, error: WbmodelError) -> None:
        """The run cannot be read."""
        self.error = error

    def parts(self) -> Iterator[Part | Ended]:
        """The rows, and the end."""
        if self.batch is None:
            yield Ended(self.head, 0, None, self.error)
            return
        yield Part(self.head, self.batch)
        yield Ended(self.head, self.batch.length)
