"""Rules that compare: ties, NaN and kinks."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


def slopes(f, *numbers):
    xs = [Value(x) for x in numbers]
    return tg.grad(f(*xs), xs)


def test_slopes_at_ties_and_kinks():
    assert slopes(np.copysign, 0.0, -1.0) == (0.0, 0.0)
    assert slopes(np.fmax, 2.0, 2.0) == (1.0, 0.0)  # the first, as in np.maximum


@pytest.mark.parametrize("mask", [True, np.True_, np.array([True, False])])
def test_copysign_accepts_bools(mask):
    w = Value([-2.0, 3.0])
    y = np.copysign(mask, w)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, np.copysign(mask, w.data))
    assert not w.grad.any()


def test_a_number_wins_over_nan_and_gets_the_gradient():
    assert slopes(np.fmax, np.nan, 2.0) == (0.0, 1.0)
    assert slopes(np.fmin, 2.0, np.nan) == (1.0, 0.0)
    assert np.isnan(np.fmin(Value(np.nan), np.nan).data)
    (to_x,) = slopes(lambda x: np.nan_to_num(x).sum(), np.array([np.nan, 1.0, np.inf]))
    assert to_x.tolist() == [0.0, 1.0, 0.0]
