"""What is drawn of a history set: the curve of each key of each run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.errors import QueryError
from wbmodel.query.f import PathExpr
from wbmodel.query.histories import RUN, STEP, Histories

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wbmodel.display.plots import Curve, LogAxes

__all__ = ["Drawing"]

_NAME = "run.name"


@attrs.frozen(slots=True, kw_only=True)
class Drawing:
    """What to draw: ``keys`` over ``x``, a curve per run and key, or with ``by`` one per group and key."""

    keys: tuple[str, ...]
    x: str = STEP
    by: str | None = None
    log: LogAxes = ""
    title: str = ""

    @classmethod
    def of(cls, plan: Histories, keys: Sequence[str | PathExpr], by: Any, x: Any, log: Any, title: str) -> Drawing:
        """Check what was asked for. Raises :class:`~wbmodel.errors.QueryError`."""
        from wbmodel.display.plots import check_log

        check_log(log)
        if not keys:
            raise QueryError('plot() takes the keys to draw, as in plot("loss")')
        if plan.stream == "console":
            raise QueryError("plot() draws numbers, and the console has lines of text")
        if plan.is_long:
            raise QueryError("plot() must come before long(), whose rows are keys and values")
        if by is not None and not plan.many:
            raise QueryError("plot(by=) groups runs, and this is one run; use it on a query: Run.objects.all().history")
        names = [key.dotted if isinstance(key, PathExpr) else key for key in (*keys, x)]
        group = by.dotted if isinstance(by, PathExpr) else by
        if group is not None and not str(group).startswith(("config.", "summary.", "run.")):
            raise QueryError(f"plot(by={by!r}) takes a field of the runs: config.lr, run.group, run.state")
        default = STEP if plan.stream == "history" else "_runtime"
        return cls(keys=tuple(names[:-1]), x=names[-1] or default, by=group, log=log, title=title)

    def columns(self, plan: Histories) -> tuple[str, ...]:
        """The names for ``values()``."""
        fields = (_NAME, *([self.by] if self.by is not None else [])) if plan.many else ()
        return tuple(dict.fromkeys((*fields, self.x, *self.keys)))

    def figure(self, rows: Iterable[dict[str, Any]]) -> Figure:
        """The figure of some rows, which have these columns."""
        from wbmodel.display.plots import figure_of

        label = self.keys[0] if len(self.keys) == 1 else ""
        return figure_of(self.curves(rows), x_label=self.x, y_label=label, by=self.by, log=self.log, title=self.title)

    def curves(self, rows: Iterable[dict[str, Any]]) -> list[Curve]:
        """The curves of some rows. Values that are not numbers are left out."""
        from wbmodel.display.plots import Curve

        points: dict[tuple[Any, str], tuple[list[float], list[float]]] = {}
        for row in rows:
            x = _number(row.get(self.x))
            if x is None:
                continue
            run = (row.get(RUN), row.get(_NAME), row.get(self.by) if self.by is not None else None)
            for key in self.keys:
                y = _number(row.get(key))
                if y is not None:
                    xs, ys = points.setdefault((run, key), ([], []))
                    xs.append(x)
                    ys.append(y)
        names = [(run[0], run[1]) for run, _ in points]
        twice = {name for _, name in names if len({run for run, other in names if other == name}) > 1}
        made = []
        for (run, key), (xs, ys) in points.items():
            called = run[1] if run[1] and run[1] not in twice else " ".join(filter(None, (run[1], run[0])))
            several = [key] if len(self.keys) > 1 else []
            label = " ".join([*([called] if called else []), *several]) or key
            group = None if self.by is None else " ".join([_shown(run[2]), *several])
            made.append(Curve(label, xs, ys, group))
        return made


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _shown(value: Any) -> str:
    return "(none)" if value is None else str(value)
