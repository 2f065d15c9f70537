"""Figures of histories, looked at as images."""

from __future__ import annotations

import math
import random
from io import BytesIO
from typing import Any

import pytest

from wbmodel.display.plots import POINTS, Curve, figure_of, reduced, with_gaps
from wbmodel.errors import QueryError

np = pytest.importorskip("numpy")
pytest.importorskip("matplotlib")
NAN = math.nan


def picture(figure: Any) -> Any:
    """The pixels of a figure, as rows of (red, green, blue)."""
    from matplotlib.image import imread

    shown = BytesIO(figure._repr_png_())
    return imread(shown)[..., :3]


def places(pixels: Any, color: str, tolerance: float = 0.05) -> Any:
    """The rows and columns of the pixels of a color."""
    from matplotlib.colors import to_rgb

    return np.argwhere((abs(pixels - np.array(to_rgb(color))) < tolerance).all(axis=-1))


def column_of(figure: Any, x: float) -> int:
    """The column of pixels where a value of the x axis is drawn."""
    figure.canvas.draw()
    return int(figure.axes[0].transData.transform((x, figure.axes[0].get_ylim()[0]))[0])


FIRST, SECOND = "C0", "C1"


def test_a_curve_falls_from_left_to_right() -> None:
    figure = figure_of([Curve("a", range(100), [100 - at for at in range(100)])], x_label="_step", y_label="loss")
    drawn = places(picture(figure), FIRST)
    left, right = drawn[drawn[:, 1].argmin()], drawn[drawn[:, 1].argmax()]
    assert right[1] - left[1] > 600, "it spans the axes"
    assert right[0] - left[0] > 300, "rows count from the top"
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_legend()) == ("_step", "loss", None)


def test_nan_leaves_a_gap_and_is_marked() -> None:
    values = [1.0 if not 40 <= at < 60 else NAN for at in range(100)]
    figure = figure_of([Curve("a", range(100), values)], x_label="_step", y_label="loss")
    drawn = places(picture(figure), FIRST)
    inside = drawn[abs(drawn[:, 1] - column_of(figure, 50)) < 3]
    line = drawn[abs(drawn[:, 1] - column_of(figure, 20)) < 3][:, 0]
    assert len(line), "there is a line at step 20"
    assert len(inside), "the values that are not finite are marked"
    assert (inside[:, 0] > line.max() + 50).all(), "the marks are at the lower edge, and no line is in the gap"


def test_missing_values_leave_a_gap_without_a_mark() -> None:
    values = [1.0 if not 40 <= at < 60 else None for at in range(100)]
    figure = figure_of([Curve("a", range(100), values)], x_label="_step", y_label="loss")
    drawn = places(picture(figure), FIRST)
    assert not len(drawn[abs(drawn[:, 1] - column_of(figure, 50)) < 3])
    assert len(drawn[abs(drawn[:, 1] - column_of(figure, 20)) < 3])


def test_steps_that_nobody_logged_are_a_gap() -> None:
    steps = [*range(100), *range(900, 1000)]
    figure = figure_of([Curve("a", steps, [1.0] * 200)], x_label="_step", y_label="loss")
    drawn = places(picture(figure), FIRST)
    assert not len(drawn[abs(drawn[:, 1] - column_of(figure, 500)) < 20])
    assert len(drawn[abs(drawn[:, 1] - column_of(figure, 50)) < 5])


def test_growing_distances_are_not_gaps() -> None:
    steps = [float(2**at) for at in range(12)]
    x, _ = with_gaps(np.array(steps), np.ones(12))
    assert x.tolist() == steps


def test_groups_are_a_mean_with_a_band() -> None:
    curves = [Curve(f"r{at}", range(50), [float(at)] * 50, "adam" if at < 4 else "sgd") for at in range(8)]
    figure = figure_of(curves, x_label="_step", y_label="loss", by="config.optimizer")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["adam (4)", "sgd (4)"]
    means = [line.get_ydata()[0] for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert means == [1.5, 5.5]
    low, high = axes.collections[0].get_datalim(axes.transData).intervaly
    assert (low, high) == pytest.approx((1.5 - math.sqrt(1.25), 1.5 + math.sqrt(1.25)))
    pixels = picture(figure)
    assert len(places(pixels, FIRST)) > 100
    assert len(places(pixels, SECOND)) > 100


def test_a_group_takes_only_the_runs_that_reached_a_step() -> None:
    curves = [Curve("short", range(10), [0.0] * 10, "g"), Curve("long", range(20), [2.0] * 20, "g")]
    figure = figure_of(curves, x_label="_step", y_label="loss", by="group")
    line = next(line for line in figure.axes[0].lines if line.get_label() == "g (2)")
    found = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
    assert (found[5], found[15]) == (1.0, 2.0)


@pytest.mark.parametrize("log", ["x", "y", "xy"])
def test_logarithmic_axes_take_zero_and_negative_values(log: Any) -> None:
    figure = figure_of(
        [Curve("a", range(-5, 50), [at / 10 for at in range(-5, 50)])], x_label="s", y_label="l", log=log
    )
    axes = figure.axes[0]
    assert ("x" in log, "y" in log) == (axes.get_xscale() == "log", axes.get_yscale() == "log")
    assert len(places(picture(figure), FIRST)) > 100


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(QueryError, match="'z'"):
        figure_of([], x_label="s", y_label="l", log="z")  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[], [NAN, math.inf], [None]])
def test_without_a_finite_value_it_says_so(values: list[Any]) -> None:
    figure = figure_of([Curve("a", range(len(values)), values)], x_label="_step", y_label="loss")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no finite values"]
    assert picture(figure).shape[0] > 100


def test_long_curves_keep_their_spikes_and_gaps() -> None:
    values = [random.Random(at).random() for at in range(100_000)]
    values[77_777], values[5], values[50_001] = 9.0, -9.0, NAN
    x, y = reduced(np.arange(100_000.0), np.array(values))
    assert len(x) <= POINTS
    assert dict(zip(x.tolist(), y.tolist(), strict=True)).items() >= {77_777.0: 9.0, 5.0: -9.0}.items()
    assert math.isnan(dict(zip(x.tolist(), y.tolist(), strict=True))[50_001.0])
    assert (np.diff(x) > 0).all()
    assert (x[0], x[-1]) == (0.0, 99_999.0)


def test_many_curves_have_no_legend_but_a_count() -> None:
    curves = [Curve(f"r{at}", range(5), [float(at)] * 5) for at in range(40)]
    axes = figure_of(curves, x_label="_step", y_label="loss").axes[0]
    assert axes.get_legend() is None
    assert [text.get_text() for text in axes.texts] == ["40 curves"]
