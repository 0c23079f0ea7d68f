"""Elementwise rules: the activations σ of the derivation, and related functions."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import Any

import numpy as np

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.arguments import is_real
from tinygrad_pool.rules.masks import choose, keep, opposite, plain, split, truth
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements


@implements(np.exp)
def exp(x: Array) -> tuple[Array, Backward]:
    """Compute e to the power x.

    y = eˣ            ∂E/∂x = g y

    >>> y, backward = exp(0.0)
    >>> float(y), float(backward(2.0)[0])
    (1.0, 2.0)
    """
    y = plain(np.exp(x), x)

    def exp_backward(g: Array) -> Contributions:
        to_x = g * y
        return (to_x,)

    return y, exp_backward


@implements(np.expm1)
def expm1(x: Array) -> tuple[Array, Backward]:
    """Compute eˣ − 1, accurate for small x.

    y = eˣ − 1            ∂E/∂x = g (y + 1)

    >>> y, backward = expm1(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """
    y = plain(np.expm1(x), x)

    def expm1_backward(g: Array) -> Contributions:
        to_x = g * (y + 1.0)
        return (to_x,)

    return y, expm1_backward


@implements(np.log)
def log(x: Array) -> tuple[Array, Backward]:
    """Compute the natural logarithm. It is NaN below 0 and −inf at 0, as in NumPy.

    y = ln x            ∂E/∂x = g / x

    >>> y, backward = log(1.0)
    >>> float(y), backward(2.0)
    (0.0, (2.0,))
    """

    def log_backward(g: Array) -> Contributions:
        to_x = g / x
        return (to_x,)

    return plain(np.log(x), x), log_backward


@implements(np.log1p)
def log1p(x: Array) -> tuple[Array, Backward]:
    """Compute ln(1 + x), accurate for small x.

    y = ln(1 + x)            ∂E/∂x = g / (1 + x)

    >>> y, backward = log1p(0.0)
    >>> float(y), backward(2.0)
    (0.0, (2.0,))
    """

    def log1p_backward(g: Array) -> Contributions:
        to_x = g / (1.0 + x)
        return (to_x,)

    return plain(np.log1p(x), x), log1p_backward


@implements(np.sqrt)
def sqrt(x: Array) -> tuple[Array, Backward]:
    """Compute the square root. At 0 the slope is inf; below 0 the root is NaN, as in NumPy.

    y = √x            ∂E/∂x = g / 2y

    >>> y, backward = sqrt(4.0)
    >>> float(y), float(backward(1.0)[0])
    (2.0, 0.25)
    """
    y = plain(np.sqrt(x), x)

    def sqrt_backward(g: Array) -> Contributions:
        to_x = g / (2.0 * y)
        return (to_x,)

    return y, sqrt_backward


@implements(np.square)
def square(x: Array) -> tuple[Array, Backward]:
    """Square each element.

    y = x²            ∂E/∂x = 2 g x

    >>> y, backward = square(3.0)
    >>> y, backward(1.0)
    (9.0, (6.0,))
    """

    def square_backward(g: Array) -> Contributions:
        to_x = 2.0 * g * x
        return (to_x,)

    return x * x, square_backward


@implements(np.sin)
def sin(x: Array) -> tuple[Array, Backward]:
    """Compute the sine; x in radians.

    y = sin x            ∂E/∂x = g cos x

    >>> y, backward = sin(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """

    def sin_backward(g: Array) -> Contributions:
        to_x = g * plain(np.cos(x), x)
        return (to_x,)

    return plain(np.sin(x), x), sin_backward


@implements(np.cos)
def cos(x: Array) -> tuple[Array, Backward]:
    """Compute the cosine; x in radians.

    y = cos x            ∂E/∂x = −g sin x

    >>> y, backward = cos(0.0)
    >>> float(y)
    1.0
    """

    def cos_backward(g: Array) -> Contributions:
        to_x = -g * plain(np.sin(x), x)
        return (to_x,)

    return plain(np.cos(x), x), cos_backward


@implements(np.tanh)
def tanh(x: Array) -> tuple[Array, Backward]:
    """Squash into (−1, 1).

    y = tanh x            ∂E/∂x = g (1 − y²)

    >>> y, backward = tanh(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """
    y = plain(np.tanh(x), x)

    def tanh_backward(g: Array, y: Array = y) -> Contributions:
        to_x = g * (1.0 - y * y)
        return (to_x,)

    return y, tanh_backward


@primitive
def logistic(x: Array) -> Array:
    """Compute 1 / (1 + e⁻ˣ) without overflow: the exponent is never positive."""
    e = plain(np.exp(choose(x < 0, x, -x)), x)
    return choose(x < 0, e, 1.0) / (1.0 + e)


@implements(logistic)
def sigmoid(x: Array) -> tuple[Array, Backward]:
    """Squash into (0, 1).

    y = 1 / (1 + e⁻ˣ)            ∂E/∂x = g y (1 − y)

    >>> y, backward = sigmoid(0.0)
    >>> float(y), float(backward(1.0)[0])
    (0.5, 0.25)
    """
    y = logistic(x)

    def sigmoid_backward(g: Array) -> Contributions:
        to_x = g * y * (1.0 - y)
        return (to_x,)

    return y, sigmoid_backward


def relu(x: Array) -> tuple[Array, Backward]:
    """Keep positive x, and replace the rest by 0.

    y = max(0, x)            ∂E/∂x = g [x > 0]

    At the kink, x = 0, the slope is 0: in max(0, x) the constant comes first and wins the tie. (In
    `maximum(x, 0)` x comes first, and gets the gradient at 0.) NaN wins, as in every maximum here.

    >>> y, backward = relu(-2.0)
    >>> float(y), float(backward(5.0)[0])
    (0.0, 0.0)
    """
    on = opposite(x <= 0)

    def relu_backward(g: Array, on: Any = on) -> Contributions:
        to_x = keep(g, on)
        return (to_x,)

    return keep(x, on), relu_backward


@implements(np.absolute, np.fabs)
def abs(x: Array) -> tuple[Array, Backward]:
    """Drop the sign. At the kink, x = 0, the slope is 0.

    y = |x|            ∂E/∂x = g sign x

    >>> y, backward = abs(-2.0)
    >>> float(y), float(backward(5.0)[0])
    (2.0, -5.0)
    """

    def abs_backward(g: Array) -> Contributions:
        to_x = choose(x < 0, -g, keep(g, x > 0))
        return (to_x,)

    return plain(np.absolute(x), x), abs_backward


@implements(np.clip)
def clip(x: Array, min: float | None = None, max: float | None = None) -> tuple[Array, Backward]:
    """Limit to the closed interval [min, max]; None means no limit.

    y = x inside, the bound outside            ∂E/∂x = g inside and at a bound, 0 outside

    A bound is a constant: a number, or an array that broadcasts. If min > max, y = max.

    Raises OptionError if a bound is not a number, ShapeError if it does not broadcast.

    >>> y, backward = clip(2.0, 0.0, 1.0)
    >>> float(y), float(backward(5.0)[0])
    (1.0, 0.0)
    """
    low, high = -inf if min is None else min, inf if max is None else max
    numbers = type(x) is type(low) is type(high) is float
    if not (numbers and low == low and high == high):  # noqa: PLR0124  # NaN is not itself
        low, high = _bound(x, low, "min"), _bound(x, high, "max")
    inside = (x >= low) & (x <= high)

    def clip_backward(g: Array, inside: Any = inside) -> Contributions:
        to_x = keep(g, inside)
        return (to_x,)

    if type(x) is float and type(low) is type(high) is float:
        y = low if x < low else x
        return (high if y > high else y), clip_backward
    return np.clip(x, low, high), clip_backward


@implements(np.where)
def where(condition: Array, x: Array, w: Array) -> tuple[Array, Backward]:
    """Choose elementwise, broadcasting: x where the condition is true, w elsewhere.

    y = x or w            ∂E/∂x = g [condition]            ∂E/∂w = g [not condition]

    The condition is not differentiated: no gradient flows to it.

    >>> y, backward = where(True, 2.0, 3.0)
    >>> float(y), [None if c is None else float(c) for c in backward(5.0)]
    (2.0, [None, 5.0, 0.0])
    """
    holds = truth(condition)

    def where_backward(g: Array) -> Contributions:
        to_x, to_w = split(g, holds)
        return None, to_x, to_w

    return choose(holds, x, w), where_backward


def _bound(x: Array, value: Any, name: str) -> Any:
    """Check a bound of clip: real numbers without NaN that broadcast to x."""
    usual = type(value) in (float, int)
    number = usual or (is_real(value) and not isinstance(value, bool | np.generic))
    if number and value == value:  # noqa: PLR0124  # NaN is not itself
        return float(value)
    bound = np.asarray("")
    with suppress(TypeError, ValueError):
        bound = np.asarray(value)
    if bound.dtype.kind not in "fiu" or np.isnan(bound).any():
        raise OptionError(
            f"clip: {name} must be a number or an array of numbers, got {value!r:.80}; "
            "tg.maximum and tg.minimum limit a Value by a Value"
        )
    try:
        np.broadcast_shapes(np.shape(x), bound.shape)
    except ValueError:
        raise ShapeError(
            f"clip: {name} of shape {bound.shape} does not broadcast to {np.shape(x)}"
        ) from None
    return bound if bound.ndim else value
