"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

import numpy as np

from tinygrad_pool.rules.comparisons import is_0
from tinygrad_pool.rules.composition import composes, operand
from tinygrad_pool.rules.masks import choose, plain
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements


@implements(np.tan)
def tan(x: Array) -> tuple[Array, Backward]:
    """Compute the tangent; x in radians.

    y = tan x            ∂E/∂x = g (1 + y²)

    >>> y, backward = tan(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """
    y = plain(np.tan(x), x)

    def tan_backward(g: Array) -> Contributions:
        to_x = g * (1.0 + y * y)
        return (to_x,)

    return y, tan_backward


@implements(np.arcsin)
def arcsin(x: Array) -> tuple[Array, Backward]:
    """Compute the angle in [−π/2, π/2] whose sine is x. Beyond ±1 it is NaN, as in NumPy.

    y = arcsin x            ∂E/∂x = g / √(1 − x²)

    >>> y, backward = arcsin(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """

    def arcsin_backward(g: Array) -> Contributions:
        to_x = g / plain(np.sqrt((1.0 - x) * (1.0 + x)), x)
        return (to_x,)

    return plain(np.arcsin(x), x), arcsin_backward


@implements(np.arccos)
def arccos(x: Array) -> tuple[Array, Backward]:
    """Compute the angle in [0, π] whose cosine is x. Beyond ±1 it is NaN, as in NumPy.

    y = arccos x            ∂E/∂x = −g / √(1 − x²)

    >>> y, backward = arccos(0.0)
    >>> float(y), float(backward(2.0)[0])
    (1.5707963267948966, -2.0)
    """

    def arccos_backward(g: Array) -> Contributions:
        to_x = -g / plain(np.sqrt((1.0 - x) * (1.0 + x)), x)
        return (to_x,)

    return plain(np.arccos(x), x), arccos_backward


@implements(np.arctan)
def arctan(x: Array) -> tuple[Array, Backward]:
    """Compute the angle in (−π/2, π/2) whose tangent is x.

    y = arctan x            ∂E/∂x = g / (1 + x²)

    >>> y, backward = arctan(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """

    def arctan_backward(g: Array) -> Contributions:
        to_x = g / (1.0 + x * x)
        return (to_x,)

    return plain(np.arctan(x), x), arctan_backward


@implements(np.sinh)
def sinh(x: Array) -> tuple[Array, Backward]:
    """Compute the hyperbolic sine.

    y = (eˣ − e⁻ˣ) / 2            ∂E/∂x = g cosh x

    >>> y, backward = sinh(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """

    def sinh_backward(g: Array) -> Contributions:
        to_x = g * plain(np.cosh(x), x)
        return (to_x,)

    return plain(np.sinh(x), x), sinh_backward


@implements(np.cosh)
def cosh(x: Array) -> tuple[Array, Backward]:
    """Compute the hyperbolic cosine.

    y = (eˣ + e⁻ˣ) / 2            ∂E/∂x = g sinh x

    >>> y, backward = cosh(0.0)
    >>> float(y), float(backward(2.0)[0])
    (1.0, 0.0)
    """

    def cosh_backward(g: Array) -> Contributions:
        to_x = g * plain(np.sinh(x), x)
        return (to_x,)

    return plain(np.cosh(x), x), cosh_backward


@implements(np.arcsinh)
def arcsinh(x: Array) -> tuple[Array, Backward]:
    """Invert the hyperbolic sine.

    y = arsinh x            ∂E/∂x = g / √(x² + 1)

    >>> y, backward = arcsinh(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """

    def arcsinh_backward(g: Array) -> Contributions:
        to_x = g / plain(np.hypot(x, 1.0), x)
        return (to_x,)

    return plain(np.arcsinh(x), x), arcsinh_backward


@implements(np.arccosh)
def arccosh(x: Array) -> tuple[Array, Backward]:
    """Invert the hyperbolic cosine. Below 1 it is NaN; at 1 the slope is inf.

    y = arcosh x            ∂E/∂x = g / √(x² − 1)

    >>> y, backward = arccosh(1.25)
    >>> float(y), float(backward(2.0)[0])
    (0.6931471805599453, 2.6666666666666665)
    """

    def arccosh_backward(g: Array) -> Contributions:
        to_x = g / plain(np.sqrt(x - 1.0) * np.sqrt(x + 1.0), x)
        return (to_x,)

    return plain(np.arccosh(x), x), arccosh_backward


@implements(np.arctanh)
def arctanh(x: Array) -> tuple[Array, Backward]:
    """Invert the hyperbolic tangent. Beyond ±1 it is NaN; at ±1 it is ±inf.

    y = artanh x            ∂E/∂x = g / (1 − x²)

    >>> y, backward = arctanh(0.0)
    >>> float(y), float(backward(2.0)[0])
    (0.0, 2.0)
    """

    def arctanh_backward(g: Array) -> Contributions:
        to_x = g / ((1.0 - x) * (1.0 + x))
        return (to_x,)

    return plain(np.arctanh(x), x), arctanh_backward


@implements(np.arctan2)
def arctan2(x: Array, w: Array) -> tuple[Array, Backward]:
    """Compute the angle of the point (w, x), in [−π, π], broadcasting.

    y = arctan x / w            ∂E/∂x = g w / r²            ∂E/∂w = −g x / r²,  r² = x² + w²

    At the origin, where there is no angle, both slopes count as 0.

    >>> y, backward = arctan2(0.0, 2.0)
    >>> float(y), [float(c) for c in backward(1.0)]
    (0.0, [0.5, -0.0])
    """
    r = np.hypot(x, w)
    r = choose(is_0(r), np.inf, r)

    def arctan2_backward(g: Array) -> Contributions:
        to_x = g * (w / r / r)
        to_w = -g * (x / r / r)
        return to_x, to_w

    return np.arctan2(x, w), arctan2_backward


@composes("deg2rad", "radians")
def deg2rad(x: Array) -> Array:
    """Convert degrees to radians: x π / 180."""
    return operand(x) * (np.pi / 180)


@composes("rad2deg", "degrees")
def rad2deg(x: Array) -> Array:
    """Convert radians to degrees: 180 x / π."""
    return operand(x) * (180 / np.pi)


@implements(np.sinc)
def sinc(x: Array) -> tuple[Array, Backward]:
    """Compute sin(πx) / πx, which is 1 at 0.

    y = sin u / u,  u = π x            ∂E/∂x = g (cos u − y) / x

    Near 0 the slope is computed by its series, so that slopes of any order are right.

    >>> y, backward = sinc(0.0)
    >>> float(y), float(backward(2.0)[0])
    (1.0, -0.0)
    """
    near = np.less(np.abs(x), 0.2)

    def sinc_backward(g: Array) -> Contributions:
        away = choose(near, 1.0, x)
        u = choose(near, x, 0.0) * np.pi
        series: Array = 1.0
        for k in range(8, 0, -1):
            series = 1.0 - u * u / (2 * k * (2 * k + 3)) * series
        slope = (np.cos(away * np.pi) - np.sinc(away)) / away
        to_x = g * choose(near, -np.pi / 3 * u * series, slope)
        return (to_x,)

    return plain(np.sinc(x), x), sinc_backward
