"""Write the selection of elements by a key, x[key], in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.bridges.onnx_writer import Writer
from tinygrad_pool.rules import shaping

LAST = 2**31 - 1
"""Past the end of any axis."""


def getitem(op: Writer, node: Any, x: str) -> str:
    """Write numbers and slices as Slice, one array of indices as Gather, others from flat cells."""
    cells = cells_of(node)
    if cells is not None:
        return op("Gather", op("Reshape", x, [-1]), cells, axis=0)
    parts = _parts(node)
    for axis, p in enumerate(parts):
        if isinstance(p, list | np.ndarray):
            at = np.asarray(p)
            return op("Gather", x, np.flatnonzero(at) if at.dtype == bool else at, axis=axis)
    return _sliced(op, parts, x)


def cells_of(node: Any) -> Any:
    """Return the flat cells that a key with more than one array selects; None for any other key.

    They are those of one batch size.
    """
    if node.rule is not shaping.getitem:
        return None
    special = [p for p in _parts(node) if not _is_all(p)]
    arrays = [np.asarray(p) for p in special if isinstance(p, list | np.ndarray | bool | np.bool_)]
    if not arrays or len(special) == 1 == (arrays[0].ndim if arrays[0].dtype == bool else 1):
        return None
    x = node.parents[0]
    return np.arange(x.size).reshape(x.shape)[node.options["key"]]


def _parts(node: Any) -> tuple[Any, ...]:
    """Return the parts of a key, with whole slices for an ellipsis and for the other axes."""
    key = node.options.get("key", ())
    parts = key if isinstance(key, tuple) else (key,)
    rest = node.parents[0].ndim - sum(p is not None and p is not Ellipsis for p in parts)
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    return (*parts[:at], *(slice(None),) * rest, *parts[at + 1 :])


def _is_all(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _sliced(op: Writer, parts: Any, x: str) -> str:
    """Slice along each axis, then drop the axes with a number, and insert those of None."""
    on_axes = [p for p in parts if p is not None]
    ranges = [_range(axis, p) for axis, p in enumerate(on_axes) if not _is_all(p)]
    dropped = [axis for axis, p in enumerate(on_axes) if not isinstance(p, slice)]
    remaining = [p for p in parts if p is None or isinstance(p, slice)]
    new = [axis for axis, p in enumerate(remaining) if p is None]
    x = op("Slice", x, *zip(*ranges, strict=True)) if ranges else x
    x = op("Squeeze", x, dropped) if dropped else x
    return op("Unsqueeze", x, new) if new else x


def _range(axis: int, part: Any) -> tuple[int, int, int, int]:
    """Return a number or a slice as ONNX's start, end, axis and step."""
    if not isinstance(part, slice):
        return int(part), int(part) + 1 or LAST, axis, 1
    step = int(part.step or 1)
    first, last = (0, LAST) if step > 0 else (LAST, -LAST)
    first = first if part.start is None else int(part.start)
    return first, last if part.stop is None else int(part.stop), axis, step
