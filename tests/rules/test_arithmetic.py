import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import ShapeError

OPERATORS = {
    "add": lambda x, w: x + w,
    "sub": lambda x, w: x - w,
    "mul": lambda x, w: x * w,
    "div": lambda x, w: x / w,
    "power": lambda x, w: x**w,
    "maximum": tg.maximum,
    "minimum": tg.minimum,
}


@pytest.mark.parametrize("kind", [float, np.array, lambda x: np.array([x])])
@pytest.mark.parametrize(
    ("f", "x", "w", "expected", "warning"),
    [
        (OPERATORS["power"], 0.0, -1.0, np.inf, "divide by zero"),
        (OPERATORS["power"], -8.0, 1 / 3, np.nan, "invalid value"),
        (OPERATORS["power"], 10.0, 400.0, np.inf, "overflow"),
        (OPERATORS["div"], 1.0, 0.0, np.inf, "divide by zero"),
        (OPERATORS["div"], -1.0, 0.0, -np.inf, "divide by zero"),
        (OPERATORS["div"], 0.0, 0.0, np.nan, "invalid value"),
    ],
)
def test_scalars_outside_their_domain_behave_as_in_numpy(f, x, w, expected, warning, kind):
    with pytest.warns(RuntimeWarning, match=warning):
        y = f(tg.Value(kind(x)), tg.Value(kind(w)))
    np.testing.assert_array_equal(y.data, kind(expected))
    assert type(y.data) is type(tg.Value(kind(x)).data)


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: x**0.5, np.inf),
        (lambda x: x**-1, -np.inf),
        (lambda x: 1 / x, -np.inf),
        (lambda x: -1 / x, np.inf),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_slopes_at_a_pole_are_infinite(f, slope):
    for zero in (0.0, np.array(0.0), np.zeros(2)):
        x = tg.Value(zero)
        (g,) = tg.grad(f(x), x, gradient=np.ones(x.shape))
        np.testing.assert_array_equal(g, np.full(x.shape, slope))


def test_a_slope_at_a_pole_warns_as_in_numpy():
    y = (x := tg.Value(0.0)) ** 0.5
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        y.backward()
    assert x.grad == np.inf


@pytest.mark.parametrize("x", [0.0, 2.0, -3.0, np.inf, np.nan])
def test_the_power_0_is_1_with_slope_0(x):
    for v in (tg.Value(x), tg.Value([x])):
        y = v**0
        (slope,) = tg.grad(y, v)
        np.testing.assert_array_equal(y.data, np.ones(v.shape))
        np.testing.assert_array_equal(slope, np.zeros(v.shape))


@pytest.mark.parametrize(("n", "slope", "curvature"), [(1, 1.0, 0.0), (2, 0.0, 2.0), (3, 0.0, 0.0)])
def test_integer_powers_have_two_derivatives_at_0(n, slope, curvature):
    for zero in (0.0, np.array(0.0), np.zeros(1)):
        x = tg.Value(zero)
        (first,) = tg.grad(x**n, x, create_graph=True)
        assert first.item() == slope
        assert tg.grad(first, x)[0] == curvature


def test_negative_numbers_have_integer_powers(check_gradient):
    check_gradient(lambda x: x**3, -2.0)
    check_gradient(lambda x: x ** np.array([2, 3, -1]), np.array([-2.0, -0.5, -1.5]))


@pytest.mark.parametrize("x", [2.0, np.array([2.0, 3.0])])
def test_an_exponent_may_be_a_bool_array(x):
    x = tg.Value(x)
    (x ** np.array([True, False])).sum().backward()
    assert np.array_equal(x.grad, 1.0 if x.shape == () else [1.0, 0.0])


def test_at_0_the_slope_in_the_exponent_is_0():
    n = tg.Value([0.0, 0.5, 2.0])
    assert tg.grad((0.0**n).sum(), n)[0].tolist() == [0.0, 0.0, 0.0]


def test_the_slope_in_a_negative_exponent_is_infinite_at_0_and_nan_for_nan():
    x, n = tg.Value([0.0, -0.0, np.nan]), tg.Value([-1.0, -1.0, 0.0])
    with np.errstate(all="ignore"):
        (x**n).backward(np.ones(3))
    np.testing.assert_array_equal(n.grad, [-np.inf, np.inf, np.nan])


def test_the_slope_in_the_exponent_of_a_negative_number_is_nan():
    n = tg.Value(2.0)
    y = tg.Value(-3.0) ** n
    with pytest.warns(RuntimeWarning, match="invalid value"):
        y.backward()
    assert np.isnan(n.grad)


@pytest.mark.parametrize("kind", [float, np.array, lambda x: np.array([x])])
def test_powers_have_second_derivatives_at_exponent_0(kind):
    x, n = tg.Value(kind(4.0)), tg.Value(kind(0.0))
    to_x, to_n = tg.grad(x**n, [x, n], create_graph=True)
    assert tg.grad(to_x, [x, n]) == (0.0, 0.25)
    assert tg.grad(to_n, [x, n]) == (0.25, pytest.approx(np.log(4) ** 2))


@pytest.mark.parametrize("name", OPERATORS)
def test_shapes_that_do_not_broadcast_are_named(name):
    with pytest.raises(ShapeError, match=rf"{name}: shapes \(2,\) and \(3,\) do not broadcast"):
        OPERATORS[name](tg.Value([1.0, 2.0]), np.ones(3))


def test_a_closure_skips_unwanted_contributions():
    _, closure = tg.rules.arithmetic.power(3.0, 2.0, wants=(False, True))
    assert closure(1.0) == (None, pytest.approx(9 * np.log(3)))


@pytest.mark.parametrize("kind", [float, np.float32, np.float64, lambda x: np.array([x])])
@pytest.mark.parametrize("x", [1e-320, 1e-40, 0.0, 5e-324])
def test_the_slope_at_exponent_0_is_0_for_tiny_bases(x, kind):
    x, n = tg.Value(kind(x)), tg.Value(kind(0.0))
    (x**n).sum().backward()
    assert np.all(x.grad == 0.0)
    assert np.all(np.isfinite(n.grad))
