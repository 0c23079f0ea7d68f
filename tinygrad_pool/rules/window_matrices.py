"""Sums over windows, and their adjoint, as products with matrices of 0 and 1, one along each axis.

A[k, l] is 1 if window k sees cell l. The sums of the windows are A x along one axis after another,
and the adjoint is Aᵀ g. Most terms are multiplied by 0, but unless windows are short on a long axis
it is still faster.
"""

from __future__ import annotations

from functools import lru_cache
from math import isfinite, prod
from typing import Any

import numpy as np

from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.windows import AnyWindows, Floats

NUMBERS = 2**14
"""The most elements of a matrix."""

ROW = 8
"""Shorter rows are summed first, in NumPy's order. For longer rows columns first is faster."""

ZEROS = 10
"""An axis is at most this many times as long as a window: beyond that, its matrix is mostly 0."""


def sums_by_matrices(planes: Floats, windows: AnyWindows, dtype: np.dtype[Any]) -> Floats | None:
    """Sum each window of some planes; None where another way is faster, or a sum is not finite."""
    matrices = matrices_of(windows, planes.shape[1:], dtype)
    if matrices is None:
        return None
    with np.errstate(invalid="ignore", over="ignore"):  # ∞ · 0 makes the sums NaN
        y, to_units = planes.astype(dtype, copy=False), matrices[-1].T
        if rows_first := windows.kernel[-1] < ROW:
            y = _multiply_rows(y, to_units)
        for axis in reversed(range(len(matrices) - 1)):
            y = _multiply_along(axis + 1, matrices[axis], y)
        y = y if rows_first else _multiply_rows(y, to_units)
    return y if _is_finite(y) else None


def spread_by_matrices(g: Floats, windows: AnyWindows, space: Shape) -> Floats | None:
    """Add the contribution of each window to its cells: the adjoint of `sums_by_matrices`."""
    matrices = matrices_of(windows, space, g.dtype)
    if matrices is None or not _is_finite(g):
        return None
    to_x = _multiply_rows(g, matrices[-1])
    for axis in reversed(range(len(matrices) - 1)):
        to_x = _multiply_along(axis + 1, matrices[axis].T, to_x)
    return to_x


@lru_cache(maxsize=64)
def matrices_of(windows: AnyWindows, space: Shape, dtype: np.dtype[Any]) -> list[Floats] | None:
    """Return A for each axis; None if one is large or almost all 0.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> matrices_of(windows_of("", 1, 2), (4,), np.dtype(int))
    [array([[1, 1, 0, 0],
           [0, 0, 1, 1]])]
    """
    lengths = list(zip(space, windows.over(space), windows.kernel, strict=True))
    if any(n * m > NUMBERS or n > ZEROS * k for n, m, k in lengths):
        return None
    matrices = []
    for axis, (n, m, _) in enumerate(lengths):
        cells = windows.look(axis, np.arange(m))
        unit, tap = np.nonzero((cells >= 0) & (cells < n))
        matrices.append(np.zeros((m, n), dtype))
        matrices[axis][unit, cells[unit, tap]] = 1
    return matrices


def _multiply_along(axis: int, A: Floats, x: Floats) -> Floats:
    """Multiply along an axis other than the last one."""
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    product: Floats = np.matmul(A, x.reshape(prod(before), n, prod(after)))
    return product.reshape(*before, len(A), *after)


def _multiply_rows(x: Floats, A: Floats) -> Floats:
    """Multiply along the last axis, plane by plane: rounding must not depend on other planes."""
    product: Floats = np.matmul(x, A) if x.ndim > 2 else np.matmul(x[:, None], A)[:, 0]
    return product


def _is_finite(x: Floats) -> bool:
    """Return whether x is finite, and so is the sum of its squares: one call tests both."""
    return isfinite(np.vdot(x, x))
