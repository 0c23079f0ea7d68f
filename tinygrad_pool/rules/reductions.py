"""Reductions: sums, means, maxima and the softmax family."""

from __future__ import annotations

from functools import lru_cache, reduce
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import ShapeError
from tinygrad_pool.rules.arguments import Axis, Shape, axes_of, flag, kept
from tinygrad_pool.rules.half_precision import add_up, as_given, widened
from tinygrad_pool.rules.masks import in_rows, keep, split
from tinygrad_pool.rules.primitive import PYTHON, observation
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements
from tinygrad_pool.rules.tie_breaking import Ties, first_winner, first_wins, winners, winners_among


@implements(np.sum)
def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """Sum over the axes; None means all of them.

    y = Σ_i x_i            ∂E/∂x_i = g

    Raises AxisError.

    >>> y, backward = sum(np.array([1.0, 2.0, 3.0]))
    >>> float(y), backward(2.0)
    (6.0, (array([2., 2., 2.]),))
    """
    shape = np.shape(x)
    axes = axes_of(shape, axis, "sum")
    column = kept(shape, axes)

    def sum_backward(g: Array) -> Contributions:
        to_x = np.broadcast_to(np.reshape(g, column), shape)
        return (to_x,)

    return add_up(x, axes, flag(keepdims, "sum: keepdims")), sum_backward


@implements(np.mean)
def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """Average over the axes; None means all of them.

    y = Σ_i x_i / K            ∂E/∂x_i = g / K

    Raises AxisError, and ShapeError if there is nothing to average.

    >>> y, backward = mean(np.array([1.0, 2.0, 3.0, 6.0]))
    >>> float(y), backward(2.0)
    (3.0, (array([0.5, 0.5, 0.5, 0.5]),))
    """
    shape = np.shape(x)
    axes = axes_of(shape, axis, "mean")
    column = kept(shape, axes)
    count = _count(shape, axes, "mean")

    def mean_backward(g: Array) -> Contributions:
        to_x = np.broadcast_to(np.reshape(widened(g) / count, column), shape)
        return (to_x,)

    return np.mean(x, axis=axes, keepdims=flag(keepdims, "mean: keepdims")), mean_backward


@implements(np.max, np.amax)
def max(
    x: Array, axis: Axis = None, keepdims: bool = False, ties: Ties = "first"
) -> tuple[Array, Backward]:
    """Keep the largest over the axes; the whole gradient goes to the winner.

    y = x_k,  k = argmax_l x_l            ∂E/∂x_l = g [l == k]

    Ties: the first in row-major order wins, or the last, or they share evenly, or it is an error.
    NaN propagates, and the first NaN is the winner.

    Raises AxisError; ShapeError if there is nothing to choose from; TieError if ties="error".

    >>> y, backward = max(np.array([1.0, 3.0, 2.0]))
    >>> float(y), backward(5.0)
    (3.0, (array([0., 5., 0.]),))
    """
    shape = np.shape(x)
    axes = axes_of(shape, axis, "max")
    _count(shape, axes, "max")
    column = kept(shape, axes)
    won, n = winners(x, axes, ties=ties, name="max")

    def max_backward(g: Array) -> Contributions:
        to_x = in_rows(np.where(won, np.reshape(g, column) / n, 0.0))
        return (to_x,)

    y = np.max(x, axis=axes, keepdims=flag(keepdims, "max: keepdims"))
    return in_rows(y), max_backward


@implements(np.min, np.amin)
def min(
    x: Array, axis: Axis = None, keepdims: bool = False, ties: Ties = "first"
) -> tuple[Array, Backward]:
    """Keep the smallest over the axes; the winner gets the whole gradient. Ties and NaN as in max.

    y = x_k,  k = argmin_l x_l            ∂E/∂x_l = g [l == k]

    Raises AxisError; ShapeError if there is nothing to choose from; TieError if ties="error".

    >>> y, backward = min(np.array([2.0, 1.0, 3.0]))
    >>> float(y), backward(5.0)
    (1.0, (array([0., 5., 0.]),))
    """
    shape = np.shape(x)
    axes = axes_of(shape, axis, "min")
    _count(shape, axes, "min")
    column = kept(shape, axes)
    won, n = winners(x, axes, ties=ties, name="min", least=True)

    def min_backward(g: Array) -> Contributions:
        to_x = in_rows(np.where(won, np.reshape(g, column) / n, 0.0))
        return (to_x,)

    y = np.min(x, axis=axes, keepdims=flag(keepdims, "min: keepdims"))
    return in_rows(y), min_backward


@implements(np.maximum)
def maximum(*xs: Array, ties: Ties = "first") -> tuple[Array, Backward]:
    """Keep the largest operand, elementwise; the whole gradient goes to the winner.

    y = x_k,  k = argmax_i x_i            ∂E/∂x_i = g [i == k]

    Ties: the first operand wins, or the last, or they share evenly, or it is an error. (In JAX
    and PyTorch two tied operands get half each.) NaN propagates, and the first NaN is the winner.

    Raises TieError if ties="error".

    >>> y, backward = maximum(1.0, 3.0, 2.0)
    >>> float(y), [float(c) for c in backward(5.0)]
    (3.0, [0.0, 5.0, 0.0])
    """
    if ties == "first" and len(xs) == 2:
        return _maximum_of_two(*xs)
    if ties == "first" and xs and PYTHON.issuperset(map(type, xs)):
        k = first_winner(xs)
        return float(xs[k]), _maximum_backward(k, len(xs))
    won, n = winners_among(*xs, ties=ties, name="maximum")

    def maximum_backward(g: Array) -> Contributions:
        share = g if ties == "first" else np.reshape(g / n, np.shape(g))
        to_xs = tuple(map(keep, [share] * len(won), won))
        return to_xs

    return in_rows(reduce(np.maximum, _arrays_first(xs))), maximum_backward


def _maximum_of_two(x: Array, w: Array) -> tuple[Array, Backward]:
    x_wins = first_wins(x, w)

    def maximum_backward(g: Array, x_wins: Any = x_wins) -> Contributions:
        to_x, to_w = split(g, x_wins)
        return to_x, to_w

    if type(x_wins) is bool:
        return (x if x_wins else w), maximum_backward
    y = np.maximum(w, x) if type(x) in PYTHON else np.maximum(x, w)
    return in_rows(y), maximum_backward


@lru_cache(1024)
def _maximum_backward(k: int, n: int) -> Backward:
    """Return the closure of every maximum of n numbers that operand k won."""

    def maximum_backward(g: Array) -> Contributions:
        to_xs = [0.0] * n
        to_xs[k] = g
        return tuple(to_xs)

    return maximum_backward


@implements(np.minimum)
def minimum(*xs: Array, ties: Ties = "first") -> tuple[Array, Backward]:
    """Keep the smallest operand; the whole gradient goes to the winner. Ties and NaN as in maximum.

    y = x_k,  k = argmin_i x_i            ∂E/∂x_i = g [i == k]

    Raises TieError if ties="error".

    >>> y, backward = minimum(2.0, 1.0, 3.0)
    >>> float(y), [float(c) for c in backward(5.0)]
    (1.0, [0.0, 5.0, 0.0])
    """
    if ties == "first" and len(xs) == 2:
        return _minimum_of_two(*xs)
    if ties == "first" and xs and PYTHON.issuperset(map(type, xs)):
        k = first_winner(xs, least=True)
        return float(xs[k]), _minimum_backward(k, len(xs))
    won, n = winners_among(*xs, ties=ties, name="minimum", least=True)

    def minimum_backward(g: Array) -> Contributions:
        share = g if ties == "first" else np.reshape(g / n, np.shape(g))
        to_xs = tuple(map(keep, [share] * len(won), won))
        return to_xs

    return in_rows(reduce(np.minimum, _arrays_first(xs))), minimum_backward


def _minimum_of_two(x: Array, w: Array) -> tuple[Array, Backward]:
    x_wins = first_wins(x, w, least=True)

    def minimum_backward(g: Array, x_wins: Any = x_wins) -> Contributions:
        to_x, to_w = split(g, x_wins)
        return to_x, to_w

    if type(x_wins) is bool:
        return (x if x_wins else w), minimum_backward
    y = np.minimum(w, x) if type(x) in PYTHON else np.minimum(x, w)
    return in_rows(y), minimum_backward


@lru_cache(1024)
def _minimum_backward(k: int, n: int) -> Backward:
    """Return the closure of every minimum of n numbers that operand k won."""

    def minimum_backward(g: Array) -> Contributions:
        to_xs = [0.0] * n
        to_xs[k] = g
        return tuple(to_xs)

    return minimum_backward


@observation
def peak(x: Array, axes: Shape) -> NDArray[np.float64]:
    """Return the maximum over `axes`, with keepdims, as a constant; 0 where it is not finite."""
    if not np.size(x):
        return np.zeros(kept(x.shape, axes), x.dtype)
    top = np.max(x, axis=axes, keepdims=True)
    shift: NDArray[np.float64] = np.where(np.isfinite(top), top, np.zeros_like(top))
    return shift


def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """Compute the logarithm of the sum of eˣ over the axes, without overflow.

    y = ln Σ_i exp x_i            ∂E/∂x_i = g exp(x_i − y)

    Raises AxisError, and ShapeError if there is nothing to sum.

    >>> y, backward = logsumexp(np.array([1000.0, 1000.0]))
    >>> round(float(y), 4), backward(1.0)
    (1000.6931, (array([0.5, 0.5]),))
    """
    shape = np.shape(x)
    axes = axes_of(shape, axis, "logsumexp")
    _count(shape, axes, "logsumexp")
    z, shift = widened(x), peak(x, axes)
    e = np.exp(z - shift)
    total = np.sum(e, axis=axes, keepdims=True)
    y = np.log(total) + shift

    def logsumexp_backward(g: Array) -> Contributions:
        to_x = np.reshape(g, kept(shape, axes)) * e / total
        return (to_x,)

    if not flag(keepdims, "logsumexp: keepdims"):
        y = np.sum(y, axis=axes)
    return as_given(y, x), logsumexp_backward


def softmax(x: Array, axis: Axis = -1) -> tuple[Array, Backward]:
    """Convert scores to probabilities, which add up to 1 over the axes, without overflow.

    y_i = exp x_i / Σ_j exp x_j            ∂E/∂x_i = y_i (g_i − Σ_j g_j y_j)

    The result for an empty array is empty. Raises AxisError.

    >>> y, backward = softmax(np.array([0.0, 0.0]))
    >>> y, backward(np.array([1.0, 0.0]))
    (array([0.5, 0.5]), (array([ 0.25, -0.25]),))
    """
    axes = axes_of(np.shape(x), axis, "softmax")
    e = np.exp(widened(x) - peak(x, axes))
    y = e / np.sum(e, axis=axes, keepdims=True)

    def softmax_backward(g: Array) -> Contributions:
        to_x = y * (g - np.sum(g * y, axis=axes, keepdims=True))
        return (to_x,)

    return as_given(y, x), softmax_backward


def log_softmax(x: Array, axis: Axis = -1) -> tuple[Array, Backward]:
    """Compute the logarithm of the softmax over the axes, without overflow or underflow.

    y_i = x_i − ln Σ_j exp x_j            ∂E/∂x_i = g_i − exp(y_i) Σ_j g_j

    The result for an empty array is empty. Raises AxisError.

    >>> y, backward = log_softmax(np.array([0.0, 0.0]))
    >>> backward(np.array([1.0, 0.0]))
    (array([ 0.5, -0.5]),)
    """
    axes = axes_of(np.shape(x), axis, "log_softmax")
    z = widened(x) - peak(x, axes)
    y = z - np.log(np.sum(np.exp(z), axis=axes, keepdims=True)) if prod(np.shape(x)) else z

    def log_softmax_backward(g: Array) -> Contributions:
        to_x = g - np.exp(y) * np.sum(widened(g), axis=axes, keepdims=True)
        return (to_x,)

    return as_given(y, x), log_softmax_backward


def _count(shape: Shape, axes: Shape, name: str) -> int:
    count = prod(shape[i] for i in axes)
    if count == 0:
        raise ShapeError(f"{name}: nothing to reduce over axes {axes} of shape {shape}")
    return count


def _arrays_first(xs: tuple[Array, ...]) -> list[Array]:
    """Put Python numbers last: two of them make a float64, which would widen float32 operands."""
    return sorted(xs, key=lambda x: type(x) in PYTHON)
