"""Small pictures of arrays: which cells are drawn, in which colours."""

import re

import numpy as np
import pytest

from tinygrad_pool import Value
from tinygrad_pool.drawing.heat import colour, heat, magnitudes


def cells(picture):
    return re.findall(r'<TD (?:BORDER="1" COLOR="#\w{6}" )?BGCOLOR="(#\w{6})"', picture)


def test_one_square_per_element_blue_above_0_and_orange_below():
    assert cells(heat(np.array([[2.0, -2.0, 0.0]]))) == ["#0072b2", "#b84a00", "#ffffff"]


def test_cells_below_0_have_a_rim_too_the_darker_the_larger():
    rims = re.findall(
        r'<TD BORDER="1" COLOR="(#\w{6})"', heat(np.array([[2.0, -2.0], [-1.0, -0.0]]))
    )
    assert rims == ["#222222", "#909090"]


def test_the_largest_magnitude_is_the_darkest_and_half_of_it_is_halfway():
    assert cells(heat(np.array([[4.0, 2.0], [-2.0, 0.0]]))) == [
        "#0072b2",
        "#80b8d8",
        "#dca480",
        "#ffffff",
    ]


def test_infinite_cells_are_darkest_and_nan_has_a_colour_of_its_own():
    with np.errstate(all="raise"):
        shown = cells(heat(np.array([[np.inf, -np.inf, np.nan, 1.0]])))
    assert shown == ["#0072b2", "#b84a00", "#a8326e", "#0072b2"]


def test_numbers_beyond_doubles_are_divided_before_they_become_doubles():
    most = np.finfo(np.longdouble).max  # infinite as a double, where long doubles are longer
    with np.errstate(all="raise"):
        assert cells(heat(np.array([[most, -np.inf, most / 2]]))) == [
            "#0072b2",
            "#b84a00",
            "#80b8d8",
        ]


def test_boxes_are_shaded_by_gradients_that_are_any_number_of_decades_apart():
    small, middle, large = (Value(1.0) for _ in range(3))
    beyond = Value(np.ones(1, np.longdouble))
    for leaf, g in ((small, 1e-300), (middle, 1.0), (large, 1e300)):
        leaf.grad = g
    beyond.grad = np.full(1, np.inf)
    fills, legend = magnitudes([small, middle, large, beyond])
    shares = [int(fills[leaf][1:3], 16) for leaf in (small, middle, large)]
    assert shares == pytest.approx([244, 211, 178], abs=2)
    assert beyond not in fills
    assert legend == ["shaded by |grad|, from 1e-300 (faint) to 1e+300"]


def test_gradients_of_one_size_have_one_shade():
    a, b = Value(2.0), Value(3.0)
    (a + b).backward()
    fills, legend = magnitudes([a, b])
    assert len({*fills.values()}) == 1
    assert legend == ["shaded by |grad|, which is 1"]


def test_a_plane_of_zeros_is_white():
    assert set(cells(heat(np.zeros((2, 3))))) == {"#ffffff"}


@pytest.mark.parametrize(
    "shape", [(), (5,), (17, 2), (2, 17), (1, 1), (0, 4), (3, 1, 1), (2, 0, 4, 4)]
)
def test_arrays_without_planes_or_with_large_ones_have_no_heat_map(shape):
    assert heat(np.ones(shape)) == ""


@pytest.mark.parametrize(
    ("shape", "planes", "rest"),
    [
        ((3, 2, 2), 3, ""),
        ((2, 4, 3, 3), 4, "+4"),
        ((9, 2, 2), 4, "+5"),
        ((8, 16, 16), 1, "+7"),
        ((1, 1, 16, 16), 1, ""),
    ],
)
def test_the_first_planes_are_drawn_and_the_rest_counted(shape, planes, rest):
    picture = heat(np.ones(shape))
    assert len(cells(picture)) == planes * shape[-2] * shape[-1]
    assert re.findall(r"\+\d+", picture) == ([rest] if rest else [])


def test_a_small_plane_has_larger_squares():
    assert 'WIDTH="15" HEIGHT="15"' in heat(np.ones((2, 2)))
    assert 'WIDTH="5" HEIGHT="5"' in heat(np.ones((8, 8)))


def test_subnormal_numbers_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        assert cells(heat(np.array([[5e-324, 0.0]]))) == ["#0072b2", "#ffffff"]


@pytest.mark.parametrize(("share", "shown"), [(2.0, "#0072b2"), (-9.0, "#b84a00")])
def test_a_share_beyond_1_is_not_darker(share, shown):
    assert colour(share) == shown
