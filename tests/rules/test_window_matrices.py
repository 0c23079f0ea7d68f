"""Sums over windows as matrix products, compared with unfolding and folding."""

import tracemalloc

import numpy as np
import pytest

from tinygrad_pool.rules.box_sums import box_sums, spread
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.window_matrices import matrices_of, spread_by_matrices, sums_by_matrices
from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of

POOLS = {
    "one axis": (windows_of("p", 1, 4, stride=3, padding=1), (12,)),
    "a long axis": (windows_of("p", 1, 8, stride=3), (60,)),
    "two axes": (windows_of("p", 2, (3, 4), stride=(2, 1), padding=1), (9, 20)),
    "three axes": (windows_of("p", 3, 2, ceil_mode=True), (3, 5, 4)),
    "dilated": (windows_of("p", 2, 3, stride=1, padding=1, dilation=2), (7, 8)),
    "adaptive": (adaptive_windows_of("p", 2, (7, 3), (64, 20)), (64, 20)),
    "more windows than cells": (adaptive_windows_of("p", 2, (9, 20), (4, 7)), (4, 7)),
}
every_pool = pytest.mark.parametrize(("windows", "space"), POOLS.values(), ids=POOLS)


@every_pool
def test_sums_equal_unfolding_and_the_adjoint_equals_folding(windows, space):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (3, *space)).astype(float)
    y = sums_by_matrices(x, windows, x.dtype)
    np.testing.assert_array_equal(y, unfold(x, windows=windows).sum(axis=windows.axes))
    g = rng.integers(-9, 9, y.shape).astype(float)
    to_x = spread_by_matrices(g, windows, space)
    column = g.reshape(*g.shape, *(1 for _ in space))
    to_seen = np.broadcast_to(column, (*g.shape, *windows.kernel))
    np.testing.assert_array_equal(to_x, fold(to_seen, windows=windows, shape=x.shape))


@every_pool
def test_planes_do_not_change_the_rounding_of_other_planes(windows, space):
    x = np.random.default_rng(0).standard_normal((5, *space))
    y = sums_by_matrices(x, windows, x.dtype)
    to_x = spread_by_matrices(y, windows, space)
    for i in range(5):
        plane = slice(i, i + 1)
        np.testing.assert_array_equal(sums_by_matrices(x[plane], windows, x.dtype), y[plane])
        np.testing.assert_array_equal(spread_by_matrices(y[plane], windows, space), to_x[plane])


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, 1e308])
def test_sums_that_are_not_finite_are_computed_without_matrices(number):
    windows = windows_of("p", 1, 3, stride=2)
    x = np.array([[1.0, number, number, 2.0, 3.0]])
    assert sums_by_matrices(x, windows, x.dtype) is None
    with np.errstate(over="ignore"):
        sums = box_sums(x, windows, x.dtype)
    np.testing.assert_array_equal(sums, [[number * 2, number + 5.0]])
    g = np.array([[number, 1.0]])
    assert spread_by_matrices(g, windows, (5,)) is None
    np.testing.assert_array_equal(spread(g, windows, (5,)), [[number, number, number + 1, 1, 1]])


def test_large_and_mostly_zero_matrices_are_not_made():
    assert matrices_of(windows_of("p", 2, 2), (20, 20), np.dtype(float)) is not None
    assert matrices_of(windows_of("p", 2, 2), (20, 21), np.dtype(float)) is None
    assert matrices_of(windows_of("p", 1, 99, stride=1), (200,), np.dtype(float)) is None


def test_making_a_matrix_needs_little_memory():
    matrices_of.cache_clear()
    tracemalloc.start()
    try:
        assert matrices_of(windows_of("p", 1, 15_999), (16_000,), np.dtype(float)) is not None
        assert tracemalloc.get_traced_memory()[1] < 100 * 16_000  # and not 16,000²
    finally:
        tracemalloc.stop()
