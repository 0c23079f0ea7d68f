"""Means, norms, medians: NaN, infinities, weights, and what is refused."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, ShapeError

A, T = Value(np.arange(6.0).reshape(2, 3)), Value(np.ones((2, 3, 4)))
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
def test_a_quantile_is_numpys_by_every_method(x, method, q):
    y = np.quantile(Value(x), q, method=method)
    np.testing.assert_allclose(y.data, np.quantile(x, q, method=method), atol=1e-12)


def test_a_quantile_among_infinities_is_one_of_them_or_a_number():
    x = Value([-np.inf, 0.0, 1.0, np.inf])
    y = np.quantile(x, [0.0, 0.1, 0.5, 1.0])
    assert y.data.tolist() == [-np.inf, -np.inf, 0.5, np.inf]
    with np.errstate(invalid="ignore"):  # 0 * inf, of which a constant would get the gradient
        assert tg.grad(y[2], x)[0].tolist() == [0.0, 0.5, 0.5, 0.0]


def test_a_quantile_with_nan_is_nan_and_beside_nan_a_number():
    x = Value([[3.0, np.nan, 1.0], [1.0, 2.0, 9.0]])
    assert np.array_equal(np.median(x, axis=1).data, [np.nan, 2.0], equal_nan=True)
    y = np.nanmedian(x, axis=1)
    assert y.data.tolist() == [2.0, 2.0]
    assert tg.grad(y.sum(), x)[0].tolist() == [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]


def test_rows_of_nan_alone_are_nan():
    x = Value([[np.nan, np.nan], [1.0, 3.0]])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for f in (np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd, np.nanmedian):
            got, expected = f(x, axis=1).data, f(x.data, axis=1)
            np.testing.assert_allclose(got, expected)


def test_weights_lie_along_the_axes_they_are_given_for():
    x, w = np.random.default_rng(0).normal(size=(2, 2, 3)), np.array([[1.0, 2.0], [3.0, 5.0]])
    for axis in ((0, 1), (1, 0)):
        y = np.average(Value(x), axis=axis, weights=w)
        np.testing.assert_allclose(y.data, np.average(x, axis=axis, weights=w))
    y, total = np.average(Value(x), axis=0, returned=True)
    assert np.array_equal(total, np.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.average(A, weights=[1.0, -1.0], axis=0), ShapeError, "weights add up to 0"),
        (lambda: np.average(A, weights=[1.0]), ShapeError, r"weights of shape \(1,\) fit neither"),
        (lambda: np.linalg.norm(T, 1), ShapeError, "ord=1 needs one axis or two, got 3"),
        (lambda: np.linalg.norm(A[0], 0), OptionError, r"np.count_nonzero\(v\) counts"),
        (lambda: np.linalg.norm(A[0], "fro"), OptionError, "of vectors, ord must be above 0"),
        (lambda: np.linalg.norm(A, 2), OptionError, "of matrices, ord must be 'fro', 1"),
        (lambda: np.quantile(A, Value(0.5)), OptionError, "q is a constant, not a Value"),
        (lambda: np.median(A[:0]), ShapeError, "np.quantile: nothing to choose from"),
        (lambda: np.cov(T), ShapeError, "needs two axes at most"),
    ],
)
def test_what_does_not_fit_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_correlation_with_itself_is_1():
    assert np.corrcoef(A[0]).data == 1.0
