import re
from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.convolution import conv
from tinygrad_pool.rules.windows import windows_of

GRID = {
    # lead, channels, space, filters, kernel, options
    "plain": ((2,), 3, (4, 5), 2, (2, 3), {}),
    "one image": ((), 1, (3, 3), 1, (2, 2), {}),
    "two leading axes": ((2, 2), 1, (3, 3), 2, (2, 2), {}),
    "stride, padding": ((1,), 2, (5, 4), 3, (3, 2), {"stride": (2, 1), "padding": (1, 2)}),
    "uneven padding": ((1,), 1, (4, 3), 2, (2, 2), {"padding": ((2, 0), (0, 1))}),
    "padding wider than kernel": ((1,), 1, (2, 3), 2, (1, 1), {"padding": 2}),
    "dilation": ((1,), 2, (5, 6), 2, (2, 3), {"dilation": (3, 2)}),
    "gaps": ((1,), 1, (6, 6), 1, (2, 2), {"stride": 4}),
    "groups": ((2,), 4, (3, 3), 6, (2, 2), {"groups": 2}),
    "depthwise": ((1,), 3, (4, 4), 3, (3, 3), {"groups": 3, "padding": 1}),
    "one axis": ((2,), 2, (6,), 2, (3,), {"padding": 1}),
    "three axes": ((1,), 2, (3, 4, 3), 2, (2, 3, 1), {"stride": (1, 2, 1), "padding": (0, 1, 0)}),
    "empty batch": ((0,), 2, (4, 4), 3, (2, 2), {}),
    "no channels": ((2,), 0, (3, 3), 2, (2, 2), {}),
    "no filters": ((2,), 2, (3, 3), 0, (2, 2), {}),
}
every_grid = pytest.mark.parametrize("grid", GRID.values(), ids=GRID)


def operands(lead, channels, space, filters, kernel, options):
    shapes = (*lead, channels, *space), (filters, channels // options.get("groups", 1), *kernel)
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in (*shapes, (filters,))]


def read(kernel, groups=1, stride=1, padding=0, dilation=1):
    ndim = len(kernel)
    windows = windows_of(f"conv{ndim}d", ndim, kernel, stride, padding, dilation)
    return {"windows": windows, "groups": groups}


@every_grid
def test_a_convolution_equals_loops(grid, windows_by_hand):
    x, w, b = operands(*grid)
    options = read(grid[4], **grid[5])
    y, closure = conv(x, w, b, **options)
    g = np.random.default_rng(1).standard_normal(y.shape)
    count, places = windows_by_hand(grid[2], *options["windows"][1:])
    assert y.shape == (*grid[0], grid[3], *count)

    expected, to_x, to_w = np.zeros(y.shape), np.zeros(x.shape), np.zeros(w.shape)
    for n, f in np.ndindex(int(np.prod(grid[0])), grid[3]):
        lead = np.unravel_index(n, grid[0]) if grid[0] else ()
        group = f // (grid[3] // options["groups"])
        for o, window in zip(np.ndindex(count), places, strict=True):
            expected[(*lead, f, *o)] = b[f]
            taps = zip(np.ndindex(grid[4]), window, strict=True)
            for c, (i, at) in product(range(w.shape[1]), taps):
                if not all(0 <= a < size for a, size in zip(at, grid[2], strict=True)):
                    continue
                cell = (*lead, group * w.shape[1] + c, *at)
                expected[(*lead, f, *o)] += w[(f, c, *i)] * x[cell]
                to_w[(f, c, *i)] += g[(*lead, f, *o)] * x[cell]
                to_x[cell] += g[(*lead, f, *o)] * w[(f, c, *i)]
    to_b = np.moveaxis(g, len(grid[0]), 0).reshape(grid[3], -1 if g.size else 0).sum(axis=1)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    for actual, expected in zip(closure(g), (to_x, to_w, to_b), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-12, strict=True)


@pytest.mark.long
@every_grid
def test_a_convolution_has_first_and_second_derivatives(
    grid, check_gradient, check_second_derivative
):
    options = read(grid[4], **grid[5])

    def f(*xs):
        return tg.lift(conv)(*xs, **options)

    check_gradient(f, *operands(*grid))
    check_second_derivative(f, *operands(*grid), rtol=1e-4, atol=1e-6)


def test_unwanted_contributions_are_none():
    x, w, b = operands(*GRID["plain"])
    options = read((2, 3))
    y, closure = conv(x, w, b, **options, wants=(False, True, True))
    assert closure(y)[0] is None
    y, closure = conv(x, w, **options, wants=(True, False))
    assert [c is None for c in closure(y)] == [False, True]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_convolution_keeps_its_dtype(dtype):
    x, w, b = (v.astype(dtype) for v in operands(*GRID["groups"]))
    y, closure = conv(x, w, b, **read((2, 2), groups=2))
    assert [v.dtype for v in (y, *closure(y))] == [dtype] * 4


@pytest.mark.parametrize(
    ("x", "w", "b", "groups", "error", "message"),
    [
        (
            (3, 3),
            (1, 1, 2, 2),
            None,
            1,
            ShapeError,
            "needs an input (..., channels, height, ",
        ),
        (
            (2, 3, 3),
            (1, 1, 2, 2),
            None,
            1,
            ShapeError,
            "a weight of shape (1, 1, 2, 2) with groups=1 needs 1 channel, got 2 in",
        ),
        ((4, 3, 3), (2, 1, 2, 2), None, 2, ShapeError, "groups=2 needs 2 channels, got 4"),
        ((3, 3, 3), (2, 1, 2, 2), None, 2, OptionError, "groups=2 must divide 3 input channels"),
        (
            (2, 3, 3),
            (3, 1, 2, 2),
            None,
            2,
            OptionError,
            "groups=2 must divide 2 input channels and 3 filters",
        ),
        (
            (1, 3, 3),
            (2, 1, 2, 2),
            (3,),
            1,
            ShapeError,
            "bias of 2 filters needs shape (2,), got (3,)",
        ),
        (
            (1, 3, 3),
            (2, 1, 2, 2),
            (2, 1),
            1,
            ShapeError,
            "bias of 2 filters needs shape (2,), got (2, 1)",
        ),
        (
            (1, 3, 1),
            (1, 1, 2, 2),
            None,
            1,
            ShapeError,
            "is longer than an axis of 1 with padding 0 + 0",
        ),
        ((1, 3, 3), (1, 1, 2, 2), None, 0, OptionError, "groups must be at least 1, got 0"),
        ((1, 3, 3), (1, 1, 2, 2), None, 1.0, OptionError, "groups must be an integer, got 1.0"),
        (
            (1, 3, 3),
            (1, 1, 2, 2),
            None,
            np.nan,
            OptionError,
            "groups must be an integer, got nan",
        ),
        ((1, 3, 3), (1, 1, 2, 2), None, "1", OptionError, "groups must be an integer, got '1'"),
    ],
)
def test_invalid_convolutions_are_named(x, w, b, groups, error, message):
    biases = [] if b is None else [np.ones(b)]
    with pytest.raises(error, match=rf"^conv2d: .*{re.escape(message)}"):
        conv(np.ones(x), np.ones(w), *biases, **read((2, 2), groups=groups))
