"""Source text that converts results and contributions to what a Value holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.codegen.spelling import dtype_of
from tinygrad_pool.engine.data import unbroadcast_axes
from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.arithmetic import add, div, mul, power, sub
from tinygrad_pool.rules.half_precision import add_up
from tinygrad_pool.rules.rule import is_ours

KEEPERS = {
    "number": '''def number(result):
    """Convert a result to a Python float."""
    y, backward = result
    return float(y), backward
''',
    "scalar": '''def scalar(result):
    """Convert a result without axes to a NumPy scalar."""
    y, backward = result
    return y[()], backward
''',
    "floats": '''def floats(result):
    """Convert a result to floats."""
    y, backward = result
    return np.asarray(y, float)[()], backward
''',
}


def keeper_of(node: Node, y: Any, settled: Any) -> str:
    """Return the name of the function that converts a result, or "" if none is needed."""
    if type(settled) is float:
        return "" if type(y) is float and not _may_leave_the_floats(node) else "number"
    if isinstance(y, np.ndarray | np.generic) and y.dtype.kind == "f":
        return "scalar" if isinstance(y, np.ndarray) and not y.ndim else ""
    return "floats"


def _may_leave_the_floats(node: Node) -> bool:
    """Return whether other data may make the rule return a complex number or an integer.

    This may be a root, a maximum of integers, or a rule of the user.
    """
    rule = node.rule
    if rule is power:
        n = node.parents[1]
        return isinstance(n, Node) or not float(n).is_integer()
    has_integers = any(type(p) in (int, bool) for p in node.parents)
    return not is_ours(rule) or (has_integers and rule not in (add, sub, mul, div))


def fitted(text: str, c: Any, p: Node) -> str:
    """Write the conversion of a contribution to its operand's shape and dtype, as `unbroadcast`."""
    shape = np.shape(c)
    if shape != p.shape:
        axes = unbroadcast_axes(p.shape, shape)
        assert axes is not None
        text, c = _summed(text, c.dtype, axes), add_up(c, axes)
        if np.shape(c) != p.shape:
            text, c = f"np.reshape({text}, {p.shape})", np.reshape(c, p.shape)
    if type(p._numbers) is float:
        return text if type(c) is float else f"float({text})"
    if not p.shape and (not isinstance(c, np.generic) or c.dtype != p.dtype):
        return f"{dtype_of(p.dtype)}({text})"
    if np.asarray(c).dtype == p.dtype:
        return text
    return f"np.asarray({text}, {dtype_of(p.dtype)})"


def _summed(text: str, dtype: Any, axes: Shape) -> str:
    """Write a sum as the engine computes it: float16 is summed in float32."""
    axis = axes if len(axes) != 1 else axes[0]
    rounded = ", dtype=np.float32).astype(np.float16)" if dtype == np.float16 else ")"
    return f"np.sum({text}, axis={axis}{rounded}"
