"""Products, running products, variances and norms at zeros, at kinks and in float16."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, ShapeError


@given(st.lists(st.sampled_from([0.0, 1.0, -2.0, 0.5, 3.0]), max_size=6))
def test_gradients_of_products_are_right_with_any_number_of_zeros(numbers):
    x = Value(numbers)
    for f in (np.prod, np.cumprod):
        y = f(x)
        g = np.random.default_rng(0).normal(size=y.shape)
        (got,) = tg.grad(y, x, g)
        expected = np.zeros(len(numbers))
        for i in range(len(numbers)):
            one, two = ([*numbers[:i], n, *numbers[i + 1 :]] for n in (0.0, 1.0))
            expected[i] = np.sum(g * (f(two) - f(one)))  # y is linear in each number
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("f", [np.prod, lambda x: np.cumprod(x).sum()])
@pytest.mark.parametrize("numbers", [[2.0, 0.0, 3.0], [0.0, 2.0, 0.0, 5.0]])
def test_second_derivatives_of_products_are_right_with_zeros(f, numbers):
    H = tg.hessian(f)(np.array(numbers))
    assert np.array_equal(H, H.T)
    for i, k in np.ndindex(H.shape):
        corners = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        moved = [np.array(numbers) for _ in corners]
        for x, corner in zip(moved, corners, strict=True):
            x[[i, k]] = corner
        a, b, c, d = (float(np.sum(f(x))) for x in moved)
        assert H[i, k] == pytest.approx(0.0 if i == k else a - b - c + d)


def test_float16_is_summed_in_float32():
    x = Value(np.ones(4096, np.float16))
    assert np.cumsum(x).data[-1] == 4096.0
    wide = Value(np.array([300.0, -300.0], np.float16))
    y = np.linalg.norm(wide * 100.0)
    assert (y.dtype, y.data) == (np.float16, np.float16(42432.0))
    assert np.var(Value(np.array([200.0, -200.0], np.float16))).data == np.float16(40000.0)


@pytest.mark.parametrize("f", [np.cumsum, np.cumprod])
def test_gradients_of_running_sums_and_products_are_summed_in_float32(f):
    x = Value(np.ones(5000, np.float16))
    f(x).mean().backward()
    np.testing.assert_allclose(x.grad, np.arange(5000, 0, -1) / 5000, 1e-2)


def test_a_norm_of_zeros_has_a_slope_of_0():
    for x in (Value(np.zeros(3)), Value(np.zeros((2, 3)))):
        for ord in (None, *([3] if x.ndim == 1 else [])):
            assert not tg.grad(np.linalg.norm(x, ord), x)[0].any()
    x = Value([2.0, 2.0, 2.0])
    assert not tg.grad(np.std(x), x)[0].any()
    assert tg.grad(np.linalg.norm(Value(-3.0)), xs=(v := Value(1.0)))[0] == 0.0
    assert v.data == 1.0


@pytest.mark.parametrize(
    "f",
    [
        np.linalg.norm,
        np.std,
        lambda x: np.linalg.norm(x, 3),
        lambda x: np.hypot(x[0], x[1]),
        lambda x: np.arctan2(x[0], x[1]),
    ],
)
def test_second_derivatives_at_a_kink_are_0(f):
    assert not tg.hessian(f)(np.zeros(2)).any()


def test_a_norm_over_no_axes_is_the_absolute_value():
    x = Value([3.0, -4.0])
    assert np.linalg.vector_norm(x, axis=()).data.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("f", [np.var, np.std])
def test_invalid_variances_are_rejected(f):
    with pytest.raises(OptionError, match="ddof must be a number, got 'one'"):
        f(Value([1.0]), ddof="one")
    with pytest.raises(OptionError, match="ddof must be a number, got nan"):
        f(Value([1.0]), ddof=np.nan)
    with pytest.raises(ShapeError, match=r"nothing to average over axes \(0,\) of shape \(0, 2\)"):
        f(Value(np.ones((0, 2))), axis=0)


def test_a_variance_without_degrees_of_freedom_is_nan_as_in_numpy():
    with np.errstate(all="ignore"):
        assert np.isnan(np.var(Value([2.0]), ddof=1).data)
