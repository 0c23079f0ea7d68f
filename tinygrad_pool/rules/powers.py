"""Powers and logarithms to other bases, remainders, and functions composed of them."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from tinygrad_pool.rules.comparisons import is_0
from tinygrad_pool.rules.composition import composes, constant, dtype_of, operand
from tinygrad_pool.rules.elementwise import logistic
from tinygrad_pool.rules.masks import choose, plain
from tinygrad_pool.rules.primitive import PYTHON, observation
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

LN_2, LN_10 = log(2.0), log(10.0)


@implements(np.exp2)
def exp2(x: Array) -> tuple[Array, Backward]:
    """Compute 2 to the power x.

    y = 2ˣ            ∂E/∂x = g y ln 2

    >>> float(exp2(3.0)[0])
    8.0
    """
    y = plain(np.exp2(x), x)

    def exp2_backward(g: Array) -> Contributions:
        to_x = g * y * LN_2
        return (to_x,)

    return y, exp2_backward


@implements(np.log2)
def log2(x: Array) -> tuple[Array, Backward]:
    """Compute the logarithm to base 2. Below 0 it is NaN, at 0 it is −inf, as in NumPy.

    y = log₂ x            ∂E/∂x = g / (x ln 2)

    >>> float(log2(8.0)[0])
    3.0
    """

    def log2_backward(g: Array) -> Contributions:
        to_x = g / (x * LN_2)
        return (to_x,)

    return plain(np.log2(x), x), log2_backward


@implements(np.log10)
def log10(x: Array) -> tuple[Array, Backward]:
    """Compute the logarithm to base 10. Below 0 it is NaN, at 0 it is −inf, as in NumPy.

    y = log₁₀ x            ∂E/∂x = g / (x ln 10)

    >>> float(log10(100.0)[0])
    2.0
    """

    def log10_backward(g: Array) -> Contributions:
        to_x = g / (x * LN_10)
        return (to_x,)

    return plain(np.log10(x), x), log10_backward


@implements(np.cbrt)
def cbrt(x: Array) -> tuple[Array, Backward]:
    """Compute the cube root, of negative numbers too. At 0 the slope is inf.

    y = ∛x            ∂E/∂x = g / 3y²

    >>> float(cbrt(8.0)[0])
    2.0
    """
    y = plain(np.cbrt(x), x)

    def cbrt_backward(g: Array) -> Contributions:
        to_x = g / (3.0 * y * y)
        return (to_x,)

    return y, cbrt_backward


@implements(np.hypot)
def hypot(x: Array, w: Array) -> tuple[Array, Backward]:
    """Compute the length of the vector (x, w), elementwise, broadcasting, without overflow.

    y = √(x² + w²)            ∂E/∂x = g x / y            ∂E/∂w = g w / y

    At the kink, the origin, both slopes are 0.

    >>> y, backward = hypot(3.0, 4.0)
    >>> float(y), [float(c) for c in backward(5.0)]
    (5.0, [3.0, 4.0])
    """
    y = np.hypot(x, w)

    def hypot_backward(g: Array) -> Contributions:
        length = choose(is_0(y), np.inf, y)
        to_x = g * (x / length)
        to_w = g * (w / length)
        return to_x, to_w

    return y, hypot_backward


@implements(np.logaddexp)
def logaddexp(x: Array, w: Array) -> tuple[Array, Backward]:
    """Compute ln(eˣ + eʷ) elementwise, broadcasting, without overflow.

    y = ln(eˣ + eʷ)            ∂E/∂x = g σ(x − w)            ∂E/∂w = g σ(w − x)

    σ(x) = 1 / (1 + e⁻ˣ)

    >>> y, backward = logaddexp(0.0, 0.0)
    >>> round(float(y), 4), [float(round(c, 4)) for c in backward(1.0)]
    (0.6931, [0.5, 0.5])
    """
    y = np.logaddexp(x, w)

    def logaddexp_backward(g: Array) -> Contributions:
        to_x = g * logistic(x - w)
        to_w = g * logistic(w - x)
        return to_x, to_w

    return y, logaddexp_backward


@implements(np.logaddexp2)
def logaddexp2(x: Array, w: Array) -> tuple[Array, Backward]:
    """Compute log₂(2ˣ + 2ʷ) elementwise, broadcasting, without overflow.

    y = log₂(2ˣ + 2ʷ)            ∂E/∂x = g / (1 + 2ʷ⁻ˣ)            ∂E/∂w = g / (1 + 2ˣ⁻ʷ)

    >>> y, backward = logaddexp2(1.0, 1.0)
    >>> float(y), [float(c) for c in backward(1.0)]
    (2.0, [0.5, 0.5])
    """
    y = np.logaddexp2(x, w)

    def logaddexp2_backward(g: Array) -> Contributions:
        to_x = g * logistic((x - w) * LN_2)
        to_w = g * logistic((w - x) * LN_2)
        return to_x, to_w

    return y, logaddexp2_backward


@implements(np.remainder)
def remainder(x: Array, w: Array) -> tuple[Array, Backward]:
    """Compute the remainder of x / w with the sign of w, broadcasting. For w = 0 it is NaN.

    y = x − k w,  k = ⌊x / w⌋            ∂E/∂x = g            ∂E/∂w = −g k

    >>> y, backward = remainder(7.0, 2.0)
    >>> float(y), [float(c) for c in backward(1.0)]
    (1.0, [1.0, -3.0])
    """
    k = _whole_parts(x, w)

    def remainder_backward(g: Array) -> Contributions:
        to_x = g
        to_w = -g * k
        return to_x, to_w

    return np.remainder(x, w), remainder_backward


@implements(np.fmod)
def fmod(x: Array, w: Array) -> tuple[Array, Backward]:
    """Compute the remainder of x / w with the sign of x, broadcasting. For w = 0 it is NaN.

    y = x − k w,  k = x / w, rounded towards 0            ∂E/∂x = g            ∂E/∂w = −g k

    >>> y, backward = fmod(-7.0, 2.0)
    >>> float(y), [float(c) for c in backward(1.0)]
    (-1.0, [1.0, 3.0])
    """
    k = _whole_parts(x, w, cut=True)

    def fmod_backward(g: Array) -> Contributions:
        to_x = g
        to_w = -g * k
        return to_x, to_w

    return np.fmod(x, w), fmod_backward


@observation
def _whole_parts(x: Array, w: Array, *, cut: bool = False) -> Any:
    """Return the whole part of x / w, rounded down or, with `cut`, towards 0."""
    return np.rint((x - np.fmod(x, w)) / w) if cut else np.floor_divide(x, w)


@composes("divmod")
def divmod(x: Array, w: Array) -> tuple[Any, Array]:
    """Return the whole part of x / w, without gradient, and the remainder."""
    return np.floor_divide(x, w), np.remainder(x, w)


@composes("modf")
def modf(x: Array) -> tuple[Array, Any]:
    """Return the fractional part, 0 for an infinity, and the whole part, without gradient."""
    finite = np.nan_to_num(x, nan=np.nan, posinf=0.0, neginf=-0.0)
    return np.fmod(finite, 1.0), np.trunc(x)


@composes("reciprocal")
def reciprocal(x: Array) -> Array:
    """Compute 1 / x."""
    return 1.0 / operand(x)


@composes("positive", "conjugate", "real", "real_if_close")
def same(x: Array) -> Array:
    """Return x: these functions do not change real numbers."""
    return operand(x)


@composes("float_power")
def float_power(x: Array, n: Array) -> Array:
    """Raise to a power in at least double precision."""
    return np.power(double(x), double(n))


def double(x: Array) -> Array:
    """Convert to at least double precision, which Python numbers have."""
    dtype = np.promote_types(dtype_of(x), np.float64)
    if type(x) in PYTHON or dtype_of(x) == dtype:
        return x
    return operand(x).astype(dtype)


def floats(x: Array) -> Array:
    """Convert integers to double precision; return floats unchanged."""
    x = operand(x)
    return x if dtype_of(x).kind == "f" else double(x)


@composes("ldexp")
def ldexp(x: Array, n: Array) -> Array:
    """Compute x 2ⁿ; n is a constant."""
    constant("np.ldexp: n", n)
    return x * np.ldexp(np.ones((), dtype_of(x)), n)


@composes("astype")
def astype(x: Array, dtype: Any, copy: bool = True) -> Array:
    """Convert to another floating dtype."""
    del copy  # the result is always a new Value
    return operand(x).astype(dtype)
