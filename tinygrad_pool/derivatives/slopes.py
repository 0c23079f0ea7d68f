"""The local derivatives of a number with respect to its operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.vjp import vjp_by_operand


def slopes_of(node: Node) -> list[float] | None:
    """Compute ∂y/∂p of a number y for each operand p: of an array, the largest element.

    Returns None if y is a leaf or an array.

    >>> from tinygrad_pool import Value
    >>> slopes_of(Value(2.0) * 3.0)
    [3.0, 0.0]
    """
    if node.shape or node.is_leaf:
        return None
    with np.errstate(all="ignore"):
        return [0.0 if c is None else largest_of(c) for c in vjp_by_operand(node, np.ones(()))]


def largest_of(c: Any) -> float:
    """Return the element of largest magnitude: a NaN if there is one, 0 if the array is empty."""
    if isinstance(c, float | np.generic):
        return float(c)
    flat = np.ravel(c)
    return float(flat[np.abs(flat).argmax()]) if flat.size else 0.0
