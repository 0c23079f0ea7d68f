"""Means, norms, medians: NaN, infinities, weights, and invalid operands."""

import warnings

import numpy as np
import pytest

from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, ShapeError

A, T = Value(np.arange(6.0).reshape(2, 3)), Value(np.ones((2, 3, 4)))


def test_rows_of_only_nan_are_nan():
    x = Value([[np.nan, np.nan], [1.0, 3.0]])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for f in (np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd, np.nanmedian):
            got, expected = f(x, axis=1).data, f(x.data, axis=1)
            np.testing.assert_allclose(got, expected)


def test_means_without_nan_of_many_halves_are_computed_in_float32():
    x = np.linspace(0.0, 1.0, 100_000)
    x[::7] = np.nan
    for f in (np.nanmean, np.nanvar, np.nanstd):
        v, half = Value(x), Value(x.astype(np.float16))
        for a in (v, half):
            f(a).backward()
        assert half.grad.dtype == np.float16
        np.testing.assert_allclose(float(f(half)), f(x), rtol=1e-3)
        np.testing.assert_allclose(half.grad, v.grad, atol=1e-7)


def test_weights_of_average_apply_to_their_axes():
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
        (lambda: np.linalg.norm(A[0], "fro"), OptionError, "for vectors, ord must be > 0"),
        (lambda: np.linalg.norm(A, 3), OptionError, "for matrices, ord must be 'fro', 'nuc'"),
        (lambda: np.cov(T), ShapeError, "needs at most two axes"),
    ],
)
def test_invalid_operands_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_correlation_with_itself_is_1():
    assert np.corrcoef(A[0]).data == 1.0


def test_a_norm_of_infinite_order_is_the_largest_or_smallest_magnitude():
    x = Value([3.0, -4.0])
    assert [np.linalg.vector_norm(x, ord=p).data for p in (np.inf, -np.inf)] == [4.0, 3.0]


def test_one_observation_of_several_variables_has_no_covariance():
    one = Value([[1.0, 3.0]])
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.cov(one, rowvar=False).data).tolist() == [[True] * 2] * 2
    assert np.cov(one[0], rowvar=False).data == 2.0


@pytest.mark.parametrize("f", [np.nansum, np.nanprod, np.nancumsum, np.nancumprod])
def test_functions_that_ignore_nan_name_themselves_in_errors(f):
    with pytest.raises(
        OptionError, match=rf"np\.{f.__name__}: .* 'dtype' \(.* takes a, axis(, k.*)?\)"
    ):
        f(A, dtype=np.float32)
