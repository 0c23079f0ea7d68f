"""Methods of NumPy's ufuncs on Values: results, slopes, and errors."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import AxisError, OptionError, UnsupportedError
from tinygrad_pool.rules.ufunc_methods import ACCUMULATED, REDUCED

A = np.array([[0.5, -1.5, 2.5], [3.5, 0.25, -0.75]])
U = np.array([1.5, -0.5, 2.0, 0.75])


def assert_same(f, *arrays):
    """Compare a function on Values with NumPy, and its slopes with finite differences."""
    y = f(*map(Value, arrays))
    assert isinstance(y, Value)
    np.testing.assert_allclose(y.data, f(*arrays), 1e-14)
    assert tg.gradcheck(f, [*map(Value, arrays)])


@pytest.mark.parametrize("name", REDUCED)
@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": -1, "keepdims": True}])
def test_reduce_reduces_along_the_first_axis_by_default(name, options):
    assert_same(lambda x: getattr(np, name).reduce(x, **options), A)
    assert np.add.reduce(Value(A), 1).shape == (2,)
    assert np.add.reduce(Value(A), axis=None).shape == ()


@pytest.mark.parametrize("name", ACCUMULATED)
@pytest.mark.parametrize("options", [{}, {"axis": 1}])
def test_accumulate_returns_running_sums_and_products(name, options):
    assert_same(lambda x: getattr(np, name).accumulate(x, **options), A)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "arctan2"])
def test_outer_computes_every_pair(name):
    outer = getattr(np, name).outer
    assert_same(outer, A, U)
    assert_same(lambda x: outer(x, [1.0, 2.5]), A)
    assert_same(lambda x: outer([[1.0, 2.5]], x), A)


def test_outer_of_a_comparison_returns_plain_bools():
    answer = np.less.outer(Value(U), Value(A))
    assert not isinstance(answer, Value)
    np.testing.assert_array_equal(answer, np.less.outer(U, A))


def test_unsupported_methods_and_options_are_rejected():
    with pytest.raises(
        OptionError, match=r"np\.add\.reduce: .*'initial' \(on Values it takes array"
    ):
        np.add.reduce(Value(A), initial=1.0)
    with pytest.raises(AxisError, match="axis 2"):
        np.add.reduce(Value(A), axis=2)
    with pytest.raises(
        UnsupportedError, match=r"np\.add\.reduceat has no rule for Values; v\.data"
    ):
        np.add.reduceat(Value(U), [0, 2])
    with pytest.raises(UnsupportedError, match=r"np\.gcd has no rule"):
        np.gcd.outer(Value(U), Value(U))
