"""Powers, remainders and functions composed of them: kinks, overflow and dtypes."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


def slopes(f, *numbers):
    xs = [Value(x) for x in numbers]
    return tg.grad(f(*xs), xs)


def test_slopes_at_kinks():
    assert slopes(np.hypot, 0.0, 0.0) == (0.0, 0.0)
    with np.errstate(all="ignore"):
        assert slopes(np.cbrt, 0.0) == (np.inf,)


@pytest.mark.parametrize("far", [800.0, -800.0, np.inf, -np.inf])
def test_nothing_overflows(far):
    for f in (np.logaddexp, np.logaddexp2):
        assert slopes(f, far, 0.0) == pytest.approx((1.0, 0.0) if far > 0 else (0.0, 1.0))
    assert slopes(np.hypot, 1e200, 1e200) == pytest.approx((0.5**0.5, 0.5**0.5))


def test_remainders_and_quotients_are_consistent():
    for f, whole in ((np.remainder, np.floor), (np.fmod, np.trunc)):
        for x in (7.5, -7.5):
            for w in (2.0, -2.0):
                assert slopes(f, x, w) == (1.0, -whole(x / w))
    k, rest = np.divmod(Value(7.5), 2.0)
    assert (float(k), rest.data) == (3.0, 1.5)
    rest, k = np.modf(Value(-1.5))
    assert (rest.data, float(k)) == (-0.5, -1.0)


def test_the_fractional_part_of_an_infinity_is_0():
    x = Value([np.inf, -np.inf, np.nan, 2.5])
    rest, k = np.modf(x)
    for y, expected in zip((rest.data, k), np.modf(x.data), strict=True):
        np.testing.assert_array_equal(y, expected)
    assert np.signbit(rest.data[1])
    rest.backward(np.ones(4))
    assert x.grad.tolist() == [0.0, 0.0, 0.0, 1.0]


def test_infinities_are_found_again_when_modf_runs_again():
    x = Value([np.inf, 1.5], label="x")
    again = tg.unroll(np.modf(x)[0].sum())(x=[2.5, np.inf])
    assert (again.loss, again.gradients["x"].tolist()) == (0.5, [1.0, 0.0])


def test_the_whole_part_of_a_quotient_is_noted_as_a_plain_number():
    with tg.traced():
        x, w = Value(7.5, label="x"), Value(2.0, label="w")
        y = divmod(x, 2.0)[0] * w
    y.backward()
    assert "x: np.floor_divide() made plain numbers of it" in str(tg.diagnose(y))


def test_functions_that_convert_to_double_precision_or_keep_the_dtype():
    v = Value(np.ones(2, np.float32))
    assert np.float_power(v, 2).dtype == np.float64
    assert np.float_power(Value(2.0), 3.0).data == 8.0
    assert np.astype(v, np.float64, copy=False).dtype == np.float64
    assert np.ldexp(v, 2).dtype == np.float32
    assert np.positive(v) is np.conjugate(v) is np.real(v) is v


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_float_power_has_numpys_dtype(dtype):
    x = np.array([0.5, 3.0], dtype)
    y = np.float_power(Value(x), 2)
    assert y.dtype == np.float_power(x, 2).dtype
    np.testing.assert_array_equal(y.data, np.float_power(x, 2))
