"""ONNX's operations that reshape, join, cut, pad and index, for Values and for arrays."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool.bridges import aten, aten_shapes
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError

LARGEST = 2**28
"""The most elements that an operation may create if its shape comes from the file."""


def integers(given: Any) -> tuple[int, ...] | None:
    """Read axes or other integers from an array or a list; None remains None."""
    return None if given is None else tuple(np.asarray(data_of(given), int).reshape(-1).tolist())


def _lengths(given: Any) -> tuple[int, ...]:
    """Read a shape. Raises OptionError if it has too many elements for a small network."""
    lengths = integers(given) or ()
    if prod(max(n, 1) for n in lengths) > LARGEST:
        raise OptionError(f"onnx: a shape of {[*lengths]} has more than {LARGEST:,} numbers")
    return lengths


@translates("onnx.Range")
def numbers_between(start: Any, limit: Any, delta: Any) -> Any:
    """List the numbers from start to limit in steps of delta."""
    first, last, step = (np.asarray(data_of(bound)) for bound in (start, limit, delta))
    _lengths((last - first) / step)
    numbers: Any = np.arange(first.item(), last.item(), step.item())
    return numbers.astype(first.dtype)


@translates("onnx.Reshape")
def reshape(x: Any, shape: Any, allowzero: int = 0) -> Any:
    """Change the shape; a length of 0 keeps that of the axis."""
    own = np.shape(x)
    lengths = enumerate(_lengths(shape))
    return np.reshape(x, [own[i] if n == 0 and not allowzero else n for i, n in lengths])


@translates("onnx.Split")
def split(x: Any, split: Any = None, axis: int = 0, num_outputs: Any = None) -> Any:
    """Cut into parts along an axis."""
    sizes: Any = -(-x.shape[axis] // num_outputs) if split is None else integers(split)
    return aten_shapes.split(x, sizes, axis)


@translates("onnx.Slice")
def sliced(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """Select ranges along axes."""
    first, last = integers(starts) or (), integers(ends) or ()
    over = integers(axes) or range(len(first))
    key = [slice(None)] * x.ndim
    for axis, i, j, s in zip(over, first, last, integers(steps) or [1] * len(first), strict=True):
        n = x.shape[axis]
        if s < 0:  # a start before the first element is the first
            key[axis] = slice(max(i, -n), None if j < -n else j, s)
        else:
            key[axis] = slice(i, j, s)
    return x[tuple(key)]


@translates("onnx.Pad")
def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, mode: Any = "constant") -> Any:
    """Add elements on both sides of axes: a constant, or what the mode repeats."""
    widths = _lengths(pads)
    n = len(widths) // 2
    sides = [(0, 0)] * x.ndim
    for i, axis in enumerate(integers(axes) or range(n)):
        sides[axis] = widths[i], widths[i + n]
    if mode != "constant":
        return aten_shapes.pad(x, sides, mode)
    return aten_shapes.pad(x, sides, constant_values=float(np.asarray(value or 0.0)))


@translates("onnx.Tile")
def tile(x: Any, times: Any) -> Any:
    """Repeat the array along each axis."""
    counts = _lengths(times)
    _lengths([n * m for n, m in zip(np.shape(x), counts, strict=True)])
    return np.tile(x, counts)


@translates("onnx.ConstantOfShape")
def constant_of_shape(shape: Any, value: Any = None) -> Any:
    """Fill a shape with one number."""
    fill = np.zeros(1, np.float32) if value is None else np.asarray(value)
    return np.full(_lengths(shape), fill.reshape(-1)[0], fill.dtype)


@translates("onnx.Cast")
def cast(x: Any, to: Any, saturate: int = 1) -> Any:  # noqa: ARG001  # for 8-bit floats
    """Convert to another dtype."""
    return aten.cast(x, np.dtype(to)) if isinstance(x, Value) else np.asarray(x).astype(to)


SIMPLE: dict[str, Callable[..., Any]] = {
    "Expand": lambda x, shape: np.broadcast_to(
        x, np.broadcast_shapes(np.shape(x), _lengths(shape))
    ),
    "Flatten": lambda x, axis=1: np.reshape(x, (prod(x.shape[:axis]), prod(x.shape[axis:]))),
    "Transpose": lambda x, perm=None: np.transpose(x, perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, integers(axes) or ()),
    "Trilu": lambda x, k=0, upper=1: (np.triu if upper else np.tril)(x, int(np.asarray(k))),
    "Squeeze": lambda x, axes=None: np.squeeze(x, axis=integers(axes)),
    "Concat": lambda *xs, axis: np.concatenate(xs, axis=axis),
    "Gather": lambda x, at, axis=0: aten_shapes.select(x, axis, np.asarray(data_of(at))),
    "GatherElements": lambda x, at, axis=0: aten_shapes.gather(x, axis, np.asarray(at)),
    "TopK": lambda x, k, axis=-1, largest=1, sorted=1: aten_shapes.topk(  # noqa: ARG005
        x, int(np.asarray(k).item()), axis, bool(largest)
    ),
}
TRANSLATIONS.update({f"onnx.{name}": f for name, f in SIMPLE.items()})
