"""A run's history as the schema shows it: facts about its keys, and sampled rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wbmodel.codec import loads, strict
from wbmodel.engine.select import KeyFacts
from wbmodel.engine.stopping import until_given_up
from wbmodel.engine.streams import Row, Stream, flat_row, sample

__all__ = ["history_keys", "load_spec", "sampled_rows"]


def history_keys(keys: Mapping[str, KeyFacts], last_step: int) -> dict[str, Any]:
    """``{"keys": {key: {...}}, "sets": [], "lastStep": n}``; without rows, ``lastStep`` is -1 and ``keys`` is empty.

    The official client reads only ``lastStep`` and ``keys[k].previousValue``; W&B's web application and query engine
    read ``typeCounts`` and ``monotonic``. Nobody is seen to read ``sets``.
    """
    return {"keys": {key: facts.info for key, facts in keys.items()}, "sets": [], "lastStep": last_step}


def load_spec(text: Any) -> dict[str, Any]:
    """A spec of ``sampledHistory``, checked. Raises ``ValueError`` if it is not a JSON object, or has a part of a wrong
    type."""
    spec = loads(text) if isinstance(text, str) else text
    if not isinstance(spec, dict):
        raise ValueError(f"a spec must be a JSON object with keys, minStep, maxStep and samples, not {text!r}")
    keys = spec.get("keys") or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("the keys of a spec must be strings")
    bounds = [spec.get(name) for name in ("minStep", "maxStep", "samples")]
    if any(isinstance(b, bool) or not isinstance(b, (int, float, type(None))) for b in bounds):
        raise ValueError("minStep, maxStep and samples of a spec must be numbers")
    return spec


def sampled_rows(history: Stream, spec: Mapping[str, Any]) -> list[Row]:
    """The rows for one spec of ``sampledHistory``: its keys, in rows that have all of them.

    ``maxStep`` is inclusive here, unlike in ``history`` (according to a commit of the client).
    """
    keys = list(dict.fromkeys(spec.get("keys") or ()))
    low, high, samples = (spec.get(name) for name in ("minStep", "maxStep", "samples"))
    rows = history.between(low, None if high is None else high + 1)
    flat: list[Row] = [flat_row(row) for row in until_given_up(rows)]
    if keys:
        flat = [{key: row[key] for key in keys} for row in flat if all(key in row for key in keys)]
    return [strict(row) for row in sample(flat, None if samples is None else int(samples))]
