"""Keep some numbers and drop the others: what every kink does to a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.rules.primitive import PYTHON, observation, primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

BITS = {2: np.int16, 4: np.int32, 8: np.int64}
"""Integers of as many bytes as a float."""

FEW = 1024
"""Up to so many elements, np.where is as fast."""


def keep(x: Array, mask: Any) -> Array:
    """Keep x where the mask holds; elsewhere it is 0.0, whatever stands there: inf, NaN, −0.0.

    >>> keep(2.0, True), keep(np.array([1.0, np.inf]), np.array([True, False]))
    (2.0, array([1., 0.]))
    """
    if type(x) is float and type(mask) is bool:
        return x if mask else 0.0
    x, mask = in_rows(x), in_rows(mask)
    if _have_bits(x, mask) and x.size > FEW:
        return (x.view(BITS[x.itemsize]) * mask).view(x.dtype)
    return keep_elements(x, mask=mask)


def split(x: Array, mask: Any) -> tuple[Array, Array]:
    """Keep x where the mask holds, and where it does not.

    >>> split(2.0, True), split(np.array([1.0, np.inf]), np.array([True, False]))
    ((2.0, 0.0), (array([1., 0.]), array([ 0., inf])))
    """
    if type(x) is float and type(mask) is bool:
        return (x, 0.0) if mask else (0.0, x)
    x, mask = in_rows(x), in_rows(mask)
    if _have_bits(x, mask):
        bits = x.view(BITS[x.itemsize])
        kept = bits * mask
        return kept.view(x.dtype), (bits - kept).view(x.dtype)
    return keep(x, mask), keep(x, opposite(mask))


def in_rows(x: Array) -> Array:
    """Lay an array out in row-major order, as weights lay out what they send: sums stay equal."""
    if type(x) is not np.ndarray or x.flags.c_contiguous:
        return x
    return np.ascontiguousarray(x)


def _have_bits(x: Array, mask: Any) -> bool:
    """Return whether the bits of x, read as integers, can be multiplied by a mask of 0 and 1.

    That gives the numbers of `np.where`, which takes 15 times as long where a mask is irregular.
    """
    return type(x) is type(mask) is np.ndarray and x.shape == mask.shape and x.itemsize in BITS


@primitive
def keep_elements(x: Array, *, mask: Any) -> Array:
    """Keep x where the mask holds, elementwise."""
    return np.where(mask, x, 0.0)


@implements(keep_elements)
def keep_rule(x: Array, *, mask: Any) -> tuple[Array, Backward]:
    """Differentiate keep: what was dropped gets nothing.

    y = x [mask]            ∂E/∂x = g [mask]
    """

    def keep_backward(g: Array) -> Contributions:
        to_x = keep(g, mask)
        return (to_x,)

    return keep(x, mask), keep_backward


def choose(mask: Any, x: Array, w: Array) -> Array:
    """Choose x where the mask holds, else w, as np.where does; of two floats as Python does.

    >>> choose(True, 2.0, 3.0), choose(np.array([True, False]), 2.0, 3.0)
    (2.0, array([2., 3.]))
    """
    if type(x) is float and type(mask) is bool:
        return x if mask else w
    return np.where(mask, x, w)


def plain(y: Array, x: Array) -> Array:
    """Return y, which NumPy computed, as a Python float where x is one: those are faster."""
    return float(y) if type(x) is float else y


def opposite(mask: Any) -> Any:
    """Return where a mask does not hold."""
    return np.logical_not(mask) if isinstance(mask, np.ndarray) else not mask


@observation
def truth(mask: Array) -> Any:
    """Return where a condition holds: where it is not 0."""
    return bool(mask) if type(mask) in PYTHON else np.asarray(mask, bool)
