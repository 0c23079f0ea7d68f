"""The fast form of p-norm pooling against the readable one."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_pool.rules.fast_norms import fast_lp_pool
from tinygrad_pool.rules.pooling import lp_pool, lp_pool_by_unfolding
from tinygrad_pool.rules.tiles import wide_of
from tinygrad_pool.rules.windows import windows_of

inf, nan = np.inf, np.nan
norms = st.sampled_from([1.0, 2.0, 3.0, 1.5])


def both(at_random, data, **options):
    """Draw a pool, and compute it in both ways: results and contributions."""
    x, windows, g_of = data.draw(at_random.cases(adaptive=False, **options))
    p, dtype = data.draw(norms), wide_of(x.dtype)
    with np.errstate(all="ignore"):
        expected, readable_backward = lp_pool_by_unfolding(x, windows, p, dtype)
        g = g_of(expected)
        with at_random.sized(*data.draw(at_random.sizes)):
            y, backward = fast_lp_pool(x, windows, p, dtype)
            return (y, expected), (*backward(g), *readable_backward(g))


@pytest.mark.long
@settings(deadline=None)
@given(st.data())
def test_the_fast_form_equals_the_readable_one_for_any_pool(at_random, data):
    options = {"kinds": at_random.finite, "gradients": (0.1, -0.3, -0.0, 7.0)}
    for actual, expected in both(at_random, data, **options):
        near = 16 * np.finfo(actual.dtype).eps
        np.testing.assert_allclose(actual, expected, rtol=near, atol=near, strict=True)


@pytest.mark.long
@settings(deadline=None)
@given(st.data())
def test_infinities_and_nan_are_in_the_same_places(at_random, data):
    for actual, expected in both(at_random, data):
        for test in (np.isnan, np.isposinf, np.isneginf):
            np.testing.assert_array_equal(test(actual), test(expected))


@pytest.mark.parametrize("p", [1, 2, 2.5])
@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (3, 1, 1)], ids=str)
def test_common_pools_are_equal_to_the_last_bit(p, window):
    rng, windows = np.random.default_rng(0), windows_of("p", 2, *window)
    x = rng.standard_normal((2, 3, 32, 32), np.float32)
    x[0, 0] = np.maximum(x[0, 0], 0)
    x[1, 1, 4] = nan
    x[1, 2] = 0
    y, backward = fast_lp_pool(x, windows, p, x.dtype)
    expected, readable_backward = lp_pool_by_unfolding(x, windows, p, x.dtype)
    g = rng.standard_normal(y.shape, np.float32)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(g)[0], readable_backward(g)[0])


@pytest.mark.parametrize(
    ("kernel", "module"), [(2, "fast_norms"), (64, "pooling")], ids=["short", "whole plane"]
)
def test_lp_pool_uses_the_fast_form_for_short_windows(kernel, module):
    x = np.ones((2, 64, 64))
    y, backward = lp_pool(x, windows=windows_of("p", 2, kernel), norm_type=2)
    assert backward.__name__ == "lp_pool_backward"
    assert backward.__module__ == f"tinygrad_pool.rules.{module}"
    assert y.ravel()[0] == kernel
    assert backward(np.ones_like(y))[0].ravel()[0] == 1 / kernel


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_powers_of_large_and_small_numbers_do_not_overflow(scale):
    x = np.array([3 * scale, 4 * scale], np.float32)
    y, backward = fast_lp_pool(x, windows_of("p", 1, 2), 2.0, x.dtype)
    np.testing.assert_allclose(y, [5 * scale], rtol=1e-6)
    np.testing.assert_allclose(backward(np.ones_like(y))[0], [0.6, 0.8], rtol=1e-6)
