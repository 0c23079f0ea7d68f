"""Keep some numbers and set the others to 0, as kinks do with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.rules.primitive import PYTHON, observation, primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

BITS = {2: np.int16, 4: np.int32, 8: np.int64}
"""For each size of a float in bytes, the integer of the same size."""

FEW = 1024
"""Up to this many elements, np.where is as fast."""


def keep(x: Array, mask: Any) -> Array:
    """Keep x where the mask is True, and replace the rest by 0.0, also inf, NaN and −0.0.

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
    """Return x kept where the mask is True, and x kept where it is False.

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
    """Return an array in row-major order, as weight layers do, so that sums round equally."""
    if type(x) is not np.ndarray or x.flags.c_contiguous:
        return x
    return np.ascontiguousarray(x)


def _have_bits(x: Array, mask: Any) -> bool:
    """Return whether the bits of x, read as integers, can be multiplied by a mask of 0 and 1.

    This gives the numbers of `np.where`, which takes 15 times as long for irregular masks.
    """
    return type(x) is type(mask) is np.ndarray and x.shape == mask.shape and x.itemsize in BITS


@primitive
def keep_elements(x: Array, *, mask: Any) -> Array:
    """Keep x where the mask is True, elementwise."""
    return np.where(mask, x, 0.0)


@implements(keep_elements)
def keep_rule(x: Array, *, mask: Any) -> tuple[Array, Backward]:
    """Differentiate keep: only kept elements get a gradient.

    y = x [mask]            ∂E/∂x = g [mask]
    """

    def keep_backward(g: Array) -> Contributions:
        to_x = keep(g, mask)
        return (to_x,)

    return keep(x, mask), keep_backward


def choose(mask: Any, x: Array, w: Array) -> Array:
    """Choose x where the mask is True, w elsewhere, like np.where; floats remain Python floats.

    >>> choose(True, 2.0, 3.0), choose(np.array([True, False]), 2.0, 3.0)
    (2.0, array([2., 3.]))
    """
    if type(x) is float and type(mask) is bool and type(w) in PYTHON:
        return x if mask else w
    return np.where(mask, x, w)


def plain(y: Array, x: Array) -> Array:
    """Return y, computed by NumPy, as a Python float if x is one: they are faster."""
    return float(y) if type(x) is float else y


def opposite(mask: Any) -> Any:
    """Negate a mask."""
    return np.logical_not(mask) if isinstance(mask, np.ndarray) else not mask


@observation
def truth(mask: Array) -> Any:
    """Return a condition as bools: True where it is not 0."""
    return bool(mask) if type(mask) in PYTHON else np.asarray(mask, bool)
