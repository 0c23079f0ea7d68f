"""Rules of eigenvalues of symmetric matrices, of singular values, and of pseudo-inverses."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from tinygrad_pool.errors import OptionError
from tinygrad_pool.rules.arguments import choice, flag, real
from tinygrad_pool.rules.composition import composes, operand
from tinygrad_pool.rules.half_precision import as_given, widened
from tinygrad_pool.rules.inverses import lower, of_matrices
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

EighResult: Any = type(np.linalg.eigh(np.eye(1)))
SVDResult: Any = type(np.linalg.svd(np.eye(1)))
Triangle: TypeAlias = Literal["L", "U"]


@implements(np.linalg.eigvalsh)
def eigvalsh(x: Array, UPLO: Triangle = "L") -> tuple[Array, Backward]:
    """Compute the eigenvalues of symmetric matrices, smallest first.

    y = λ(X)            ∂E/∂X = Φ(S + Sᵀ),  S = V diag(g) Vᵀ

    Like NumPy it reads only the lower triangle of X, or the upper for UPLO="U", so only that gets
    a gradient; Φ is that of cholesky. At a tie, V are the eigenvectors that LAPACK chooses.

    >>> y, backward = eigvalsh(np.diag([3.0, 2.0]))
    >>> y, backward(np.array([5.0, 7.0]))[0].diagonal()
    (array([2., 3.]), array([7., 5.]))
    """
    choice(UPLO, ("L", "U"), "eigvalsh: UPLO")

    def eigvalsh_backward(g: Array) -> Contributions:
        v = eigenvectors_of(x, UPLO=UPLO)
        to_x = _triangle(v * np.expand_dims(g, -2) @ v.mT, UPLO)
        return (to_x,)

    y = of_matrices("eigvalsh", lambda x: np.linalg.eigh(x, UPLO)[0], x)  # eigvalsh loses a NaN
    return y, eigvalsh_backward


@primitive
def eigenvectors_of(x: Array, *, UPLO: Triangle = "L") -> Array:
    """Compute unit eigenvectors of symmetric matrices, in columns."""
    return of_matrices("eigh", lambda x: np.linalg.eigh(x, UPLO)[1], x)


@implements(eigenvectors_of)
def eigenvectors(x: Array, *, UPLO: Triangle = "L") -> tuple[Array, Backward]:
    """Differentiate the unit eigenvectors of symmetric matrices; λ are the eigenvalues.

    Y = V(X)            ∂E/∂X = Φ(S + Sᵀ),  S = Y (Yᵀ G / D) Yᵀ,  D_ij = λ_j − λ_i

    D_ii is ∞. LAPACK chooses the signs. At a tie of eigenvalues the slopes are inf or NaN.
    """
    y = eigenvectors_of(x, UPLO=UPLO)

    def eigenvectors_backward(g: Array) -> Contributions:
        d = _paired(np.linalg.eigvalsh(widened(x), UPLO), -1.0)
        to_x = _triangle(y @ (y.mT @ g / d) @ y.mT, UPLO)
        return (to_x,)

    return y, eigenvectors_backward


@composes("linalg.eigh")
def eigh(a: Array, UPLO: Triangle = "L") -> Any:
    """Compute the eigenvalues of symmetric matrices, smallest first, and unit eigenvectors."""
    return EighResult(np.linalg.eigvalsh(a, UPLO), eigenvectors_of(operand(a), UPLO=UPLO))


def _triangle(s: Array, UPLO: Triangle) -> Array:
    below = lower(s + s.mT)
    return below if UPLO == "L" else below.mT


def _paired(values: Array, sign: float) -> Array:
    """Return values_j + sign · values_i where i ≠ j, and inf on the diagonal."""
    both = np.expand_dims(values, -2) + sign * np.expand_dims(values, -1)
    return np.where(np.eye(np.shape(values)[-1], dtype=bool), np.inf, both)


@implements(np.linalg.svdvals)
def svdvals(x: Array) -> tuple[Array, Backward]:
    """Compute the singular values of matrices, largest first.

    y = σ(X)            ∂E/∂X = U diag(g) Vᵀ

    At a tie and at 0, U and V are the singular vectors that LAPACK chooses.

    >>> y, backward = svdvals(np.array([[-3.0], [0.0]]))
    >>> y, backward(np.array([5.0]))[0].T
    (array([3.]), array([[-5.,  0.]]))
    """

    def svdvals_backward(g: Array) -> Contributions:
        u, v = np.split(singular_vectors_of(x), [np.shape(x)[-2]], axis=-2)
        to_x = u * np.expand_dims(g, -2) @ v.mT
        return (to_x,)

    return of_matrices("svd", np.linalg.svdvals, x, square=False), svdvals_backward


@primitive
def singular_vectors_of(x: Array) -> Array:
    """Compute singular vectors, in columns: the left ones, U, above the right ones, V."""
    thin = partial(np.linalg.svd, full_matrices=False)
    u, _, vt = of_matrices("svd", thin, widened(x), square=False)
    return as_given(np.concatenate([u, vt.mT], axis=-2), x)


@implements(singular_vectors_of)
def singular_vectors(x: Array) -> tuple[Array, Backward]:
    """Differentiate the left and right singular vectors U and V; σ are the singular values.

    Y = [U; V]            ∂E/∂X = U M Vᵀ + (H − U A) diag(σ)⁻¹ Vᵀ + U diag(σ)⁻¹ (K − V B)ᵀ

    H and K are the gradients of U and V; A = Uᵀ H and B = Vᵀ K. M is P + Pᵀ + Q − Qᵀ, with
    P_ij = (A + B)_ij / 2(σ_j − σ_i) and Q_ij = (A − B)_ij / 2(σ_j + σ_i). P and Q have the diagonal
    0. LAPACK chooses the signs. At a tie of singular values the slopes are inf or NaN.
    """
    y, (m, n) = singular_vectors_of(x), np.shape(x)[-2:]

    def singular_vectors_backward(g: Array) -> Contributions:
        (u, v), (h, k) = (np.split(both, [m], axis=-2) for both in (y, g))
        s, a, b = np.linalg.svdvals(widened(x)), u.mT @ h, v.mT @ k
        p, q = (a + b) / _paired(s, -1.0), (a - b) / _paired(s, 1.0)
        to_x = u @ ((p + p.mT + q - q.mT) / 2) @ v.mT
        if m != n:
            to_u, to_v = ((h - u @ a) / s[..., None, :], (k - v @ b) / s[..., None, :])
            to_x = to_x + to_u @ v.mT + u @ to_v.mT
        return (to_x,)

    return y, singular_vectors_backward


@composes("linalg.svd")
def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Compute U, S and Vh with U diag(S) Vh = A; with compute_uv=False only S, largest first."""
    s, (*_, m, n) = np.linalg.svdvals(a), np.shape(a)
    if not flag(compute_uv, "np.linalg.svd: compute_uv"):
        return s
    if flag(full_matrices, "np.linalg.svd: full_matrices") and m != n:
        raise OptionError(f"np.linalg.svd: {m} × {n} is not square: pass full_matrices=False")
    both = singular_vectors_of(operand(a))
    return SVDResult(both[..., :m, :], s, both[..., m:, :].mT)


@implements(np.linalg.pinv)
def pinv(x: Array, rcond: float | None = None) -> tuple[Array, Backward]:
    """Compute pseudo-inverses; singular values up to rcond times the largest count as 0.

    Y = X⁺            ∂E/∂X = H − X Y H + K − K Y X − Yᵀ G Yᵀ,  H = Gᵀ Y Yᵀ,  K = Yᵀ Y Gᵀ

    The slopes hold for changes that keep the rank, if what counts as 0 is 0 up to rounding.

    >>> y, backward = pinv(np.array([[2.0], [0.0]]))
    >>> y, backward(np.array([[1.0, 1.0]]))[0].T
    (array([[0.5, 0. ]]), array([[-0.25,  0.25]]))
    """
    least = 1e-15 if rcond is None else real(rcond, "pinv: rcond", 0.0)
    y = of_matrices("pinv", lambda x: np.linalg.pinv(x, least), x, square=False)

    def pinv_backward(g: Array) -> Contributions:
        h, k = g.mT @ y @ y.mT, y.mT @ y @ g.mT
        to_x = h - x @ (y @ h) + k - k @ y @ x - y.mT @ g @ y.mT
        return (to_x,)

    return y, pinv_backward
