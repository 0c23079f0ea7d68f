"""Local derivatives of a number with respect to its operands."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.slopes import largest_of, slopes_of


@pytest.mark.parametrize(
    ("c", "largest"),
    [([1.0, -3.0], -3), ([], 0), (4.0, 4), ([np.inf, 1.0], np.inf), ([0.0, -0.0], 0)],
)
def test_largest_of_an_array(c, largest):
    assert largest_of(np.array(c)) == largest


@pytest.mark.parametrize("c", [-3.0, np.float64(-3.0), np.float32(-3.0), np.array(-3.0)])
def test_largest_of_a_number_is_a_python_float(c):
    assert largest_of(c) == -3.0
    assert type(largest_of(c)) is float


@pytest.mark.parametrize("c", [np.nan, [[2.0, np.nan]], [np.inf, np.nan, -1.0]])
def test_nan_is_the_largest(c):
    assert np.isnan(largest_of(np.array(c)))


def test_slopes_are_those_of_numbers_alone():
    assert slopes_of(Value(2.0)) is None
    assert slopes_of(Value([1.0, 2.0]) * 2.0) is None
    assert slopes_of(tg.tanh(Value(0.0))) == [1]
    assert slopes_of(Value(np.array(3.0)) ** 2) == [6, 0]


def test_slopes_that_are_infinite_or_missing():
    def own(x, y):
        return float(x), lambda g: (g, None)

    assert slopes_of(tg.lift(own)(Value(1.0), Value(2.0))) == [1, 0]
    assert slopes_of(tg.sqrt(Value(0.0))) == [np.inf]
    assert slopes_of(tg.abs(Value(0.0)))[0] == 0
