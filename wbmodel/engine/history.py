"""Rows of a run's history: key facts, ranges, sampling, and rows as JSON text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from wbmodel.codec import loads, strict
from wbmodel.engine.records import RunRecord

__all__ = ["flat_row", "history_keys", "in_steps", "sample", "sampled_rows"]

Row = dict[str, Any]
_KIND = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "map"}


def flat_row(row: Row) -> Row:
    """The row with nested objects as dotted keys, as the server names them (``nested.b``, seen)."""
    if not any(type(value) is dict for value in row.values()):
        return row
    flat: Row = {}
    for key, value in row.items():
        # An object with a _type is one value: an image, a histogram.
        if type(value) is dict and value and "_type" not in value:
            flat.update((f"{key}.{inner}", item) for inner, item in flat_row(value).items())
        else:
            flat[key] = value
    return flat


def history_keys(run: RunRecord) -> dict[str, Any]:
    """``{"keys": {key: {...}}, "sets": [], "lastStep": n}``; ``lastStep`` is -1 and ``keys`` empty without history.

    Clients read ``lastStep`` and ``keys[k].previousValue`` only; ``typeCounts``, ``monotonic`` and ``sets`` have the
    shape that servers are said to send.
    """
    found = run.keys_cache
    if found is None:
        found = run.keys_cache = _history_keys(run.history)
    return found


def _history_keys(rows: Sequence[Row]) -> dict[str, Any]:
    last: Row = {}
    counts: dict[str, dict[str, int]] = {}
    falling: set[str] = set()
    for row in rows:
        for key, value in flat_row(row).items():
            kind = _KIND.get(type(value), "nil")
            by_kind = counts.setdefault(key, {})
            by_kind[kind] = by_kind.get(kind, 0) + 1
            before = last.get(key)
            if kind != "number" or (before is not None and _falls(before, value)):
                falling.add(key)
            last[key] = value
    keys = {
        key: {
            "typeCounts": [{"type": kind, "count": count} for kind, count in counts[key].items()],
            "monotonic": key not in falling,
            "previousValue": last[key],
        }
        for key in counts
    }
    return {"keys": keys, "sets": [], "lastStep": max((row["_step"] for row in rows), default=-1)}


def _falls(before: Any, value: Any) -> bool:
    return isinstance(before, (int, float)) and not value >= before


def in_steps(rows: Iterable[Row], low: int | None, high: int | None) -> list[Row]:
    """Rows with ``low <= _step < high``; None leaves a side open."""
    lower = -math.inf if low is None else low
    upper = math.inf if high is None else high
    return [row for row in rows if lower <= row["_step"] < upper]


def sample(rows: Sequence[Row], samples: int | None) -> Sequence[Row]:
    """At most ``samples`` rows, evenly spread, first and last among them. None keeps all, as does zero or less."""
    count = len(rows)
    if samples is None or samples <= 0 or count <= samples:
        return rows
    if samples == 1:
        return [rows[-1]]
    return [rows[round(at * (count - 1) / (samples - 1))] for at in range(samples)]


def sampled_rows(run: RunRecord, spec_text: Any) -> list[Row]:
    """The rows that one spec of ``sampledHistory`` asks: the keys asked, in rows that have all of them.

    ``maxStep`` is inclusive here, unlike in ``history`` (a commit of the client says so of the server). Raises
    ``ValueError`` for a spec that is no JSON object, or whose parts have the wrong type.
    """
    spec = loads(spec_text) if isinstance(spec_text, str) else spec_text
    if not isinstance(spec, dict):
        raise ValueError(f"a spec is a JSON object with keys, minStep, maxStep and samples, not {spec_text!r}")
    keys = list(dict.fromkeys(spec.get("keys") or ()))
    bounds = [spec.get(name) for name in ("minStep", "maxStep", "samples")]
    if not all(isinstance(key, str) for key in keys):
        raise ValueError("keys of a spec are texts")
    if any(isinstance(b, bool) or not isinstance(b, (int, float, type(None))) for b in bounds):
        raise ValueError("minStep, maxStep and samples of a spec are numbers")
    low, high, samples = bounds
    rows = in_steps(run.history, low, None if high is None else high + 1)
    flat: list[Row] = [flat_row(row) for row in rows]
    if keys:
        flat = [{key: row[key] for key in keys} for row in flat if all(key in row for key in keys)]
    return [strict(row) for row in sample(flat, None if samples is None else int(samples))]
