import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import AxisError, OptionError, ShapeError, TieError

nan, inf = np.nan, np.inf

REDUCTIONS = {
    "sum": tg.Value.sum,
    "mean": tg.Value.mean,
    "max": tg.Value.max,
    "min": tg.Value.min,
    "logsumexp": tg.logsumexp,
    "softmax": tg.softmax,
    "log_softmax": tg.log_softmax,
}
every_reduction = pytest.mark.parametrize("name", REDUCTIONS)


def gradient(f, *operands, **options):
    xs = [tg.Value(x) for x in operands]
    y = f(*xs, **options)
    return [np.asarray(g).tolist() for g in tg.grad(y, xs, gradient=np.full(y.shape, 6.0))]


@pytest.mark.parametrize(
    ("ties", "shares"),
    [("first", [0, 6, 0, 0]), ("last", [0, 0, 0, 6]), ("even", [0, 2, 2, 2])],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tie_is_broken_by_the_ties_option(ties, shares, sign):
    x = sign * np.array([1.0, 3.0, 3.0, 3.0])
    reduction, n_ary = (tg.Value.max, tg.maximum) if sign == 1 else (tg.Value.min, tg.minimum)
    assert gradient(reduction, x, ties=ties) == [shares]
    assert gradient(n_ary, *x, ties=ties) == shares


@pytest.mark.parametrize(
    ("ties", "shares"),
    [
        ("first", [[[0, 6], [6, 0]], [[0, 0], [0, 0]]]),
        ("last", [[[0, 0], [0, 0]], [[6, 0], [0, 6]]]),
        ("even", [[[0, 3], [3, 0]], [[3, 0], [0, 3]]]),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tie_over_several_axes_is_broken_in_row_major_order(ties, shares, sign):
    x = sign * np.array([[[1.0, 3.0], [3.0, 0.0]], [[3.0, 2.0], [0.0, 3.0]]])
    reduction = tg.Value.max if sign == 1 else tg.Value.min
    assert gradient(reduction, x, axis=(2, 0), ties=ties) == [shares]


@pytest.mark.parametrize(
    ("f", "name", "loser"), [(tg.maximum, "maximum", -9.0), (tg.minimum, "minimum", 9.0)]
)
def test_a_tie_error_names_operand_and_indices(f, name, loser):
    message = rf"{name}: units \(0, 1\), \(2, 1\) share the {name} 2,"
    with pytest.raises(TieError, match=message):
        f(tg.Value([0.0, 2.0]), loser, [5.0, 2.0], ties="error")


@pytest.mark.parametrize(
    ("f", "x", "w", "to_x", "to_w"),
    [
        (tg.maximum, 0.0, 0.0, 6.0, 0.0),
        (tg.minimum, 0.0, 0.0, 6.0, 0.0),
        (tg.maximum, nan, 1.0, 6.0, 0.0),
        (tg.maximum, 1.0, nan, 0.0, 6.0),
        (tg.maximum, nan, nan, 6.0, 0.0),
        (tg.minimum, 1.0, nan, 0.0, 6.0),
        (tg.minimum, nan, -inf, 6.0, 0.0),
        (tg.maximum, -inf, -inf, 6.0, 0.0),
    ],
)
@pytest.mark.parametrize("kind", [float, np.array, lambda x: np.full((2, 2), x)])
def test_of_two_operands_the_first_wins_and_nan_beats_all(f, x, w, to_x, to_w, kind):
    y = f(tg.Value(kind(x)), tg.Value(kind(w)))
    np.testing.assert_array_equal(y.data, getattr(np, f.signature.name)(kind(x), kind(w)))
    assert [np.unique(g).tolist() for g in gradient(f, kind(x), kind(w))] == [[to_x], [to_w]]


def test_at_0_maximum_sends_the_gradient_to_x_and_relu_to_none():
    assert gradient(lambda x: tg.maximum(x, 0), 0.0) == [6.0]
    assert gradient(lambda x: np.maximum(x, 0), [0.0]) == [[6.0]]
    assert gradient(lambda x: tg.maximum(0, x), 0.0) == [0.0]
    assert gradient(tg.relu, 0.0) == [0.0]


@pytest.mark.parametrize("f", [tg.maximum, tg.minimum])
def test_operands_tie_in_the_dtype_of_the_result(f):
    x = np.array([0.7, 0.1], np.float32)  # equal to 0.7 and 0.1 only in float32
    assert gradient(lambda x: f(x, 0.7), x[:1]) == [[6.0]]
    assert gradient(lambda x: f(0.1, x), x[1:]) == [[0.0]]


@pytest.mark.parametrize("f", [tg.Value.max, tg.Value.min])
def test_nan_propagates_and_the_first_nan_wins(f):
    x = [1.0, nan, 7.0, nan]
    assert np.isnan(f(tg.Value(x)).data)
    assert gradient(f, x) == [[0.0, 6.0, 0.0, 0.0]]


def test_the_first_of_equal_infinities_wins():
    assert gradient(tg.Value.max, [-inf, -inf]) == [[6.0, 0.0]]
    assert gradient(tg.Value.min, [inf, inf]) == [[6.0, 0.0]]


def test_losers_of_a_max_get_zero_for_any_gradient():
    x = tg.Value([1.0, 2.0])
    (to_x,) = tg.grad(x.max(), x, gradient=nan)
    np.testing.assert_array_equal(to_x, [0.0, nan])


@pytest.mark.parametrize("f", [tg.softmax, tg.log_softmax, tg.logsumexp])
def test_the_softmax_family_does_not_overflow(f):
    x = np.array([[1e4, 1e4 - 1.0], [-1e4, -1e4 + 1.0]])
    y = f(tg.Value(x), axis=1).data
    top = x.max(axis=1, keepdims=True)
    near_0 = f(tg.Value(x - top), axis=1).data
    np.testing.assert_allclose(y, near_0 + top[:, 0] if f is tg.logsumexp else near_0)
    assert np.isfinite(gradient(f, x, axis=1)).all()


def test_a_score_of_minus_infinity_has_probability_0():
    x = [-inf, 1.0]
    assert tg.softmax(tg.Value(x)).data.tolist() == [0.0, 1.0]
    assert tg.log_softmax(tg.Value(x)).data.tolist() == [-inf, 0.0]
    assert tg.logsumexp(tg.Value(x)).data == 1.0
    assert gradient(tg.logsumexp, x) == [[0.0, 6.0]]


def test_softmax_of_only_minus_infinity_is_nan():
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(tg.softmax(tg.Value([-inf, -inf])).data).all()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert tg.logsumexp(tg.Value([-inf, -inf])).data == -inf


def test_a_mean_of_many_float16_does_not_overflow():
    assert tg.Value(np.ones(100_000, np.float16)).mean().data == 1.0


def test_an_empty_sum_is_0():
    assert tg.Value(np.zeros((0, 3))).sum().data == 0.0
    assert gradient(tg.Value.sum, np.zeros((0, 3))) == [[]]


@every_reduction
def test_an_axis_that_does_not_exist_is_an_error(name):
    x = tg.Value(np.ones((2, 3)))
    with pytest.raises(AxisError, match=rf"{name}: axis 2 is out of range for shape \(2, 3\)"):
        REDUCTIONS[name](x, axis=2)
    with pytest.raises(AxisError, match=rf"{name}: axis \(0, -2\) names an axis .* twice"):
        REDUCTIONS[name](x, axis=(0, -2))
    with pytest.raises(AxisError, match=f"{name}: axis must be an integer, got 0.5"):
        REDUCTIONS[name](x, axis=0.5)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "logsumexp"])
@pytest.mark.parametrize("keepdims", [1, "no", None])
def test_a_second_axis_is_not_mistaken_for_keepdims(name, keepdims):
    message = f"{name}: keepdims must be True or False, got {keepdims!r}"
    with pytest.raises(OptionError, match=message):
        REDUCTIONS[name](tg.Value(np.ones((2, 3))), 0, keepdims)


@pytest.mark.parametrize("f", [tg.softmax, tg.log_softmax])
@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 0), ((0,), -1), ((3, 0), (0, 1))])
def test_softmax_of_an_empty_array_is_empty(f, shape, axis):
    x = tg.Value(np.zeros(shape, np.float32))
    y = f(x, axis=axis)
    y.sum().backward()
    assert (y.shape, y.dtype, x.grad.shape) == (shape, np.float32, shape)


@pytest.mark.parametrize("name", ["mean", "max", "min", "logsumexp"])
@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 0), ((0,), None), ((0, 0), 1)])
def test_reducing_an_empty_axis_is_an_error(name, shape, axis):
    with pytest.raises(ShapeError, match=rf"{name}: nothing to reduce over axes .* of shape \(0"):
        REDUCTIONS[name](tg.Value(np.zeros(shape)), axis=axis)


@pytest.mark.parametrize("f", [tg.Value.max, tg.Value.min, tg.maximum, tg.minimum])
def test_an_unknown_ties_option_is_rejected(f):
    with pytest.raises(OptionError, match=r"ties must be one of .* got 'frist'"):
        f(tg.Value([1.0]), ties="frist")


@pytest.mark.parametrize(("f", "name"), [(tg.maximum, "maximum"), (tg.minimum, "minimum")])
def test_a_maximum_without_operands_is_an_error(f, name):
    with pytest.raises(OptionError, match=f"{name}: needs at least one operand, got none"):
        f()


@pytest.mark.parametrize("f", [tg.maximum, tg.minimum])
def test_python_numbers_never_widen_a_result(f):
    x = tg.Value(np.float32([1, 3]))
    assert {f(*xs).dtype for xs in ([0.5, 2.0, x], [tg.Value(2.0), 1, x], [x, 1, 2])} == {x.dtype}
    assert f(0.5, tg.Value(1.0), np.arange(2)).dtype == np.float64
