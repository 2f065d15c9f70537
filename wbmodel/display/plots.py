"""Curves of histories as a figure of Matplotlib (extra ``plot``).

Matplotlib draws without a browser or a display, so the same figure is shown in a notebook and saved by a script; a
figure is made directly, so that nothing of ``pyplot``'s global state changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from wbmodel.errors import LibraryNotInstalled, QueryError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Curve", "LogAxes", "check_log", "figure_of", "reduced", "with_gaps"]

LogAxes = Literal["", "x", "y", "xy"]

POINTS = 2_000
"""The most points of a curve that are drawn: more than a figure has columns of pixels."""

GAP = 10
"""Two points are not joined if they are this many times as far apart as their neighbours."""

LABELS = 12
"""The most curves that a legend names."""


@attrs.frozen(slots=True)
class Curve:
    """One key of one run: values ``y`` at ``x``, in order. None and NaN are gaps. Curves of one ``group`` are drawn as
    their mean and spread."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    group: str | None = None


def figure_of(
    curves: Iterable[Curve], *, x_label: str, y_label: str, by: str | None = None, log: LogAxes = "", title: str = ""
) -> Figure:
    """The figure of some curves: a line for each, or with ``by`` a line for each group, with a band of one standard
    deviation around it. ``log`` names the logarithmic axes.

    Values that are not finite are marked at the lower edge. Raises
    :class:`~wbmodel.errors.LibraryNotInstalled` without Matplotlib.
    """
    check_log(log)
    figure = _new_figure()
    import numpy as np

    axes = figure.add_subplot()
    known = list(curves)
    if by is None:
        _draw_curves(axes, known)
    else:
        _draw_groups(axes, known)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title or (f"{y_label} by {by}" if by is not None else ""))
    # Zero and negative values have no place on a logarithmic axis; "mask" leaves a gap there.
    if "x" in log:
        axes.set_xscale("log", nonpositive="mask")
    if "y" in log:
        axes.set_yscale("log", nonpositive="mask")
    if not any(np.isfinite(_floats(curve.y)).any() for curve in known):
        axes.text(0.5, 0.5, "no finite values", ha="center", va="center", transform=axes.transAxes)
    axes.grid(visible=True, alpha=0.3)
    return figure


def check_log(log: object) -> None:
    """Raise :class:`~wbmodel.errors.QueryError` unless ``log`` names axes."""
    if log not in ("", "x", "y", "xy"):
        raise QueryError(f"log= names the logarithmic axes: '', 'x', 'y' or 'xy', not {log!r}")


def _new_figure() -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LibraryNotInstalled(
            'matplotlib is not installed, but plot() needs it; install it with: pip install "wbmodel[plot]"'
        ) from error

    class Plot(Figure):
        """A figure that notebooks show without ``%matplotlib inline``."""

        def _repr_png_(self) -> bytes:
            from io import BytesIO

            picture = BytesIO()
            self.savefig(picture, format="png")
            return picture.getvalue()

    figure = Plot(figsize=(9, 5), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    return figure


# -- curves ----------------------------------------------------------------------------------------


def _draw_curves(axes: Axes, curves: Sequence[Curve]) -> None:
    thin = len(curves) > LABELS
    for curve in curves:
        x, y = with_gaps(*reduced(_floats(curve.x), _floats(curve.y)))
        marker = "." if len(y) < 50 else ""
        style: dict[str, Any] = {"linewidth": 0.8 if thin else 1.4, "alpha": 0.6 if thin else 1.0, "marker": marker}
        (line,) = axes.plot(x, y, label=curve.label, **style)
        _mark_odd(axes, curve.x, curve.y, line.get_color())
    _name(axes, len(curves), "curves")


def _draw_groups(axes: Axes, curves: Sequence[Curve]) -> None:
    import numpy as np

    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(str(curve.group), []).append(curve)
    for label, members in groups.items():
        grid, values = _on_one_grid(members)
        if not len(grid):
            continue
        there = np.isfinite(values)
        counts = there.sum(axis=0)
        sums = np.where(there, values, 0.0).sum(axis=0)
        means = np.divide(sums, counts, out=np.full(len(grid), np.nan), where=counts > 0)
        squares = np.where(there, (values - means) ** 2, 0.0).sum(axis=0)
        spread = np.sqrt(np.divide(squares, counts, out=np.zeros(len(grid)), where=counts > 0))
        x, y = with_gaps(grid, means)
        (line,) = axes.plot(x, y, label=f"{label} ({len(members)})", linewidth=1.6)
        axes.fill_between(grid, means - spread, means + spread, color=line.get_color(), alpha=0.2, linewidth=0)
        for member in members:
            _mark_odd(axes, member.x, member.y, line.get_color())
    _name(axes, len(groups), "groups")


def _on_one_grid(members: Sequence[Curve]) -> tuple[Any, Any]:
    """The steps of all members, and each member's values there: between two of its own steps on the line that joins
    them, NaN in its gaps, before its first step and after its last."""
    import numpy as np

    points = []
    for member in members:
        x, y = _floats(member.x), _floats(member.y)
        if np.isfinite(y).any():
            order = np.argsort(x, kind="stable")
            points.append(with_gaps(x[order], y[order]))
    if not points:
        return np.array([]), np.array([[]])
    grid = np.unique(np.concatenate([x[np.isfinite(y)] for x, y in points]))
    if len(grid) > POINTS:
        grid = grid[np.linspace(0, len(grid) - 1, POINTS).round().astype(int)]
    rows = [np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in points]
    return grid, np.array(rows)


def _mark_odd(axes: Axes, x: Sequence[float], y: Sequence[float | None], color: Any) -> None:
    """Mark NaN and infinities at the lower edge of the axes, as they have no height."""
    import numpy as np

    odd = [x[at] for at in np.flatnonzero(~np.isfinite(_floats(y))).tolist() if y[at] is not None]
    if odd:
        shown = odd if len(odd) <= POINTS else odd[:: len(odd) // POINTS + 1]
        axes.plot(
            shown,
            [0.01] * len(shown),
            linestyle="",
            marker="x",
            color=color,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            gid="not finite",
        )


def _name(axes: Axes, count: int, what: str) -> None:
    if 1 < count <= LABELS:
        axes.legend(fontsize="small")
    elif count > LABELS:
        axes.text(0.99, 0.99, f"{count:,} {what}", ha="right", va="top", transform=axes.transAxes, fontsize="small")


# -- points ----------------------------------------------------------------------------------------


def _floats(values: Sequence[float | None]) -> Any:
    """As an array of floats, with NaN for None."""
    import numpy as np

    return np.array(values, dtype="float64")


def reduced(x: Any, y: Any, most: int = POINTS) -> tuple[Any, Any]:
    """At most ``most`` of the points, with every extreme: of each stretch the first, lowest, highest and last one, and
    one gap if it has any."""
    import numpy as np

    if len(x) <= most:
        return x, y
    borders = np.linspace(0, len(x), most // 5 + 1).astype(int)
    gone = ~np.isfinite(y)
    low, high = np.where(gone, np.inf, y), np.where(gone, -np.inf, y)
    kept: set[int] = set()
    for start, stop in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        extremes = (low[start:stop].argmin(), high[start:stop].argmax(), gone[start:stop].argmax())
        kept.update((start, stop - 1, *(start + int(at) for at in extremes)))
    chosen = np.array(sorted(kept))
    return x[chosen], y[chosen]


def with_gaps(x: Any, y: Any) -> tuple[Any, Any]:
    """The points with NaN where the line is interrupted: at values that are not finite, and between two points that are
    :data:`GAP` times as far apart as their neighbours."""
    import numpy as np

    y = np.where(np.isfinite(y), y, np.nan)
    if len(x) < 3:
        return x, y
    distances = np.diff(x)
    around = np.maximum(np.append(distances[1:], 0), np.insert(distances[:-1], 0, 0))
    far = np.flatnonzero((around > 0) & (distances > GAP * around)) + 1
    return np.insert(x, far, x[far] - distances[far - 1] / 2), np.insert(y, far, np.nan)
