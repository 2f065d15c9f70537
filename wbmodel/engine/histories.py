"""Switches for histories: how they are answered (:class:`Histories`), and what is exported (:class:`Exports`)."""

from __future__ import annotations

from typing import Any, Literal

import attrs

__all__ = ["Exports", "Histories"]


def _at_least(lowest: int) -> Any:
    return attrs.validators.optional(attrs.validators.ge(lowest))


@attrs.frozen(slots=True, kw_only=True)
class Histories:
    """How ``history``, ``sampledHistory``, ``events`` and ``historyLineCount`` are answered, for
    ``Dialect(histories=...)``.

    The defaults: no cap; more rows than ``samples`` are thinned to exactly that many, evenly, with the first and the
    last; rows come by step, those of one step in the order in which they were logged; rows are whole.
    """

    max_samples: int | None = attrs.field(default=None, validator=_at_least(1))
    """The most rows of one answer; a larger or missing ``samples`` is reduced to it."""

    thinning: Literal["evenly", "random", "buckets"] = "evenly"
    """How rows are picked where there are too many. ``random``: other rows in each answer. ``buckets``: the last row of
    each of ``samples`` equal ranges of steps, so fewer rows where steps are sparse or repeat."""

    thinned_to: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    """How many rows a thinned answer has, as a multiple of ``samples``: 524 for 500 were seen."""

    segments: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    """A forked run: its rows are in so many segments, each is sampled by itself and the answers are put together, so
    there may be ``segments`` times as many rows as ``samples``."""

    repeats: Literal["kept", "merged"] = "kept"
    """``merged``: rows of one step are shown as one, whose keys are those of all of them, the last value each."""

    order: Literal["steps", "shuffled"] = "steps"
    """``shuffled``: the rows of an answer come in another order each time."""

    width_one: bool = True
    """If False, ``history`` of a window of one step (``maxStep`` = ``minStep`` + 1) comes back empty, as seen."""

    max_row_keys: int | None = attrs.field(default=None, validator=_at_least(1))
    """``history`` cuts rows with more keys than this, unless ``maxKeyLimit`` lets more through. ``_step`` stays."""

    count: Literal["lines", "rows", "late", "null"] = "lines"
    """What ``historyLineCount`` counts. ``lines``: the highest line number + 1, so missing lines too. ``rows``: those
    that are there. ``late``: lines, but :attr:`late_rows` fewer, the first :attr:`late_times` times that it is
    asked of a run. ``null``: nothing."""

    late_rows: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    """See :attr:`count`."""

    late_times: int = attrs.field(default=2, validator=attrs.validators.ge(1))
    """See :attr:`count`."""

    seed: int = 0
    """The seed for what is random."""

    @property
    def steady(self) -> bool:
        """Whether equal requests have equal answers, as long as nothing changes."""
        return self.thinning != "random" and self.order == "steps" and self.count != "late"

    @classmethod
    def hostile(cls, seed: int = 0) -> Histories:
        """Behaviour that a client must not rely on to be absent. It can read all rows nevertheless: by ranges of steps,
        or, where a step has more rows than an answer, it sees by the count that it did not. So a count is never late
        here, because one that is too low would pass for complete in an answer that was cut."""
        from random import Random

        pick = Random(seed)
        return cls(
            max_samples=pick.choice((50, 100, 1000)),
            thinning=pick.choice(("evenly", "random", "buckets")),
            thinned_to=pick.choice((0.8, 1.0, 1.048)),
            segments=pick.choice((1, 2)),
            order="shuffled",
            width_one=False,
            max_row_keys=pick.choice((5, 20)),
            count=pick.choice(("lines", "rows", "null")),
            seed=seed,
        )


@attrs.frozen(slots=True)
class Exports:
    """Which rows a server has exported, for ``Dialect(exports=...)``. Needs pyarrow. Only a server exports: in process,
    histories are read as columns, and no URL of a file could be opened."""

    until: int
    """Rows with ``_step < until`` are exported; the others are live."""

    files: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    """The number of files, each of a range of steps; fewer if there are fewer rows."""

    overlap: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    """So many rows at the end of each file are also in the next one, and those of the last are also live."""

    stale: bool = False
    """The last file lacks its last two rows, which are not live either: they were logged after the export."""

    rows: Literal["shuffled", "sorted"] = "shuffled"
    """The order of rows in a file. W&B's own reader sorts them; wandb 0.31.0 loses rows of files that are not sorted by
    step (seen)."""

    expires: float | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(0)))
    """The seconds after which a URL is refused with 403; None: never, as long as the server runs."""

    seed: int = 0
    """The seed for the order of rows in a file."""
