"""Check the options of pooling, and count the cells that averages divide by."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from math import prod
from sys import float_info
from typing import Any

import numpy as np

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.arguments import Shape, real
from tinygrad_pool.rules.cells import FEW, counts_of
from tinygrad_pool.rules.windows import AnyWindows

LARGEST = float_info.max


@lru_cache(maxsize=256)
def check_pool(shape: Shape, windows: AnyWindows, units: bool = True) -> Shape:
    """Check that windows fit an input, and return the shape of the pooled array.

    Raises OptionError if the padding is not smaller than the window; ShapeError if windows are too
    long or, unless `units` is False, if one contains no unit.
    """
    name, ndim = windows.name, len(windows.kernel)
    for sides, extent in zip(windows.padding, windows.extent, strict=True):
        if max(sides) >= extent > 0:
            raise OptionError(
                f"{name}: padding {max(sides)} needs a window longer than {max(sides)}, "
                f"got {windows.options}"
            )
    out = windows.over(shape)
    empty = _first_empty(windows, shape[len(shape) - ndim :]) if units else None
    if empty is not None:
        raise ShapeError(
            f"{name}: window {empty} holds no unit of the input of shape {shape}; {windows.options}"
        )
    return (*shape[: len(shape) - ndim], *out)


def _first_empty(windows: AnyWindows, space: Shape) -> Shape | None:
    """Return the first window that contains no unit; None if all contain one."""
    empty = []
    for axis, (n, count) in enumerate(zip(space, windows.over(space), strict=True)):
        if n and windows.kernel[axis] == windows.extent[axis]:
            continue  # not dilated, and longer than the padding
        cells = windows.counts(axis, n, np.arange(count), padding=False)
        if not cells.all():
            empty.append((*(0,) * axis, int(cells.argmin()), *(0,) * (len(space) - axis - 1)))
    return min(empty, default=None)


def divisors(windows: AnyWindows, space: Shape, padding: bool, dtype: Any) -> Any:
    """Return the divisor of each average: one number, or one per window where they differ.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> divisors(windows_of("", 1, 2, padding=1), (4,), True, float)
    2
    >>> divisors(windows_of("", 1, 2, padding=1), (4,), False, float)
    array([1., 2., 1.])
    """
    if _is_even(windows, space, padding):
        return prod(windows.kernel)
    few = prod(windows.over(space)) <= FEW
    return (_divisors if few else _divisors.__wrapped__)(windows, space, padding, dtype)


@lru_cache(maxsize=64)
def _divisors(windows: AnyWindows, space: Shape, padding: bool, dtype: Any) -> Any:
    return counts_of(windows, space, padding).astype(dtype)


@lru_cache(maxsize=256)
def _is_even(windows: AnyWindows, space: Shape, padding: bool) -> bool:
    """Return whether all windows count their whole kernel: they do if the outermost ones do."""
    ends = zip(space, windows.over(space), windows.kernel, strict=True)
    return all(
        (windows.counts(axis, n, np.array([0, count - 1]), padding) == k).all()
        for axis, (n, count, k) in enumerate(ends)
    )


def check_norm(value: Any, name: str) -> float:
    """Return the p of a p-norm. Raises OptionError unless it is finite and at least 1."""
    with suppress(OptionError):
        return real(value, "", 1.0, LARGEST)
    raise OptionError(f"{name}: norm_type must be a finite number of at least 1, got {value!r:.80}")


def check_divisor(value: Any, name: str) -> float:
    """Return the divisor of an average. Raises OptionError unless it is finite and not 0."""
    with suppress(OptionError):
        if divisor := real(value, "", -LARGEST, LARGEST):
            return divisor
    raise OptionError(
        f"{name}: divisor_override must be a finite number other than 0, got {value!r:.80}"
    )
