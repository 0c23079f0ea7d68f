"""Reductions and running totals: products, cumulative sums and products, variances, norms."""

from __future__ import annotations

from math import prod as product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.arguments import Axis, Shape, axes_of, flag, kept, whole
from tinygrad_pool.rules.comparisons import is_0
from tinygrad_pool.rules.composition import composes, dtype_of
from tinygrad_pool.rules.half_precision import as_given, widened
from tinygrad_pool.rules.masks import choose
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements


@implements(np.prod)
def prod(x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """Multiply over the axes; None means all of them.

    y = Π_i x_i            ∂E/∂x_i = g Π_j x_j,  j ≠ i

    Zeros are handled: nothing is divided by x. An empty product is 1. Raises AxisError.

    >>> y, backward = prod(np.array([2.0, 0.0, 3.0]))
    >>> float(y), backward(1.0)
    (0.0, (array([0., 6., 0.]),))
    """
    shape = np.shape(x)
    axes = axes_of(shape, axis, "prod")
    column = kept(shape, axes)

    def prod_backward(g: Array) -> Contributions:
        rows = rows_of(x, axes)
        before, after = _before(rows), _before(rows[..., ::-1])[..., ::-1]
        to_x = np.reshape(g, column) * out_of_rows(before * after, shape, axes)
        return (to_x,)

    return np.prod(x, axis=axes, keepdims=flag(keepdims, "prod: keepdims")), prod_backward


@implements(np.cumsum)
def cumsum(x: Array, axis: int | None = None) -> tuple[Array, Backward]:
    """Compute running sums along an axis; None flattens x first.

    y_k = Σ_i x_i,  i ≤ k            ∂E/∂x_i = Σ_k g_k,  k ≥ i

    Raises AxisError.

    >>> y, backward = cumsum(np.array([1.0, 2.0, 4.0]))
    >>> y, backward(np.array([1.0, 1.0, 1.0]))
    (array([1., 3., 7.]), (array([3., 2., 1.]),))
    """
    shape, at = along(x, axis, "cumsum")

    def cumsum_backward(g: Array) -> Contributions:
        to_x = np.flip(np.cumsum(np.flip(widened(g), axis=at), axis=at), axis=at)
        return (np.reshape(to_x, np.shape(x)),)

    return as_given(np.cumsum(widened(np.reshape(x, shape)), axis=at), x), cumsum_backward


@implements(np.cumprod)
def cumprod(x: Array, axis: int | None = None) -> tuple[Array, Backward]:
    """Compute running products along an axis; None flattens x first.

    y_k = Π_i x_i,  i ≤ k            ∂E/∂x_i = Σ_k g_k Π_j x_j,  k ≥ i,  i ≠ j ≤ k

    Raises AxisError.

    >>> y, backward = cumprod(np.array([2.0, 3.0, 0.0]))
    >>> y, backward(np.array([1.0, 1.0, 1.0]))
    (array([2., 6., 0.]), (array([4., 2., 6.]),))
    """
    shape, at = along(x, axis, "cumprod")
    rows = rows_of(np.reshape(x, shape), (at,))

    def cumprod_backward(g: Array) -> Contributions:
        g_rows = rows_of(widened(g), (at,))
        to_factors = _to_factors if isinstance(rows, np.ndarray) else _to_factors_of_values
        to_x = out_of_rows(to_factors(rows, g_rows), shape, (at,))
        return (np.reshape(to_x, np.shape(x)),)

    return np.cumprod(np.reshape(x, shape), axis=at), cumprod_backward


def _to_factors(x: NDArray[Any], g: NDArray[Any]) -> NDArray[Any]:
    """Compute the gradient of the factors of running products, row by row.

    Before the first 0 of a row it is Σ_k g_k y_k / x_i. At that 0, the 0 is left out of the
    products. After it, the gradient is 0.
    """
    first = (np.cumsum(x == 0, axis=-1) == 1) & (x == 0)
    past = np.cumsum(x == 0, axis=-1) > 0
    others = np.where(first, 1, x)
    to_0 = np.where(past, g * np.cumprod(others, axis=-1), 0)
    products = g * np.cumprod(x, axis=-1)
    before = np.cumsum(products[..., ::-1], axis=-1)[..., ::-1]
    at_0 = np.where(first, np.sum(to_0, axis=-1, keepdims=True), 0)
    return np.where(past, at_0, before / np.where(past, 1, x))


def _to_factors_of_values(x: Array, g: Array) -> Array:
    """Do the same on Values, so that it can be differentiated: with one row per factor."""
    n = np.shape(x)[-1]
    own = np.eye(n, dtype=bool)
    others = np.where(own, 1.0, np.expand_dims(x, -2))
    later = np.triu(np.ones((n, n), dtype_of(x)))
    return np.sum(np.expand_dims(g, -2) * later * np.cumprod(others, axis=-1), axis=-1)


@implements(np.var)
def var(
    x: Array, axis: Axis = None, ddof: float = 0, keepdims: bool = False
) -> tuple[Array, Backward]:
    """Compute the variance over the axes, the mean squared deviation; None means all of them.

    y = Σ_i (x_i − m)² / n,  n = K − ddof,  m = Σ_i x_i / K            ∂E/∂x_i = 2 g (x_i − m) / n

    Raises AxisError; OptionError unless ddof is a number; ShapeError with nothing to average.

    >>> y, backward = var(np.array([1.0, 3.0]))
    >>> float(y), backward(1.0)
    (1.0, (array([-1.,  1.]),))
    """
    shape = np.shape(x)
    axes = axes_of(shape, axis, "var")
    column, freedom = kept(shape, axes), freedom_of(shape, axes, ddof, "var")
    deviation = widened(x) - np.mean(widened(x), axis=axes, keepdims=True)

    def var_backward(g: Array) -> Contributions:
        to_x = np.reshape(g, column) * (deviation * 2.0 / freedom)
        return (to_x,)

    total = np.sum(np.square(deviation), axis=axes, keepdims=flag(keepdims, "var: keepdims"))
    return as_given(total / freedom, x), var_backward


@composes("std")
def std(a: Array, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Compute the standard deviation. At the kink, where all are equal, the slopes are 0."""
    freedom = freedom_of(np.shape(a), axes_of(np.shape(a), axis, "std"), ddof, "std")
    deviation = a - np.mean(a, axis=axis, keepdims=True)
    return p_norm(deviation, axis=axis, keepdims=keepdims) / freedom**0.5


def freedom_of(shape: Shape, axes: Shape, ddof: Any, name: str) -> float:
    """Return the divisor of a variance, the count less ddof, or 0 if that is negative."""
    count = product(shape[i] for i in axes)
    if not isinstance(ddof, int | float | np.number) or ddof != ddof:  # noqa: PLR0124  # NaN
        raise OptionError(f"{name}: ddof must be a number, got {ddof!r:.80}")
    if count == 0:
        raise ShapeError(f"{name}: nothing to average over axes {axes} of shape {shape}")
    return float(max(count - ddof, 0))


@primitive
def p_norm(x: Array, *, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> Array:
    """Compute the p-norm over the axes: (Σ_i |x_i|ᵖ)^(1/p) for p = ord > 0."""
    axes = axes_of(np.shape(x), axis, "norm")
    if not axes:  # NumPy treats () as None
        return np.abs(x)
    return as_given(np.linalg.vector_norm(widened(x), axis=axes, ord=ord, keepdims=keepdims), x)


@implements(p_norm)
def vector_norm(
    x: Array, *, ord: float = 2, axis: Axis = None, keepdims: bool = False
) -> tuple[Array, Backward]:
    """Differentiate the p-norm over the axes; None means all of them.

    y = (Σ_i |x_i|ᵖ)^(1/p)            ∂E/∂x_i = g sign x_i (|x_i| / y)ᵖ⁻¹

    At the kink, where all elements are 0, the slopes are 0. Raises AxisError.

    >>> y, backward = vector_norm(np.array([3.0, -4.0]))
    >>> float(y), backward(5.0)
    (5.0, (array([ 3., -4.]),))
    """
    column = kept(np.shape(x), axes_of(np.shape(x), axis, "norm"))
    y = p_norm(x, ord=ord, axis=axis, keepdims=flag(keepdims, "norm: keepdims"))

    def vector_norm_backward(g: Array) -> Contributions:
        length = np.reshape(y, column)
        share = x / choose(is_0(length), np.inf, length)
        if ord != 2:
            share = np.sign(x) * np.abs(share) ** (ord - 1)
        to_x = np.reshape(g, column) * share
        return (to_x,)

    return y, vector_norm_backward


# -- rows


def rows_of(x: Array, axes: Shape) -> Array:
    """Flatten the given axes, in order, into one last axis.

    >>> rows_of(np.array([[1.0, 2.0], [3.0, 4.0]]), (0,))
    array([[1., 3.],
           [2., 4.]])
    """
    shape = np.shape(x)
    others = tuple(i for i in range(len(shape)) if i not in axes)
    lengths = [*(shape[i] for i in others), product(shape[i] for i in axes)]
    return np.reshape(np.transpose(x, (*others, *axes)), lengths)


def out_of_rows(rows: Array, shape: Shape, axes: Shape) -> Array:
    """Undo `rows_of`, given the original shape."""
    order = (*(i for i in range(len(shape)) if i not in axes), *axes)
    back = tuple(int(i) for i in np.argsort(order))
    return np.transpose(np.reshape(rows, tuple(shape[i] for i in order)), back)


def _before(rows: Array) -> Array:
    """Compute, for each element of a row, the product of all elements before it."""
    *lead, n = np.shape(rows)
    ones = np.ones((*lead, min(n, 1)), dtype_of(rows))
    return np.concatenate([ones, np.cumprod(rows[..., : max(n - 1, 0)], axis=-1)], axis=-1)


def along(x: Array, axis: Any, name: str) -> tuple[Shape, int]:
    """Return the shape and the axis to accumulate along; for None, of the flattened x."""
    if axis is None:
        return (np.size(x),), 0
    (at,) = axes_of(np.shape(x), whole(axis, f"{name}: axis"), name)
    return np.shape(x), at
