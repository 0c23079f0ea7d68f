"""The fast form of average pooling against the readable one."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_pool.rules import box_sums
from tinygrad_pool.rules.box_sums import fast_avg_pool, spread
from tinygrad_pool.rules.pool_checks import divisors
from tinygrad_pool.rules.pooling import avg_pool, avg_pool_by_unfolding
from tinygrad_pool.rules.tiles import wide_of
from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of

WINDOWS = {"k2s2": (2, 2, 0), "k3s2p1": (3, 2, 1), "k3s1p1": (3, 1, 1)}
every_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)


def both(at_random, data, **options):
    """Draw a pool, and compute it in both ways: results and contributions."""
    x, windows, g_of = data.draw(at_random.cases(**options))
    space, dtype = x.shape[x.ndim - len(windows.kernel) :], wide_of(x.dtype)
    K = data.draw(st.sampled_from([divisors(windows, space, p, dtype) for p in (True, False)]))
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        expected, readable_backward = avg_pool_by_unfolding(x, windows, K, dtype)
        g = g_of(expected)
        with at_random.sized(*data.draw(at_random.sizes)):
            y, backward = fast_avg_pool(x, windows, K, dtype)
            return (y, expected), (*backward(g), *readable_backward(g))


@pytest.mark.long
@settings(deadline=None)
@given(st.data())
def test_the_fast_form_equals_the_readable_one_for_any_pool(at_random, data):
    options = {"kinds": at_random.finite, "gradients": (0.1, -0.3, 1e-4, 7.0)}
    (y, _), (to_x, _) = sums = both(at_random, data, **options)
    for actual, expected in sums:
        summands = max(1, y.size // max(1, to_x.size))  # about the number of units that see a cell
        near = (16 + summands) * np.finfo(actual.dtype).eps
        np.testing.assert_allclose(actual, expected, rtol=near, atol=8 * near, strict=True)


@pytest.mark.long
@settings(deadline=None)
@given(st.data())
def test_infinities_nan_and_signs_of_zeros_are_in_the_same_places(at_random, data):
    (y, expected), (to_x, readable_to_x) = both(
        at_random, data, gradients=(-np.inf, np.inf, np.nan, -0.0, 0.0, 1.0, -1.0)
    )
    for actual, right in ((y, expected), (to_x, readable_to_x)):
        for test in (np.isnan, np.isposinf, np.isneginf):
            np.testing.assert_array_equal(test(actual), test(right))
    zero = readable_to_x == 0
    assert not np.signbit(to_x[zero]).any()


@pytest.mark.long
@settings(deadline=None)
@given(st.data())
def test_spread_is_the_adjoint_of_box_sums(at_random, data):
    x, windows, _ = data.draw(at_random.cases())
    rng = np.random.default_rng(0)
    planes = rng.integers(-9, 9, (2, *x.shape[x.ndim - len(windows.kernel) :])).astype(float)
    with at_random.sized(*data.draw(at_random.sizes)):
        y = box_sums.box_sums(planes, windows, planes.dtype)
        g = rng.integers(-9, 9, y.shape).astype(float)
        assert (y * g).sum() == (planes * spread(g, windows, planes.shape[1:])).sum()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@every_window
def test_common_pools_are_equal_to_the_last_bit(window, dtype):
    rng, windows = np.random.default_rng(0), windows_of("p", 2, *window)
    x = rng.standard_normal((2, 3, 32, 32)).astype(dtype)
    dtype = wide_of(dtype)
    y, backward = fast_avg_pool(x, windows, 9, dtype)
    expected, readable_backward = avg_pool_by_unfolding(x, windows, 9, dtype)
    g = rng.standard_normal(y.shape).astype(x.dtype)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(g)[0], readable_backward(g)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pools_of_small_images_are_equal_to_the_last_bit(dtype):
    x, windows = np.random.default_rng(0).standard_normal((9, 8, 8)), windows_of("p", 2, 2)
    y, backward = fast_avg_pool(x.astype(dtype), windows, 4, np.dtype(dtype))
    expected, readable_backward = avg_pool_by_unfolding(x.astype(dtype), windows, 4, dtype)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(y)[0], readable_backward(y)[0])


@pytest.mark.parametrize("cells", [7, 99, 2**17])
@every_window
def test_tiles_make_no_difference(window, cells, at_random):
    rng, windows = np.random.default_rng(0), windows_of("p", 2, *window)
    x = rng.standard_normal((3, 13, 12))
    with at_random.sized(2**20, few=0):
        y, backward = fast_avg_pool(x, windows, 4, x.dtype)
        g = rng.standard_normal(y.shape)
        (to_x,) = backward(g)
    with at_random.sized(cells, few=0):
        again, backward = fast_avg_pool(x, windows, 4, x.dtype)
        np.testing.assert_array_equal(again, y)
        np.testing.assert_array_equal(backward(g)[0], to_x)


@pytest.mark.parametrize("size", [1, 3, 7, (64, 1), (1, 64)])
def test_adaptive_averages_in_float32_are_close_to_double_precision(size):
    x = np.random.default_rng(0).standard_normal((4, 64, 64), np.float32) + 3
    windows = adaptive_windows_of("p", 2, size, x.shape)
    y, _ = avg_pool(x, windows=windows)
    exact, _ = avg_pool(x.astype(float), windows=windows)
    np.testing.assert_allclose(y, exact, rtol=3e-7)


def test_the_closure_of_an_average_holds_no_arrays():
    x = np.ones((4, 8, 8))
    _, backward = fast_avg_pool(x, windows_of("p", 2, 2), 4, x.dtype)
    assert not any(isinstance(cell.cell_contents, np.ndarray) for cell in backward.__closure__)


@pytest.mark.parametrize(
    "windows",
    [adaptive_windows_of("p", 1, 30, (64,)), windows_of("p", 1, 2, 1, 1, dilation=2)],
    ids=["several lengths", "dilated"],
)
def test_short_windows_on_a_long_axis_that_need_neither_matrices_nor_tiles(windows):
    x = np.random.default_rng(0).integers(-9, 9, (3, 64)).astype(float)
    y, backward = fast_avg_pool(x, windows, 2, x.dtype)
    expected, readable_backward = avg_pool_by_unfolding(x, windows, 2, x.dtype)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(y)[0], readable_backward(y)[0])
