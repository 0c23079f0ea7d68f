"""Pooling on a grid: texts, fills and outlines."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.grids import COLOURS, TAG
from tinygrad_pool.errors import DataError, OptionError, ShapeError


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_gid() != TAG]


def letters(axes):
    return [text.get_text() for text in axes.texts if text.get_gid() == TAG]


def boxes(axes):
    """List the outlines of windows: left, top, width and height, rounded to cells."""
    return [
        tuple(round(float(n)) for n in (*box.get_xy(), box.get_width(), box.get_height()))
        for box in outlines(axes)
    ]


def outlines(axes):
    return [box for box in axes.patches if box.get_linewidth() > 2 and not box.get_fill()]


def legend(figure):
    return figure._supxlabel.get_text().replace("\n", " ")


def test_cells_show_numbers_and_after_a_pass_gradients():
    x = Value([[1.0, 3.0], [2.0, 0.0]], label="x")
    y = tg.max_pool2d(x, 2)
    left, right = tg.draw_windows(y).axes
    assert (texts(left), texts(right)) == (["1", "3", "2", "0"], ["3"])
    y.backward([[5.0]])
    left, right = tg.draw_windows(y).axes
    assert texts(left) == ["1", "0", "3", "5", "2", "0", "0", "0"]
    assert texts(right) == ["3", "5"]


@pytest.mark.covered
def test_windows_have_letters():
    x = Value([[1.0, 9.0, 3.0, 4.0]], label="x")
    left, right = tg.draw_windows(tg.max_pool2d(x, (1, 2), stride=1)).axes
    assert (letters(left), letters(right)) == (["a b", "c"], ["a", "b", "c"])
    left, right = tg.draw_windows(tg.avg_pool2d(x, (1, 2))).axes
    assert (letters(left), letters(right)) == (["a", "b"], ["a", "b"])
    peak = Value(np.pad([[9.0]], 2), label="x")
    left, right = tg.draw_windows(tg.max_pool2d(peak, 3, stride=1)).axes
    assert letters(left) == ["a b c d…"]
    assert letters(tg.draw_windows(tg.max_pool1d(Value(np.eye(1, 12)), 1)).axes[1])[-1] == "l"
    many = letters(tg.draw_windows(tg.max_pool2d(Value(np.eye(12)), 2)).axes[1])
    assert many[25:28] == ["z", "aa", "ab"]


def test_a_dark_grid():
    y = tg.max_pool2d(Value(np.eye(4), label="x"), 2)
    y.backward(np.ones((2, 2)))
    light, dark = (tg.draw_windows(y, theme=name) for name in theme.THEMES)
    grounds = [to_hex(drawn.get_facecolor()) for drawn in (light, dark)]
    assert grounds == [theme.PAPER, theme.DARK[theme.PAPER]]
    before, after = ([text.get_color() for text in drawn.axes[0].texts] for drawn in (light, dark))
    assert theme.POSITIVE in before
    assert theme.DARK[theme.POSITIVE] in after
    assert not set(before) & set(after)
    with pytest.raises(OptionError, match="theme must be one of"):
        tg.draw_windows(y, theme="neon")


def test_the_winner_is_filled_with_its_windows_colour():
    y = tg.max_pool2d(Value([[1.0, 3.0, 9.0, 0.0], [2.0, 0.0, 0.0, 0.0]]), 2)
    figure = tg.draw_windows(y)
    left, right = figure.axes
    pale = [unit.get_facecolor() for unit in right.patches]
    cells = [cell.get_facecolor() for cell in left.patches[:8]]
    assert [i for i, fill in enumerate(cells) if fill in pale] == [1, 2]
    assert (cells[1], cells[2]) == tuple(pale)
    assert len(COLOURS) == len(set(COLOURS))
    assert "a filled cell won" in legend(figure)


def test_each_window_is_outlined_padding_included():
    y = tg.max_pool2d(Value(np.arange(16.0).reshape(4, 4)), 2, 2, 1)
    figure = tg.draw_windows(y)
    assert boxes(figure.axes[0])[:2] == [(-1, -1, 2, 2), (1, -1, 2, 2)]
    assert len(boxes(figure.axes[0])) == 9
    assert "dotted: padding" in legend(figure)


def test_a_window_beyond_the_edge_is_drawn_completely():
    figure = tg.draw_windows(tg.max_pool2d(Value(np.eye(3)), 2, ceil_mode=True))
    left = figure.axes[0]
    assert (2, 2, 2, 2) in boxes(left)
    for box in left.patches:
        assert box.get_x() + box.get_width() < left.get_xlim()[1]
        assert box.get_y() + box.get_height() < left.get_ylim()[0]
    assert "dotted: beyond the input" in legend(figure)
    assert "dotted" not in legend(tg.draw_windows(tg.max_pool2d(Value(np.eye(2)), 2)))


def test_of_many_overlapping_windows_one_is_outlined_and_wins_are_counted():
    x = np.zeros((4, 4))
    x[1, 1] = 9.0
    figure = tg.draw_windows(tg.max_pool2d(Value(x), 3, 1, 1))
    assert len(boxes(figure.axes[0])) == 1
    assert "×9" in texts(figure.axes[0])
    assert "the box is the first window" in legend(figure)
    assert "×2: it won two windows" in legend(figure)


def test_few_overlapping_windows_are_outlined():
    x = Value(np.arange(9.0).reshape(3, 3))
    assert len(boxes(tg.draw_windows(tg.max_pool2d(x, 2, 1)).axes[0])) == 4
    average = tg.draw_windows(tg.avg_pool2d(Value(np.ones((4, 4))), 2, 1))
    assert len(boxes(average.axes[0])) == 1  # nine would hide each other's letters


def test_cells_in_no_window_are_hatched():
    figure = tg.draw_windows(tg.max_pool2d(Value(np.ones((5, 5))), 2))
    hatched = [cell for cell in figure.axes[0].patches if cell.get_hatch()]
    assert len(hatched) == 9
    assert "hatched: in no window" in legend(figure)
    dilated = tg.draw_windows(tg.max_pool1d(Value(np.ones(3)), 2, dilation=2))
    assert [bool(cell.get_hatch()) for cell in dilated.axes[0].patches[:3]] == [False, True, False]


def test_averages_norms_and_adaptive_windows():
    x = Value(np.arange(1.0, 6.0), label="x")
    average = tg.draw_windows(tg.avg_pool1d(x, 2, 2))
    assert "a filled cell won" not in legend(average)
    assert texts(tg.draw_windows(tg.lp_pool1d(x, 1, 5)).axes[1]) == ["15"]
    adaptive = tg.draw_windows(tg.adaptive_max_pool1d(x, 3))
    assert boxes(adaptive.axes[0]) == [(0, 0, 2, 1), (1, 0, 3, 1), (3, 0, 2, 1)]
    assert adaptive.axes[0].get_title() == "x, 1 × 5"


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (1, 12)])
@pytest.mark.parametrize("pool", ["max_pool2d", "adaptive_max_pool2d"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_titles_and_the_legend_are_not_cut(size, pool, kernel):
    x = Value(np.ones(size), label="a feature map")
    kernel = min(kernel, *size)
    y = tg.max_pool2d(x, kernel, 1) if pool == "max_pool2d" else tg.adaptive_max_pool2d(x, kernel)
    y.backward(np.ones(y.shape))
    figure = tg.draw_windows(y)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    written = [figure._supxlabel, *(axes.title for axes in figure.axes)]
    places = [text.get_window_extent(canvas.get_renderer()) for text in written]
    assert all(place.x0 >= 0 and place.x1 <= figure.bbox.width for place in places)
    assert not any(a.overlaps(b) for a, b in combinations(places, 2))


@pytest.mark.parametrize(
    ("x", "options"),
    [
        ([[1e300, 2.0, -3.0], [1.0, 1.76, -0.0558], [0.0, -1.0, -2e-7]], {"kernel_size": 2}),
        ([[0.94, 0.05, 2.0, 0.19, -0.63, -0.38, -1.09]], {"kernel_size": (1, 3)}),
        (np.arange(144.0).reshape(12, 12) % 97, {"kernel_size": 5, "padding": 2}),
    ],
)
def test_numbers_and_letters_do_not_overlap(x, options):
    y = tg.max_pool2d(Value(x, label="x"), stride=1, **options)
    y.backward(np.resize([-1.5e-5, 1.0, 1.0, -0.0123], y.shape))
    figure = tg.draw_windows(y)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        written = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
        assert not any(a.overlaps(b) for a, b in combinations(written, 2))
    units = [box.get_window_extent() for box in axes.patches]
    assert all(any(u.x0 < t.x0 and t.x1 < u.x1 for u in units) for t in written)


def test_a_plane_is_chosen_by_its_index():
    x = Value(np.arange(16.0).reshape(2, 2, 2, 2))
    y = tg.max_pool2d(x, 2)
    assert texts(tg.draw_windows(y).axes[1]) == ["3"]
    drawn = tg.draw_windows(y, (1, 0)).axes
    assert texts(drawn[1]) == ["11"]
    assert [axes.get_title() for axes in drawn] == ["input[1, 0], 2 × 2", "max_pool2d, 1 × 1"]
    flat = tg.max_pool2d(x.reshape(4, 2, 2), 2)
    assert texts(tg.draw_windows(flat, 3).axes[1]) == ["15"]
    with pytest.raises(OptionError, match=r"plane must be an index into \(2, 2\), got \(2, 0\)"):
        tg.draw_windows(y, (2, 0))
    with pytest.raises(OptionError, match="got 1"):
        tg.draw_windows(y, 1)
    with pytest.raises(OptionError, match=r"leading axes of \(0,\) have no plane"):
        tg.draw_windows(tg.max_pool1d(Value(np.ones((0, 4))), 2))


def test_it_is_rendered_as_any_picture(tmp_path):
    y = tg.max_pool2d(Value(np.eye(4)), 2)
    path = tg.render(tg.draw_windows(y), tmp_path / "grid.svg")
    assert "<svg" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: tg.draw_windows(3.0), DataError, "draw_windows: needs a Value, got float"),
        (lambda: tg.draw_windows(Value(1.0)), OptionError, "needs a pooled Value, got the leaf"),
        (lambda: tg.draw_windows(Value(1.0).exp()), OptionError, "got the exp node"),
        (lambda: tg.draw_windows(tg.max_pool1d([1.0, 2.0], 2)), OptionError, "a pooled Value"),
        (
            lambda: tg.draw_windows(tg.max_pool2d(Value(np.ones((13, 3))), 2)),
            ShapeError,
            r"at most 12 cells on each, got \(13, 3\)",
        ),
        (
            lambda: tg.draw_windows(tg.max_pool3d(Value(np.ones((2, 2, 2))), 2)),
            ShapeError,
            r"one or two axes .*, got \(2, 2, 2\)",
        ),
    ],
)
def test_wrong_arguments_are_refused(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


def test_counts_and_letters_are_above_the_boxes_of_windows():
    figure = tg.draw_windows(
        tg.max_pool2d(tg.Value(np.arange(16.0).reshape(4, 4) % 7), 2, stride=1)
    )
    cells, _ = figure.axes
    highest_box = max(patch.get_zorder() for patch in cells.patches)
    assert min(text.get_zorder() for text in cells.texts) > highest_box


@pytest.mark.parametrize(
    "pooled",
    [
        lambda: tg.max_pool1d(tg.Value([0.752, 0.253, 0.896, -0.345, -1.482, -0.11]), 3, stride=1),
        lambda: tg.max_pool2d(tg.Value(np.arange(-8.0, 8).reshape(4, 4) % 7 / 9), 3, stride=1),
        lambda: tg.avg_pool2d(tg.Value(np.arange(-8.0, 1).reshape(3, 3) / 9), 2, stride=1),
    ],
)
def test_no_box_of_a_window_strikes_through_a_text(pooled):
    y = pooled()
    y.backward(np.full(y.shape, -0.123))
    figure = tg.draw_windows(y)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    cells = figure.axes[0]
    drawn = [box.get_window_extent() for box in outlines(cells)]
    assert len(drawn) == y.data.size
    for text in cells.texts:
        t = text.get_window_extent(canvas.get_renderer())
        assert all(not b.overlaps(t) or (b.x0 < t.x0 and t.x1 < b.x1) for b in drawn), text
        assert all(not b.overlaps(t) or (b.y0 < t.y0 and t.y1 < b.y1) for b in drawn), text


def test_both_sides_are_called_by_their_labels_or_variables():
    x = tg.Value(np.eye(4), label="x₁")
    y = tg.max_pool2d(x, 2)
    titles = [axes.get_title() for axes in tg.draw_windows(y, names=locals()).axes]
    assert titles == ["x₁, 4 × 4", "y, 2 × 2"]
    y.label = "z"
    assert tg.draw_windows(y, names=locals()).axes[1].get_title() == "z, 2 × 2"
