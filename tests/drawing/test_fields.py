"""Receptive fields as grids: the inputs of a unit, in their places."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.fields import LEGEND


def fields(graph):
    """Read each grid: its cells with their fill, an input, and a weight or a space."""
    cell = (
        r'<TD[^>]*BGCOLOR="(#\w+)">(?:<FONT[^>]*>)?([^<]+)(?:</FONT>)?<BR/>(?:<FONT[^>]*>)?([^<]+)'
    )
    lines = [line for line in graph.source.splitlines() if "field_" in line and "<TABLE" in line]
    return [re.findall(cell, line) for line in lines]


def circles(graph):
    return graph.source.count("shape=circle")


def plane(n=3):
    return [[Value(10.0 * i + j, label=f"x{n * i + j + 1}") for j in range(n)] for i in range(n)]


def unit(xs, bias=0.5):
    w = [Value(-1.0 - i) for i, _ in enumerate(xs)]
    return tg.weighted_sum(w, xs, bias).relu()


def test_inputs_in_rows_are_one_grid_per_unit():
    x = plane()
    graph = tg.draw_units(unit([x[0][0], x[1][1]]), unit([x[2][2]]), inputs=x)
    first, second = fields(graph)
    assert [number for _, number, _ in first] == ["0", "1", "2", "10", "11", "12", "20", "21", "22"]
    seen = [(k, w) for k, (fill, _, w) in enumerate(first) if fill == theme.LEAF]
    assert seen == [(0, "−1"), (4, "−2")]
    assert {fill for k, (fill, _, _) in enumerate(first) if k not in (0, 4)} == {theme.PAPER}
    assert [k for k, (fill, _, _) in enumerate(second) if fill == theme.LEAF] == [8]
    assert circles(graph) == 3  # two units, and the bias unit
    assert LEGEND in graph.source


def test_elements_of_an_exploded_array_are_placed_by_label():
    x = Value(np.arange(72.0).reshape(2, 6, 6), label="x")
    w = Value(np.arange(36.0).reshape(2, 2, 3, 3) - 9, label="w")
    top = tg.explode(tg.max_pool2d(tg.conv2d(x, w), 2)[1, 1, 0])
    grids = fields(tg.draw_units(top))
    assert len(grids) == 4
    numbers = [int(number) for _, number, _ in grids[0]]
    block = np.arange(72).reshape(2, 6, 6)[:, 2:6, 0:4]
    assert numbers == block.reshape(-1).tolist()
    weights = [int(w.replace("−", "-")) for fill, _, w in grids[0] if fill == theme.LEAF]
    assert weights == list(range(9, 27))


def test_a_row_is_a_grid_too():
    x = Value(np.arange(8.0), label="x")[None]
    top = tg.explode(tg.conv1d(x, np.ones((2, 1, 5))).max())
    assert [len(cells) for cells in fields(tg.draw_units(top))] == [8] * 8
    assert circles(tg.draw_units(top)) == 9


@pytest.mark.parametrize(
    "given",
    [
        lambda x: tg.maximum(*x[0], unit(x[1])),  # not only sums use them
        lambda x: unit([*x[0], x[1][0] * 2.0]),
    ],
)
def test_inputs_that_other_units_use_are_circles(given):
    x = plane()
    graph = tg.draw_units(given(x), inputs=x)
    assert fields(graph) == []
    assert circles(graph) >= 10
    assert LEGEND not in graph.source


def test_large_planes_and_leaves_without_a_place_are_circles():
    assert fields(tg.draw_units(unit(plane(9)[0]), inputs=plane(9))) == []
    xs = [Value(1.0, label=f"x[{i}]") for i in range(30)]
    assert fields(tg.draw_units(unit(xs))) == []
    xs = [Value(1.0, label=f"x[{i % 5}, {i // 5}]") for i in range(30)]
    assert len(fields(tg.draw_units(unit(xs)))) == 1
    xs[7].label = "seven"
    assert fields(tg.draw_units(unit(xs))) == []


def test_a_place_without_an_input_is_empty():
    xs = [Value(1.0, label=f"x[{i % 5}, {i // 5}]") for i in range(29)]
    graph = tg.draw_units(unit(xs))
    assert graph.source.count("<TD></TD>") == 1


def test_a_field_inside_a_plane_starts_at_its_own_corner():
    xs = [Value(1.0, label=f"x[{2 + i // 5}, {3 + i % 5}]") for i in range(30)]
    graph = tg.draw_units(unit(xs))
    assert len(fields(graph)) == 1
    assert "<TD></TD>" not in graph.source
