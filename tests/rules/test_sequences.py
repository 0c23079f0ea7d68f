"""Functions of sequences: ends, options, and invalid operands."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import AxisError, OptionError, ShapeError, UnsupportedError

U, A = Value([1.0, 3.0, 2.0, 5.0]), Value(np.arange(6.0).reshape(2, 3))


@pytest.mark.long
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(4, 1), (4, 2), (4, 3), (3, 4), (2, 5), (4, 4)])
def test_convolution_and_correlation_equal_numpys_in_every_mode(mode, n, m):
    rng = np.random.default_rng(0)
    a, v = rng.normal(size=n), rng.normal(size=m)
    for f in (np.convolve, np.correlate):
        np.testing.assert_allclose(f(Value(a), Value(v), mode).data, f(a, v, mode), atol=1e-14)
        assert tg.gradcheck(lambda a, v, f=f: f(a, v, mode), a, v)


def test_interp_is_flat_beyond_the_points():
    x = Value([-1.0, 0.0, 0.5, 2.0, 9.0])
    y = np.interp(x, [0.0, 1.0, 2.0], [1.0, 3.0, 4.0])
    assert y.data.tolist() == [1.0, 1.0, 2.0, 4.0, 4.0]
    assert tg.grad(y.sum(), x)[0].tolist() == [0.0, 2.0, 2.0, 0.0, 0.0]
    one = np.interp(x, [1.0], [7.0], right=8.0)
    assert one.data.tolist() == [7.0, 7.0, 7.0, 8.0, 8.0]


@pytest.mark.parametrize(
    ("points", "outside"), [([0.0, 0.0, 1.0], -1.0), ([0.0, 1.0, 1.0], 2.0), ([0.0, 0.0], 3.0)]
)
def test_interp_is_flat_beyond_points_that_begin_or_end_with_a_step(points, outside):
    heights = np.arange(1.0, 1.0 + len(points))
    x, v, w = Value([outside]), Value(points), Value(heights)
    y = np.interp(x, v, w)
    assert y.data == np.interp(outside, points, heights)
    to_x, to_v, to_w = tg.grad(y.sum(), [x, v, w])
    assert (to_x.tolist(), to_v.any()) == ([0.0], False)
    assert np.array_equal(to_w, heights == y.data)


@pytest.mark.parametrize("options", [{}, {"num": 4, "endpoint": False}, {"num": 1}, {"num": 0}])
def test_linspace_has_numpys_numbers_and_shapes(options):
    a, b = np.array([[0.5], [-2.0]]), np.array([1.0, 0.5, 7.0])
    for axis in (0, 1, -1):
        y = np.linspace(Value(a), b, **options, axis=axis)
        expected = np.linspace(a, b, **options, axis=axis)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y.data, expected, 1e-14, 1e-15)


def test_linspace_shares_each_gradient_between_its_ends():
    a, b = Value(1.0), Value(3.0)
    y = np.linspace(a, b, 5)
    assert y.data.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert np.linspace(0, Value(np.float32(3.0)), 3).dtype == np.float32
    y[3].backward()
    assert (a.grad, b.grad) == (0.25, 0.75)


@pytest.mark.parametrize("options", [{}, {"N": 2}, {"N": 0}, {"N": 5, "increasing": True}])
def test_vander_has_numpys_numbers(options):
    x = np.array([2.0, 0.0, -1.5])
    assert np.array_equal(np.vander(Value(x), **options).data, np.vander(x, **options))
    assert tg.gradcheck(lambda x: np.vander(x, **options), x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.linspace(U, 1.0, -1), OptionError, "must be non-negative"),
        (lambda: np.linspace(U, A), ShapeError, "np.linspace: shapes .* do not broadcast"),
        (lambda: np.vander(A), ShapeError, r"needs a vector, got shape \(2, 3\)"),
        (
            lambda: np.vander(U, -1),
            OptionError,
            r"np\.vander: N must be an integer of at least 0, got -1",
        ),
        (
            lambda: np.vander(U, 2.5),
            OptionError,
            r"np\.vander: N must be an integer of at least 0, got 2.5",
        ),
        (lambda: np.diff(U, -1), OptionError, "n must be at least 0, got -1"),
        (lambda: np.diff(U, axis=1), AxisError, "axis 1 is out of range"),
        (lambda: np.gradient(U, [0, 1, 2, 3]), UnsupportedError, "needs one step, or one for each"),
        (lambda: np.gradient(U, edge_order=3), ShapeError, "edge_order must be 1 or 2"),
        (lambda: np.gradient(U[:1]), ShapeError, "axes longer than that"),
        (lambda: np.convolve(A, U), ShapeError, "needs two vectors that are not empty"),
        (lambda: np.convolve(U, U, "all"), OptionError, "mode must be 'full', 'same' or 'valid'"),
        (lambda: np.interp(U, [0.0], [1.0, 2.0]), ShapeError, "two vectors of equal length"),
    ],
)
def test_invalid_operands_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_cumulative_sum_of_several_axes_needs_axis():
    if hasattr(np, "cumulative_sum"):
        with pytest.raises(OptionError, match=r"^np\.cumulative_sum: needs axis= for several axes"):
            np.cumulative_sum(A)
        with pytest.raises(AxisError, match=r"^np\.cumulative_prod: axis 5 is out of range"):
            np.cumulative_prod(A, axis=5)


def test_gradients_come_in_the_order_of_the_axes():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    slopes = np.gradient(Value(x), 1.0, 2.0, axis=(-1, 0))
    for actual, expected in zip(slopes, np.gradient(x, 1.0, 2.0, axis=(-1, 0)), strict=True):
        np.testing.assert_allclose(actual.data, expected)


def test_a_polynomial_without_coefficients_is_0():
    assert np.polyval([], U).tolist() == [0.0] * 4
    assert np.polyval([], Value(np.ones(2, np.float32))).dtype == np.float32
    assert np.trapezoid(A, axis=0).data.tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("end", [1.0, [1.0, 2.0], Value(1.0), np.float64(1.0)])
def test_ediff1d_keeps_the_dtype_of_the_array(end):
    y = np.ediff1d(Value(np.float32([1, 3])), end)
    assert y.dtype == np.ediff1d(np.float32([1, 3]), getattr(end, "data", end)).dtype == np.float32
    assert y.data[:2].tolist() == [2.0, 1.0]


def test_diff_with_n_0_ignores_prepend_and_append():
    x = Value([1.0, 3.0])
    assert np.array_equal(
        np.diff(x, 0, prepend=0.0, append=x).data, np.diff(x.data, 0, prepend=0.0)
    )
