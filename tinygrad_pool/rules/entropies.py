"""Losses that would be unstable if composed of other rules."""

from __future__ import annotations

from math import exp

import numpy as np

from tinygrad_pool.rules.masks import choose, plain
from tinygrad_pool.rules.rule import Array, Backward, Contributions

LEAST = -100.0
"""The smallest logarithm, as in PyTorch: a confident mistake costs 100 and not infinity."""

NEAR = 1e-12
"""The smallest divisor of a slope, as in PyTorch."""


def binary_cross_entropy(p: Array, t: Array) -> tuple[Array, Backward]:
    """Compute the cross entropy of probabilities p and targets t; logarithms are at least −100.

    y = −t ln p − (1 − t) ln(1 − p)
    ∂E/∂p = g (p − t) / (p (1 − p)), the divisor at least 10⁻¹²     ∂E/∂t = g (ln(1 − p) − ln p)

    >>> y, backward = binary_cross_entropy(0.5, 1.0)
    >>> round(y, 4), backward(1.0)
    (0.6931, (-2.0, 0.0))
    """
    ln_p, ln_rest, spread = _logarithm(p), _logarithm(1.0 - p), p * (1.0 - p)

    def binary_cross_entropy_backward(g: Array) -> Contributions:
        to_p = g * (p - t) / choose(spread > NEAR, spread, NEAR)
        to_t = g * (ln_rest - ln_p)
        return to_p, to_t

    return -t * ln_p - (1.0 - t) * ln_rest, binary_cross_entropy_backward


def _logarithm(p: Array) -> Array:
    least = p <= exp(LEAST)  # False for NaN
    return choose(least, LEAST, plain(np.log(choose(least, 1.0, p)), p))
