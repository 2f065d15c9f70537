"""``run.history()``, ``run.scan_history()`` and ``runs.histories()``: rows of history sets, as dicts or as frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from wbmodel.api.errors import CommError, Error
from wbmodel.errors import FieldError, NotSupported, warn

if TYPE_CHECKING:
    from wbmodel.api.client import Client
    from wbmodel.api.run_fields import RunFields
    from wbmodel.objects.history import HistorySet

__all__ = ["HistoryScan", "SampledHistoryScan", "asked_keys", "history_of", "pandas_frame", "sampled", "system_rows"]

Row = dict[str, Any]


def asked_keys(keys: Any, stream: str = "default") -> list[str] | None:
    """The keys that a caller names; None for all. Raises ``ValueError`` unless they are a list of text, and for keys of
    the system metrics, which come whole."""
    if stream not in ("default", "system"):
        raise ValueError(f"stream must be 'default' or 'system', not {stream!r}")
    if not keys and not isinstance(keys, str):
        return None
    if not isinstance(keys, (list, tuple)) or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"keys must be a list of text such as ['loss'], not {keys!r:.80}")
    if stream == "system":
        raise ValueError("the system metrics come whole: leave keys out, and choose among them afterwards")
    return list(keys)


def samples_asked(samples: Any) -> int:
    """A number of rows. Raises ``ValueError`` for anything else."""
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ValueError(f"samples must be a whole number from 1, not {samples!r}")
    return samples


def _columns(history: HistorySet, names: Sequence[str]) -> HistorySet:
    """Rows that have one of the names. Those that lack another are counted before they are left out."""
    return history.values(*([_column(name) for name in names if name != "_step"] or ["_step"]))


def _column(name: str) -> str:
    """A key of the rows, whatever it is called: ``config.lr`` alone would be a field of the run."""
    return name if name == "_step" else f"history.{name}"


class _Whole:
    """Keeps the rows that have all of the keys, and tells if they never or seldom come together."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.seen: Counter[str] = Counter()
        self.kept = 0

    def rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Those of ``rows`` that have all keys, with these alone."""
        columns = {name: _column(name) for name in self.names}
        for row in rows:
            found = {name: row[column] for name, column in columns.items() if column in row}
            self.seen.update(found.keys())
            if len(found) == len(self.names):
                self.kept += 1
                yield found
        rarest = min(self.names, key=lambda name: self.seen[name])
        if self.kept < self.seen[rarest]:
            warn(
                f"only {self.kept} rows have all of the keys {', '.join(self.names)}, though each is in at least "
                f"{self.seen[rarest]}: they were logged at different steps. Ask for them one by one, or use "
                "run.model.history.values(...), which keeps every row",
                UserWarning,
            )


class HistoryScan:
    """All rows of a run's history between two steps: what ``scan_history()`` returns. Each loop begins anew.

    ``min_step`` is the first step, ``max_step`` the one before which it ends. With ``keys``, the rows that have all of
    them, with these alone. ``page_size`` is kept for old scripts: pages are sized by themselves.
    """

    def __init__(
        self,
        client: Client,
        run: RunFields,
        min_step: int | None = None,
        max_step: int | None = None,
        page_size: int = 1000,
        keys: list[str] | None = None,
    ) -> None:
        for name, value in (("min_step", min_step), ("max_step", max_step), ("page_size", page_size)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"{name} must be a whole number, not {value!r}")
        if page_size < 1:
            raise ValueError(f"page_size must be 1 or more, not {page_size}")
        self.client = client
        self.run = run
        self.keys = asked_keys(keys)
        self.min_step = min_step or 0
        self.max_step = max_step
        self.page_size = page_size
        self._own: Iterator[Row] | None = None

    def __iter__(self) -> Iterator[Row]:
        rows = history_of(self.run)
        if self.min_step > 0:
            rows = rows.filter(_step__gte=self.min_step)
        if self.max_step is not None:
            rows = rows.filter(_step__lt=self.max_step)
        try:
            if self.keys is None:
                yield from rows.iterator()
            else:
                yield from _Whole(self.keys).rows(_columns(rows, self.keys).iterator())
        except FieldError as error:
            warn(str(error), UserWarning)
        except (Error, NotSupported):
            raise
        except Exception as error:
            raise CommError(str(error) or type(error).__name__, error) from error

    def __next__(self) -> Row:
        if self._own is None:
            self._own = iter(self)
        return next(self._own)

    next = __next__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'/'.join(self.run.path)}>"


class SampledHistoryScan(HistoryScan):
    """The rows that have all of some keys. Nothing is left out, whatever its name says: it is 0.10.28's."""

    def __init__(
        self,
        client: Client,
        run: RunFields,
        keys: list[str],
        min_step: int | None = None,
        max_step: int | None = None,
        page_size: int = 1000,
    ) -> None:
        super().__init__(client, run, min_step, max_step, page_size, keys)


def history_of(run: RunFields) -> HistorySet:
    """The history of a run, by the session of its client."""
    return run.model.history.using(run.client.session)


def sampled(history: HistorySet, samples: int, names: Sequence[str] | None) -> Iterator[tuple[str, list[Row]]]:
    """About ``samples`` rows of each run, with the short ids of the runs (empty for the history of one run).

    A server thins each key by itself, so that the keys of a row drift apart: where it left some out, several keys are
    read whole and thinned here.
    """
    count = samples_asked(samples)
    if names is None:
        yield from _by_run(history.glance(count))
        return
    rows = _columns(history, names)
    glance = rows.glance(count)
    try:
        found = list(_by_run(glance))
    except FieldError as error:  # of a key that no run has; in a loop over runs, some have it
        warn(str(error), UserWarning)
        return
    if len([name for name in names if name != "_step"]) > 1 and glance.is_sampled:
        found = [(run, list(_Whole(names).rows(iter(items)))) for run, items in _by_run(rows)]
        yield from ((run, _thinned(items, count)) for run, items in found)
        return
    yield from ((run, list(_Whole(names).rows(iter(items)))) for run, items in found)


def _by_run(rows: HistorySet) -> Iterator[tuple[str, list[Row]]]:
    if not rows.plan.many:
        yield "", list(rows)
        return
    for run, items in groupby(rows, key=lambda row: row["run"]):
        yield run, [{key: value for key, value in row.items() if key != "run"} for row in items]


def _thinned(rows: list[Row], count: int) -> list[Row]:
    """``count`` rows at even distances, with the first and the last."""
    if len(rows) <= count:
        return rows
    if count == 1:
        return rows[:1]
    return [rows[at * (len(rows) - 1) // (count - 1)] for at in range(count)]


def system_rows(run: RunFields, samples: int) -> list[Row]:
    """About ``samples`` rows of the system metrics."""
    count = samples_asked(samples)
    return _thinned(list(run.model.system_history.using(run.client.session)), count)


def pandas_frame(rows: Sequence[Mapping[str, Any]]) -> Any:
    """The rows as a pandas frame; as a list, with a warning, where pandas is not installed."""
    try:
        import pandas as pd
    except ImportError:
        warn("pandas is not installed, so history() gives a list of dicts; pandas=False says so", UserWarning)
        return list(rows)
    return pd.DataFrame.from_records(list(rows))
