"""Sorting: the order of equal numbers and NaN, and errors."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import AxisError, OptionError


def test_equal_numbers_keep_their_order_and_nan_comes_last():
    v = Value([2.0, np.nan, 1.0, 2.0])
    assert np.array_equal(np.sort(v).data, [1.0, 2.0, 2.0, np.nan], equal_nan=True)
    assert np.array_equal(tg.grad(np.sort(v)[1], v)[0], [1.0, 0.0, 0.0, 0.0])


def test_operands_that_cannot_be_sorted_are_rejected():
    v = Value([2.0, 1.0])
    with pytest.raises(AxisError, match=r"np\.sort: "):
        np.sort(v[0])
    with pytest.raises(OptionError, match=r"np\.partition: kth must be a constant"):
        np.partition(v, v[0])
