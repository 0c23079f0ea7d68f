"""Half-precision numbers, which are added up in single precision."""

from __future__ import annotations

import numpy as np

from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.rule import Array
from tinygrad_pool.rules.shaping import cast


def add_up(x: Array, axes: Shape, keepdims: bool = False) -> Array:
    """Sum over axes like np.sum, but float16 in float32: a float16 sum of ones stops at 2048.

    >>> float(add_up(np.ones(4096, np.float16), (0,)))
    4096.0
    """
    return as_given(np.sum(widened(x), axis=axes, keepdims=keepdims), x)


def widened(x: Array) -> Array:
    """Convert float16 to float32, to sum without losing digits."""
    return cast(x, dtype=np.float32) if getattr(x, "dtype", None) == np.float16 else x


def as_given(y: Array, x: Array) -> Array:
    """Convert a result to float16 if the operand is float16."""
    return cast(y, dtype=np.float16) if getattr(x, "dtype", None) == np.float16 else y
