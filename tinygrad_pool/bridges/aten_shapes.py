"""PyTorch's operations that reshape, join, cut, pad, sort and index, for Values and for arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.bridges.aten import Axes, cast
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import UnsupportedError


@translates("aten.squeeze")
def squeeze(x: Any, axes: Axes = None) -> Any:
    """Drop axes of length 1, or those of them that are listed; longer axes remain."""
    listed = range(x.ndim) if axes is None else np.atleast_1d(axes) % max(x.ndim, 1)
    return np.reshape(x, tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in listed))


@translates("aten.expand", "aten.expand_copy")
def expand(x: Any, shape: Sequence[int], implicit: bool = False) -> Any:  # noqa: ARG001
    """Broadcast to a shape, in which −1 keeps the length of an axis."""
    own = (1,) * (len(shape) - x.ndim) + x.shape
    return np.broadcast_to(x, tuple(n if m == -1 else m for n, m in zip(own, shape, strict=True)))


@translates("aten.select", "aten.index_select")
def select(x: Any, axis: int, at: Any) -> Any:
    """Select one index along an axis, or several."""
    return x[(slice(None),) * (axis % max(x.ndim, 1)) + (data_of(at),)]


@translates("aten.slice")
def sliced(
    x: Any, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """Select a range along an axis."""
    if start in (None, 0) and step == 1 and (end is None or end >= x.shape[axis]):
        return x
    return select(x, axis, slice(start, end, step))


@translates("aten.split", "aten.split_with_sizes")
def split(x: Any, sizes: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut into parts along an axis, by the length of all or of each."""
    n = x.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, n - at) for at in range(0, n, sizes)]
    ends = np.cumsum(sizes).tolist()
    return [sliced(x, axis, end - m, end) for m, end in zip(sizes, ends, strict=True)]


@translates("aten.gather")
def gather(x: Any, axis: int, index: Any, sparse_grad: bool = False) -> Any:  # noqa: ARG001
    """Select, for each element of `index`, the element of x at that index along one axis."""
    return x[_key_along(axis, index)]


def _key_along(axis: int, index: Any) -> tuple[Any, ...]:
    """Return the key that selects by an index along one axis."""
    key = list(np.indices(np.shape(index), sparse=True))
    key[axis] = np.asarray(index)
    return tuple(key)


def _put(x: Any, key: Any, new: Any) -> Any:
    """Replace the elements that a key selects: each element of the result is from x or from new."""
    cells = np.arange(x.size)
    replaced = cells.reshape(x.shape)[key].reshape(-1)
    cells[replaced] = x.size + np.arange(replaced.size)
    return np.concatenate([np.reshape(x, -1), np.reshape(new, -1)])[cells].reshape(x.shape)


@translates("aten.scatter")
def scatter(x: Any, axis: int, index: Any, new: Any) -> Any:
    """Replace, for each element of `index`, the element of x at that index along one axis."""
    return _put(x, _key_along(axis, index), copy(index, new, x.dtype))


@translates("aten.index_put")
def index_put(x: Any, at: Sequence[Any], new: Any, accumulate: bool = False) -> Any:
    """Replace the elements that indices or a mask select.

    Raises UnsupportedError for accumulate=True.
    """
    if accumulate:
        raise UnsupportedError("index_put: accumulate=True is not supported")
    key = _key_of(at)
    return _put(x, key, copy(data_of(x)[key], new, x.dtype))


def _key_of(at: Sequence[Any]) -> tuple[Any, ...]:
    """Return a list of indices as a key; None means a whole axis."""
    return tuple(slice(None) if i is None else data_of(i) for i in at)


@translates("aten.copy")
def copy(x: Any, new: Any, dtype: Any = None, **_: Any) -> Any:
    """Return `new` in the shape and the dtype of x."""
    own = np.dtype(dtype) if isinstance(dtype, np.dtype) else x.dtype
    return np.broadcast_to(cast(new if isinstance(new, Value) else np.asarray(new), own), x.shape)


@translates("aten.pad")
def pad_last_axes(
    x: Any, sides: Sequence[int], mode: str = "constant", value: float | None = None
) -> Any:
    """Add elements on both sides of the last axes; `sides` lists the last axis first."""
    last_axes = [*zip(sides[::2], sides[1::2], strict=True)][::-1]
    all_axes = [(0, 0)] * (x.ndim - len(last_axes)) + last_axes
    if mode == "constant":
        return pad(x, all_axes, constant_values=value or 0.0)
    return pad(x, all_axes, {"replicate": "edge", "circular": "wrap"}.get(mode, mode))


def pad(x: Any, sides: Sequence[tuple[int, int]], mode: Any = "constant", **options: Any) -> Any:
    """Add elements before and after each axis as np.pad does; a negative number cuts some off."""
    if (np.array(sides) < 0).any():
        x = x[tuple(slice(max(-before, 0), min(after, 0) or None) for before, after in sides)]
    added = np.maximum(sides, 0)
    return np.pad(x, added, mode, **options) if added.any() else x


@translates("aten.sort")
def sort(x: Any, dim: int = -1, descending: bool = False, *, stable: Any = None) -> Any:  # noqa: ARG001
    """Sort along an axis, and return the index of each, too. Equal elements keep their order."""
    if descending:
        y, order = sort(np.flip(x, dim), dim)
        return np.flip(y, dim), x.shape[dim] - 1 - np.flip(order, dim)
    order = np.argsort(data_of(x), axis=dim, kind="stable")
    return np.sort(x, axis=dim, kind="stable"), order


@translates("aten.topk")
def topk(x: Any, k: int, axis: int = -1, largest: bool = True, _: bool = True) -> Any:
    """Return the k largest along an axis, or the smallest, and the index of each."""
    return tuple(sliced(part, axis, 0, k) for part in sort(x, axis, largest))


@translates("aten.repeat")
def repeat(x: Any, times: Sequence[int]) -> Any:
    """Repeat the array along each axis; copies along the first are joined, for any batch size."""
    y = np.tile(x, (1, *times[1:]))
    return y if times[0] == 1 else np.concatenate([y] * times[0] or [sliced(y, 0, 0, 0)])


SIMPLE: dict[str, Callable[..., Any]] = {
    "constant_pad_nd": lambda x, sides, value=0.0: pad_last_axes(x, sides, "constant", value),
    **dict.fromkeys(
        ("view", "reshape", "_unsafe_view"), lambda x, shape: np.reshape(x, tuple(shape))
    ),
    "transpose": lambda x, one, other: np.swapaxes(x, one, other) if x.ndim else x,
    "flip": lambda x, axes: np.flip(x, tuple(axes)),
    "roll": lambda x, shifts, axes=(): np.roll(x, tuple(shifts), tuple(axes) or None),
    "unbind": lambda x, axis=0: [select(x, axis, i) for i in range(x.shape[axis])],
    "index": lambda x, at: x[_key_of(at)],
    "cat": lambda xs, axis=0: np.concatenate([x for x in xs if np.shape(x) != (0,)], axis=axis),
}
TRANSLATIONS.update({f"aten.{name}": f for name, f in SIMPLE.items()})
