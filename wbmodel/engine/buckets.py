"""``bucketedHistory``: means and extremes of metrics in equal ranges along an axis, from all rows.

As public clients of the real server measured it: a spec has ``keys``, ``samples``, ``bins``, ``xAxis``, ``minStep`` and
``maxStep``; a row has ``<key>Avg``, ``<key>Min``, ``<key>Max`` and ``<xAxis>Avg``; there may be fewer or more rows than
``samples``. How rows without some of the keys count is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from wbmodel.engine.history_index import Index, StrictList
from wbmodel.engine.stopping import until_given_up

__all__ = ["DEFAULT_BINS", "buckets"]

DEFAULT_BINS = 500
"""The number of ranges where a spec says neither ``bins`` nor ``samples``."""


def buckets(index: Index, among: range, spec: Mapping[str, Any]) -> StrictList:
    """The buckets of one spec, by the axis.

    A row counts if its axis is a finite number and at least one key is too: each key counts in the rows that have a
    finite number for it, whatever the other keys are. The range between the lowest and the highest axis of these rows
    is cut into ``bins`` (else ``samples``, else 500) equal parts; the last includes its end. Parts without a row are
    left out, and so is a key without a number in its part.
    """
    axis = spec.get("xAxis") or "_step"
    along = _numbers(index, axis, among)
    keys: list[str] = list(dict.fromkeys(spec.get("keys") or ()))
    columns = {key: _numbers(index, key, among) for key in keys}
    asked = [columns[key] for key in keys if key != axis] or list(columns.values())
    places = sorted(along.keys() & set().union(*asked))
    if not places:
        return StrictList()
    parts = max(1, int(spec.get("bins") or spec.get("samples") or DEFAULT_BINS))
    # By halves, because the difference of two finite numbers may be infinite.
    low, high = min(along[at] / 2 for at in places), max(along[at] / 2 for at in places)
    by_part: dict[int, list[int]] = {}
    for at in until_given_up(places):
        part = int((along[at] / 2 - low) / (high - low) * parts) if high > low else 0
        by_part.setdefault(min(part, parts - 1), []).append(at)
    return StrictList(_bucket(by_part[part], axis, along, columns) for part in sorted(by_part))


def _bucket(
    places: Sequence[int], axis: str, along: Mapping[int, float], columns: Mapping[str, Mapping[int, float]]
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, column in columns.items():
        values = [column[at] for at in places if at in column]
        if values:
            row |= {f"{key}Avg": _mean(values), f"{key}Min": min(values), f"{key}Max": max(values)}
    row[f"{axis}Avg"] = _mean([along[at] for at in places])
    return row


def _mean(values: Sequence[float]) -> float:
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def _numbers(index: Index, key: str, among: range) -> dict[int, float]:
    """The finite numbers of a key, by position."""
    column = index.column(key)
    pairs = zip(column.at, column.values, strict=True)
    return {at: value for at, value in pairs if at in among and type(value) in (int, float) and _is_finite(value)}


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False
