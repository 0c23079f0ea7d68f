"""Plots, computed through the engine."""

import sys
from functools import partial

import numpy as np
import pytest

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.plots import decision_boundary, kink, loss_curve
from tinygrad_pool.errors import OptionError, ToolError


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
def test_every_plot_may_be_dark():
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
