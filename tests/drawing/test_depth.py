"""|grad| by depth, on a log scale."""

import pytest
from matplotlib.colors import to_hex

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.depth import TICKS, by_depth
from tinygrad_pool.errors import OptionError

SIZES = [1.0, 0.5, 1e-3, 1e-4]


def test_the_path_its_names_and_its_sharpest_step():
    figure = by_depth(SIZES, {0: "E", 2: "h1", 3: "h0"}, [(1, 2, "h2 → h1, × 0.002")], "a title")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["h0", "h1", "E"]
    assert list(axes.lines[1].get_xdata()) == [1, 2]
    assert [(text.get_text(), text.xyann) for text in axes.texts] == [("1", (10, 4))]
    assert axes.get_legend().get_title().get_text() == "sharpest steps"
    assert axes.get_legend().get_texts()[0].get_text() == "1: h2 → h1, × 0.002"


def test_the_number_stands_below_a_line_that_rises():
    (axes,) = by_depth(SIZES[::-1], {}, [(0, 3, "E → x")], "a title").axes
    assert axes.texts[0].xyann == (10, -14)


def test_without_names_and_steps_there_is_a_line():
    (axes,) = by_depth(SIZES, {}, [], "a title").axes
    assert len(axes.lines) == 1
    assert axes.get_legend() is None


def test_of_many_names_some_are_written_the_last_one_too():
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
