"""Sums over ranges along one axis after another, by each of the methods."""

import numpy as np
import pytest

from tinygrad_pool.rules import range_sums
from tinygrad_pool.rules.range_sums import sum_ranges
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of

POOLS = {
    "few": (adaptive_windows_of("p", 2, 3, (7, 8)), (7, 8), 2),
    "short ranges": (adaptive_windows_of("p", 2, (30, 7), (64, 64)), (64, 64), 3),
    "long ranges": (adaptive_windows_of("p", 2, (3, 2), (299, 67)), (299, 67), 3),
    "more windows than cells": (adaptive_windows_of("p", 2, (90, 200), (4, 7)), (4, 7), 3),
    "few ranges of long rows": (adaptive_windows_of("p", 2, (3, 9), (80, 200)), (80, 200), 3),
    "one axis": (adaptive_windows_of("p", 1, 7, (9999,)), (9999,), 2),
    "three axes": (adaptive_windows_of("p", 3, (2, 3, 5), (9, 64, 64)), (9, 64, 64), 1),
    "with gaps": (windows_of("p", 2, 20, stride=31), (99, 70), 2),
    "padded": (windows_of("p", 1, 50, padding=(9,)), (999,), 2),
    "next to each other": (windows_of("p", 1, 40), (400,), 2),
    "overlapping a little": (windows_of("p", 1, 80, stride=60, ceil_mode=True), (1000,), 2),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_sums_equal_unfolding_and_the_adjoint_equals_folding(pool, dtype):
    windows, space, planes = pool
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (planes, *space)).astype(np.float32)
    y = np.empty((planes, *windows.over(space)), dtype)
    sum_ranges(x, windows, space, y)
    np.testing.assert_array_equal(y, unfold(x, windows=windows).sum(axis=windows.axes))
    g = rng.integers(-9, 9, y.shape).astype(dtype)
    to_x = np.empty(x.shape, dtype)
    sum_ranges(g, windows, space, to_x, back=True)
    column = g.reshape(*g.shape, *(1 for _ in space))
    to_seen = np.broadcast_to(column, (*g.shape, *windows.kernel))
    np.testing.assert_array_equal(to_x, fold(to_seen, windows=windows, shape=x.shape))


def test_rows_summed_one_by_one_have_the_same_bits(monkeypatch):
    windows = adaptive_windows_of("p", 2, (7, 9), (75, 200))
    x = np.random.default_rng(0).standard_normal((3, 75, 200))
    sums = []
    for row in (1, range_sums.ROW, 10**9):
        monkeypatch.setattr(range_sums, "ROW", row)
        sums.append(np.empty((3, 7, 9)))
        sum_ranges(x, windows, (75, 200), sums[-1])
    np.testing.assert_array_equal(sums[1], sums[2])
    np.testing.assert_allclose(sums[0], sums[2], rtol=1e-12, atol=1e-12)


def test_sums_without_planes_or_cells():
    windows = adaptive_windows_of("p", 1, 7, (9999,))
    y = np.empty((0, 7))
    sum_ranges(np.empty((0, 9999)), windows, (9999,), y)
    y = np.empty((2, 1))
    sum_ranges(np.empty((2, 0)), windows_of("p", 1, 40, padding=20), (0,), y)
    assert y.tolist() == [[0.0], [0.0]]


def test_only_small_ranges_are_cached():
    range_sums._ranges.cache_clear()
    for n, cached in [(9999, 0), (999, 1)]:
        windows = adaptive_windows_of("p", 1, 7, (n,))
        sum_ranges(np.zeros((9, n)), windows, (n,), np.empty((9, 7)))
        assert range_sums._ranges.cache_info().currsize == cached
