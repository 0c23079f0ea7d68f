"""ONNX's shapes, joins, cuts and places on Values; shapes and places themselves are arrays."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool.bridges import aten, aten_shapes
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, UnsupportedError

LARGEST = 2**28
"""The most numbers that an operation may make whose shape comes from the file."""


def _lengths(given: Any) -> list[int]:
    """Read a shape out of an array. Raises OptionError if it is too large to be meant."""
    sizes = [int(n) for n in np.asarray(data_of(given)).reshape(-1).tolist()]
    if prod(max(n, 1) for n in sizes) > LARGEST:
        raise OptionError(f"onnx: a shape of {sizes} has more than {LARGEST:,} numbers")
    return sizes


@translates("onnx.Range")
def numbers_between(start: Any, limit: Any, delta: Any) -> Any:
    """List numbers from start to limit, by steps."""
    first, last, step = (np.asarray(data_of(b)) for b in (start, limit, delta))
    _lengths((last - first) / step)
    numbers: Any = np.arange(first.item(), last.item(), step.item())
    return numbers.astype(first.dtype)


@translates("onnx.Reshape")
def reshape(x: Any, shape: Any, allowzero: int = 0) -> Any:
    """Give the same numbers another shape; 0 keeps an axis."""
    sizes = _lengths(shape)
    own = np.shape(x)
    return np.reshape(
        x, tuple(own[i] if n == 0 and not allowzero else n for i, n in enumerate(sizes))
    )


def places_of(given: Any) -> tuple[int, ...] | None:
    """Read axes or other places out of an array or a list, if there are any."""
    return None if given is None else tuple(np.asarray(given).reshape(-1).tolist())


@translates("onnx.Expand")
def expand(x: Any, shape: Any) -> Any:
    """Broadcast, both ways."""
    wide = np.broadcast_shapes(np.shape(x), tuple(_lengths(shape)))
    return np.broadcast_to(x, wide)


@translates("onnx.Split")
def split(x: Any, split: Any = None, axis: int = 0, num_outputs: Any = None) -> Any:
    """Cut into parts along an axis."""
    given: Any = -(-x.shape[axis] // num_outputs) if split is None else places_of(split)
    return aten_shapes.split(x, given, axis)


@translates("onnx.Slice")
def sliced(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """Take ranges along axes."""
    first, last = (np.asarray(given).tolist() for given in (starts, ends))
    over = places_of(axes) or range(len(first))
    key = [slice(None)] * x.ndim
    for axis, i, j, s in zip(over, first, last, places_of(steps) or [1] * len(first), strict=True):
        n = x.shape[axis]
        back = (max(i, -n), None if j < -n else j)  # what begins before the first, begins with it
        key[axis] = slice(*(back if s < 0 else (i, j)), s)
    return x[tuple(key)]


@translates("onnx.Pad")
def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, mode: str = "constant") -> Any:
    """Add a constant on each side."""
    if mode != "constant":
        raise UnsupportedError(f"onnx.Pad: mode {mode!r} is not translated, only 'constant'")
    given = _lengths(pads)
    n = len(given) // 2
    over = places_of(axes) or range(n)
    by_axis = {axis % x.ndim: (given[i], given[i + n]) for i, axis in enumerate(over)}
    flat = [k for axis in reversed(range(x.ndim)) for k in by_axis.get(axis, (0, 0))]
    return aten_shapes.pad(x, flat, 0.0 if value is None else float(np.asarray(value)))


@translates("onnx.Tile")
def tile(x: Any, times: Any) -> Any:
    """Repeat the whole so often along each axis."""
    counts = _lengths(times)
    _lengths([n * m for n, m in zip(np.shape(x), counts, strict=True)])
    return aten_shapes.repeat(x, counts)


@translates("onnx.ConstantOfShape")
def constant_of_shape(shape: Any, value: Any = None) -> Any:
    """Fill a shape with one number."""
    fill = np.zeros(1, np.float32) if value is None else np.asarray(value)
    return np.full(tuple(_lengths(shape)), fill.reshape(-1)[0], fill.dtype)


@translates("onnx.Cast")
def cast(x: Any, to: Any, saturate: int = 1) -> Any:  # noqa: ARG001  # of 8-bit floats
    """Convert to another dtype."""
    return aten.cast(x, np.dtype(to)) if isinstance(x, Value) else np.asarray(x).astype(to)


SIMPLE: dict[str, Callable[..., Any]] = {
    "Flatten": lambda x, axis=1: np.reshape(x, (prod(x.shape[:axis]), prod(x.shape[axis:]))),
    "Transpose": lambda x, perm=None: np.transpose(x, perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, places_of(axes) or ()),
    "Trilu": lambda x, k=0, upper=1: aten.triangle(x, int(np.asarray(k)), bool(upper)),
    "Squeeze": lambda x, axes=None: np.squeeze(x, axis=places_of(axes)),
    "Concat": lambda *xs, axis: np.concatenate(xs, axis=axis),
    "Gather": lambda x, at, axis=0: aten_shapes.select(x, axis, np.asarray(data_of(at))),
    "GatherElements": lambda x, at, axis=0: aten_shapes.gather(x, axis, np.asarray(at)),
}
TRANSLATIONS.update({f"onnx.{name}": f for name, f in SIMPLE.items()})
