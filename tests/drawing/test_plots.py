"""Plots, computed through the engine."""

import sys
from functools import partial

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.plots import TICKS, by_depth, decision_boundary, kink, loss_curve
from tinygrad_pool.errors import OptionError, ToolError

SIZES = [1.0, 0.5, 1e-3, 1e-4]


def test_f3_is_flat_then_the_identity_with_slopes_zero_and_one():
    above, below = kink(x2=0.5).axes
    x1, y = above.lines[0].get_data()
    assert np.array_equal(y, np.maximum(x1, 0.5))
    (left, _), (right, _) = (below.lines[0], below.lines[1]), (below.lines[2], below.lines[3])
    assert set(left.get_ydata()) == {0.0}
    assert set(right.get_ydata()) == {1.0}
    assert left.get_xdata().max() < 0.5 < right.get_xdata().min()
    assert [text.get_text() for text in below.texts] == ["from the left: 0", "from the right: 1"]
    assert [text.xy for text in below.texts] == [(0.5, 0.0), (0.5, 1.0)]
    assert below.texts[0].get_position()[1] > 0 > below.texts[1].get_position()[1]  # between them


def test_a_loss_curve_shows_every_epoch():
    (only,) = loss_curve([3.0, 2.0, 1.0]).axes
    assert list(only.lines[0].get_ydata()) == [3.0, 2.0, 1.0]
    assert all(tick == round(tick) for tick in only.get_xticks())
    _, below = loss_curve([3.0, 2.0], [0.5, 0.9]).axes
    assert list(below.lines[0].get_ydata()) == [50.0, 90.0]


def test_a_decision_boundary_shows_points_of_both_classes():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    (axes,) = decision_boundary(lambda p: p[0] - 0.5, points, np.array([-1, 1, 1])).axes
    shown = [len(c.get_offsets()) for c in axes.collections if c.get_offsets().shape[0] < 3]
    assert shown[-2:] == [1, 2]


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tinygrad_pool.drawing.figure", None)
    with pytest.raises(ToolError, match=r"pip install 'tinygrad_pool\[plot\]'"):
        kink()


@pytest.mark.covered
def test_dark_plots():
    from matplotlib.colors import to_hex

    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    labels = np.array([-1, 1])
    for plot in (
        kink,
        partial(loss_curve, [2.0, 1.0], [0.5, 0.9]),
        partial(decision_boundary, lambda p: p[0] - 0.5, points, labels),
    ):
        light, dark = (plot(theme=name) for name in theme.THEMES)
        grounds = [to_hex(figure.get_facecolor()) for figure in (light, dark)]
        assert grounds == [theme.PAPER, theme.DARK[theme.PAPER]]
        assert to_hex(dark.axes[0].xaxis.label.get_color()) == theme.DARK[theme.INK]
        with pytest.raises(OptionError, match="theme must be one of"):
            plot(theme="neon")
    point = kink(theme="dark").axes[1].lines[1]
    assert to_hex(point.get_markerfacecolor()) == theme.DARK[theme.PAPER]
    assert to_hex(point.get_markeredgecolor()) == theme.DARK[theme.INK]


# -- |grad| by depth, on a log scale


def test_by_depth_shows_the_path_names_and_the_sharpest_step():
    figure = by_depth(SIZES, {0: "E", 2: "h1", 3: "h0"}, [(1, 2, "h2 → h1, × 0.002")], "a title")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["h0", "h1", "E"]
    assert list(axes.lines[1].get_xdata()) == [1, 2]
    assert [(text.get_text(), text.xyann) for text in axes.texts] == [("1", (10, 4))]
    assert axes.get_legend().get_title().get_text() == "sharpest steps"
    assert axes.get_legend().get_texts()[0].get_text() == "1: h2 → h1, × 0.002"


def test_the_number_is_below_a_line_that_rises():
    (axes,) = by_depth(SIZES[::-1], {}, [(0, 3, "E → x")], "a title").axes
    assert axes.texts[0].xyann == (10, -14)


def test_without_names_and_steps_there_is_a_line():
    (axes,) = by_depth(SIZES, {}, [], "a title").axes
    assert len(axes.lines) == 1
    assert axes.get_legend() is None


def test_of_many_names_some_are_written_including_the_last():
    names = {i: f"h{i}" for i in range(100)}
    (axes,) = by_depth([1.0] * 100, names, [], "a title").axes
    written = [text.get_text() for text in axes.get_xticklabels()]
    assert len(written) <= TICKS
    assert written[0] == "h99"


def test_in_the_dark_every_colour_is_that_of_the_dark():
    figure = by_depth(SIZES, {0: "E"}, [(0, 1, "E → h")], "a title", "dark")
    (axes,) = figure.axes
    paper, ink = theme.DARK[theme.PAPER], theme.DARK[theme.INK]
    assert to_hex(figure.get_facecolor()) == to_hex(axes.get_facecolor()) == paper
    assert axes.lines[0].get_color() == axes.yaxis.label.get_color() == ink
    assert axes.lines[1].get_color() == theme.DARK[theme.LIT]
    with pytest.raises(OptionError, match="theme must be one of 'light', 'dark', got 'blue'"):
        by_depth(SIZES, {}, [], "a title", "blue")
