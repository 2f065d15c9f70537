"""The extremes of a key in long histories, by the server's buckets.

A bucket tells the least and the greatest number in a range of steps, so the least of them all is exact. How many values
a bucket has is not told, so a mean is never made of buckets, and nothing is ever made of samples.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from wbmodel.compiler.extras import ALIASES
from wbmodel.compiler.history_specs import BUCKETS, KeyAsk, answered, bucket_spec, key_ask_request
from wbmodel.compiler.target import Target
from wbmodel.errors import RequestTimeout, ResponseTooLarge, ServerError
from wbmodel.operations.answer import Operation, answer, send_all
from wbmodel.operations.histories.key_info import info_of, logged
from wbmodel.operations.histories.pieces import Head
from wbmodel.operations.histories.runs import Runs
from wbmodel.operations.ways_back import on_lesser_terms, refusable

__all__ = ["by_buckets"]

LONG = 5000
"""Histories of more rows, or of nobody knows how many, are asked for their buckets."""


def by_buckets(key: str, runs: Runs, target: Target) -> Operation[tuple[list[tuple[Head, float, float]], list[Any]]]:
    """The least and the greatest number under ``key`` of each long history whose buckets tell them, exact; and the runs
    whose values must be read."""
    found: list[tuple[Head, float, float]] = []
    rest: list[Any] = []
    while (heads := (yield from runs.pull())) is not None:
        told: dict[str, tuple[float, float]] = {}
        if long := [head for head in heads if head.count is None or head.count > LONG]:
            told, target = yield from on_lesser_terms(partial(_bucketed, key, long), target)
        for head in heads:
            if head.ref.node_id in told:
                found.append((head, *told[head.ref.node_id]))
            else:
                rest.append(head.row)
    return found, rest


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
