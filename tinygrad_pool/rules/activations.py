"""Activations that would be unstable, slow or hard to read if composed of other rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool.errors import OptionError
from tinygrad_pool.rules.arguments import choice, real
from tinygrad_pool.rules.elementwise import logistic
from tinygrad_pool.rules.masks import choose, keep, opposite, plain
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

ROOT_OF_PI = math.sqrt(math.pi)
CUBIC = 0.044715
"""The weight of x³ in the approximation of GELU by tanh."""


def leaky_relu(x: Array, w: Array) -> tuple[Array, Backward]:
    """Keep positive x, and multiply the rest by w.

    y = x where x > 0, else w x      ∂E/∂x = g or g w, ∂E/∂w = 0 or g x

    At the kink, x = 0, the slope is w.

    >>> y, backward = leaky_relu(-2.0, 0.5)
    >>> y, backward(1.0)
    (-1.0, (0.5, -2.0))
    """
    on = x > 0

    def leaky_relu_backward(g: Array, on: Any = on) -> Contributions:
        to_x = choose(on, g, g * w)
        to_w = keep(g * x, opposite(on))
        return to_x, to_w

    return choose(on, x, x * w), leaky_relu_backward


def elu(x: Array, alpha: float = 1.0) -> tuple[Array, Backward]:
    """Keep positive x, and let the rest approach −α.

    y = x where x > 0, else α (eˣ − 1)            ∂E/∂x = g where x > 0, else g α eˣ

    At 0 the slope is α. Raises OptionError if α is not a number.

    >>> y, backward = elu(0.0, 0.5)
    >>> y, backward(1.0)
    (0.0, (0.5,))
    """
    alpha = real(alpha, "elu: alpha")
    on = x > 0
    low = keep(x, opposite(on))  # so that exp does not overflow where x is kept

    def elu_backward(g: Array, on: Any = on) -> Contributions:
        to_x = choose(on, g, g * alpha * plain(np.exp(low), x))
        return (to_x,)

    return choose(on, x, alpha * plain(np.expm1(low), x)), elu_backward


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> tuple[Array, Backward]:
    """Compute a smooth relu without overflow; where β x is above the threshold, y = x.

    y = ln(1 + exp β x) / β            ∂E/∂x = g / (1 + exp −β x)

    Raises OptionError unless β and the threshold are numbers and β is not 0.

    >>> y, backward = softplus(1000.0)
    >>> y, backward(1.0)
    (1000.0, (1.0,))
    """
    beta, threshold = real(beta, "softplus: beta"), real(threshold, "softplus: threshold")
    if beta == 0:
        raise OptionError("softplus: beta must not be 0")
    z = x * beta
    linear = z > threshold

    def softplus_backward(g: Array) -> Contributions:
        to_x = choose(linear, g, g * logistic(z))
        return (to_x,)

    rest = plain(np.log1p(np.exp(choose(z < 0, z, -z))), x)
    return choose(linear, x, (keep(z, opposite(z <= 0)) + rest) / beta), softplus_backward


@primitive
def area_below(x: Array) -> Array:
    """Compute erf x, which NumPy does not have: 2/√π ∫₀ˣ exp(−t²) dt."""
    return _each(math.erf, x)


@primitive
def area_above(x: Array) -> Array:
    """Compute erfc x = 1 − erf x, accurate also where it is small."""
    return _each(math.erfc, x)


@implements(area_below)
def erf(x: Array) -> tuple[Array, Backward]:
    """Compute the error function.

    y = 2/√π ∫₀ˣ exp(−t²) dt            ∂E/∂x = 2 g exp(−x²) / √π

    >>> y, backward = erf(0.0)
    >>> y, round(backward(1.0)[0], 4)
    (0.0, 1.1284)
    """

    def erf_backward(g: Array) -> Contributions:
        to_x = g * (2.0 / ROOT_OF_PI) * plain(np.exp(-x * x), x)
        return (to_x,)

    return area_below(x), erf_backward


@implements(area_above)
def erfc(x: Array) -> tuple[Array, Backward]:
    """Compute 1 − erf x, accurate also where it is small.

    y = 1 − erf x            ∂E/∂x = −2 g exp(−x²) / √π

    >>> y, backward = erfc(10.0)
    >>> y
    2.088487583762545e-45
    """

    def erfc_backward(g: Array) -> Contributions:
        to_x = g * (-2.0 / ROOT_OF_PI) * plain(np.exp(-x * x), x)
        return (to_x,)

    return area_above(x), erfc_backward


def gelu(x: Array, approximate: str = "none") -> tuple[Array, Backward]:
    """Multiply x by the probability that a standard normal variable is below x.

    y = x Φ(x)            ∂E/∂x = g (Φ(x) + x φ(x)),  φ = Φ′

    Here Φ(x) = erfc(−x / √2) / 2; if `approximate` is "tanh", ½ + ½ tanh(√(2/π) (x + 0.044715 x³)).

    Raises OptionError if `approximate` is neither "none" nor "tanh".

    >>> y, backward = gelu(0.0)
    >>> y, backward(1.0)
    (0.0, (0.5,))
    """
    if choice(approximate, ("none", "tanh"), "gelu: approximate") == "none":
        share = 0.5 * area_above(x * -math.sqrt(0.5))
        density = plain(np.exp(-0.5 * x * x), x) / (math.sqrt(2.0) * ROOT_OF_PI)
    else:
        scale = math.sqrt(2.0) / ROOT_OF_PI
        t = plain(np.tanh(scale * (x + CUBIC * x * x * x)), x)
        share = 0.5 + 0.5 * t
        flat = 1.0 - t * t  # 0 where x² might overflow
        density = 0.5 * scale * (flat + 3.0 * CUBIC * (flat * x * x))

    def gelu_backward(g: Array) -> Contributions:
        to_x = g * (share + x * density)
        return (to_x,)

    return x * share, gelu_backward


def _each(function: Callable[[float], float], x: Array) -> Array:
    """Apply a Python function to each number."""
    if type(x) is float:
        return function(x)
    return np.asarray(np.frompyfunc(function, 1, 1)(x), x.dtype)
