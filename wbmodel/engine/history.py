"""Answers about histories, as a dialect has them: rows, samples, buckets, counts, keys, exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from random import Random
from typing import Any

from wbmodel.codec import loads
from wbmodel.engine.buckets import buckets
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.exports import ExportFile, export_files, split
from wbmodel.engine.history_index import Index, StrictList, merged
from wbmodel.engine.records import RunRecord
from wbmodel.engine.select import KeyFacts
from wbmodel.engine.stopping import until_given_up
from wbmodel.engine.streams import Row, Stream, sample
from wbmodel.engine.text import encode
from wbmodel.weighted_cache import WeightedCache

__all__ = ["HistoryReader", "history_keys", "load_spec"]

_KEPT_CELLS = 2_000_000
"""Cells of all rows whose indexes are kept. An index takes about 50 bytes for a cell, besides the rows themselves."""

_WHOLE_ROWS = 200_000
"""A longer history is not read as a whole for a part of it."""

_KEPT_EXPORTS = 20_000
"""Exported files that can still be opened."""

_STEP = ["_step"]


def history_keys(keys: Mapping[str, KeyFacts], last_step: int) -> dict[str, Any]:
    """``{"keys": {key: {...}}, "sets": [], "lastStep": n}``; without rows, ``lastStep`` is -1 and ``keys`` is empty.

    The official client reads only ``lastStep`` and ``keys[k].previousValue``; W&B's web application and query engine
    read ``typeCounts`` and ``monotonic``. Nobody is seen to read ``sets``.
    """
    return {"keys": {key: facts.info for key, facts in keys.items()}, "sets": [], "lastStep": last_step}


def load_spec(text: Any) -> dict[str, Any]:
    """A spec of ``sampledHistory`` or ``bucketedHistory``, checked. Raises ``ValueError`` if it is not a JSON object,
    or has a part of a wrong type."""
    spec = loads(text) if isinstance(text, str) else text
    if not isinstance(spec, dict):
        raise ValueError(f"a spec must be a JSON object with keys, minStep, maxStep and samples, not {text!r}")
    keys = spec.get("keys") or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("the keys of a spec must be strings")
    bounds = [spec.get(name) for name in ("minStep", "maxStep", "samples", "bins")]
    if any(isinstance(b, bool) or not isinstance(b, (int, float, type(None))) or b != b for b in bounds):
        raise ValueError("minStep, maxStep, samples and bins of a spec must be numbers")
    if not isinstance(spec.get("xAxis"), (str, type(None))):
        raise ValueError("the xAxis of a spec must be the name of a key")
    return spec


class HistoryReader:
    """Reads histories for the documents of one engine, and keeps what it made of the recent ones."""

    def __init__(self, dialect: Dialect) -> None:
        self._switches = dialect.histories
        self._exports = dialect.exports
        self._kept: WeightedCache[tuple[Stream, Index]] = WeightedCache(_KEPT_CELLS)
        self._files: WeightedCache[ExportFile] = WeightedCache(_KEPT_EXPORTS)
        self._calls = count()
        self._asked: WeightedCache[int] = WeightedCache(100_000)

    def rows(self, run: RunRecord, args: Mapping[str, Any]) -> list[str]:
        """``Run.history``: rows as texts."""
        low, high = args.get("minStep"), args.get("maxStep")
        if low is not None and high is not None and high - low <= 1 and not self._switches.width_one:
            return []
        index, among = self._between(run.history, low, high)
        at = until_given_up(self._thinned(among, args.get("samples"), index))
        limit = self._switches.max_row_keys
        if limit is None:
            return [index.text(position) for position in at]
        limit = args.get("maxKeyLimit") or limit
        return [
            index.text(position) if len(index.rows[position]) <= limit else encode(_cut(index.rows[position], limit))
            for position in at
        ]

    def sampled(self, run: RunRecord, spec: Mapping[str, Any]) -> StrictList:
        """The rows for one spec of ``sampledHistory``: its keys, in rows that have all of them.

        ``maxStep`` is inclusive here, unlike in ``history`` (according to a commit of the client). A spec for
        ``_step`` alone gives nothing (according to a comment in Weave, W&B's own reader).
        """
        keys = list(dict.fromkeys(spec.get("keys") or ()))
        if keys == _STEP:
            return StrictList()
        index, among = self._of_spec(run, spec)
        samples = spec.get("samples")
        at = self._thinned(index.having(keys, among), None if samples is None else int(samples), index)
        return index.parts(at, keys)

    def bucketed(self, run: RunRecord, spec: Mapping[str, Any]) -> StrictList:
        """The rows for one spec of ``bucketedHistory``."""
        return buckets(*self._of_spec(run, spec), spec)

    def events(self, run: RunRecord, samples: int | None) -> list[str]:
        """``Run.events``: rows as texts."""
        rows = run.events.tail(run.events.count())
        return [encode(rows[at]) for at in until_given_up(self._thinned(range(len(rows)), samples, None))]

    def line_count(self, run: RunRecord) -> int | None:
        """``Run.historyLineCount``."""
        counts = self._switches.count
        if counts == "null":
            return None
        if counts == "rows":
            return run.history.count()
        lines = run.history.length()
        if counts == "late":
            key = (run.id, lines)
            asked = self._asked.get(key) or 0
            self._asked.put(key, asked + 1, 1)
            return lines if asked >= self._switches.late_times else max(0, lines - self._switches.late_rows)
        return lines

    def exported(self, run: RunRecord) -> list[ExportFile]:
        """The files of the run's history."""
        if self._exports is None:
            return []
        stream = run.history
        key = ("files", id(stream), stream.token)
        found = export_files(run, key, self._between(stream, None, None)[0], self._exports)
        # Files that are known keep what was made of them.
        kept = [self._files.get(file.name) or file for file in found]
        for file in kept:
            self._files.put(file.name, file, 1)
        return kept

    def file(self, name: str) -> ExportFile | None:
        """An exported file by name."""
        return self._files.get(name)

    def live(self, run: RunRecord, keys: Sequence[str], *, exports: bool) -> StrictList:
        """``ParquetHistory.liveData``: these keys, in those rows that have all of them and are not exported."""
        index, among = self._between(run.history, None, None)
        if exports and self._exports is not None:
            among = split(index, self._exports)[1]
        wanted = list(dict.fromkeys(keys))
        return index.parts(index.having(wanted, among), wanted)

    # -- inside ------------------------------------------------------------------------------------

    def _of_spec(self, run: RunRecord, spec: Mapping[str, Any]) -> tuple[Index, range]:
        low, high = spec.get("minStep"), spec.get("maxStep")
        return self._between(run.history, low, None if high is None else high + 1)

    def _between(self, stream: Stream, low: float | None, high: float | None) -> tuple[Index, range]:
        """An index, and the positions in it of the rows with ``low <= _step < high``."""
        key = (id(stream), stream.token)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is stream:
            return kept[1], kept[1].between(low, high)
        whole = stream.count() <= _WHOLE_ROWS
        rows: Sequence[Row] = stream.between(None, None) if whole else stream.between(low, high)
        index = Index(merged(rows) if self._switches.repeats == "merged" else rows)
        if whole:
            self._kept.put(key, (stream, index), index.weight)
        return index, index.between(low, high)

    def _thinned(self, at: Sequence[int], samples: int | None, index: Index | None) -> Sequence[int]:
        """The positions to answer, of those that were asked. ``index`` is None for rows without steps."""
        switches = self._switches
        limits = [limit for limit in (samples, switches.max_samples) if limit is not None and limit > 0]
        if limits:
            most = min(limits)
            parts: Sequence[Sequence[int]] = [at]
            if switches.segments > 1 and index is not None:
                size = max(1, -(-len(index.rows) // switches.segments))
                parts = _split(at, size)
            at = [position for part in parts for position in self._part(part, most, index)]
        if switches.order == "shuffled":
            at = list(at)
            self._random().shuffle(at)
        return at

    def _part(self, at: Sequence[int], most: int, index: Index | None) -> Sequence[int]:
        switches = self._switches
        if len(at) <= most:
            return at
        number = max(1, min(len(at), round(most * switches.thinned_to)))
        if switches.thinning == "random":
            return sorted(self._random().sample(at, number))
        if switches.thinning == "buckets" and index is not None:
            low, width = index.steps[at[0]], index.steps[at[-1]] - index.steps[at[0]] + 1
            return list({(index.steps[position] - low) * number // width: position for position in at}.values())
        return sample(at, number)

    def _random(self) -> Random:
        return Random(f"{self._switches.seed} {next(self._calls)}")


def _split(at: Sequence[int], size: int) -> list[list[int]]:
    """Positions by the segment that they are in."""
    parts: dict[int, list[int]] = {}
    for position in at:
        parts.setdefault(position // size, []).append(position)
    return list(parts.values())


def _cut(row: Row, limit: int) -> Row:
    kept = list(row)[:limit]
    return {key: row[key] for key in dict.fromkeys((*kept, "_step"))}
