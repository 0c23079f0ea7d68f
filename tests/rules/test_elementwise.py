import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, OptionError, ShapeError

KINDS = {"float": float, "0-d": np.array, "1-d": lambda x: np.array([x])}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def slope(f, x):
    v = tg.Value(x)
    (g,) = tg.grad(f(v), v)
    return g


@every_kind
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (tg.abs, 0.0, 0.0),
        (tg.abs, -0.0, 0.0),
        (tg.relu, 0.0, 0.0),
        (tg.relu, -0.0, 0.0),
        (lambda x: tg.clip(x, -1, 2), -1.0, 1.0),
        (lambda x: tg.clip(x, -1, 2), 2.0, 1.0),
        (lambda x: tg.clip(x, -1, 2), np.nextafter(2.0, 3.0), 0.0),
        (lambda x: tg.clip(x, -1, 2), np.nextafter(-1.0, -2.0), 0.0),
        (lambda x: tg.clip(x, 1, 1), 1.0, 1.0),
        (tg.clip, 5.0, 1.0),
    ],
)
def test_slopes_at_kinks_are_those_of_the_docstrings(f, x, expected, kind):
    assert slope(f, kind(x)) == expected


def test_relu_is_positive_zero_for_everything_not_positive():
    y = tg.relu(tg.Value([-1.0, -0.0, -np.inf]))
    assert y.data.tolist() == [0.0, 0.0, 0.0]
    assert not np.signbit(y.data).any()


@pytest.mark.parametrize("f", [tg.relu, tg.abs, lambda x: tg.clip(x, -1, 1), tg.sigmoid, tg.tanh])
def test_nan_propagates(f):
    assert np.isnan(f(tg.Value(np.nan)).data)
    assert np.isnan(f(tg.Value([np.nan])).data).all()


@pytest.mark.parametrize("f", [tg.abs, lambda x: tg.clip(x, -1, 1)])
def test_abs_and_clip_have_slope_0_at_nan(f):
    assert slope(f, np.nan) == 0.0


def test_nan_wins_a_relu_like_every_maximum():
    assert np.isnan(tg.relu(np.nan).data)
    assert slope(tg.relu, np.nan) == 1.0
    assert slope(lambda x: tg.maximum(0.0, x), np.nan) == 1.0


@pytest.mark.parametrize("f", [tg.relu, lambda x: tg.clip(x, 0, 9), lambda x: tg.where([0], x, 0)])
@pytest.mark.parametrize("g", [np.inf, -np.inf, np.nan])
def test_a_unit_that_is_off_blocks_infinite_gradients(f, g):
    x = tg.Value([-1.0])
    (to_x,) = tg.grad(f(x), x, gradient=np.array([g]))
    assert to_x.tolist() == [0.0]
    assert not np.signbit(to_x).any()


@every_kind
@pytest.mark.parametrize(
    ("f", "x", "y", "g"),
    [
        (tg.sqrt, 0.0, 0.0, np.inf),
        (tg.log, 0.0, -np.inf, np.inf),
        (tg.log1p, -1.0, -np.inf, np.inf),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_slopes_at_the_edge_of_a_domain_are_infinite(f, x, y, g, kind):
    assert f(tg.Value(kind(x))).data == y
    assert slope(f, kind(x)) == g


@every_kind
@pytest.mark.parametrize(
    ("f", "x", "warning"),
    [
        (tg.log, 0.0, "divide by zero"),
        (tg.log, -1.0, "invalid value"),
        (tg.log1p, -1.0, "divide by zero"),
        (tg.sqrt, -1.0, "invalid value"),
        (tg.exp, 1000.0, "overflow"),
        (tg.expm1, 1000.0, "overflow"),
        (tg.sin, np.inf, "invalid value"),
        (tg.cos, np.inf, "invalid value"),
    ],
)
def test_outside_their_domain_functions_warn_as_in_numpy(f, x, warning, kind):
    with pytest.warns(RuntimeWarning, match=warning):
        y = f(tg.Value(kind(x)))
    assert not np.isfinite(y.data).any()


@every_kind
@pytest.mark.parametrize("f", [tg.log, tg.log1p, tg.sqrt])
def test_a_slope_at_the_edge_warns_too(f, kind):
    x = tg.Value(kind(-1.0 if f is tg.log1p else 0.0))
    with np.errstate(divide="ignore"):
        y = f(x)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        tg.grad(y, x)


def test_sigmoid_is_accurate_for_large_inputs():
    x = tg.Value([-1000.0, -40.0, 0.0, 40.0, 1000.0])
    y = tg.sigmoid(x)
    np.testing.assert_allclose(y.data, [0.0, np.exp(-40), 0.5, 1.0, 1.0], rtol=1e-15)
    (g,) = tg.grad(y.sum(), x)
    np.testing.assert_allclose(g, [0.0, np.exp(-40), 0.25, 0.0, 0.0], rtol=1e-15)


def test_small_arguments_keep_their_digits():
    np.testing.assert_allclose(tg.expm1(tg.Value(1e-12)).data, 1e-12 + 5e-25, rtol=1e-15)
    np.testing.assert_allclose(tg.log1p(tg.Value(1e-12)).data, 1e-12 - 5e-25, rtol=1e-15)


def test_an_array_of_bounds_clips_each_element_and_broadcasts(check_gradient):
    low = np.array([[-1.0], [0.5]])
    check_gradient(lambda x: x.clip(low, [1.0, 2.0, 3.0]), np.array([0.1, 2.5, -3.0]))


@pytest.mark.parametrize("x", [0.0, -0.0])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-0.0, 1.0), (-1.0, 0.0), (-1.0, -0.0)])
def test_a_zero_at_a_bound_keeps_its_sign_as_in_pytorch_and_present_numpy(x, bounds):
    y = tg.Value(x).clip(*bounds)
    assert np.signbit(y.data) == np.signbit(tg.unroll(y)().loss) == np.signbit(x)
    many = np.full(9, x)  # arrays are NumPy's to clip, which once returned the bound
    several = tg.Value(many).clip(*bounds).data
    assert np.array_equal(np.signbit(several), np.signbit(np.clip(many, *bounds)))


def test_an_empty_interval_clips_to_its_maximum():
    x = tg.Value([0.0, 1.5, 9.0])
    y = x.clip(2.0, 1.0)
    assert y.data.tolist() == [1.0, 1.0, 1.0]
    assert tg.grad(y.sum(), x)[0].tolist() == [0.0, 0.0, 0.0]


def test_bounds_are_compared_in_the_dtype_of_the_array():
    x = tg.Value(np.array([0.7, 0.1], np.float32))  # a little below 0.7 and above 0.1
    y = x.clip(0.1, 0.7)
    assert tg.grad(y.sum(), x)[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("bound", [np.nan, [0.0, np.nan], "1", 1j, object(), [[1], [1, 2]], True])
def test_a_bound_of_clip_must_be_a_number(bound):
    with pytest.raises(OptionError, match="clip: max must be a number or an array of numbers"):
        tg.Value([1.0, 2.0]).clip(0, bound)


def test_a_value_as_a_bound_of_clip_is_an_error_that_names_maximum():
    with pytest.raises(OptionError, match=r"clip: min must be .* got Value\(.*tg.maximum"):
        tg.Value(1.0).clip(tg.Value(0.0))


def test_a_bound_of_another_shape_is_named():
    with pytest.raises(ShapeError, match=r"clip: min of shape \(3,\) does not broadcast to \(2,\)"):
        tg.Value([1.0, 2.0]).clip(np.zeros(3))


@pytest.mark.parametrize("condition", [True, 1.0, tg.Value(-7.0)])
def test_where_broadcasts_a_chosen_number(condition):
    x, w = tg.Value(2.0), tg.Value([[3.0, 4.0]])
    y = tg.where(condition, x, w)
    assert y.data.tolist() == [[2.0, 2.0]]
    y.sum().backward()
    assert (x.grad, w.grad.tolist()) == (2.0, [[0.0, 0.0]])


def test_the_condition_of_where_gets_no_gradient():
    condition, x, w = tg.Value([1.0, 0.0]), tg.Value(2.0), tg.Value([3.0, 4.0])
    y = tg.where(condition, x, w)
    assert y.data.tolist() == [2.0, 4.0]
    to_condition, to_x, to_w = tg.grad(y.sum(), [condition, x, w])
    assert (to_condition.tolist(), to_x, to_w.tolist()) == ([0.0, 0.0], 1.0, [0.0, 1.0])


@pytest.mark.parametrize("f", [tg.exp, tg.sqrt, tg.relu, tg.sigmoid, tg.abs])
@pytest.mark.parametrize("x", ["1", 1j, [[1], [1, 2]], None])
def test_operands_that_are_not_numbers_are_errors(f, x):
    with pytest.raises(DataError, match=f"{f.signature.name}: needs .* got"):
        f(x)
