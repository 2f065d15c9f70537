"""A run's history as the schema shows it: facts about its keys, and sampled rows."""

from __future__ import annotations

from typing import Any

from wbmodel.codec import loads, strict
from wbmodel.engine.stopping import until_given_up
from wbmodel.engine.streams import Row, Stream, flat_row, sample

__all__ = ["history_keys", "sampled_rows"]


def history_keys(history: Stream) -> dict[str, Any]:
    """``{"keys": {key: {...}}, "sets": [], "lastStep": n}``; without rows, ``lastStep`` is -1 and ``keys`` is empty.

    Clients read only ``lastStep`` and ``keys[k].previousValue``; ``typeCounts``, ``monotonic`` and ``sets`` have the
    shape that servers reportedly send.
    """
    keys = {key: facts.info for key, facts in history.keys().items()}
    return {"keys": keys, "sets": [], "lastStep": history.last_step}


def sampled_rows(history: Stream, spec_text: Any) -> list[Row]:
    """The rows for one spec of ``sampledHistory``: its keys, in rows that have all of them.

    ``maxStep`` is inclusive here, unlike in ``history`` (according to a commit of the client). Raises ``ValueError``
    for a spec that is not a JSON object, or whose parts have the wrong type.
    """
    spec = loads(spec_text) if isinstance(spec_text, str) else spec_text
    if not isinstance(spec, dict):
        raise ValueError(f"a spec must be a JSON object with keys, minStep, maxStep and samples, not {spec_text!r}")
    keys = list(dict.fromkeys(spec.get("keys") or ()))
    bounds = [spec.get(name) for name in ("minStep", "maxStep", "samples")]
    if not all(isinstance(key, str) for key in keys):
        raise ValueError("the keys of a spec must be strings")
    if any(isinstance(b, bool) or not isinstance(b, (int, float, type(None))) for b in bounds):
        raise ValueError("minStep, maxStep and samples of a spec must be numbers")
    low, high, samples = bounds
    rows = history.between(low, None if high is None else high + 1)
    flat: list[Row] = [flat_row(row) for row in until_given_up(rows)]
    if keys:
        flat = [{key: row[key] for key in keys} for row in flat if all(key in row for key in keys)]
    return [strict(row) for row in sample(flat, None if samples is None else int(samples))]
