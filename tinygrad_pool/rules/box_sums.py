"""Fast average pooling: sums over windows, and their adjoint.

A window is a box, so it is summed one axis after another. Windows that are short on a long axis are
cut into tiles and summed row by row, in the order in which NumPy sums unfolded windows; gradients
are added in row-major order of the windows, as in `fold`. So both agree with
`avg_pool_by_unfolding`, mostly to the last bit. Other windows are summed by matrix products or,
where the matrices would be large, over ranges; these round in another order.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, prod
from typing import Any

import numpy as np

from tinygrad_pool.rules.arguments import Key, Shape
from tinygrad_pool.rules.range_sums import sum_ranges
from tinygrad_pool.rules.rule import Array, Backward, Contributions
from tinygrad_pool.rules.tiles import Tile, is_whole, tiled, tiles
from tinygrad_pool.rules.window_matrices import spread_by_matrices, sums_by_matrices
from tinygrad_pool.rules.windows import AnyWindows, Floats, Windows


def fast_avg_pool(
    x: Floats, windows: AnyWindows, K: Any, dtype: np.dtype[Any]
) -> tuple[Floats, Backward]:
    """Divide the sum of each window by K, one number or one per window, computing with `dtype`."""
    shape, lead, x_dtype = x.shape, x.ndim - len(windows.kernel), x.dtype
    space = shape[lead:]
    y = box_sums(x.reshape(prod(shape[:lead]), *space), windows, dtype)
    y /= K
    units = y.shape

    def avg_pool_backward(g: Array) -> Contributions:
        share = g.reshape(units).astype(dtype, copy=False) / K
        to_x = spread(share, windows, space).reshape(shape).astype(x_dtype, copy=False)
        return (to_x,)

    return y.reshape(*shape[:lead], *units[1:]).astype(x_dtype, copy=False), avg_pool_backward


def box_sums(planes: Floats, windows: AnyWindows, dtype: np.dtype[Any]) -> Floats:
    """Sum up each window of some planes.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> box_sums(np.array([[1.0, 2.0, 4.0]]), windows_of("", 1, 2, 1), np.dtype(float))
    array([[3., 6.]])
    """
    space = planes.shape[1:]
    if is_whole(windows, space):
        total = _sums_of_all(planes.reshape(len(planes), prod(space)), dtype)
        return total.reshape(len(planes), *(1 for _ in space))
    product = sums_by_matrices(planes, windows, dtype)
    if product is not None:
        return product
    y = np.empty((len(planes), *windows.over(space)), dtype)
    tiling = _tiling(windows, space)
    if tiling is None:
        sum_ranges(planes, windows, space, y)
    else:
        for key, tile in tiles(tiling, space, len(planes)):
            sums = _sums_disjoint if tile.disjoint and tile.full else _sums
            y[key] = sums(tile, planes[key[0]], dtype)
    return y


def spread(g: Floats, windows: AnyWindows, space: Shape) -> Floats:
    """Add the contribution of each window to all its cells: the adjoint of `box_sums`.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> spread(np.array([[10.0, 20.0]]), windows_of("", 1, 2, 1), (3,))
    array([[10., 30., 20.]])
    """
    shape = (len(g), *space)
    if is_whole(windows, space):
        to_x = np.empty(shape, g.dtype)
        to_x[...] = g + 0.0  # a sum has no −0.0
        return to_x
    product = spread_by_matrices(g, windows, space)
    if product is not None:
        return product
    tiling = _tiling(windows, space)
    if tiling is None:
        to_x = np.empty(shape, g.dtype)
        sum_ranges(g + 0.0, windows, space, to_x, back=True)
    else:
        to_x = (np.empty if _is_partition(tiling, space) else np.zeros)(shape, g.dtype)
        for key, tile in tiles(tiling, space, len(g)):
            if tile.disjoint and tile.full:
                _spread_disjoint(tile, g[key] + 0.0, to_x[key[0]])
            else:
                _spread(tile, g[key], to_x[key[0]])
    return to_x


def _tiling(windows: AnyWindows, space: Shape) -> Windows | None:
    """Return the windows to cut into tiles; None where ranges are possible and faster."""
    if isinstance(windows, Windows) and max(windows.dilation) > 1:
        return windows
    return tiled(windows, space)


@lru_cache(maxsize=256)
def _is_partition(windows: Windows, space: Shape) -> bool:
    """Return whether every cell is in exactly one window."""
    seen = tuple(map(int.__mul__, windows.over(space), windows.kernel))
    side_by_side = windows.extent == windows.kernel == windows.stride
    return side_by_side and seen == space and not any(map(any, windows.padding))


def _sums_of_all(rows: Floats, dtype: np.dtype[Any]) -> Floats:
    """Sum each row. Long rows are summed in pieces by einsum, which is faster than np.sum."""
    piece = gcd(rows.shape[1], 256)
    if piece >= 64 and rows.dtype == dtype:
        pieces = np.einsum("ij->i", rows.reshape(rows.size // piece, piece))
        rows = pieces.reshape(len(rows), rows.shape[1] // piece)
    return np.asarray(np.add.reduce(rows, axis=1, dtype=dtype))


# -- by tiles


def _sums(tile: Tile, planes: Floats, dtype: np.dtype[Any]) -> Floats:
    """Sum up each window of a tile: along the last axis, and then row by row."""
    flat = tile.lay_out(planes, 0.0, dtype)
    for taps in (tile.taps[-1], tile.rows):
        flat = _add_up([flat[tap] for tap in taps], dtype)
    return tile.units(flat)


def _sums_disjoint(tile: Tile, planes: Floats, dtype: np.dtype[Any]) -> Floats:
    """Sum windows that cover the cells without overlap or gaps, without laying them out."""
    cells, s = planes[tile.inside], tile.groups[-1]
    rows = _add_up([cells[..., i::s] for i in range(s)], dtype)
    return _add_up([rows[key] for key in _steps(tile.groups[:-1])], dtype)


def _add_up(parts: list[Floats], dtype: np.dtype[Any]) -> Floats:
    """Add arrays from the first to the last."""
    if len(parts) == 1:
        return parts[0].astype(dtype, copy=False)
    total = np.add(parts[0], parts[1], dtype=dtype)
    for part in parts[2:]:
        total += part
    return total


@lru_cache(maxsize=256)
def _steps(strides: Shape) -> list[Key]:
    """List the keys of every s-th cell along some axes, one for each first cell."""
    return [
        (slice(None), *[slice(i, None, s) for i, s in zip(at, strides, strict=True)])
        for at in np.ndindex(strides)
    ]


def _spread(tile: Tile, g: Floats, to_x: Floats) -> None:
    """Add the contributions of the windows of a tile to their cells."""
    to_cells = tile.gradients_so_far(to_x)
    taps = tile.all_taps
    sent = np.zeros(taps[0].stop, g.dtype)
    tile.units(sent)[...] = g
    for tap in reversed(taps):
        to_cells[tap] += sent
    tile.put_back(to_cells, to_x)


def _spread_disjoint(tile: Tile, g: Floats, to_x: Floats) -> None:
    """Copy the contributions of windows that do not overlap to their cells, last axis first."""
    s = tile.groups[-1]
    rows = np.empty((*g.shape[:-1], g.shape[-1] * s), g.dtype)
    for i in range(s):
        rows[..., i::s] = g
    cells = to_x[tile.inside]
    for key in _steps(tile.groups[:-1]):
        cells[key] = rows
