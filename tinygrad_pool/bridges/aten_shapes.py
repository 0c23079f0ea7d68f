"""PyTorch's shapes, joins, cuts and indices on Values, and on arrays alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool.bridges.aten import Axes, cast
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ShapeError, UnsupportedError


@translates("aten.view", "aten.reshape", "aten._unsafe_view", "aten._reshape_copy")
def view(x: Any, shape: Sequence[int]) -> Any:
    """Give the same numbers another shape. Raises ShapeError if the sizes differ."""
    if isinstance(x, Value):
        return x.reshape(tuple(shape))
    try:
        return np.reshape(x, tuple(shape))
    except ValueError:
        raise ShapeError(f"view: {x.size} elements of shape {x.shape} do not fit {shape}") from None


@translates("aten.flatten")
def flatten(x: Any, start: int = 0, end: int = -1) -> Any:
    """Merge the axes from start to end."""
    n = max(x.ndim, 1)
    first, last = start % n, end % n
    return np.reshape(x, (*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


@translates("aten.unflatten")
def unflatten(x: Any, axis: int, sizes: Sequence[int]) -> Any:
    """Split one axis into several."""
    at = axis % x.ndim
    known = -prod(sizes)
    sizes = [x.shape[at] // known if n == -1 else n for n in sizes] if -1 in sizes else sizes
    return np.reshape(x, (*x.shape[:at], *sizes, *x.shape[at + 1 :]))


@translates("aten.squeeze")
def squeeze(x: Any, axes: Axes = None) -> Any:
    """Drop axes of length 1; a named one that is longer stays."""
    wanted = range(x.ndim) if axes is None else np.atleast_1d(axes) % max(x.ndim, 1)
    return np.reshape(x, tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in wanted))


@translates("aten.expand", "aten.expand_copy")
def expand(x: Any, shape: Sequence[int], implicit: bool = False) -> Any:  # noqa: ARG001
    """Repeat along axes of length 1; −1 keeps an axis."""
    own = (1,) * (len(shape) - x.ndim) + x.shape
    return np.broadcast_to(x, tuple(n if m == -1 else m for n, m in zip(own, shape, strict=True)))


@translates("aten.repeat")
def repeat(x: Any, times: Sequence[int]) -> Any:
    """Repeat the whole so often along each axis."""
    y = np.reshape(x, (1,) * (len(times) - x.ndim) + x.shape)
    for axis, n in enumerate(times):
        if n != 1:
            y = np.concatenate([y] * n, axis=axis)
    return y


@translates("aten.select", "aten.index_select")
def select(x: Any, axis: int, at: Any) -> Any:
    """Take one slice along an axis, or several."""
    return x[(slice(None),) * (axis % max(x.ndim, 1)) + (data_of(at),)]


@translates("aten.slice")
def sliced(
    x: Any, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """Take a range along an axis."""
    if start in (None, 0) and step == 1 and (end is None or end >= x.shape[axis]):
        return x
    return select(x, axis, slice(start, end, step))


@translates("aten.split", "aten.split_with_sizes")
def split(x: Any, sizes: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut into parts along an axis."""
    n = x.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, n - at) for at in range(0, n, sizes)]
    ends = np.cumsum(sizes).tolist()
    return [sliced(x, axis, end - m, end) for m, end in zip(sizes, ends, strict=True)]


@translates("aten.gather")
def gather(x: Any, axis: int, places: Any, sparse_grad: bool = False) -> Any:  # noqa: ARG001
    """Take, for each place in `places`, the element of x there along one axis."""
    return x[_along(axis, places)]


def _along(axis: int, places: Any) -> tuple[Any, ...]:
    """Return the key of the elements at places along one axis."""
    key = list(np.indices(np.shape(places), sparse=True))
    key[axis] = np.asarray(places)
    return tuple(key)


def _put(x: Any, key: Any, new: Any) -> Any:
    """Set the elements that a key selects: each cell of the result is one of x or of `new`."""
    places = np.arange(x.size).reshape(x.shape)[key].reshape(-1)
    cells = np.arange(x.size)
    cells[places] = x.size + np.arange(places.size)
    return np.concatenate([np.reshape(x, -1), np.reshape(new, -1)])[cells].reshape(x.shape)


@translates("aten.scatter")
def scatter(x: Any, axis: int, places: Any, new: Any) -> Any:
    """Set, for each place in `places`, the element of x there along one axis."""
    return _put(x, _along(axis, places), copy(places, new, x.dtype))


@translates("aten.index_put")
def index_put(x: Any, at: Sequence[Any], new: Any, accumulate: bool = False) -> Any:
    """Set what indices or a mask select. Raises UnsupportedError for sums."""
    if accumulate:
        raise UnsupportedError("index_put: accumulate=True is not translated")
    key = tuple(slice(None) if i is None else data_of(i) for i in at)
    return _put(x, key, copy(data_of(x)[key], new, x.dtype))


@translates("aten.copy")
def copy(x: Any, new: Any, dtype: Any = None, **_: Any) -> Any:
    """Return new numbers in the shape of x, and in its dtype."""
    own = np.dtype(dtype) if isinstance(dtype, np.dtype) else x.dtype
    return np.broadcast_to(cast(new if isinstance(new, Value) else np.asarray(new), own), x.shape)


@translates("aten.roll")
def roll(x: Any, shifts: Sequence[int], axes: Sequence[int] = ()) -> Any:
    """Move along axes, and what leaves at the end to the beginning; along none, of all in a row."""
    if not axes:
        return np.reshape(roll(np.reshape(x, -1), shifts, (0,)), x.shape)
    for n, axis in zip(shifts, axes, strict=True):
        length = x.shape[axis]
        at = -n % length if length else 0
        x = np.concatenate([sliced(x, axis, at), sliced(x, axis, 0, at)], axis=axis) if at else x
    return x


@translates("aten.constant_pad_nd")
def pad(x: Any, sides: Sequence[int], value: float = 0.0) -> Any:
    """Add a constant on each side; the last axis comes first in `sides`. A negative side cuts."""
    for i, (before, after) in enumerate(zip(sides[::2], sides[1::2], strict=True)):
        axis = x.ndim - 1 - i
        x = sliced(x, axis, max(-before, 0), x.shape[axis] - max(-after, 0))
        parts = [_filled(x, axis, before, value), x, _filled(x, axis, after, value)]
        kept = [part for part in parts if part is x or part.shape[axis]]
        x = np.concatenate(kept, axis=axis) if len(kept) > 1 else x
    return x


def _filled(x: Any, axis: int, n: int, value: float) -> Any:
    shape = (*x.shape[:axis], max(n, 0), *x.shape[axis + 1 :])
    return np.full(shape, value, data_of(x).dtype)


SIMPLE: dict[str, Callable[..., Any]] = {
    "transpose": lambda x, one, other: np.swapaxes(x, one, other) if x.ndim else x,
    "flip": lambda x, axes: np.flip(x, tuple(axes)),
    "chunk": lambda x, parts, axis=0: split(x, -(-x.shape[axis] // parts), axis),
    "unbind": lambda x, axis=0: [select(x, axis, i) for i in range(x.shape[axis])],
    "index": lambda x, at: x[tuple(slice(None) if i is None else data_of(i) for i in at)],
    "cat": lambda xs, axis=0: np.concatenate([x for x in xs if np.shape(x) != (0,)], axis=axis),
}
TRANSLATIONS.update({f"aten.{name}": f for name, f in SIMPLE.items()})
