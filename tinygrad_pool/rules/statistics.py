"""Means, norms, covariances, and reductions that ignore NaN, composed of rules."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.accumulations import freedom_of, p_norm
from tinygrad_pool.rules.arguments import Axis, Shape, named_axes
from tinygrad_pool.rules.comparisons import whether
from tinygrad_pool.rules.composition import composes, dtype_of, operand
from tinygrad_pool.rules.half_precision import as_given, widened
from tinygrad_pool.rules.powers import double
from tinygrad_pool.rules.rule import Array


@composes("ptp")
def ptp(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Compute the largest minus the smallest."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composes("average")
def average(
    a: Array,
    axis: Axis = None,
    weights: Array | None = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """Compute the weighted mean Σ w x / Σ w; with `returned` also the sum of the weights."""
    a = operand(a)
    if weights is None:
        y = np.mean(a, axis=axis, keepdims=keepdims)
        total: Any = np.full(np.shape(y), np.size(a) / max(np.size(y), 1), dtype_of(a))
        return (y, total) if returned else y
    w = _spread(operand(weights), np.shape(a), axis)
    total = np.sum(widened(w), axis=axis, keepdims=keepdims)
    if np.any(np.equal(total, 0)):
        raise ShapeError("np.average: the weights add up to 0")
    terms = a * w
    y = as_given(np.sum(widened(terms), axis=axis, keepdims=keepdims) / total, terms)
    return (y, as_given(total, w)) if returned else y


def _spread(weights: Array, shape: Shape, axis: Axis) -> Array:
    """Broadcast weights to `shape`, along the axes that are averaged over."""
    if np.shape(weights) == shape:
        return weights
    axes = named_axes(shape, axis, "np.average") if axis is not None else ()
    if not axes or np.shape(weights) != tuple(shape[i] for i in axes):
        raise ShapeError(
            f"np.average: weights of shape {np.shape(weights)} fit neither {shape} nor its "
            f"axis {axis}"
        )
    column = tuple(n if i in axes else 1 for i, n in enumerate(shape))
    in_order = np.transpose(weights, tuple(int(i) for i in np.argsort(axes)))
    return np.broadcast_to(np.reshape(in_order, column), shape)


# -- norms


@composes("linalg.norm")
def norm(x: Array, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Compute the norm of vectors or matrices.

    At the kink, where all are 0, the slopes are 0. Those of the matrix norms ±2 and "nuc", from
    singular values, are the slopes of svdvals.
    """
    x = operand(x)
    if ord is None:
        return p_norm(x, axis=axis, keepdims=keepdims)
    axes = named_axes(np.shape(x), axis, "np.linalg.norm")
    if len(axes) == 1:
        return vector_norm(x, axes, keepdims, ord)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ShapeError(f"np.linalg.norm: ord={ord!r} needs one axis or two, got {len(axes)}")


@composes("linalg.vector_norm")
def vector_norm(x: Array, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """Compute the p-norm over the axes; for ord=±inf, the largest or the smallest magnitude."""
    if ord in (inf, -inf):
        return (np.max if ord > 0 else np.min)(np.abs(x), axis=axis, keepdims=keepdims)
    if not isinstance(ord, int | float | np.number) or ord <= 0:
        raise OptionError(
            f"norm: for vectors, ord must be > 0, inf or -inf on Values, got {ord!r}; "
            "np.count_nonzero(v) counts what is not 0"
        )
    return p_norm(operand(x), ord=float(ord), axis=axis, keepdims=keepdims)


@composes("linalg.matrix_norm")
def matrix_norm(x: Array, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Compute the norm of matrices in the last two axes."""
    ndim = np.ndim(x)
    return _matrix_norm(operand(x), ord, (ndim - 2, ndim - 1), keepdims)


def _matrix_norm(x: Array, ord: Any, axes: Shape, keepdims: bool) -> Array:
    if ord == "fro":
        return p_norm(x, axis=axes, keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        s = np.linalg.svdvals(np.moveaxis(x, axes, (-2, -1)))
        y = np.sum(s, axis=-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
        return np.expand_dims(y, axes) if keepdims else y
    if ord not in (1, -1, inf, -inf):
        raise OptionError(
            f"norm: for matrices, ord must be 'fro', 'nuc', ±1, ±2 or ±inf on Values, got {ord!r}"
        )
    row, column = axes
    added, compared = (row, column) if ord in (1, -1) else (column, row)
    sums = np.sum(np.abs(x), axis=added, keepdims=True)
    y = (np.max if ord > 0 else np.min)(sums, axis=compared, keepdims=True)
    return y if keepdims else np.squeeze(y, axis=axes)


# -- ignoring NaN


@composes("nansum")
def nansum(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum the elements that are not NaN."""
    return np.sum(_filled(a, 0.0), axis=axis, keepdims=keepdims)


@composes("nanprod")
def nanprod(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Multiply the elements that are not NaN."""
    return np.prod(_filled(a, 1.0), axis=axis, keepdims=keepdims)


@composes("nancumsum")
def nancumsum(a: Array, axis: int | None = None) -> Array:
    """Compute running sums; NaN counts as 0."""
    return np.cumsum(_filled(a, 0.0), axis=axis)


@composes("nancumprod")
def nancumprod(a: Array, axis: int | None = None) -> Array:
    """Compute running products; NaN counts as 1."""
    return np.cumprod(_filled(a, 1.0), axis=axis)


@composes("nanmax")
def nanmax(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Keep the largest element that is not NaN; NaN if all are NaN."""
    y = np.max(_filled(a, -inf), axis=axis, keepdims=keepdims)
    return _nan_where_all(y, a, axis, keepdims)


@composes("nanmin")
def nanmin(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Keep the smallest element that is not NaN; NaN if all are NaN."""
    y = np.min(_filled(a, inf), axis=axis, keepdims=keepdims)
    return _nan_where_all(y, a, axis, keepdims)


@composes("nanmean")
def nanmean(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Average the elements that are not NaN."""
    wide = widened(operand(a))
    return as_given(nansum(wide, axis, keepdims) / _count(wide, axis, keepdims), a)


@composes("nanvar")
def nanvar(a: Array, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Compute the variance of the elements that are not NaN."""
    wide = widened(operand(a))
    total = np.sum(np.square(_deviation(wide, axis)), axis=axis, keepdims=keepdims)
    return as_given(total / _freedom(wide, axis, ddof, keepdims), a)


@composes("nanstd")
def nanstd(a: Array, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Compute the standard deviation of the elements that are not NaN."""
    wide = widened(operand(a))
    length = p_norm(_deviation(wide, axis), axis=axis, keepdims=keepdims)
    return as_given(length / np.sqrt(_freedom(wide, axis, ddof, keepdims)), a)


def _filled(a: Array, number: float) -> Array:
    """Replace NaN by a number."""
    return np.nan_to_num(operand(a), nan=number, posinf=inf, neginf=-inf)


def _nan_where_all(y: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    is_nan = whether(operand(a), test="isnan")
    return np.where(np.min(is_nan, axis=axis, keepdims=keepdims), np.nan, y)


def _deviation(a: Array, axis: Axis) -> Array:
    """Compute the deviations from the mean; 0 for NaN."""
    is_nan = whether(operand(a), test="isnan")
    return np.where(is_nan, 0.0, _filled(a, 0.0) - nanmean(a, axis, True))


def _count(a: Array, axis: Axis, keepdims: bool) -> Any:
    """Count the elements that are not NaN, in their dtype."""
    valid = 1.0 - whether(operand(a), test="isnan")
    return np.sum(valid, axis=axis, keepdims=keepdims)


def _freedom(a: Array, axis: Axis, ddof: float, keepdims: bool) -> Any:
    """Return the divisor of a variance; NaN where it is not positive."""
    freedom_of((1,), (0,), ddof, "nanvar")  # checks ddof
    left = _count(a, axis, keepdims) - ddof
    return np.where(whether(left, 0.0, test="greater"), left, np.nan)


# -- covariances


@composes("cov")
def cov(
    m: Array,
    y: Array | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: float | None = None,
) -> Array:
    """Compute the covariances of the rows or, with rowvar=False, of the columns."""
    rows = _variables(m, rowvar)
    if y is not None:
        rows = np.concatenate([rows, _variables(y, rowvar)])
    count = np.shape(rows)[1]
    freedom = freedom_of((count,), (0,), int(not bias) if ddof is None else ddof, "np.cov")
    deviation = rows - np.mean(rows, axis=1, keepdims=True)
    return np.squeeze((deviation @ deviation.T) / freedom)


def _variables(m: Array, rowvar: bool) -> Array:
    m = operand(m)
    if np.ndim(m) > 2:
        raise ShapeError(f"np.cov: needs at most two axes, got shape {np.shape(m)}")
    rows = double(np.atleast_2d(m))
    return rows.T if not rowvar and np.ndim(m) == 2 else rows


@composes("corrcoef")
def corrcoef(x: Array, y: Array | None = None, rowvar: bool = True) -> Array:
    """Compute the correlations of the rows or, with rowvar=False, of the columns."""
    c = cov(x, y, rowvar)
    if not np.ndim(c):
        return c / c
    root = np.sqrt(np.diagonal(c))
    return c / np.reshape(root, (-1, 1)) / root
