"""Rules of powers and logarithms to any base, of remainders, and what is made of them."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from tinygrad_pool.rules.composition import composes, dtype_of, operand
from tinygrad_pool.rules.masks import choose, plain
from tinygrad_pool.rules.primitive import PYTHON, observation
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

LN_2, LN_10 = log(2.0), log(10.0)


@implements(np.exp2)
def exp2(x: Array) -> tuple[Array, Backward]:
    """Take 2 to the power x.

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
    """Take the logarithm to base 2. Below 0 it is NaN, at 0 it is −inf, as NumPy.

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
    """Take the logarithm to base 10. Below 0 it is NaN, at 0 it is −inf, as NumPy.

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
    """Take the cube root, of negative numbers too. At 0 the slope is inf.

    y = ∛x            ∂E/∂x = g / 3y²

    >>> float(cbrt(8.0)[0])
    2.0
    """
    y = plain(np.cbrt(x), x)

    def cbrt_backward(g: Array) -> Contributions:
        to_x = g / (3.0 * y * y)
        return (to_x,)

    return y, cbrt_backward


@observation
def is_0(x: Array) -> Any:
    """Return where a number is 0."""
    return x == 0


@implements(np.hypot)
def hypot(x: Array, w: Array) -> tuple[Array, Backward]:
    """Take the length of the way to a point, elementwise, broadcasting, without overflow.

    y = √(x² + w²)            ∂E/∂x = g x / y            ∂E/∂w = g w / y

    At the origin, a kink, both slopes are 0.

    >>> y, backward = hypot(3.0, 4.0)
    >>> float(y), [float(c) for c in backward(5.0)]
    (5.0, [3.0, 4.0])
    """
    y = np.hypot(x, w)

    def hypot_backward(g: Array) -> Contributions:
        length = choose(is_0(y), 1.0, y)
        to_x = g * (x / length)
        to_w = g * (w / length)
        return to_x, to_w

    return y, hypot_backward


@implements(np.logaddexp)
def logaddexp(x: Array, w: Array) -> tuple[Array, Backward]:
    """Take ln(eˣ + eʷ) elementwise, broadcasting, without overflow.

    y = ln(eˣ + eʷ)            ∂E/∂x = g exp(x − y)            ∂E/∂w = g exp(w − y)

    >>> y, backward = logaddexp(0.0, 0.0)
    >>> round(float(y), 4), [float(round(c, 4)) for c in backward(1.0)]
    (0.6931, [0.5, 0.5])
    """
    y = np.logaddexp(x, w)

    def logaddexp_backward(g: Array) -> Contributions:
        to_x = g * np.exp(x - y)
        to_w = g * np.exp(w - y)
        return to_x, to_w

    return y, logaddexp_backward


@implements(np.logaddexp2)
def logaddexp2(x: Array, w: Array) -> tuple[Array, Backward]:
    """Take log₂(2ˣ + 2ʷ) elementwise, broadcasting, without overflow.

    y = log₂(2ˣ + 2ʷ)            ∂E/∂x = g 2ˣ⁻ʸ            ∂E/∂w = g 2ʷ⁻ʸ

    >>> y, backward = logaddexp2(1.0, 1.0)
    >>> float(y), [float(c) for c in backward(1.0)]
    (2.0, [0.5, 0.5])
    """
    y = np.logaddexp2(x, w)

    def logaddexp2_backward(g: Array) -> Contributions:
        to_x = g * np.exp2(x - y)
        to_w = g * np.exp2(w - y)
        return to_x, to_w

    return y, logaddexp2_backward


@implements(np.remainder)
def remainder(x: Array, w: Array) -> tuple[Array, Backward]:
    """Take the rest of a division, with the sign of w, elementwise, broadcasting; by 0 it is NaN.

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
    """Take the rest of a division, with the sign of x, elementwise, broadcasting; by 0 it is NaN.

    y = x − k w,  k = x / w, cut towards 0            ∂E/∂x = g            ∂E/∂w = −g k

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
    """Count how often w goes into x."""
    return np.rint((x - np.fmod(x, w)) / w) if cut else np.floor_divide(x, w)


@composes("divmod")
def divmod(x: Array, w: Array) -> tuple[Any, Array]:
    """Return how often w goes into x, plain numbers, and the remainder."""
    return _whole_parts(x, w), np.remainder(x, w)


@composes("modf")
def modf(x: Array) -> tuple[Array, Any]:
    """Return the part after the point, and the whole number before it, a plain one."""
    whole = np.trunc(x)
    return x - whole, whole


@composes("reciprocal")
def reciprocal(x: Array) -> Array:
    """Compute 1 / x."""
    return 1.0 / x


@composes("positive", "conjugate", "real", "real_if_close")
def same(x: Array) -> Array:
    """Return what is there: these functions do nothing to real numbers."""
    return x


@composes("float_power")
def float_power(x: Array, n: Array) -> Array:
    """Raise to a power in double precision."""
    return np.power(double(x), double(n))


def double(x: Array) -> Array:
    """Convert to double precision; Python's own numbers have it.

    >>> double(np.ones(1, np.float32)).dtype
    dtype('float64')
    """
    if type(x) in PYTHON or dtype_of(x) == np.float64:
        return x
    return operand(x).astype(np.float64)


@composes("ldexp")
def ldexp(x: Array, n: Array) -> Array:
    """Compute x 2ⁿ; n is a constant."""
    return x * np.ldexp(np.ones((), dtype_of(x)), n)


@composes("copysign")
def copysign(x: Array, w: Array) -> Array:
    """Give x the sign of w, which is a fact: no gradient flows to it."""
    return np.abs(x) * _signs(operand(x), operand(w))


@observation
def _signs(x: Array, w: Array) -> Any:
    return np.copysign(np.ones((), dtype_of(x)), w)


@composes("fmax")
def fmax(x: Array, w: Array) -> Array:
    """Keep the larger, as np.maximum does, but of a number and NaN the number."""
    return np.maximum(*_without_nan(operand(x), operand(w)))


@composes("fmin")
def fmin(x: Array, w: Array) -> Array:
    """Keep the smaller, as np.minimum does, but of a number and NaN the number."""
    return np.minimum(*_without_nan(operand(x), operand(w)))


def _without_nan(x: Array, w: Array) -> tuple[Array, Array]:
    """Put the other operand where one is NaN."""
    x_nan, w_nan = np.isnan(x), np.isnan(w)
    if not (np.any(x_nan) or np.any(w_nan)):
        return x, w
    return np.where(x_nan, w, x), np.where(w_nan, x, w)


@composes("nan_to_num")
def nan_to_num(
    x: Array,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Array:
    """Put numbers in place of NaN and infinities, to which no gradient flows."""
    del copy  # a result is always another Value
    return np.where(np.isfinite(x), x, _filled(x, nan=nan, posinf=posinf, neginf=neginf))


@observation
def _filled(x: Array, **numbers: Any) -> Any:
    return np.nan_to_num(x, **numbers)


@composes("astype")
def astype(x: Array, dtype: Any, copy: bool = True) -> Array:
    """Convert to another floating dtype."""
    del copy  # a result is always another Value
    return operand(x).astype(dtype)
