"""Rules of square matrices: inverses, linear systems, determinants, Cholesky factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.errors import DataError, ShapeError
from tinygrad_pool.rules.arguments import Shape, whole
from tinygrad_pool.rules.composition import composes, dtype_of, operand
from tinygrad_pool.rules.half_precision import as_given, widened
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements


@implements(np.linalg.inv)
def inv(x: Array) -> tuple[Array, Backward]:
    """Invert the matrices in the last two axes.

    Y = X⁻¹            ∂E/∂X = −Yᵀ G Yᵀ

    Raises ShapeError unless they are square, DataError if one is singular.

    >>> y, backward = inv(np.array([[2.0]]))
    >>> y, backward(np.array([[1.0]]))
    (array([[0.5]]), (array([[-0.25]]),))
    """
    y = _inverse(x)

    def inv_backward(g: Array) -> Contributions:
        transposed = np.matrix_transpose(y)
        to_x = -(transposed @ g @ transposed)
        return (to_x,)

    return y, inv_backward


@primitive
def solve_matrix(x: Array, w: Array) -> Array:
    """Solve X Y = W for matrices."""
    return of_matrices("solve", np.linalg.solve, x, w)


@implements(solve_matrix)
def solve(x: Array, w: Array) -> tuple[Array, Backward]:
    """Solve the linear systems X Y = W, for each column of W.

    Y = X⁻¹ W            ∂E/∂X = −(X⁻ᵀ G) Yᵀ            ∂E/∂W = X⁻ᵀ G

    Raises ShapeError if the shapes do not match, DataError if X is singular.

    >>> y, backward = solve(np.array([[2.0]]), np.array([[3.0]]))
    >>> y, backward(np.array([[1.0]]))
    (array([[1.5]]), (array([[-0.75]]), array([[0.5]])))
    """
    y = solve_matrix(x, w)

    def solve_backward(g: Array) -> Contributions:
        to_w = solve_matrix(np.matrix_transpose(x), g)
        to_x = -(to_w @ np.matrix_transpose(y))
        return to_x, to_w

    return y, solve_backward


@composes("linalg.solve")
def systems(a: Array, b: Array) -> Array:
    """Solve A x = b for a vector, or for each column of matrices."""
    a, b = operand(a), operand(b)
    if np.ndim(b) != 1:
        return solve_matrix(a, b)
    return np.squeeze(solve_matrix(a, np.expand_dims(b, -1)), axis=-1)


@implements(np.linalg.det)
def det(x: Array) -> tuple[Array, Backward]:
    """Compute determinants over the last two axes. Slopes are right for singular matrices, too.

    y = det X            ∂E/∂X = g adj(X)ᵀ, which is g y X⁻ᵀ where there is an inverse

    Raises ShapeError unless they are square; DataError in a higher-order pass if one is singular.

    >>> y, backward = det(np.array([[2.0, 0.0], [0.0, 0.0]]))
    >>> float(y), backward(1.0)[0].round(6) + 0.0
    (0.0, array([[0., 0.],
           [0., 2.]]))
    """
    y = of_matrices("det", np.linalg.det, x)

    def det_backward(g: Array) -> Contributions:
        wide = np.expand_dims(g, (-2, -1))
        if isinstance(x, np.ndarray):
            to_x = wide * _cofactors(x)
        else:
            to_x = wide * np.expand_dims(y, (-2, -1)) * np.matrix_transpose(_inverse(x))
        return (to_x,)

    return y, det_backward


def _cofactors(x: Array) -> Array:
    """Compute adj(X)ᵀ by singular values, without dividing by them; NaN where X is not finite."""
    finite = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    u, s, vt = np.linalg.svd(widened(np.where(finite, x, np.eye(x.shape[-1], dtype=x.dtype))))
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    sign = (np.linalg.det(u) * np.linalg.det(vt))[..., None, None]
    return np.where(finite, sign * (u * others[..., None, :]) @ vt, np.nan)


class SlogdetResult(NamedTuple):
    """The sign of a determinant, without gradient, and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Array


@primitive
def log_of_det(x: Array) -> Array:
    """Compute ln |det X|."""
    return of_matrices("slogdet", lambda x: np.linalg.slogdet(x)[1], x)


@implements(log_of_det)
def logabsdet(x: Array) -> tuple[Array, Backward]:
    """Differentiate the logarithm of the absolute value of a determinant.

    y = ln |det X|            ∂E/∂X = g X⁻ᵀ

    >>> y, backward = logabsdet(np.array([[1.0]]))
    >>> float(y), backward(2.0)
    (0.0, (array([[2.]]),))
    """

    def logabsdet_backward(g: Array) -> Contributions:
        to_x = np.expand_dims(g, (-2, -1)) * np.matrix_transpose(_inverse(x))
        return (to_x,)

    return log_of_det(x), logabsdet_backward


@composes("linalg.slogdet")
def slogdet(a: Array) -> SlogdetResult:
    """Compute the sign of a determinant and the logarithm of its absolute value."""
    return SlogdetResult(sign_of(a), log_of_det(a))


@primitive
def sign_of(x: Array) -> Array:
    """Compute the sign of det X."""
    return of_matrices("slogdet", lambda x: np.linalg.slogdet(x)[0], x)


@implements(sign_of)
def sign_of_det(x: Array) -> tuple[Array, Backward]:
    """Differentiate the sign of a determinant: it is piecewise constant, so no gradient flows.

    y = sgn det X            ∂E/∂X = 0

    >>> y, backward = sign_of_det(np.array([[-2.0]]))
    >>> float(y), backward(2.0)
    (-1.0, (None,))
    """

    def sign_of_det_backward(_: Array) -> Contributions:
        return (None,)

    return sign_of(x), sign_of_det_backward


@implements(np.linalg.cholesky)
def cholesky(x: Array) -> tuple[Array, Backward]:
    """Compute the lower triangular Y with X = Y Yᵀ, for symmetric positive definite matrices.

    Like NumPy it reads only the lower triangle of X, so only that gets a gradient.

    Y = chol X            ∂E/∂X = Φ(S + Sᵀ),  S = Y⁻ᵀ Φ(Yᵀ G) Y⁻¹

    Φ keeps the lower triangle and halves the diagonal. Raises ShapeError unless they are square,
    DataError unless they are positive definite.

    >>> y, backward = cholesky(np.array([[4.0]]))
    >>> y, backward(np.array([[1.0]]))
    (array([[2.]]), (array([[0.25]]),))
    """
    y = of_matrices("cholesky", np.linalg.cholesky, x)

    def cholesky_backward(g: Array) -> Contributions:
        inverse = _inverse(y)
        s = np.matrix_transpose(inverse) @ lower(np.matrix_transpose(y) @ g) @ inverse
        to_x = lower(s + np.matrix_transpose(s))
        return (to_x,)

    return y, cholesky_backward


def lower(x: Array) -> Array:
    """Keep the lower triangle and halve the diagonal."""
    n = np.shape(x)[-1]
    return np.tril(x) * (1.0 - np.eye(n, dtype=dtype_of(x)) / 2)


@composes("linalg.matrix_power")
def matrix_power(a: Array, n: int) -> Array:
    """Raise a square matrix to the power n; for n < 0, its inverse to the power −n."""
    a, count = operand(a), whole(n, "np.linalg.matrix_power: n")
    _check_matrices(np.shape(a), "matrix_power")
    if count < 0:
        a, count = np.linalg.inv(a), -count
    if not count:
        return np.where(False, a, np.eye(np.shape(a)[-1], dtype=dtype_of(a)))  # not 0 · ∞
    y = None
    while count:
        count, odd = divmod(count, 2)
        if odd:
            y = a if y is None else y @ a
        a = a @ a if count else a
    return y


def _inverse(x: Array) -> Array:
    return of_matrices("inv", np.linalg.inv, x)


def of_matrices(name: str, function: Callable[..., Any], *xs: Array, square: bool = True) -> Any:
    """Call a LAPACK function of matrices; float16 is computed in float32.

    Raises ShapeError unless they are matrices, and square ones unless `square` is False; DataError
    if there is no result, or for a dtype wider than float64.
    """
    shape = np.shape(xs[0])
    _check_matrices(shape, name, square)
    try:
        return as_given(function(*map(widened, xs)), xs[0])
    except np.linalg.LinAlgError as error:
        raise DataError(f"{name}: {str(error).lower()}, of shape {shape}") from error
    except DataError:
        raise
    except TypeError as error:
        raise DataError(f"{name}: {error}; np.float64 is the widest dtype of LAPACK") from error


def _check_matrices(shape: Shape, name: str, square: bool = True) -> None:
    if len(shape) < 2 or (square and shape[-1] != shape[-2]):
        raise ShapeError(f"{name}: needs {'square ' * square}matrices, got shape {shape}")
