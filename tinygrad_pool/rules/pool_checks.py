"""What pooling asks of its options, and what it makes of them."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from math import isfinite, prod
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.cells import FEW, counts_of
from tinygrad_pool.rules.windows import AnyWindows


@lru_cache(maxsize=256)
def check_pool(shape: Shape, windows: AnyWindows, units: bool = True) -> Shape:
    """Return the shape of the pooled array, after checking that every window is sound.

    Raises OptionError or ShapeError; the latter, unless `units` is False, names a window that holds
    no unit.
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
    """Find the first window that holds no unit."""
    found = []
    for axis, (n, count) in enumerate(zip(space, windows.over(space), strict=True)):
        if n and windows.kernel[axis] == windows.extent[axis]:
            continue  # not dilated, and longer than the padding
        cells = windows.counts(axis, n, np.arange(count), padding=False)
        if not cells.all():
            found.append((*(0,) * axis, int(cells.argmin()), *(0,) * (len(space) - axis - 1)))
    return min(found, default=None)


def divisors(windows: AnyWindows, space: Shape, padding: bool, dtype: Any) -> Any:
    """Count what each window averages: one number, or one per window where they differ.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> divisors(windows_of("", 1, 2, padding=1), (4,), True, float)
    2
    >>> divisors(windows_of("", 1, 2, padding=1), (4,), False, float)
    array([1., 2., 1.])
    """
    if _is_even(windows, space, padding):
        return prod(windows.kernel)
    few = prod(windows.over(space)) <= FEW
    return (_few_divisors if few else _divisors)(windows, space, padding, dtype)


def _divisors(windows: AnyWindows, space: Shape, padding: bool, dtype: Any) -> Any:
    return counts_of(windows, space, padding).astype(dtype)


_few_divisors = lru_cache(maxsize=64)(_divisors)


@lru_cache(maxsize=256)
def _is_even(windows: AnyWindows, space: Shape, padding: bool) -> bool:
    """Return whether all windows count as many cells: then the outermost ones have all theirs."""
    ends = zip(space, windows.over(space), windows.kernel, strict=True)
    return all(
        (windows.counts(axis, n, np.array([0, count - 1]), padding) == k).all()
        for axis, (n, count, k) in enumerate(ends)
    )


def check_norm(given: Any, name: str) -> float:
    """Read the p of a p-norm. Raises OptionError unless it is finite and at least 1."""
    p = _finite(given)
    if p is not None and p >= 1:
        return p
    raise OptionError(f"{name}: norm_type must be a finite number of at least 1, got {given!r:.80}")


def check_divisor(given: Any, name: str) -> float:
    """Read the divisor of an average. Raises OptionError unless it is finite and not 0."""
    divisor = _finite(given)
    if divisor:
        return divisor
    raise OptionError(
        f"{name}: divisor_override must be a finite number other than 0, got {given!r:.80}"
    )


def _finite(given: Any) -> float | None:
    """Return a finite number as a float; None for all else."""
    if isinstance(given, Real) and not isinstance(given, bool):
        with suppress(OverflowError):
            return float(given) if isfinite(given) else None
    return None
