"""Singular matrices, stacks of matrices, and invalid operands."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import AxisError, DataError, ShapeError

M = np.random.default_rng(0).normal(size=(2, 3, 3)) + 3 * np.eye(3)
SINGULAR = [np.diag([2.0, 3.0, 0.0]), np.diag([2.0, 0.0, 0.0]), np.zeros((3, 3))]
SINGULAR += [np.array([[1.0, 2.0], [2.0, 4.0]])]


@pytest.mark.parametrize("x", SINGULAR)
def test_a_determinant_has_slopes_for_singular_matrices(x):
    assert tg.gradcheck(np.linalg.det, x)
    with pytest.raises(DataError, match="inv: singular matrix"):
        tg.hessian(np.linalg.det)(x)


def test_second_derivatives_of_stacked_matrices():
    for f in (np.linalg.inv, np.linalg.det, lambda x: np.linalg.slogdet(x).logabsdet):
        assert tg.gradcheck(
            lambda x, f=f: tg.grad(lambda x: (f(x) ** 2).sum(), create_graph=True)(x), M
        )


def test_a_cholesky_factor_has_slopes_in_the_lower_triangle():
    x = M[0] @ M[0].T
    assert tg.gradcheck(np.linalg.cholesky, x)
    (g,) = tg.grad(np.linalg.cholesky(v := Value(x)), v, np.tri(3))
    assert not np.triu(g, 1).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.linalg.solve(Value(SINGULAR[0]), np.ones(3)), DataError, "solve: singular"),
        (lambda: np.linalg.cholesky(Value(-np.eye(2))), DataError, "not positive definite"),
        (lambda: np.linalg.det(Value([1.0])), ShapeError, r"det: needs square .* \(1,\)"),
        (lambda: np.linalg.slogdet(Value([[1.0, 2.0]])), ShapeError, "slogdet: needs square"),
        (lambda: np.linalg.matrix_power(Value([1.0]), 2), ShapeError, "matrix_power: needs square"),
        (lambda: np.linalg.matrix_power(Value(M), 0.5), AxisError, "n must be an integer"),
    ],
)
def test_matrices_without_a_result_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("f", [np.linalg.inv, np.linalg.det, np.linalg.cholesky])
def test_lapack_rejects_long_doubles(f):
    if np.finfo(np.longdouble).nmant > 52:
        with pytest.raises(DataError, match=r"np\.float64 is the widest dtype of LAPACK"):
            f(Value(np.eye(2, dtype=np.longdouble)))


def test_a_sign_gets_no_gradient():
    sign, logarithm = np.linalg.slogdet(Value(-np.eye(3)))
    assert (sign.data, logarithm.data) == (-1.0, 0.0)


@pytest.mark.parametrize("special", [np.inf, np.nan])
def test_a_matrix_that_is_not_finite_gets_nan_and_others_in_the_stack_their_gradients(special):
    x = tg.Value(np.array([[[special, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 3.0]]]))
    with np.errstate(invalid="ignore"):
        y = np.linalg.det(x)
        (to_x,) = tg.grad(y, x, np.ones(2))
    assert np.isnan(to_x[0]).all()
    np.testing.assert_allclose(to_x[1], [[3.0, 0.0], [0.0, 2.0]], atol=1e-15)


@pytest.mark.parametrize("n", [-2, -1, 0, 1, 2, 3, 5])
def test_a_matrix_power_equals_numpys(n):
    y = np.linalg.matrix_power(Value(M), n)
    np.testing.assert_allclose(y.data, np.linalg.matrix_power(M, n), 1e-12, 1e-12)


def test_the_matrix_power_0_is_the_identity_with_gradient_0():
    x = Value(np.full((2, 2), np.inf))
    y = np.linalg.matrix_power(x, 0)
    assert y.data.tolist() == np.eye(2).tolist()
    assert not tg.grad(y.sum(), x)[0].any()
