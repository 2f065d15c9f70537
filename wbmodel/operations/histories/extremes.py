"""The extremes and the mean of a key: of long histories by the server's buckets, else from all values.

A bucket tells the least and the greatest number in a range of steps, so the least of them all is exact. How many values
a bucket has is not told, so a mean is never made of buckets, and nothing is ever made of samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs

from wbmodel.backend.asks import ReadSpec
from wbmodel.compiler.extras import ALIASES
from wbmodel.compiler.history_specs import BUCKETS, KeyAsk, answered, bucket_spec, key_ask_request
from wbmodel.compiler.target import Target
from wbmodel.errors import RequestTimeout, ResponseTooLarge, ServerError
from wbmodel.operations.answer import Operation, answer, passed_on, send_all
from wbmodel.operations.histories.key_info import info_of, logged
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given, Runs
from wbmodel.operations.ways_back import on_lesser_terms, refusable

__all__ = ["Extremes", "extremes"]

LONG = 5000
"""Histories of more rows, or of nobody knows how many, are asked for their buckets."""


@attrs.frozen(slots=True)
class Extremes:
    """The least and the greatest of the finite numbers under a key; null, NaN, infinities and what is not a number are
    left out. ``mean`` and ``count`` are None unless they were asked for; all are None where there are no numbers.
    ``ends`` says of each run whose values were read what came of it."""

    min: float | None = None
    max: float | None = None
    mean: float | None = None
    count: int | None = None
    ends: tuple[Ended, ...] = ()


def extremes(key: str, runs: Runs, spec: ReadSpec, target: Target, *, mean: bool = False) -> Operation[Extremes]:
    """The extremes of ``key`` over all rows of ``runs`` between the steps of ``spec``, exact; with ``mean``, the mean
    and the number of values too, for which every value is read.

    Raises :class:`~wbmodel.errors.FieldError` if no run has the key.
    """
    values = _Values()
    can = target.capabilities
    whole = spec.min_step is None and spec.max_step is None and not can.columns and not mean
    rest: list[Head] = []
    while (heads := (yield from runs.pull())) is not None:
        long = [head for head in heads if whole and (head.count is None or head.count > LONG)]
        told: dict[str, tuple[float, float]] = {}
        if long:
            told, target = yield from on_lesser_terms(partial(_bucketed, key, long), target)
        for low, high in told.values():
            values.take([low, high])
        rest += [head for head in heads if head.ref.node_id not in told]
    if rest or not values.numbers:
        asked = attrs.evolve(spec, keys=(key,))
        yield from passed_on(read(asked, Given([head.row for head in rest]), target), partial(_take, values, key))
    return values.result(counted=mean)


def _take(values: _Values, key: str, items: Sequence[Part | Ended]) -> Sequence[Any]:
    for item in items:
        if isinstance(item, Part):
            values.take(item.batch.columns[key])
        else:
            values.ends.append(item)
    return ()


class _Values:
    def __init__(self) -> None:
        self.min, self.max = math.inf, -math.inf
        self.sums: list[float] = []
        self.numbers = 0
        self.ends: list[Ended] = []

    def take(self, given: Sequence[Any]) -> None:
        """Count in some values."""
        numbers = [item for item in given if type(item) in (int, float) and _is_finite(item)]
        if numbers:
            self.min, self.max = min(self.min, *numbers), max(self.max, *numbers)
            self.sums.append(math.fsum(numbers))
            self.numbers += len(numbers)

    def result(self, *, counted: bool) -> Extremes:
        """What came of it."""
        ends = tuple(self.ends)
        if not self.numbers:
            return Extremes(count=0 if counted else None, ends=ends)
        if not counted:
            return Extremes(self.min, self.max, ends=ends)
        return Extremes(self.min, self.max, math.fsum(self.sums) / self.numbers, self.numbers, ends)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _bucketed(key: str, heads: list[Head], target: Target) -> Operation[dict[str, tuple[float, float]]]:
    """The extremes of the runs of which the server tells buckets, by node id."""
    if BUCKETS in target.refused:
        return {}
    meta = type(heads[0].row).__wbmodel_meta__
    most = max(1, target.capabilities.max_aliases)
    chunks = [heads[at : at + most] for at in range(0, len(heads), most)]
    specs = (bucket_spec(key),)
    requests = [
        key_ask_request(meta, [KeyAsk(head.ref, specs) for head in chunk], counts=True, field="bucketedHistory")
        for chunk in chunks
    ]
    try:
        with refusable(lambda: {BUCKETS, *((ALIASES,) if len(heads) > 1 else ())}):
            responses = yield from send_all(requests)
            answers = [answer(target, *pair) for pair in zip(requests, responses, strict=True)]
    except ServerError as error:
        if not isinstance(error, ResponseTooLarge) and (isinstance(error, RequestTimeout) or error.status is None):
            raise
        return {}  # too much for the server; the values are read in parts
    found: dict[str, tuple[float, float]] = {}
    for chunk, data in zip(chunks, answers, strict=True):
        for at, head in enumerate(chunk):
            ends = _ends_of(answered(data, meta, at), head, key)
            if ends is not None:
                found[head.ref.node_id] = ends
    return found


def _ends_of(node: Any, head: Head, key: str) -> tuple[float, float] | None:
    """The extremes of one run; None if what came does not tell them."""
    if not isinstance(node, dict) or node.get("id") != head.ref.node_id:
        return None
    info = info_of((logged(node.get("historyKeys")) or {}).get(key))
    lists = node.get("bucketedHistory")
    buckets = lists[0] if isinstance(lists, list) and len(lists) == 1 else None
    if not info.count or not isinstance(buckets, list) or not buckets:
        return None
    ends: list[float] = []
    for bucket in buckets:
        pair: list[Any] = [bucket.get(key + what) for what in ("Min", "Max")] if isinstance(bucket, dict) else [None]
        if not all(type(item) in (int, float) and _is_finite(item) for item in pair):
            return None
        ends += pair
    return min(ends), max(ends)
