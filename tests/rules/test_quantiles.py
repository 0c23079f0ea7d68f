"""Medians and quantiles by every method, with infinities and NaN."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, ShapeError

METHODS = """
inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull
linear median_unbiased normal_unbiased lower higher midpoint nearest
"""


@settings(max_examples=50)
@given(
    arrays(float, st.integers(1, 7), elements=st.sampled_from([0.0, 1.0, 1.5, -2.0, 7.0])),
    st.sampled_from(METHODS.split()),
    st.floats(0, 1),
)
def test_quantiles_equal_numpys_for_every_method(x, method, q):
    y = np.quantile(Value(x), q, method=method)
    np.testing.assert_allclose(y.data, np.quantile(x, q, method=method), atol=1e-12)


def test_quantiles_with_infinities_are_not_nan():
    x = Value([-np.inf, 0.0, 1.0, np.inf])
    y = np.quantile(x, [0.0, 0.1, 0.5, 1.0])
    assert y.data.tolist() == [-np.inf, -np.inf, 0.5, np.inf]
    with np.errstate(invalid="ignore"):  # 0 * inf
        assert tg.grad(y[2], x)[0].tolist() == [0.0, 0.5, 0.5, 0.0]


def test_an_infinite_gradient_reaches_only_cells_with_a_share():
    x = Value([4.0, 1.0, 3.0])
    np.quantile(x, [0.5, 0.75]).backward([np.inf, 1.0])
    assert x.grad.tolist() == [0.5, 0.0, np.inf]
    one = Value(0.0)
    np.quantile(one, 0.3).backward(np.inf)
    assert one.grad == np.inf


def test_median_propagates_nan_and_nanmedian_ignores_it():
    x = Value([[3.0, np.nan, 1.0], [1.0, 2.0, 9.0]])
    assert np.array_equal(np.median(x, axis=1).data, [np.nan, 2.0], equal_nan=True)
    y = np.nanmedian(x, axis=1)
    assert y.data.tolist() == [2.0, 2.0]
    assert tg.grad(y.sum(), x)[0].tolist() == [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]


def test_invalid_operands_are_named():
    with pytest.raises(OptionError, match=r"np\.quantile: q must be a constant, not a Value"):
        np.quantile(Value([1.0]), Value(0.5))
    with pytest.raises(ShapeError, match=r"np\.median: nothing to choose from"):
        np.median(Value(np.ones((0, 2))))


@pytest.mark.parametrize("method", METHODS.split())
@pytest.mark.parametrize("q", [0.3, [0.1, 0.9]])
def test_the_dtype_is_numpys_with_every_method(method, q):
    x = np.float32([3.0, 1.0, 2.0])
    y, expected = (np.quantile(a, q, method=method) for a in (Value(x), x))
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.data, expected, 1e-6)
