"""tg.grad, to any order."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import DataError, RuleError, ShapeError


def difference(f, x, h=1e-5):
    """Compute central differences of a function of one array, element by element."""
    slopes = []
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        slopes.append((f(x + step) - f(x - step)) / (2 * h))
    return np.array(slopes)


class TestGrad:
    def test_it_returns_a_tuple_and_changes_no_grad(self):
        x, w = Value(2.0), Value(3.0)
        y = x * w
        E = y * y
        E.backward()
        before = [v.grad for v in (x, w, y, E)]
        assert tg.grad(E, [x, w, y]) == (36.0, 24.0, 12.0)
        assert tg.grad(E, x) == (36.0,)
        assert [v.grad for v in (x, w, y, E)] == before

    def test_it_changes_no_grad_when_it_raises(self):
        def broken(x):
            return x * 1.0, lambda g: ()

        x = Value(2.0)
        E = tg.lift(broken)(x * x)
        x.grad = 7.0
        with pytest.raises(RuleError, match="broken: its closure must return"):
            tg.grad(E, x)
        assert x.grad == 7.0
        assert not E.has_grad

    def test_values_that_are_not_reached_get_zeros(self):
        x, other = Value([1.0, 2.0]), Value(np.ones((2, 2), np.float32))
        (to_other,) = tg.grad(x.sum(), other)
        assert np.array_equal(to_other, np.zeros((2, 2)))
        (as_value,) = tg.grad(x.sum(), other, create_graph=True)
        assert isinstance(as_value, Value)
        assert not as_value.data.any()

    def test_the_gradient_of_the_root_is_one(self):
        y = Value(2.0) * 3.0
        assert tg.grad(y, y) == (1.0,)
        (as_value,) = tg.grad(y, y, create_graph=True)
        assert as_value.data == 1.0

    def test_results_are_copies(self):
        a, b = Value([1.0]), Value([2.0])
        to_a, to_b = tg.grad((a + b).sum(), [a, b])
        to_a *= 5.0
        assert to_b == [1.0]
        a, b = a * 1.0, b * 1.0
        to_a, to_b = tg.grad(a + b, [a, b], gradient=[1.0])
        to_a *= 5.0
        assert to_b == [1.0]

    def test_an_array_needs_a_gradient_of_its_shape(self):
        x = Value([1.0, 2.0])
        (to_x,) = tg.grad(x * x, x, gradient=[1.0, 10.0])
        assert np.array_equal(to_x, [2.0, 40.0])
        with pytest.raises(ShapeError, match=r"backward: the mul node has shape \(2,\), not one"):
            tg.grad(x * x, x)
        with pytest.raises(ShapeError, match=r"backward: gradient needs shape \(2,\), got \(3,\)"):
            tg.grad(x * x, x, gradient=np.ones(3))
        with pytest.raises(DataError, match="backward: gradient: needs numbers, got a Value"):
            tg.grad(x * x, x, gradient=Value([1.0, 1.0]))
        with pytest.raises(DataError, match="backward: gradient: needs numbers in a regular"):
            tg.grad(x * x, x, gradient=[[1.0], [1.0, 2.0]])

    def test_a_plain_number_is_an_error(self):
        with pytest.raises(DataError, match=r"grad: needs a computed Value .* got float"):
            tg.grad(2.0, [])
        with pytest.raises(
            DataError, match=r"as in grad\(y, \[x, w\]\), or a function, got NoneType"
        ):
            tg.grad(Value(1.0))
        with pytest.raises(DataError, match="got float"):
            tg.grad(Value(1.0), 2.0)
        with pytest.raises(DataError, match="got float"):
            tg.grad(Value(1.0), [2.0])


class TestHigherOrder:
    def test_a_cube_to_the_fourth_order(self):
        x = Value(2.0)
        y = x**3
        for expected in (12.0, 12.0, 6.0, 0.0):
            (y,) = tg.grad(y, x, create_graph=True)
            assert y.data == expected

    @pytest.mark.parametrize(
        "f",
        [
            lambda x: np.exp(x).sum(),
            lambda x: (tg.softmax(x) * [1.0, 2.0, 3.0, 4.0]).sum(),
            lambda x: tg.logsumexp(x * x),
            lambda x: tg.sigmoid(x)[1:3].sum() * x[0],
            lambda x: (x.reshape(2, 2) @ x.reshape(2, 2)).sum(),
            lambda x: tg.maximum(x * x, x + 1).sum(),
            lambda x: np.concatenate([x, x * x])[np.array([0, 0, 5])].sum(),
            lambda x: (x / (x * x + 1)).max(),
        ],
    )
    def test_second_derivatives_are_differences_of_the_first(self, f):
        at = np.array([0.3, -0.7, 1.2, 0.8])
        x = Value(at)
        (slope,) = tg.grad(f(x), x, create_graph=True)
        weights = np.array([1.0, -2.0, 0.5, 3.0])
        (curvature,) = tg.grad((slope * weights).sum(), x)

        def first(array):
            v = Value(array)
            return float((tg.grad(f(v), v)[0] * weights).sum())

        assert curvature == pytest.approx(difference(first, at), rel=1e-5, abs=1e-7)

    def test_a_convolution_with_overlapping_pools(self):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((1, 1, 6, 6))
        start = rng.standard_normal((2, 1, 2, 2))

        def loss(w):
            z = tg.max_pool2d(tg.conv2d(x, w, padding=1).tanh(), 3, stride=1)
            return (tg.avg_pool2d(z, 2) ** 2).sum()

        def first(array):
            v = Value(array)
            return float(tg.grad(loss(v), v)[0].sum())

        w = Value(start)
        (slope,) = tg.grad(loss(w), w, create_graph=True)
        (curvature,) = tg.grad(slope.sum(), w)
        assert curvature.reshape(-1) == pytest.approx(difference(first, start), rel=1e-5)

    def test_a_gradient_that_is_a_value_is_differentiated_too(self):
        x, g = Value([1.0, 2.0]), Value([3.0, 5.0])
        (slope,) = tg.grad(x * x, x, gradient=g, create_graph=True)
        (to_g,) = tg.grad(slope.sum(), g)
        assert np.array_equal(to_g, [2.0, 4.0])
        (slope,) = tg.grad(x * x, x, gradient=[3.0, 5.0], create_graph=True)
        assert np.array_equal(slope.data, [6.0, 20.0])

    def test_gradients_of_the_right_dtype_are_not_converted(self):
        x = Value([1.0, 2.0])
        (slope,) = tg.grad((x**3).sum(), x, create_graph=True)
        assert {v.op for v in topological_order(slope)} == {"", "mul", "power"}

    def test_dtypes_and_python_floats_are_kept(self):
        x = Value(np.ones(2, np.float32))
        (slope,) = tg.grad((x * np.ones(2)).sum(), x, create_graph=True)
        assert slope.dtype == np.float32
        s, x = Value(2.0), Value([1.0, 1.0])
        for constant in (np.ones(2), x, s * x):
            (slope,) = tg.grad((s * constant).sum(), s, create_graph=True)
            assert type(slope.data) is float
        (curvature,) = tg.grad(slope, s)
        assert (slope.data, curvature) == (8.0, 4.0)

    def test_a_gradient_that_is_a_value_gets_the_dtype_of_the_root(self):
        x, s = Value(np.ones(2, np.float32)), Value(2.0)
        y, z = x * x, s * s
        to_y, to_x = tg.grad(y, [y, x], gradient=Value([1.0, 2.0]), create_graph=True)
        assert (to_y.dtype, to_x.dtype) == (np.float32, np.float32)
        to_z, to_s = tg.grad(z, [z, s], gradient=Value(np.array(1.0)), create_graph=True)
        assert (type(to_z.data), type(to_s.data)) == (float, float)

    def test_third_derivatives_are_differences_of_the_second(self):
        at = np.array([0.3, -0.7, 1.2])
        u, v = np.array([1.0, -2.0, 0.5]), np.array([0.7, 0.1, -1.0])

        def second(array):
            x = Value(array)
            y = (tg.softmax(x) * [1.0, 2.0, 4.0]).sum() + np.exp(x * x).sum()
            (slope,) = tg.grad(y, x, create_graph=True)
            (curvature,) = tg.grad((slope * u).sum(), x, create_graph=True)
            return x, (curvature * v).sum()

        x, curved = second(at)
        (third,) = tg.grad(curved, x)
        expected = difference(lambda array: second(array)[1].item(), at)
        assert third == pytest.approx(expected, rel=1e-6)
